//! The consumers of the topic of states, each with several instances: the programs in `examples/consumers`, and
//! `examples/profile-projection`. An instance that ends by itself is started again, as by an orchestrator.

use std::{env, fs, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail};
use local_stack::process::child::{Child, ChildSpec, Output};
use test_support::{Port, World};
use tokio::{
    sync::Mutex,
    time::{MissedTickBehavior, interval},
};

use crate::deployment::Deployment;

/// The number of instances of each consumer. With two, each start and each end moves partitions.
pub(crate) const INSTANCES: usize = 2;
/// The database of the copies.
pub(crate) const DATABASE: &str = "consumers";
/// The time between two looks at whether an instance has ended.
const SUPERVISION_INTERVAL: Duration = Duration::from_secs(1);
/// The time that an instance has to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(15);

/// A consumer that keeps a copy of the users. Its name is also that of its collection.
pub(crate) struct Consumer {
    pub(crate) name: String,
    pub(crate) group: String,
    pub(crate) instances: Vec<Mutex<Instance>>,
}

/// One process of a consumer.
pub(crate) struct Instance {
    spec: ChildSpec,
    process: Child,
    log: PathBuf,
    /// How many times it was started again.
    pub(crate) restarts: usize,
    /// How many times it ended by itself.
    pub(crate) ended: usize,
    _port: Port,
}

/// A program that is a consumer.
struct Program {
    name: String,
    directory: PathBuf,
    command: Vec<String>,
}

/// Returns the programs of a list that `scripts/faults` has written: name, versions, directory and command of each,
/// separated by tabs.
fn programs() -> Result<Vec<Program>> {
    let path = env::var("CONSUMERS").context("CONSUMERS is not set: run scripts/faults")?;
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let program = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, _, directory, command] = fields[..] else { bail!("not a consumer: {line}") };
        let command = command.split_whitespace().map(str::to_owned).collect();
        Ok(Program { name: name.to_owned(), directory: directory.into(), command })
    };
    text.lines().map(program).collect()
}

impl Program {
    fn start(&self, world: &World, mongodb_uri: &str) -> Result<Consumer> {
        let group = format!("{}-{}", self.name, world.tag());
        let instances = (1..=INSTANCES).map(|number| self.start_instance(number, &group, world, mongodb_uri));
        let instances = instances.map(|instance| instance.map(Mutex::new)).collect::<Result<_>>()?;
        Ok(Consumer { name: self.name.clone(), group, instances })
    }

    fn start_instance(&self, number: usize, group: &str, world: &World, mongodb_uri: &str) -> Result<Instance> {
        let (program, arguments) = self.command.split_first().context("a consumer has a command")?;
        let (log, port) = (world.logs().join(format!("{}-{number}.log", self.name)), Port::free()?);
        let spec = ChildSpec::new(&self.name, program, Output::File(log.clone()))
            .args(arguments)
            .directory(&self.directory)
            .env("KAFKA_BROKERS", world.brokers())
            .env("STATE_TOPIC", world.state_topic().context("the world has a topic of states")?)
            .env("GROUP", group)
            .env("MONGODB_URI", mongodb_uri)
            .env("MONGODB_DATABASE", DATABASE)
            .env("COLLECTION", &self.name)
            // Only the projection serves HTTP.
            .env("PORT", port.number().to_string());
        Ok(Instance { process: spec.start()?, spec, log, restarts: 0, ended: 0, _port: port })
    }
}

/// Starts all instances of all programs. Their connections to MongoDB use this connection string.
///
/// # Errors
/// Returns an error if a program cannot be started.
pub(crate) fn start(world: &World, mongodb_uri: &str) -> Result<Vec<Consumer>> {
    programs()?.into_iter().map(|program| program.start(world, mongodb_uri)).collect()
}

/// Starts instances that have ended by themselves again, until the task is aborted.
pub(crate) async fn supervise(deployment: Arc<Deployment>) {
    let mut ticks = interval(SUPERVISION_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        for consumer in &deployment.consumers {
            for instance in &consumer.instances {
                // An instance that a fault currently locks is skipped.
                let Ok(mut instance) = instance.try_lock() else { continue };
                if instance.process.exit_status().is_some() {
                    instance.ended += 1;
                    instance.start_again();
                }
            }
        }
    }
}

impl Instance {
    /// Sends SIGKILL.
    pub(crate) async fn kill(&mut self) {
        self.process.kill().await;
    }

    /// Sends SIGTERM, and SIGKILL after a while.
    pub(crate) async fn terminate(&mut self) {
        self.process.stop(GRACE).await;
    }

    /// Sends SIGSTOP.
    pub(crate) fn pause(&mut self) {
        self.process.pause();
    }

    /// Sends SIGCONT.
    pub(crate) fn resume(&mut self) {
        self.process.resume();
    }

    /// Returns how many records it has read, also repeatedly: the sum of what it has printed after each batch.
    pub(crate) fn records_read(&self) -> usize {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let count = |line: &str| line.split_once("applied ")?.1.split_whitespace().next()?.parse::<usize>().ok();
        log.lines().filter_map(count).sum()
    }

    /// Starts the process again after its end.
    ///
    /// # Panics
    /// Panics if it cannot be started. It could be before.
    pub(crate) fn start_again(&mut self) {
        self.process = self.spec.start().unwrap_or_else(|error| panic!("{error:#}"));
        self.restarts += 1;
    }
}
