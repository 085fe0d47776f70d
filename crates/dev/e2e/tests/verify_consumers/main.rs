//! Consumers in other languages keep copies that become the last states of the users: `examples/consumers`.
//!
//! All consumers read the same topic at the same time, each with a group and a collection of its own, while instances
//! join, leave and are killed, and while the broker and the database are away. `scripts/verify-consumers` runs this.

mod states;

use std::{
    collections::BTreeMap,
    env, fs,
    time::{Duration, Instant},
};

use bson::Document;
use e2e::foreign_consumers::{
    BuiltConsumer, Comparison, ConsumerSettings, LANGUAGES, Language, read_copies, wait_until_equal,
};
use futures_util::future::join_all;
use local_stack::process::child::Child;
use mongodb::{Client, Collection};
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
};
use test_support::{IsolatedKafka, IsolatedMongod, Stack, World, create_topic_with_settings, report_skipped, wait_for};
use tokio::time::sleep;

use crate::states::{MARKER, States};

const PARTITIONS: i32 = 12;
/// The time in which the members of a group have their partitions, or in which all records are read: a JVM starts, a
/// killed member's session ends (10 s), and the client's pauses between its attempts.
const SETTLED: Duration = Duration::from_secs(90);
/// The time in which a consumer stops, even while MongoDB or the broker is away.
const STOPPED: Duration = Duration::from_secs(30);
/// How long the broker and the database are away.
const OUTAGE: Duration = Duration::from_secs(8);
const CALL_DEADLINE: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the toolchains of the examples: run scripts/verify-consumers"]
async fn copies_become_the_last_states_despite_rebalances_kills_and_outages() {
    let stack = Stack::from_env();
    if stack.is_embedded() {
        report_skipped("verify_consumers", "the embedded broker has no consumer groups that other clients know");
        return;
    }
    let begun = Instant::now();
    let built = build_wanted();
    println!("verify-consumers: built after {:.1?}", begun.elapsed());
    let seed = env::var("VERIFY_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(17);
    println!("verify-consumers: seed {seed}");

    let world = World::without_topic(&stack, "consumers");
    let mut kafka = IsolatedKafka::start(&stack, "consumers").await;
    let mut mongod = IsolatedMongod::start_replica_set(&stack, "consumers").await;
    let topic = "user.state";
    create_topic_with_settings(&kafka.brokers(), topic, PARTITIONS, &[("cleanup.policy", "compact")]).await;
    let client = Client::with_uri_str(mongod.uri()).await.expect("the connection string is valid");
    let mut groups: Vec<Group> = built
        .into_iter()
        .map(|consumer| {
            let name = consumer.language.name;
            let settings = ConsumerSettings {
                brokers: kafka.brokers(),
                topic: topic.to_owned(),
                group: format!("consumer-{name}"),
                mongodb_uri: mongod.uri(),
                database: "consumers".to_owned(),
                collection: name.to_owned(),
            };
            let collection = client.database(&settings.database).collection(name);
            Group { consumer, settings, collection, instances: BTreeMap::new() }
        })
        .collect();
    let mut states = States::new(&kafka.brokers(), topic, seed);
    let report = |what: &str, since: Instant| println!("verify-consumers: {what}: {:.1?}", since.elapsed());

    let since = Instant::now();
    states.write(1_000);
    states.flush().await;
    start(&mut groups, &world, "a");
    settle(&mut groups, &mut states).await;
    report("the first instance has read the topic from its beginning", since);

    let since = Instant::now();
    start(&mut groups, &world, "b");
    states.write_during(join_all(groups.iter().map(|group| group.wait_for_members(2)))).await;
    states.write_during(sleep(Duration::from_secs(3))).await;
    settle(&mut groups, &mut states).await;
    report("a second instance has joined", since);

    let since = Instant::now();
    states.write_during(join_all(groups.iter_mut().map(|group| group.kill("a")))).await;
    states.write_during(sleep(Duration::from_secs(3))).await;
    settle(&mut groups, &mut states).await;
    report("the first instance was killed", since);

    let is_quick = env::var("VERIFY_QUICK").is_ok_and(|quick| quick == "true");
    if !is_quick {
        let since = Instant::now();
        start(&mut groups, &world, "a");
        states.write_during(join_all(groups.iter().map(|group| group.wait_for_members(2)))).await;
        // The second instances read many records at once, which they cannot write and must not commit.
        groups.iter_mut().for_each(|group| group.instance("b").pause());
        states.write(500);
        states.flush().await;
        mongod.pause();
        groups.iter_mut().for_each(|group| group.instance("b").resume());
        states.write_during(sleep(OUTAGE)).await;
        states.write_during(mongod.take_down()).await;
        states.write_during(join_all(groups.iter_mut().map(|group| group.stop("b")))).await;
        states.write_during(mongod.bring_up()).await;
        settle(&mut groups, &mut states).await;
        report("MongoDB was away, and the second instance stopped meanwhile", since);

        let since = Instant::now();
        start(&mut groups, &world, "b");
        states.write_during(join_all(groups.iter().map(|group| group.wait_for_members(2)))).await;
        states.write_during(kafka.take_down()).await;
        states.write_during(sleep(OUTAGE)).await;
        states.write_during(join_all(groups.iter_mut().map(|group| group.stop("b")))).await;
        states.write_during(kafka.bring_up()).await;
        states.write_during(sleep(Duration::from_secs(1))).await;
        settle(&mut groups, &mut states).await;
        report("the broker was away, and the second instance stopped meanwhile", since);
    }

    let since = Instant::now();
    start(&mut groups, &world, if is_quick { "a" } else { "b" });
    states.write_during(join_all(groups.iter().map(|group| group.wait_for_members(2)))).await;
    settle(&mut groups, &mut states).await;
    for name in ["a", "b"] {
        join_all(groups.iter_mut().map(|group| group.stop(name))).await;
    }
    report("both instances have stopped", since);

    for group in &groups {
        let name = group.consumer.language.name;
        let (committed, ends) = group.offsets();
        assert_eq!(committed, ends, "{name}: the committed offsets of a stopped consumer are not the end of the topic");
        for log in fs::read_dir(world.logs().join(name)).expect("the consumers have logs") {
            let log = log.expect("the directory can be read").path();
            let text = String::from_utf8_lossy(&fs::read(&log).expect("a log can be read")).into_owned();
            assert!(!text.contains(MARKER), "{name}: {} has the contents of a record", log.display());
            assert!(text.contains("skipped: "), "{name}: {} names no malformed record", log.display());
        }
        let copies = read_copies(&group.collection).await.expect("the copies can be read").len();
        println!("verify-consumers: {name}: {copies} copies agree");
    }
    println!("verify-consumers: {:?}", states.counts());
}

/// Builds the consumers that `VERIFY_CONSUMERS` names, or all. A language whose toolchain is missing is skipped.
fn build_wanted() -> Vec<BuiltConsumer> {
    let wanted = env::var("VERIFY_CONSUMERS").unwrap_or_default();
    let find = |name| Language::find(name).unwrap_or_else(|| panic!("no consumer in {name}"));
    let mut languages: Vec<Language> = wanted.split_whitespace().map(find).collect();
    if languages.is_empty() {
        languages = LANGUAGES.to_vec();
    }
    let build = |language: Language| match language.build() {
        Ok(built) => Some(built),
        Err(why) => {
            report_skipped(&format!("verify_consumers {}", language.name), &why);
            None
        }
    };
    let built: Vec<BuiltConsumer> = languages.into_iter().filter_map(build).collect();
    assert!(!built.is_empty(), "no consumer can be tested here");
    built
}

fn start(groups: &mut [Group], world: &World, instance: &'static str) {
    for group in groups {
        let log = world.logs().join(group.consumer.language.name).join(format!("{instance}.log"));
        group.instances.insert(instance, group.consumer.start(&group.settings, &log));
    }
}

/// Waits until every consumer has the last states, and checks that its instances run.
async fn settle(groups: &mut [Group], states: &mut States) {
    states.flush().await;
    let since = Instant::now();
    join_all(groups.iter().map(async |group| {
        let name = group.consumer.language.name;
        wait_until_equal(name, &group.collection, states.expected(), Comparison::MembersAndVersions, SETTLED).await;
        println!("verify-consumers: {name} has the last states after {:.1?}", since.elapsed());
    }))
    .await;
    for instance in groups.iter_mut().flat_map(|group| group.instances.values_mut()) {
        instance.ensure_running().unwrap_or_else(|error| panic!("{error:#}"));
    }
}

/// The instances of a consumer.
struct Group {
    consumer: BuiltConsumer,
    settings: ConsumerSettings,
    collection: Collection<Document>,
    instances: BTreeMap<&'static str, Child>,
}

impl Group {
    fn instance(&mut self, instance: &str) -> &mut Child {
        self.instances.get_mut(instance).expect("it runs")
    }

    async fn kill(&mut self, instance: &str) {
        self.instances.remove(instance).expect("it runs").kill().await;
    }

    /// Sends SIGTERM and waits for the end.
    async fn stop(&mut self, instance: &str) {
        let mut child = self.instances.remove(instance).expect("it runs");
        let since = Instant::now();
        let ended = child.stop(STOPPED).await;
        let name = child.name().to_owned();
        let status = ended.unwrap_or_else(|| panic!("{name} has not stopped within {STOPPED:?}"));
        // A JVM ends with 128 + SIGTERM.
        assert!(matches!(status.code(), Some(0 | 143)), "{name} ended with {status}");
        println!("verify-consumers: {name} stopped within {:.1?}", since.elapsed());
    }

    async fn wait_for_members(&self, count: usize) {
        let name = self.consumer.language.name;
        wait_for(SETTLED, &format!("{count} members of {name} with partitions"), async || {
            let group = self.settings.group.clone();
            let members = self.with_client(move |client| {
                let groups = client.fetch_group_list(Some(&group), CALL_DEADLINE).ok()?;
                let group = groups.groups().first().filter(|group| group.state() == "Stable")?;
                Some(group.members().iter().filter(|member| member.assignment().is_some()).count())
            });
            (members.await? == count).then_some(())
        })
        .await;
    }

    /// Returns the committed offsets of the group, and the ends of the partitions.
    fn offsets(&self) -> (Vec<i64>, Vec<i64>) {
        let client = self.client();
        let mut list = TopicPartitionList::new();
        list.add_partition_range(&self.settings.topic, 0, PARTITIONS - 1);
        let committed = client.committed_offsets(list, CALL_DEADLINE).expect("the broker responds");
        let offset = |offset| if let Offset::Offset(next) = offset { next } else { 0 };
        let end =
            |partition| client.fetch_watermarks(&self.settings.topic, partition, CALL_DEADLINE).map(|(_, end)| end);
        (
            committed.elements().iter().map(|element| offset(element.offset())).collect(),
            (0..PARTITIONS).map(|partition| end(partition).expect("the broker responds")).collect(),
        )
    }

    fn client(&self) -> BaseConsumer {
        let settings = &self.settings;
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &settings.brokers).set("group.id", &settings.group);
        config.create().expect("these settings are valid")
    }

    async fn with_client<T: Send + 'static>(&self, call: impl FnOnce(&BaseConsumer) -> T + Send + 'static) -> T {
        let client = self.client();
        tokio::task::spawn_blocking(move || call(&client)).await.expect("the call does not panic")
    }
}
