//! The parts that `scripts/test` has started, found in the environment.

use std::{
    env,
    io::Write as _,
    path::{Path, PathBuf},
    sync::OnceLock,
    thread,
};

use mongodb::{Client, options::ClientOptions};
use rustix::process::{Signal, set_parent_process_death_signal};

/// Which broker runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrokerKind {
    /// Apache Kafka.
    Real,
    /// librdkafka's mock cluster; with the address of its control endpoint.
    Embedded { control: String },
}

/// Where the shared parts are. Cheap to clone.
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
    /// # Panics
    /// Panics if no stack runs: then `scripts/test` is to be used.
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

    /// Returns the connection string.
    #[must_use]
    pub fn mongodb_uri(&self) -> &str {
        &self.mongodb_uri
    }

    /// Returns `host:port` of the broker.
    #[must_use]
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    /// Returns which broker it is.
    #[must_use]
    pub fn broker_kind(&self) -> &BrokerKind {
        &self.broker_kind
    }

    /// Returns whether the broker is the embedded one.
    #[must_use]
    pub fn is_embedded(&self) -> bool {
        matches!(self.broker_kind, BrokerKind::Embedded { .. })
    }

    /// Returns `host:port` for SMTP.
    #[must_use]
    pub fn smtp_address(&self) -> &str {
        &self.smtp_address
    }

    /// Returns the address of the mail API, without a slash at its end.
    #[must_use]
    pub fn mail_api(&self) -> &str {
        &self.mail_api
    }

    /// Returns the run's directory: `logs` is kept after a failure.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns the process id of a shared part (`mongod`, `kafka`), if it is a process.
    #[must_use]
    pub fn pid(&self, name: &str) -> Option<u32> {
        let named = self.pids.split(',').find_map(|entry| entry.strip_prefix(name)?.strip_prefix('='));
        named.and_then(|pid| pid.parse().ok())
    }

    /// Returns a client of the shared MongoDB. Each test makes its own: a client belongs to the test's runtime.
    pub async fn mongodb(&self) -> Client {
        mongodb_client(&self.mongodb_uri).await
    }
}

pub(crate) async fn mongodb_client(uri: &str) -> Client {
    let options = ClientOptions::parse(uri).await.expect("the stack's connection string is well-formed");
    Client::with_options(options).expect("the options come from a well-formed string")
}

/// Says aloud, past the capture of test output, that a test did not run here.
pub fn report_skipped(test: &str, why: &str) {
    // Nothing to do about a closed standard error.
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {why}");
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: this test needs MongoDB, Kafka and SMTP next to it; run scripts/test")
    })
}

/// Returns the kernel ends this process when cargo ends, even if cargo is killed: tests would go on starting
/// services otherwise. The signal is bound to the thread that asks for it, so that thread stays.
fn exit_with_cargo() {
    static REQUESTED: OnceLock<()> = OnceLock::new();
    REQUESTED.get_or_init(|| {
        let hold_thread = || {
            let _ = set_parent_process_death_signal(Some(Signal::KILL));
            loop {
                thread::park();
            }
        };
        // Without it only a killed cargo is not noticed.
        let _ = thread::Builder::new().name("exit-with-cargo".to_owned()).spawn(hold_thread);
    });
}
