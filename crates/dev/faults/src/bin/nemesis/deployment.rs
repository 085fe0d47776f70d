//! The processes under test: replicas of both services, the broker, the database, the mail server, and a proxy on
//! every network link between them.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use faults::checker::Limits;
use faults::{FaultRun, Recorder};
use test_support::{
    Api, BrokerKind, IsolatedKafka, IsolatedMongod, Port, ScriptedSmtp, Service, ServiceSpec, Stack, TcpProxy,
    TestUser, World,
};
use tokio::sync::Mutex;

/// The number of replicas of each service.
pub(crate) const REPLICAS: usize = 3;
/// The memory limit of one process, in bytes. Debug builds of both services stay below 200 MiB.
const MAX_RESIDENT_BYTES: u64 = 600 << 20;
const MAX_DESCRIPTORS: u64 = 2_000;

/// One of the two services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ServiceKind {
    User,
    Email,
}

impl ServiceKind {
    /// Returns the network link between this service's replicas and MongoDB.
    pub(crate) fn mongodb(self) -> NetworkLink {
        match self {
            Self::User => NetworkLink::UserMongo,
            Self::Email => NetworkLink::EmailMongo,
        }
    }
}

/// A network link that runs through a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum NetworkLink {
    /// From the clients to one replica of the user service.
    Http(usize),
    UserMongo,
    EmailMongo,
    Kafka,
    Smtp,
}

/// All processes and proxies of a run. Everything that a fault changes has its own lock.
pub(crate) struct Deployment {
    pub(crate) run: FaultRun,
    pub(crate) users: Vec<Mutex<Service>>,
    pub(crate) emails: Vec<Mutex<Service>>,
    /// The specification for additional replicas of the email service.
    pub(crate) email: ServiceSpec,
    pub(crate) kafka: Mutex<IsolatedKafka>,
    pub(crate) mongod: Mutex<IsolatedMongod>,
    pub(crate) links: BTreeMap<NetworkLink, TcpProxy>,
    /// An API client for each replica of the user service, through the replica's proxy.
    pub(crate) apis: Vec<Api>,
    /// The administrator who sends the administrative requests of all actors.
    pub(crate) admin: TestUser,
}

impl Deployment {
    /// Starts all processes and creates the administrator.
    ///
    /// # Errors
    /// Returns an error when a proxy cannot listen or the administrator cannot be created.
    pub(crate) async fn start(stack: &Stack) -> Result<Self> {
        let mut links = BTreeMap::new();
        let kafka = start_kafka(stack, &mut links).await?;
        let mongod = IsolatedMongod::start_replica_set(stack, "nemesis").await;
        let smtp = ScriptedSmtp::start().await;
        links.insert(NetworkLink::UserMongo, TcpProxy::start(&mongod.address()).await?);
        links.insert(NetworkLink::EmailMongo, TcpProxy::start(&mongod.address()).await?);
        links.insert(NetworkLink::Smtp, TcpProxy::start(&smtp.address()).await?);
        let through = |link: NetworkLink| links.get(&link).map(TcpProxy::address).unwrap_or_default();
        let mongodb = |link| format!("mongodb://{}/?directConnection=true", through(link));
        let world = World::without_topic(stack, "nemesis")
            .on_brokers(kafka.brokers(), kafka.broker_kind())
            .on_mongodb(format!("mongodb://{}/?directConnection=true", mongod.address()))
            .on_smtp(format!("smtp://{}", through(NetworkLink::Smtp)));
        world.create_topic().await;

        let user = user_service_with_short_intervals(world.user_service())
            .set("MONGODB__URI", mongodb(NetworkLink::UserMongo));
        let email = email_service_with_short_timeouts(world.email_service())
            .set("MONGODB__URI", mongodb(NetworkLink::EmailMongo));
        let (users, emails) = tokio::join!(replicas(&user), replicas(&email));
        let mut apis = Vec::new();
        for (n, service) in users.iter().enumerate() {
            let base = service.base_url();
            let proxy = TcpProxy::start(base.trim_start_matches("http://")).await?;
            apis.push(Api::new(format!("http://{}", proxy.address())));
            links.insert(NetworkLink::Http(n), proxy);
        }
        let limits =
            Limits { resident: Some(MAX_RESIDENT_BYTES), descriptors: Some(MAX_DESCRIPTORS), ..Limits::default() };
        let run = FaultRun { world, recorder: Recorder::new(), smtp, limits };
        let admin = make_admin(&run, &users, &apis).await?;
        Ok(Self {
            run,
            users: users.into_iter().map(Mutex::new).collect(),
            emails: emails.into_iter().map(Mutex::new).collect(),
            email,
            kafka: Mutex::new(kafka),
            mongod: Mutex::new(mongod),
            links,
            apis,
            admin,
        })
    }

