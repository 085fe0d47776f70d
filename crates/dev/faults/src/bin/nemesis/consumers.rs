//! The consumers of the topic of states, each with several instances: the programs in `examples/consumers`, and
//! `examples/profile-projection`. An instance that ends by itself is started again, as by an orchestrator.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result};
use e2e::{
    foreign_consumers::{BuiltConsumer, ConsumerSettings, LANGUAGES},
    offsets,
};
use futures_util::future::join_all;
use local_stack::process::child::{Child, ChildSpec, Output};
use test_support::{Port, World, binary};
use tokio::{
    sync::Mutex,
    time::{MissedTickBehavior, interval, sleep},
};

use crate::deployment::Deployment;

/// The number of instances of each consumer. With two, each start and each end moves partitions.
pub(crate) const INSTANCES: usize = 2;
/// The database of the copies.
pub(crate) const DATABASE: &str = "consumers";
const PROJECTION: &str = "profile-projection";
/// The time between two looks at whether an instance has ended.
const SUPERVISION_INTERVAL: Duration = Duration::from_secs(1);
/// The time that an instance has to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(15);

/// A consumer that keeps a copy of the users. Its name is also that of its collection.
pub(crate) struct Consumer {
    pub(crate) name: &'static str,
    pub(crate) instances: Vec<Mutex<Instance>>,
    pub(crate) groups: Mutex<Groups>,
}

/// The consumer groups of a consumer, one after the other.
pub(crate) struct Groups {
    pub(crate) names: Vec<String>,
    /// At least how many records were read again by a later group: those whose offsets the group before had committed.
    pub(crate) replayed: i64,
}

/// One process of a consumer.
pub(crate) struct Instance {
    program: Program,
    settings: ConsumerSettings,
    log: PathBuf,
    process: Child,
    /// How many times it was started again.
    pub(crate) restarts: usize,
    /// How many times it ended by itself.
    pub(crate) ended: usize,
}

/// The program of a consumer.
#[derive(Clone)]
enum Program {
    Foreign(BuiltConsumer),
    /// The projection, which serves HTTP on this port.
    Projection(Arc<Port>),
}

/// The consumers of a run.
#[derive(Default)]
pub(crate) struct Consumers {
    pub(crate) running: Vec<Consumer>,
    /// Those that this machine cannot build, each with the reason.
    pub(crate) skipped: Vec<String>,
}

/// Builds all consumers and starts their instances. Their connections to MongoDB use this connection string.
///
/// # Errors
/// Returns an error if no port is free.
pub(crate) fn start(world: &World, mongodb_uri: &str) -> Result<Consumers> {
    let mut consumers = Consumers::default();
    for language in LANGUAGES {
        match language.build() {
            Ok(built) => {
                let program = || Ok(Program::Foreign(built.clone()));
                consumers.running.push(Consumer::start(language.name, program, world, mongodb_uri)?);
            }
            Err(why) => consumers.skipped.push(format!("consumer in {}: {why}", language.name)),
        }
    }
    let projection = || Ok(Program::Projection(Arc::new(Port::free()?)));
    consumers.running.push(Consumer::start(PROJECTION, projection, world, mongodb_uri)?);
    Ok(consumers)
}

/// Starts instances that have ended by themselves again, until the task is aborted.
pub(crate) async fn supervise(deployment: Arc<Deployment>) {
    let mut ticks = interval(SUPERVISION_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        for consumer in &deployment.consumers.running {
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

impl Consumer {
    fn start(
        name: &'static str,
        program: impl Fn() -> Result<Program>,
        world: &World,
        mongodb_uri: &str,
    ) -> Result<Self> {
        let settings = ConsumerSettings {
            brokers: world.brokers().to_owned(),
            topic: world.state_topic().context("the world has a topic of states")?.to_owned(),
            group: format!("{name}-{}", world.tag()),
            mongodb_uri: mongodb_uri.to_owned(),
            database: DATABASE.to_owned(),
            collection: name.to_owned(),
        };
        let instance = |number| {
            let (program, settings) = (program()?, settings.clone());
            let log = world.logs().join(format!("{name}-{number}.log"));
            let process = program.start(&settings, &log);
            Ok(Mutex::new(Instance { program, settings, log, process, restarts: 0, ended: 0 }))
        };
        let instances = (1..=INSTANCES).map(instance).collect::<Result<_>>()?;
        Ok(Self { name, instances, groups: Mutex::new(Groups { names: vec![settings.group], replayed: 0 }) })
    }

    /// Ends all instances, and starts them again after this time in a new group, which reads the topic from its
    /// beginning. The copy stays.
    pub(crate) async fn replay(&self, world: &World, duration: Duration) {
        let mut instances = join_all(self.instances.iter().map(Mutex::lock)).await;
        join_all(instances.iter_mut().map(|instance| instance.terminate())).await;
        let group = self.groups.lock().await.add(self.name, world).await;
        sleep(duration).await;
        for instance in &mut instances {
            instance.settings.group.clone_from(&group);
            instance.start_again();
        }
    }
}

impl Groups {
    /// Adds a group of a consumer and returns its name.
    async fn add(&mut self, consumer: &str, world: &World) -> String {
        if let (Some(group), Some(topic)) = (self.names.last(), world.state_topic()) {
            let committed = offsets::try_committed_of(world, group, topic).await;
            self.replayed += committed.unwrap_or_default().values().sum::<i64>();
        }
        let group = format!("{consumer}-{}-{}", world.tag(), self.names.len() + 1);
        self.names.push(group.clone());
        group
    }
}

impl Program {
    fn start(&self, settings: &ConsumerSettings, log: &Path) -> Child {
        match self {
            Self::Foreign(built) => built.start(settings, log),
            Self::Projection(port) => ChildSpec::new(PROJECTION, binary(PROJECTION), Output::File(log.to_owned()))
                .env("KAFKA_BROKERS", &settings.brokers)
                .env("STATE_TOPIC", &settings.topic)
                .env("GROUP", &settings.group)
                .env("MONGODB_URI", &settings.mongodb_uri)
                .env("MONGODB_DATABASE", &settings.database)
                .env("COLLECTION", &settings.collection)
                .env("PORT", port.number().to_string())
                .start()
                .unwrap_or_else(|error| panic!("{error:#}")),
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

    /// Starts the process again after its end.
    pub(crate) fn start_again(&mut self) {
        self.process = self.program.start(&self.settings, &self.log);
        self.restarts += 1;
    }
}
