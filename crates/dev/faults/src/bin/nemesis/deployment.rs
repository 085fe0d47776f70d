//! The processes under test: replicas of both services, the mail server, and either one broker and one database with
//! a proxy on every network link, or a Kafka cluster and a replica set.

use std::{collections::BTreeMap, fs};

use anyhow::{Context as _, Result, anyhow, ensure};
use faults::checker::{Limits, RateLimits};
use faults::{FaultRun, Recorder};
use futures_util::future::join_all;
use test_support::{
    Api, BrokerKind, IsolatedCluster, IsolatedKafka, IsolatedMongod, Port, ScriptedSmtp, Service, ServiceSpec, Stack,
    TcpProxy, TestUser, World,
};
use tokio::sync::Mutex;

use crate::consumers::{self, Consumers};

/// The number of replicas of each service on single nodes.
pub(crate) const REPLICAS: usize = 3;
/// The number of replicas of each service on clusters.
pub(crate) const CLUSTER_REPLICAS: usize = 2;
/// The memory limit of one process, in bytes. Debug builds of both services stay below 200 MiB.
const MAX_RESIDENT_BYTES: u64 = 600 << 20;
const MAX_DESCRIPTORS: u64 = 2_000;
/// The attributes of the load: `team` is visible to other services.
const ATTRIBUTE_SCHEMA: &str = r#"{
    "type": "object",
    "properties": { "team": { "type": "string", "x-public": true }, "note": { "type": "string" } },
    "additionalProperties": false
}"#;

/// The rate limits that the load reaches. The waits after failures do not end during a run.
const LOGIN_FREE_FAILURES: usize = 5;
const ACCOUNT_FREE_FAILURES: usize = 20;
const REQUESTS_PER_NETWORK: u32 = 100;

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
    /// From the consumers of the topic of states to MongoDB.
    ConsumerMongo,
}

/// The servers that the services depend on.
pub(crate) enum Servers {
    /// One broker and one replica set of one member.
    Single {
        kafka: Mutex<IsolatedKafka>,
        mongod: Mutex<IsolatedMongod>,
    },
    Cluster(ClusterServers),
}

/// A replica set of three members and a Kafka cluster of three brokers. Each has at most one fault at a time, which
/// holds its lock.
pub(crate) struct ClusterServers {
    pub(crate) cluster: IsolatedCluster,
    pub(crate) replica_set: Mutex<()>,
    pub(crate) brokers: Mutex<()>,
}

/// What a run has besides the services and their servers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    /// Consumers of the topic of states.
    pub(crate) consumers: bool,
    /// The user service starts without the topic of states.
    pub(crate) states_later: bool,
}

/// The connection strings of MongoDB.
struct MongodbUris {
    user: String,
    email: String,
    consumers: String,
}

/// All processes and proxies of a run. Everything that a fault changes has its own lock.
pub(crate) struct Deployment {
    pub(crate) run: FaultRun,
    pub(crate) users: Vec<Mutex<Service>>,
    pub(crate) emails: Vec<Mutex<Service>>,
    /// The specification for additional replicas of the email service.
    pub(crate) email: ServiceSpec,
    pub(crate) servers: Servers,
    pub(crate) links: BTreeMap<NetworkLink, TcpProxy>,
    /// An API client for each replica of the user service, through the replica's proxy if it has one.
    pub(crate) apis: Vec<Api>,
    /// The administrator who sends the administrative requests of all actors.
    pub(crate) admin: TestUser,
    /// The consumers of the topic of states, if the run has them.
    pub(crate) consumers: Consumers,
}

