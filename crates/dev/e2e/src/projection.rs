//! `examples/profile-projection` as a process.

use std::time::Duration;

use bson::Document;
use local_stack::process::child::{Child, ChildSpec, Output};
use mongodb::Collection;
use rustix::process::Signal;
use test_support::{Api, Port, World, binary, wait_for};

/// The time in which the process starts or ends on a busy machine.
const DEADLINE: Duration = Duration::from_secs(45);

/// The running example. Dropping it kills the process.
pub struct Projection {
    process: Child,
    port: Port,
}

impl Projection {
    /// Starts the example in a world, with a topic of states and more variables, and waits until it responds.
    ///
    /// # Panics
    /// Panics with the end of its log if it does not start.
    pub async fn start(world: &World, topic: &str, variables: &[(&str, &str)]) -> Self {
        let port = Port::free().expect("a port is free");
        let log = world.logs().join(format!("profile-projection-{}.log", port.number()));
        let spec = ChildSpec::new("profile-projection", binary("profile-projection"), Output::File(log))
            .env("KAFKA_BROKERS", world.brokers())
            .env("STATE_TOPIC", topic)
            .env("GROUP", format!("projection-{}", world.tag()))
            .env("MONGODB_URI", world.stack().mongodb_uri())
            .env("MONGODB_DATABASE", database_name(world))
            .env("PORT", port.number().to_string());
        let spec = variables.iter().fold(spec, |spec, (name, value)| spec.env(name, value));
        let mut process = spec.start().unwrap_or_else(|error| panic!("{error:#}"));
        let api = Api::new(format!("http://127.0.0.1:{}", port.number()));
        wait_for(DEADLINE, "the projection to respond", async || {
            process.ensure_running().unwrap_or_else(|error| panic!("{error:#}"));
            api.try_send(api.request(reqwest::Method::GET, "/healthz")).await.ok()
        })
        .await;
        Self { process, port }
    }

    /// Returns a client without a token.
    #[must_use]
    pub fn api(&self) -> Api {
        Api::new(format!("http://127.0.0.1:{}", self.port.number()))
    }

    /// Sends SIGTERM, waits for the end, and returns the exit code.
    ///
    /// # Panics
    /// Panics if the process does not end in time.
    pub async fn terminate(mut self) -> Option<i32> {
        self.process.signal(Signal::TERM);
        self.process.wait_within(DEADLINE).await.expect("the projection ends").code()
    }
}

/// Returns a collection of the example.
pub async fn projection_collection(world: &World, name: &str) -> Collection<Document> {
    world.stack().mongodb().await.database(&database_name(world)).collection(name)
}

fn database_name(world: &World) -> String {
    format!("projection-{}", world.tag())
}
