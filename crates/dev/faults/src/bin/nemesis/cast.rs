//! Everybody who takes part: replicas of both services, the broker, the database, the mail
//! server, and a proxy on every edge between them.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use faults::checker::Limits;
use faults::{Recorder, Run};
use test_support::{
    Api, BrokerKind, IsolatedKafka, IsolatedMongod, Port, ScriptedSmtp, Service, ServiceSpec, Stack, TcpProxy,
    TestUser, World,
};
use tokio::sync::Mutex;

/// Replicas of each service.
pub(crate) const REPLICAS: usize = 3;
/// What one process may hold. Debug builds of both services stay below 200 MiB.
const RESIDENT: u64 = 600 << 20;
const DESCRIPTORS: u64 = 2_000;

/// Which service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kin {
    User,
    Email,
}

impl Kin {
    /// Its replicas' way to MongoDB.
    pub(crate) fn mongodb(self) -> Edge {
        match self {
            Self::User => Edge::UserMongo,
            Self::Email => Edge::EmailMongo,
        }
    }
}

/// A connection that a proxy stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Edge {
    /// Clients to one replica of the user service.
    Http(usize),
    UserMongo,
    EmailMongo,
    Kafka,
    Smtp,
}

/// The whole cast. What a fault changes is behind a lock of its own.
pub(crate) struct Cast {
    pub(crate) run: Run,
    pub(crate) users: Vec<Mutex<Service>>,
    pub(crate) emails: Vec<Mutex<Service>>,
    /// For more replicas of the email service.
    pub(crate) email: ServiceSpec,
    pub(crate) kafka: Mutex<IsolatedKafka>,
    pub(crate) mongod: Mutex<IsolatedMongod>,
    pub(crate) edges: BTreeMap<Edge, TcpProxy>,
    /// Clients' way to each replica of the user service, through its proxy.
    pub(crate) apis: Vec<Api>,
    /// Whom the actors ask for what only an administrator may do.
    pub(crate) admin: TestUser,
}

impl Cast {
    /// Starts everybody, and makes the administrator.
    ///
    /// # Errors
    /// When a proxy cannot listen, or the administrator cannot be made.
    pub(crate) async fn start(stack: &Stack) -> Result<Self> {
        let mut edges = BTreeMap::new();
        let kafka = start_kafka(stack, &mut edges).await?;
        let mongod = IsolatedMongod::start_replica_set(stack, "nemesis").await;
        let smtp = ScriptedSmtp::start().await;
        edges.insert(Edge::UserMongo, TcpProxy::start(&mongod.address()).await?);
        edges.insert(Edge::EmailMongo, TcpProxy::start(&mongod.address()).await?);
        edges.insert(Edge::Smtp, TcpProxy::start(&smtp.address()).await?);
        let through = |edge: Edge| edges.get(&edge).map(TcpProxy::address).unwrap_or_default();
        let mongodb = |edge| format!("mongodb://{}/?directConnection=true", through(edge));
        let world = World::without_topic(stack, "nemesis")
            .on_brokers(kafka.brokers(), kafka.broker_kind())
            .on_mongodb(format!("mongodb://{}/?directConnection=true", mongod.address()))
            .on_smtp(format!("smtp://{}", through(Edge::Smtp)));
        world.create_topic().await;

        let user = brisk_user_service(world.user_service()).set("MONGODB__URI", mongodb(Edge::UserMongo));
        let email = brisk_email_service(world.email_service()).set("MONGODB__URI", mongodb(Edge::EmailMongo));
        let (users, emails) = tokio::join!(replicas(&user), replicas(&email));
        let mut apis = Vec::new();
        for (n, service) in users.iter().enumerate() {
            let base = service.base_url();
            let proxy = TcpProxy::start(base.trim_start_matches("http://")).await?;
            apis.push(Api::new(format!("http://{}", proxy.address())));
            edges.insert(Edge::Http(n), proxy);
        }
        let limits = Limits { resident: Some(RESIDENT), descriptors: Some(DESCRIPTORS), ..Limits::default() };
        let run = Run { world, recorder: Recorder::new(), smtp, limits };
        let admin = make_admin(&run, &users, &apis).await?;
        Ok(Self {
            run,
            users: users.into_iter().map(Mutex::new).collect(),
            emails: emails.into_iter().map(Mutex::new).collect(),
            email,
            kafka: Mutex::new(kafka),
            mongod: Mutex::new(mongod),
            edges,
            apis,
            admin,
        })
    }

    /// The replicas of one service.
    pub(crate) fn services(&self, kin: Kin) -> &[Mutex<Service>] {
        match kin {
            Kin::User => &self.users,
            Kin::Email => &self.emails,
        }
    }
}

/// A real broker behind a proxy; the embedded one tells its clients its own address.
async fn start_kafka(stack: &Stack, edges: &mut BTreeMap<Edge, TcpProxy>) -> Result<IsolatedKafka> {
    if stack.is_embedded() {
        return Ok(IsolatedKafka::start(stack, "nemesis").await);
    }
    let advertised = Port::free()?;
    let kafka = IsolatedKafka::start_advertised(stack, "nemesis", advertised.number()).await;
    if matches!(kafka.broker_kind(), BrokerKind::Real) {
        // The number stays ours: nobody else is told of it before the proxy has it.
        let number = advertised.number();
        drop(advertised);
        edges.insert(Edge::Kafka, TcpProxy::start_on(number, &kafka.listener()).await?);
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
fn brisk_user_service(spec: ServiceSpec) -> ServiceSpec {
    spec.set("HASHING__MEMORY_KIB", "64")
        .set("HASHING__ITERATIONS", "1")
        .set("RELAY__SWEEP_INTERVAL", "500ms")
        .set("RELAY__SWEEP_MIN_AGE", "1s")
        .set("RELAY__LEASE", "3s")
        .set("SHUTDOWN__GRACE", "10s")
}

fn brisk_email_service(spec: ServiceSpec) -> ServiceSpec {
    spec.set("SMTP__STEP_TIMEOUT", "1s")
        .set("SMTP__DOT_TIMEOUT", "1s")
        .set("SENDER__LEASE", "3s")
        .set("MAIL__BACKOFF", "300ms,1s,2s")
        .set("INGEST__MAX_POLL_INTERVAL", "6s")
        .set("SHUTDOWN__GRACE", "10s")
}

/// Registered like everybody, and given the role by the command.
async fn make_admin(run: &Run, users: &[Service], apis: &[Api]) -> Result<TestUser> {
    let admin = run.world.test_user("admin");
    let mut client = run.recorder.client(apis.first().context("there is a replica")?.clone());
    client.register(&admin, None).await;
    let service = users.first().context("there is a replica")?;
    let granted = service.spec().command(&["grant-role", &admin.email, "admin"]).await;
    ensure!(granted.status.success(), "no administrator: {}", String::from_utf8_lossy(&granted.stderr));
    Ok(admin)
}