impl Deployment {
    /// Starts all processes with one broker and one database, and creates the administrator.
    ///
    /// # Errors
    /// Returns an error when a proxy cannot listen, a consumer cannot be started or the administrator cannot be
    /// created.
    pub(crate) async fn start(stack: &Stack, options: Options) -> Result<Self> {
        let mut links = BTreeMap::new();
        let kafka = start_kafka(stack, &mut links).await?;
        let mongod = IsolatedMongod::start_replica_set(stack, "nemesis").await;
        for link in [NetworkLink::UserMongo, NetworkLink::EmailMongo, NetworkLink::ConsumerMongo] {
            links.insert(link, TcpProxy::start(&mongod.address()).await?);
        }
        let uri = |address: &str| format!("mongodb://{address}/?directConnection=true");
        let through = |link| uri(&links.get(&link).map(TcpProxy::address).unwrap_or_default());
        let uris = MongodbUris {
            user: through(NetworkLink::UserMongo),
            email: through(NetworkLink::EmailMongo),
            consumers: through(NetworkLink::ConsumerMongo),
        };
        let world = World::without_topic(stack, "nemesis")
            .on_brokers(kafka.brokers(), kafka.broker_kind())
            .on_mongodb(uri(&mongod.address()));
        world.clone().with_states().create_topic().await;
        let servers = Servers::Single { kafka: Mutex::new(kafka), mongod: Mutex::new(mongod) };
        Self::start_services(world, servers, links, uris, REPLICAS, options).await
    }

    /// Starts all processes with a Kafka cluster and a replica set, and creates the administrator. The user service
    /// creates the topics, as in production.
    ///
    /// # Errors
    /// Returns an error when this machine cannot run the clusters, a consumer cannot be started or the administrator
    /// cannot be created.
    pub(crate) async fn start_on_clusters(stack: &Stack, options: Options) -> Result<Self> {
        let started = IsolatedCluster::start(stack, "nemesis").await;
        let cluster = started.map_err(|why| anyhow!("skipped, this machine cannot run the clusters: {why}"))?;
        if let Some(why) = cluster.links_unavailable() {
            println!("no member can be isolated here: {why}");
        }
        let uri = cluster.mongodb().uri();
        let world = World::without_topic(stack, "nemesis")
            .on_brokers(cluster.kafka().brokers(), BrokerKind::Real)
            .on_mongodb(&uri);
        if options.states_later {
            // The consumers need the topic before the service creates it.
            world.clone().with_states().create_topic().await;
        }
        let servers =
            Servers::Cluster(ClusterServers { cluster, replica_set: Mutex::default(), brokers: Mutex::default() });
        let uris = MongodbUris { user: uri.clone(), email: uri.clone(), consumers: uri };
        Self::start_services(world, servers, BTreeMap::new(), uris, CLUSTER_REPLICAS, options).await
    }

    async fn start_services(
        world: World,
        servers: Servers,
        mut links: BTreeMap<NetworkLink, TcpProxy>,
        uris: MongodbUris,
        count: usize,
        options: Options,
    ) -> Result<Self> {
        let smtp = ScriptedSmtp::start().await;
        let smtp_proxy = TcpProxy::start(&smtp.address()).await?;
        let world = world.on_smtp(format!("smtp://{}", smtp_proxy.address()));
        links.insert(NetworkLink::Smtp, smtp_proxy);
        let user = if options.states_later { world.user_service() } else { world.clone().with_states().user_service() };
        let world = world.with_states();
        let schema = world.keys().join("attributes.json");
        fs::write(&schema, ATTRIBUTE_SCHEMA).context("the attribute schema cannot be written")?;
        let user = with_rate_limits(user_service_with_short_intervals(user))
            .set("ATTRIBUTES__SCHEMA_FILE", schema.display().to_string())
            .set("MONGODB__URI", uris.user);
        let email = email_service_with_short_timeouts(world.email_service()).set("MONGODB__URI", uris.email);
        let (users, emails) = tokio::join!(replicas(&user, count), replicas(&email, count));
        let mut apis = Vec::new();
        for (n, service) in users.iter().enumerate() {
            let api = match servers {
                Servers::Single { .. } => {
                    let proxy = TcpProxy::start(service.base_url().trim_start_matches("http://")).await?;
                    let api = Api::new(format!("http://{}", proxy.address()));
                    links.insert(NetworkLink::Http(n), proxy);
                    api
                }
                Servers::Cluster(_) => service.api(),
            };
            apis.push(api);
        }
        let consumers =
            if options.consumers { consumers::start(&world, &uris.consumers)? } else { Consumers::default() };
        let limits = Limits {
            resident: Some(MAX_RESIDENT_BYTES),
            descriptors: Some(MAX_DESCRIPTORS),
            states_later: options.states_later,
            public_attributes: vec!["team".to_owned()],
            rate_limits: Some(RateLimits {
                login_free_failures: LOGIN_FREE_FAILURES,
                account_free_failures: ACCOUNT_FREE_FAILURES,
                requests_per_network: REQUESTS_PER_NETWORK,
                replicas: u32::try_from(count).context("the number of replicas is small")?,
            }),
            ..Limits::default()
        };
        let run = FaultRun { world, recorder: Recorder::new(), smtp, limits };
        let admin = make_admin(&run, &users, &apis).await?;
        Ok(Self {
            run,
            users: users.into_iter().map(Mutex::new).collect(),
            emails: emails.into_iter().map(Mutex::new).collect(),
            email,
            servers,
            links,
            apis,
            admin,
            consumers,
        })
    }

