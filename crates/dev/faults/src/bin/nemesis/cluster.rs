//! Everybody who takes part: replicas of both services, the broker, the database, the mail
//! server, and a proxy on every link between them.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use faults::checker::Limits;
use faults::{FaultRun, Recorder};
use test_support::{
    Api, BrokerKind, IsolatedKafka, IsolatedMongod, Port, ScriptedSmtp, Service, ServiceSpec, Stack, TcpProxy,
    TestUser, World,
};
use tokio::sync::Mutex;

/// Replicas of each service.
pub(crate) const REPLICAS: usize = 3;
/// What one process may hold. Debug builds of both services stay below 200 MiB.
const MAX_RESIDENT_BYTES: u64 = 600 << 20;
const MAX_DESCRIPTORS: u64 = 2_000;

/// Which service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ServiceKind {
    User,
    Email,
}

impl ServiceKind {
    /// Its replicas' way to MongoDB.
    pub(crate) fn mongodb(self) -> NetworkLink {
        match self {
            Self::User => NetworkLink::UserMongo,
            Self::Email => NetworkLink::EmailMongo,
        }
    }
}

/// A connection that a proxy stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum NetworkLink {
    /// Clients to one replica of the user service.
    Http(usize),
    UserMongo,
    EmailMongo,
    Kafka,
    Smtp,
}

/// The whole cluster. What a fault changes is behind a lock of its own.
pub(crate) struct Cluster {
    pub(crate) run: FaultRun,
    pub(crate) users: Vec<Mutex<Service>>,
    pub(crate) emails: Vec<Mutex<Service>>,
    /// For more replicas of the email service.
    pub(crate) email: ServiceSpec,
    pub(crate) kafka: Mutex<IsolatedKafka>,
    pub(crate) mongod: Mutex<IsolatedMongod>,
    pub(crate) links: BTreeMap<NetworkLink, TcpProxy>,
    /// Clients' way to each replica of the user service, through its proxy.
    pub(crate) apis: Vec<Api>,
    /// Whom the actors ask for what only an administrator may do.
    pub(crate) admin: TestUser,
}

impl Cluster {
    /// Starts everybody, and makes the administrator.
    ///
    /// # Errors
    /// When a proxy cannot listen, or the administrator cannot be made.
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
            .on_brokers(kafka.brokers(), kafka.kind())
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

    /// The replicas of one service.
    pub(crate) fn services(&self, kind: ServiceKind) -> &[Mutex<Service>] {
        match kind {
            ServiceKind::User => &self.users,
            ServiceKind::Email => &self.emails,
        }
    }
}

/// A real broker behind a proxy; the embedded one tells its clients its own address.
async fn start_kafka(stack: &Stack, links: &mut BTreeMap<NetworkLink, TcpProxy>) -> Result<IsolatedKafka> {
    if stack.is_embedded() {
        return Ok(IsolatedKafka::start(stack, "nemesis").await);
    }
    let advertised = Port::free()?;
    let kafka = IsolatedKafka::start_advertised(stack, "nemesis", advertised.number()).await;
    if matches!(kafka.kind(), BrokerKind::Real) {
        // The number stays ours: nobody else is told of it before the proxy has it.
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

/// Deadlines so short that what a fault leaves behind is taken up within the run, and hashes
/// so cheap that the load is one of everything else.
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

/// Registered like everybody, and given the role by the command.
async fn make_admin(run: &FaultRun, users: &[Service], apis: &[Api]) -> Result<TestUser> {
    let admin = run.world.test_user("admin");
    let mut client = run.recorder.client(apis.first().context("there is a replica")?.clone());
    client.register(&admin, None).await;
    let service = users.first().context("there is a replica")?;
    let granted = service.spec().command(&["grant-role", &admin.email, "admin"]).await;
    ensure!(granted.status.success(), "no administrator: {}", String::from_utf8_lossy(&granted.stderr));
    Ok(admin)
}
