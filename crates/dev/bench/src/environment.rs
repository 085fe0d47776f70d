//! The environment of all measurements: the stack, the worlds on it, and the size of the measurements.

use std::{path::PathBuf, time::Duration};

use anyhow::Result;
use events::{Event, LoginMethod, UserLoggedIn};
use service_kit::{Clock, Ids};
use test_support::{ServiceSpec, Stack, World};

use crate::{
    kafka::{Producer, ProducerRecord, RecordArrivals},
    processes::Processes,
    smtp_sink::SmtpSink,
};

/// The number of interleaved rounds in a full run.
const ROUNDS: usize = 5;
const QUICK_ROUNDS: usize = 1;
/// The number of records after which the broker's Java code is compiled. Before, an event costs it three times as much.
const WARM_UP_RECORDS: usize = 20_000;

pub(crate) struct Environment {
    stack: Stack,
    quick: bool,
    cores: usize,
    growth_users: usize,
}

impl Environment {
    /// Creates the environment. `growth_users` is the size of the largest database.
    pub(crate) fn new(quick: bool, growth_users: usize) -> Result<Self> {
        Ok(Self { stack: Stack::from_env(), quick, cores: std::thread::available_parallelism()?.get(), growth_users })
    }

    /// Sends single records through the broker, as the relay does, so that its code is compiled as in production.
    pub(crate) async fn warm_broker(&self) -> Result<()> {
        if self.stack.pid("kafka").is_none() {
            return Ok(());
        }
        let world = self.world("warm-up").await;
        let producer = Producer::new(world.brokers())?;
        let mut arrivals = RecordArrivals::from_topic(world.brokers(), world.topic())?;
        let (ids, now) = (Ids::random(), Clock::system().now());
        for _ in 0..self.scaled(WARM_UP_RECORDS) {
            let user = ids.v4();
            let logged_in = UserLoggedIn { user_id: user, session_id: user, methods: vec![LoginMethod::Password] };
            let event = Event::new(user, now, 1, None, logged_in.into());
            producer.send(world.topic(), &ProducerRecord::from_event(&event)).await?;
            arrivals.next().await?;
        }
        Ok(())
    }

    pub(crate) fn growth_users(&self) -> usize {
        self.scaled(self.growth_users)
    }

    /// Returns the directory of the large databases. It is kept, except after a quick run.
    pub(crate) fn growth_directory(&self) -> PathBuf {
        let directory = if self.quick { self.stack.directory().join("data") } else { PathBuf::from("target/bench") };
        directory.join(format!("growth-{}", self.growth_users()))
    }

    pub(crate) fn is_quick(&self) -> bool {
        self.quick
    }

    pub(crate) fn cores(&self) -> usize {
        self.cores
    }

    pub(crate) fn rounds(&self) -> usize {
        if self.quick { QUICK_ROUNDS } else { ROUNDS }
    }

    /// Returns the duration in a full run, and 500 ms in a quick run.
    pub(crate) fn duration(&self, full: Duration) -> Duration {
        if self.quick { Duration::from_millis(500) } else { full }
    }

    /// Returns the count in a full run, and a fiftieth of it in a quick run.
    pub(crate) fn scaled(&self, full: usize) -> usize {
        if self.quick { full.div_ceil(50) } else { full }
    }

    /// Returns the processes of mongod and of Kafka. The embedded broker is not a separate process and is left out.
    pub(crate) fn dependency_processes(&self) -> Processes {
        let known = ["mongod", "kafka"].into_iter().filter_map(|name| Some((name, self.stack.pid(name)?)));
        known.fold(Processes::default(), |processes, (name, pid)| processes.with(name, pid))
    }

    /// Creates a world whose mails go to a mail sink of its own.
    pub(crate) async fn world_with_sink(&self, name: &str) -> Result<(World, SmtpSink)> {
        let sink = SmtpSink::start().await?;
        Ok((self.world(name).await.on_smtp(sink.url()), sink))
    }

    /// Creates a world with its own topic, databases and keys.
    pub(crate) async fn world(&self, name: &str) -> World {
        World::new(&self.stack, name).await
    }

    /// Does the same with a topic of states.
    pub(crate) async fn world_with_states(&self, name: &str) -> World {
        let world = World::without_topic(&self.stack, name).with_states();
        world.create_topic().await;
        world
    }
}

/// Returns the user service with its default settings, behind a trusted proxy, so that users have their own
/// client addresses. Rate limits are counted as usual and never reached.
pub(crate) fn user_service(world: &World) -> ServiceSpec {
    world
        .user_service()
        .set("HTTP__TRUSTED_PROXIES", "127.0.0.1")
        .set("LIMITS__ENABLED", "true")
        .set("LIMITS__REQUESTS_PER_NETWORK", "1000000")
        .set("LIMITS__REGISTRATIONS_PER_NETWORK", "1000000")
        .set("LIMITS__LOGIN_FREE_FAILURES", "1000000")
        .set("LIMITS__ACCOUNT_FREE_FAILURES", "1000000")
}
