//! Observes clusters during a run: which member is the primary, and whether all services are ready.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Result;
use bson::{Document, doc, oid::ObjectId};
use faults::checker::{Election, History, ReadinessChange};
use futures_util::future::join_all;
use local_stack::network::http;
use mongodb::{
    Client,
    options::{Acknowledgment, ClientOptions, WriteConcern},
};
use service_kit::Clock;
use test_support::Service;
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval, timeout},
};

use crate::deployment::{Deployment, Servers};

/// The time between two questions to a member of the replica set.
const HELLO_INTERVAL: Duration = Duration::from_millis(50);
const HELLO_DEADLINE: Duration = Duration::from_millis(500);
/// The deadline of the write that shows when a new primary has a majority.
const WRITE_DEADLINE: Duration = Duration::from_secs(10);
/// The time between two questions to the services.
const READINESS_INTERVAL: Duration = Duration::from_millis(100);
const READINESS_DEADLINE: Duration = Duration::from_secs(1);

/// The running observers. They end when this value is dropped.
pub(crate) struct Observers {
    observed: Arc<Mutex<Observed>>,
    _tasks: JoinSet<()>,
}

#[derive(Default)]
struct Observed {
    elections: Vec<Election>,
    readiness: Vec<ReadinessChange>,
}

impl Observers {
    /// Starts to observe a run on clusters. On single nodes there is nothing to observe.
    ///
    /// # Errors
    /// Returns an error if the connection string of a member is not valid.
    pub(crate) async fn start(deployment: &Deployment) -> Result<Self> {
        let observed = Arc::<Mutex<Observed>>::default();
        let mut tasks = JoinSet::new();
        if let Servers::Cluster(servers) = &deployment.servers {
            let set = servers.cluster.mongodb();
            for member in 0..set.size() {
                let client = direct_client(&set.direct_uri(member)).await?;
                tasks.spawn(observe_elections(client, format!("member {member}"), Arc::clone(&observed)));
            }
            let mut ports = Vec::new();
            for service in deployment.users.iter().chain(&deployment.emails) {
                ports.push(Service::ops_port(&*service.lock().await));
            }
            tasks.spawn(observe_readiness(ports, Arc::clone(&observed)));
        }
        Ok(Self { observed, _tasks: tasks })
    }

    /// Adds what was observed so far to a history.
    pub(crate) fn add_to(&self, history: &mut History) {
        let observed = self.observed.lock().unwrap_or_else(PoisonError::into_inner);
        history.elections.clone_from(&observed.elections);
        history.readiness.clone_from(&observed.readiness);
    }
}

async fn direct_client(uri: &str) -> Result<Client> {
    let mut options = ClientOptions::parse(uri).await?;
    options.direct_connection = Some(true);
    options.server_selection_timeout = Some(HELLO_DEADLINE);
    options.connect_timeout = Some(HELLO_DEADLINE);
    options.heartbeat_freq = Some(HELLO_DEADLINE);
    options.write_concern = Some(WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build());
    Ok(Client::with_options(options)?)
}

/// Observes the elections that a member wins. The writes that show when it has a majority do not delay the next
/// question.
async fn observe_elections(client: Client, member: String, observed: Arc<Mutex<Observed>>) {
    let (clock, admin, mut ticks) = (Clock::system(), client.database("admin"), ticks(HELLO_INTERVAL));
    // At most one write is in progress. It ends with this task, or when the member wins the next election.
    let mut probe = JoinSet::new();
    loop {
        ticks.tick().await;
        let Ok(Ok(hello)) = timeout(HELLO_DEADLINE, admin.run_command(doc! { "hello": 1 })).await else { continue };
        let Some(id) = election_of_primary(&hello) else { continue };
        if !add_election(
            &observed,
            Election { at: clock.now(), member: member.clone(), id: id.clone(), majority_at: None },
        ) {
            continue;
        }
        probe.shutdown().await;
        probe.spawn(observe_majority(client.clone(), id, Arc::clone(&observed)));
    }
}

/// Writes to a new primary and adds the time at which a majority acknowledged it.
async fn observe_majority(client: Client, id: String, observed: Arc<Mutex<Observed>>) {
    let collection = client.database("nemesis").collection::<Document>("elections");
    let write = collection.insert_one(doc! { "election": &id });
    if let Ok(Ok(_)) = timeout(WRITE_DEADLINE, write).await {
        let at = Clock::system().now();
        let mut observed = observed.lock().unwrap_or_else(PoisonError::into_inner);
        let election = observed.elections.iter_mut().find(|election| election.id == id);
        election.into_iter().for_each(|election| election.majority_at = Some(at));
    }
}

/// Adds an election and returns whether it was not known yet.
fn add_election(observed: &Mutex<Observed>, election: Election) -> bool {
    let mut observed = observed.lock().unwrap_or_else(PoisonError::into_inner);
    let is_new = observed.elections.iter().all(|known| known.id != election.id);
    if is_new {
        observed.elections.push(election);
    }
    is_new
}

/// Returns the id of the election that the member has won, if it is the primary.
fn election_of_primary(hello: &Document) -> Option<String> {
    let is_primary = hello.get_bool("isWritablePrimary").is_ok_and(|it| it);
    is_primary.then(|| hello.get_object_id("electionId").ok().map(ObjectId::to_hex))?
}

async fn observe_readiness(ports: Vec<u16>, observed: Arc<Mutex<Observed>>) {
    let (clock, mut ticks) = (Clock::system(), ticks(READINESS_INTERVAL));
    loop {
        ticks.tick().await;
        let ready = join_all(ports.iter().map(|port| is_ready(*port))).await.into_iter().all(|ready| ready);
        let mut observed = observed.lock().unwrap_or_else(PoisonError::into_inner);
        if observed.readiness.last().is_none_or(|last| last.ready != ready) {
            observed.readiness.push(ReadinessChange { at: clock.now(), ready });
        }
    }
}

async fn is_ready(port: u16) -> bool {
    let Ok(response) = http::get(port, "/readyz", READINESS_DEADLINE).await else { return false };
    let body: serde_json::Value = serde_json::from_str(&response.body).unwrap_or_default();
    response.status == 200 && body["status"] == "ready"
}

fn ticks(period: Duration) -> tokio::time::Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