    /// Stops all replicas of the user service and starts them with the topic of states. A replica without it would
    /// delete users without their tombstones. Returns the errors of those that did not become ready.
    pub(crate) async fn switch_states_on(&self) -> Vec<String> {
        let topic = self.run.world.state_topic().expect("the world has a topic of states");
        let mut users = join_all(self.users.iter().map(Mutex::lock)).await;
        join_all(users.iter_mut().map(|service| service.terminate())).await;
        for service in &mut users {
            service.relaunch_with(|spec| spec.set("KAFKA__STATE_TOPIC", topic));
        }
        let ready = join_all(users.iter_mut().map(|service| service.try_wait_until_ready())).await;
        ready.into_iter().filter_map(Result::err).map(|error| format!("{error:#}")).collect()
    }

    /// Returns the replicas of one service.
    pub(crate) fn services(&self, kind: ServiceKind) -> &[Mutex<Service>] {
        match kind {
            ServiceKind::User => &self.users,
            ServiceKind::Email => &self.emails,
        }
    }

    /// Returns one replica of a service.
    pub(crate) fn replica(&self, kind: ServiceKind, n: usize) -> &Mutex<Service> {
        self.services(kind).get(n).expect("the schedule only contains existing replicas")
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

async fn replicas(spec: &ServiceSpec, count: usize) -> Vec<Service> {
    let mut services = vec![spec.clone().start().await];
    let others = (1..count).map(|_| spec.replica().start());
    for other in join_all(others).await {
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

/// Turns the rate limits on, and takes the network of a client from `X-Forwarded-For`. The load reaches only the limits
/// of guesses and of requests; the others are so high that they refuse nothing.
fn with_rate_limits(spec: ServiceSpec) -> ServiceSpec {
    const UNLIMITED: [&str; 7] = [
        "REGISTRATIONS_PER_NETWORK",
        "MAILS_PER_ADDRESS",
        "PROFILE_CHANGES_PER_ACCOUNT",
        "USERNAME_CHANGES_PER_ACCOUNT",
        "EMAIL_CHANGES_PER_ACCOUNT",
        "PASSWORD_CHANGES_PER_ACCOUNT",
        "SECOND_FACTOR_CHANGES_PER_ACCOUNT",
    ];
    let spec = UNLIMITED.iter().fold(spec, |spec, name| spec.set(&format!("LIMITS__{name}"), "100000"));
    spec.set("HTTP__TRUSTED_PROXIES", "127.0.0.1")
        .set("LIMITS__ENABLED", "true")
        .set("LIMITS__LOGIN_FREE_FAILURES", LOGIN_FREE_FAILURES.to_string())
        .set("LIMITS__ACCOUNT_FREE_FAILURES", ACCOUNT_FREE_FAILURES.to_string())
        .set("LIMITS__LOGIN_FIRST_WAIT", "10m")
        .set("LIMITS__LOGIN_MAX_WAIT", "1h")
        .set("LIMITS__REQUESTS_PER_NETWORK", REQUESTS_PER_NETWORK.to_string())
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
