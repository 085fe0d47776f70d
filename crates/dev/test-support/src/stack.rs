//! The shared dependencies that `scripts/test` has started, found in the environment variables.

use std::{
    env,
    io::Write as _,
    path::{Path, PathBuf},
    sync::OnceLock,
    thread,
};

use local_stack::network::tcp_proxy::TcpProxy;
use mongodb::{Client, options::ClientOptions};
use rustix::process::{Signal, set_parent_process_death_signal};

/// The kind of a Kafka broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrokerKind {
    /// Apache Kafka.
    Real,
    /// librdkafka's mock cluster, with the URL of its control endpoint.
    Embedded { control: String },
}

/// The addresses of the shared dependencies. A clone is cheap.
#[derive(Debug, Clone)]
pub struct Stack {
    pub(crate) mongodb_uri: String,
    pub(crate) brokers: String,
    pub(crate) broker_kind: BrokerKind,
    pub(crate) smtp_address: String,
    pub(crate) mail_api: String,
    pub(crate) directory: PathBuf,
    pids: String,
}

impl Stack {
    /// Reads the addresses from the environment variables that `scripts/test` sets.
    ///
    /// # Panics
    /// Panics if a variable is missing.
    #[must_use]
    pub fn from_env() -> Self {
        exit_with_cargo();
        let broker_kind = match variable("TEST_KAFKA_KIND").as_str() {
            "embedded" => BrokerKind::Embedded { control: variable("TEST_KAFKA_CONTROL") },
            _ => BrokerKind::Real,
        };
        Self {
            mongodb_uri: variable("TEST_MONGODB_URI"),
            brokers: variable("TEST_KAFKA_BROKERS"),
            broker_kind,
            smtp_address: variable("TEST_SMTP_ADDRESS"),
            mail_api: variable("TEST_MAIL_API"),
            directory: PathBuf::from(variable("TEST_STACK_DIR")),
            pids: variable("TEST_PIDS"),
        }
    }

    /// Returns the MongoDB connection string.
    #[must_use]
    pub fn mongodb_uri(&self) -> &str {
        &self.mongodb_uri
    }

    /// Returns whether the broker is embedded.
    #[must_use]
    pub fn is_embedded(&self) -> bool {
        matches!(self.broker_kind, BrokerKind::Embedded { .. })
    }

    /// Returns the directory of the run. Its `logs` are kept after a failure.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns the process id of a shared dependency (`mongod`, `kafka`), if it is a child process.
    #[must_use]
    pub fn pid(&self, name: &str) -> Option<u32> {
        let named = self.pids.split(',').find_map(|entry| entry.strip_prefix(name)?.strip_prefix('='));
        named.and_then(|pid| pid.parse().ok())
    }

    /// Starts a proxy in front of the shared MongoDB, and returns it with the connection string that leads through it.
    ///
    /// # Panics
    /// Panics if the proxy cannot be started.
    pub async fn mongodb_proxy(&self) -> (TcpProxy, String) {
        let upstream = self.mongodb_uri.trim_start_matches("mongodb://").split(['/', '?']).next().unwrap_or_default();
        let proxy = TcpProxy::start(upstream).await.expect("the proxy starts");
        let uri = format!("mongodb://{}/?directConnection=true", proxy.address());
        (proxy, uri)
    }

    /// Returns a new client of the shared MongoDB. Each test needs its own client, because a client belongs to the
    /// runtime of a test.
    pub async fn mongodb(&self) -> Client {
        mongodb_client(&self.mongodb_uri).await
    }
}

pub(crate) async fn mongodb_client(uri: &str) -> Client {
    let options = ClientOptions::parse(uri).await.expect("the stack's connection string is well-formed");
    Client::with_options(options).expect("the options come from a well-formed string")
}

/// Reports that a test did not run on this machine. The message bypasses the capture of test output.
pub fn report_skipped(test: &str, why: &str) {
    // A closed standard error is ignored.
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {why}");
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: this test needs MongoDB, Kafka and a mail server; run scripts/test")
    })
}

/// Makes the kernel kill this process when cargo ends, even if cargo is killed. Otherwise the tests would continue to
/// start services. The request belongs to the thread that makes it, so that thread never ends.
fn exit_with_cargo() {
    static REQUESTED: OnceLock<()> = OnceLock::new();
    REQUESTED.get_or_init(|| {
        let hold_thread = || {
            let _ = set_parent_process_death_signal(Some(Signal::KILL));
            loop {
                thread::park();
            }
        };
        // If this fails, the process only misses that cargo was killed.
        let _ = thread::Builder::new().name("exit-with-cargo".to_owned()).spawn(hold_thread);
    });
}