    /// Returns the replicas of one service.
    pub(crate) fn services(&self, kind: ServiceKind) -> &[Mutex<Service>] {
        match kind {
            ServiceKind::User => &self.users,
            ServiceKind::Email => &self.emails,
        }
    }
}

/// Starts a real broker behind a proxy. The embedded broker gets no proxy, because it advertises its own address.
async fn start_kafka(stack: &Stack, links: &mut BTreeMap<NetworkLink, TcpProxy>) -> Result<IsolatedKafka> {
    if stack.is_embedded() {
        return Ok(IsolatedKafka::start(stack, "nemesis").await);
    }
    let advertised = Port::free()?;
    let kafka = IsolatedKafka::start_advertised(stack, "nemesis", advertised.number()).await;
    if matches!(kafka.broker_kind(), BrokerKind::Real) {
        // No other process takes the port in the meantime, because only the proxy knows it.
        let number = advertised.number();
        drop(advertised);
        links.insert(NetworkLink::Kafka, TcpProxy::start_on(number, &kafka.listener()).await?);
    }
    Ok(kafka)
}

async fn replicas(spec: &ServiceSpec) -> Vec<Service> {
    let mut services = vec![spec.clone().start().await];
    let others = (1..REPLICAS).map(|_| spec.replica().start());
    for other in futures_util::future::join_all(others).await {
        services.push(other);
    }
    services
}

/// Sets intervals so short that the service recovers from a fault within the run, and hashing so cheap that it
/// does not dominate the load.
fn user_service_with_short_intervals(spec: ServiceSpec) -> ServiceSpec {
    spec.set("HASHING__MEMORY_KIB", "64")
        .set("HASHING__ITERATIONS", "1")
        .set("RELAY__SWEEP_INTERVAL", "500ms")
        .set("RELAY__SWEEP_MIN_AGE", "1s")
        .set("RELAY__LEASE", "3s")
        .set("SHUTDOWN__GRACE", "10s")
}

fn email_service_with_short_timeouts(spec: ServiceSpec) -> ServiceSpec {
    spec.set("SMTP__STEP_TIMEOUT", "1s")
        .set("SMTP__DOT_TIMEOUT", "1s")
        .set("SENDER__LEASE", "3s")
        .set("MAIL__BACKOFF", "300ms,1s,2s")
        .set("INGEST__MAX_POLL_INTERVAL", "6s")
        .set("SHUTDOWN__GRACE", "10s")
}

/// Registers a user and grants the role `admin` by command.
async fn make_admin(run: &FaultRun, users: &[Service], apis: &[Api]) -> Result<TestUser> {
    let admin = run.world.test_user("admin");
    let mut client = run.recorder.client(apis.first().context("at least one replica exists")?.clone());
    client.register(&admin, None).await;
    let service = users.first().context("at least one replica exists")?;
    let granted = service.spec().command(&["grant-role", &admin.email, "admin"]).await;
    ensure!(granted.status.success(), "no administrator: {}", String::from_utf8_lossy(&granted.stderr));
    Ok(admin)
}
