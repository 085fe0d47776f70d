//! `GET /api/users/me`, next to a bare handler, and while all cores are busy with hashing.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Result;
use hyper::StatusCode;

use super::registered_users::{RegisteredUser, register_users, saturating_logins};
use crate::{
    bare_server::BareServer,
    environment::{Environment, user_service},
    http_client::{ApiRequest, Connection},
    load::{Load, ResponseTimes},
    processes::Processes,
    report::{Findings, Goal, Row},
    sampling::{Comparison, Sample, interleaved, millis},
};

const CONNECTIONS: usize = 32;
const SATURATED_DURATION: Duration = Duration::from_secs(3);
/// The rate of paced reads per second, over `PACED_CONNECTIONS` connections.
const PACED_RATE: f64 = 100.0;
const PACED_CONNECTIONS: usize = 8;
const PACED_DURATION: Duration = Duration::from_secs(5);

pub(super) async fn measure(environment: &Environment) -> Result<Findings> {
    let world = environment.world("reads").await;
    let service = user_service(&world).start().await;
    let base_url = service.base_url();
    let users = register_users(&base_url, &world, CONNECTIONS).await?;
    let bare = BareServer::start(world.stack().mongodb_uri(), world.user_database().await.name()).await?;
    let processes =
        |server| environment.dependency_processes().with("server", server).with("client", std::process::id());
    let saturated = Saturated {
        base_urls: [base_url.clone(), bare.base_url()],
        processes: [processes(service.pid()), processes(bare.pid()?)],
        users: &users,
    };
    Ok(vec![saturated.row(environment).await?, paced_row(environment, &base_url, &users).await?].into())
}

/// The service and the bare server under saturating load.
struct Saturated<'a> {
    base_urls: [String; 2],
    processes: [Processes; 2],
    users: &'a [RegisteredUser],
}

impl Saturated<'_> {
    async fn row(&self, environment: &Environment) -> Result<Row> {
        let (mut rates, mut costs) = (Vec::new(), [Vec::new(), Vec::new()]);
        for _ in 0..environment.rounds() {
            let mut round = [0.0; 2];
            for server in [0, 1] {
                let watch = self.processes[server].watch()?;
                let tally = self.load(server, environment.duration(SATURATED_DURATION)).await?;
                costs[server].push(micros_per_request(&watch.seconds()?, tally.durations(StatusCode::OK).len()));
                round[server] = tally.rate(StatusCode::OK);
            }
            rates.push((round[0], round[1]));
        }
        let sizes = [self.answer_bytes(0).await?, self.answer_bytes(1).await?];
        let name = format!("GET me, {CONNECTIONS} connections / bare handler with one find_one");
        Ok(Row::comparison(name, "1/s", &Comparison::from_rounds(&rates), Goal::Ratio(0.9)).note(format!(
            "µs of processor time each: ours {}, limit {}; responses of {} and {} bytes",
            medians(&costs[0]),
            medians(&costs[1]),
            sizes[0],
            sizes[1]
        )))
    }

    fn request(&self, server: usize, user: usize) -> ApiRequest {
        let user = &self.users[user % self.users.len()];
        if server == 0 { user.get_me() } else { ApiRequest::get(format!("/{}", user.id)) }
    }

    async fn load(&self, server: usize, length: Duration) -> Result<ResponseTimes> {
        let requests: Vec<ApiRequest> = (0..CONNECTIONS).map(|connection| self.request(server, connection)).collect();
        let load = Load::saturating(CONNECTIONS, length);
        load.run(&self.base_urls[server], move |connection, _| requests[connection].clone())
            .await?
            .require_statuses(&[StatusCode::OK])
    }

    async fn answer_bytes(&self, server: usize) -> Result<usize> {
        let mut connection = Connection::open(&self.base_urls[server]).await?;
        Ok(connection.send(&self.request(server, 0)).await?.1.len())
    }
}

/// Measures paced reads, alone and beside logins that keep every hash thread busy.
async fn paced_row(environment: &Environment, base_url: &str, users: &[RegisteredUser]) -> Result<Row> {
    let length = environment.duration(PACED_DURATION);
    let requests: Vec<ApiRequest> = users.iter().map(RegisteredUser::get_me).collect();
    let read = async || {
        let requests = requests.clone();
        let request = move |connection: usize, _| requests[connection].clone();
        let tally = Load::at_rate(PACED_CONNECTIONS, PACED_RATE, length).run(base_url, request).await?;
        let p99 = tally.require_statuses(&[StatusCode::OK])?.percentile(StatusCode::OK, 99.0);
        anyhow::Ok(millis(p99))
    };
    let beside_logins = async || {
        let (loaded, logins) = tokio::join!(read(), saturating_logins(environment, base_url, users, length));
        logins?.require_statuses(&[StatusCode::OK])?;
        loaded
    };
    let pair = interleaved(environment.rounds(), beside_logins, read).await?;
    let name = format!("GET me at {PACED_RATE}/s: p99 beside saturating logins / alone");
    Ok(Row::comparison(name, "ms", &pair, Goal::AtMostTimes(5.0)))
}

/// Returns the processor time of each process per request, in microseconds.
fn micros_per_request(seconds: &BTreeMap<&'static str, f64>, requests: usize) -> Vec<(&'static str, f64)> {
    seconds.iter().map(|(name, seconds)| (*name, seconds * 1e6 / requests.max(1) as f64)).collect()
}

/// Returns the medians over the rounds: `client 90, mongod 120`.
fn medians(rounds: &[Vec<(&'static str, f64)>]) -> String {
    let names = rounds.first().into_iter().flatten().map(|(name, _)| *name);
    let texts = names.enumerate().map(|(index, name)| {
        let all: Vec<f64> = rounds.iter().map(|round| round[index].1).collect();
        format!("{name} {:.0}", Sample::from_rounds(&all).median)
    });
    texts.collect::<Vec<_>>().join(", ")
}
