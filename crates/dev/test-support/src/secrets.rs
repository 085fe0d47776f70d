//! Remembers the secrets that the tests of a run use, and searches for them where no secret may be (promise S1).

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    io::Write as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use aho_corasick::AhoCorasick;
use bson::RawDocumentBuf;
use futures_util::TryStreamExt as _;
use local_stack::wait_for::DEADLINE;
use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError,
};
use serde_json::{Value, json};

use crate::{kafka::Record, stack::Stack};

/// The minimum length of a secret. Shorter ones also occur by chance.
const MIN_SECRET_LENGTH: usize = 12;
/// The deadline for reading all topics.
const TOPICS_DEADLINE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(200);

/// A secret in a place where no secret may be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leak {
    /// The kind of secret: password, refresh token, ...
    pub secret: String,
    /// The file, topic or collection that contains the secret.
    pub place: String,
}

/// Records that a test uses this secret. The last test of the run searches for it. `what` is the kind of secret.
///
/// Outside a run of `scripts/test` this does nothing.
///
/// # Panics
/// Panics if the directory of the run is not writable.
pub fn remember_secret(what: &str, value: &str) {
    let Some(directory) = env::var_os("TEST_STACK_DIR") else { return };
    let directory = Path::new(&directory).join("secrets");
    fs::create_dir_all(&directory).expect("the directory of the run is writable");
    // Each process has its own file and writes each line with one short write, so lines do not interleave.
    let path = directory.join(format!("{}.jsonl", std::process::id()));
    let line = format!("{}\n", json!({ "what": what, "value": value }));
    let file = fs::File::options().create(true).append(true).open(path);
    file.and_then(|mut file| file.write_all(line.as_bytes())).expect("the directory of the run is writable");
}

/// Returns all secrets of the run so far: the value and the kind.
#[must_use]
pub fn secrets_used(stack: &Stack) -> BTreeMap<String, String> {
    let read = |path: PathBuf| fs::read_to_string(path).unwrap_or_default();
    let text: String = files_under(&stack.directory().join("secrets")).into_iter().map(read).collect();
    text.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|line| Some((line["value"].as_str()?.to_owned(), line["what"].as_str()?.to_owned())))
        .filter(|(value, _)| value.len() >= MIN_SECRET_LENGTH)
        .collect()
}

/// Returns the secrets that these bytes contain. `place` names the place in the result.
#[must_use]
pub fn find_leaks(place: &str, bytes: &[u8], secrets: &BTreeMap<String, String>) -> BTreeSet<Leak> {
    SecretSearch::new(secrets).find_leaks(place, bytes)
}

/// A search for all secrets of a run in one pass. A run has thousands of secrets and even more places.
#[derive(Clone)]
struct SecretSearch {
    values: AhoCorasick,
    /// The kind of each secret, in the order of `values`.
    descriptions: Vec<String>,
}

impl SecretSearch {
    fn new(secrets: &BTreeMap<String, String>) -> Self {
        let values =
            AhoCorasick::new(secrets.keys()).expect("thousands of short texts are within the limits of the library");
        Self { values, descriptions: secrets.values().cloned().collect() }
    }

    fn find_leaks(&self, place: &str, bytes: &[u8]) -> BTreeSet<Leak> {
        let found = self.values.find_overlapping_iter(bytes).map(|hit| &self.descriptions[hit.pattern().as_usize()]);
        found.map(|what| Leak { secret: what.clone(), place: place.to_owned() }).collect()
    }
}

/// Searches the services' logs, every topic and every collection of the run.
///
/// # Panics
/// Panics if one of them cannot be read.
pub async fn find_leaks_everywhere(stack: &Stack) -> BTreeSet<Leak> {
    let secrets = SecretSearch::new(&secrets_used(stack));
    let mut leaks = find_in_logs(stack, &secrets);
    leaks.extend(find_in_topics(stack, &secrets).await);
    leaks.extend(find_in_collections(stack, &secrets).await);
    leaks
}

/// Searches the logs of the services. The log of the mail server contains the mails, in which tokens are allowed.
fn find_in_logs(stack: &Stack, secrets: &SecretSearch) -> BTreeSet<Leak> {
    let is_service_log = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("user-service") || name.starts_with("email-service")
    };
    let logs = files_under(&stack.directory().join("logs")).into_iter().filter(is_service_log);
    logs.flat_map(|path| secrets.find_leaks(&path.display().to_string(), &fs::read(&path).unwrap_or_default()))
        .collect()
}

/// Searches all topics with one consumer, because a run has hundreds of topics.
async fn find_in_topics(stack: &Stack, secrets: &SecretSearch) -> BTreeSet<Leak> {
    let (brokers, secrets) = (stack.brokers.clone(), secrets.clone());
    let search = move || {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &brokers)
            // The library requires a group id but does not use it: partitions are assigned and no offsets are stored.
            .set("group.id", "secret-search")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("fetch.wait.max.ms", "50")
            .create()
            .expect("these settings are valid");
        let mut unread = assign_all_partitions(&consumer);
        let mut leaks = BTreeSet::new();
        let end = Instant::now() + TOPICS_DEADLINE;
        while unread > 0 {
            assert!(Instant::now() < end, "{unread} partitions were not read to their end within {TOPICS_DEADLINE:?}");
            match consumer.poll(POLL) {
                Some(Ok(message)) => {
                    let place = format!("topic {}", message.topic());
                    let record = Record::from_message(&message);
                    let headers = record.headers.into_iter().filter_map(|(_, value)| value);
                    let parts = headers.chain(record.key).chain(record.value);
                    leaks.extend(parts.flat_map(|part| secrets.find_leaks(&place, &part)));
                }
                Some(Err(KafkaError::PartitionEOF(_))) => unread -= 1,
                // Connection errors are returned here; the next poll tries again.
                Some(Err(_)) | None => {}
            }
        }
        leaks
    };
    tokio::task::spawn_blocking(search).await.unwrap_or_else(|panicked| panic!("reading the topics: {panicked}"))
}

/// Makes the consumer read all partitions of all topics from their beginning. Returns the number of partitions.
fn assign_all_partitions(consumer: &BaseConsumer) -> usize {
    let metadata = consumer.fetch_metadata(None, DEADLINE).expect("the broker responds");
    let mut assignment = TopicPartitionList::new();
    for topic in metadata.topics().iter().filter(|topic| !topic.name().starts_with("__")) {
        for partition in topic.partitions() {
            let added = assignment.add_partition_offset(topic.name(), partition.id(), Offset::Beginning);
            added.expect("the beginning is a valid offset");
        }
    }
    consumer.assign(&assignment).expect("the partitions exist");
    assignment.count()
}

/// Searches all collections of all databases.
async fn find_in_collections(stack: &Stack, secrets: &SecretSearch) -> BTreeSet<Leak> {
    let client = stack.mongodb().await;
    let mut leaks = BTreeSet::new();
    for database in client.list_database_names().await.expect("MongoDB responds") {
        if ["admin", "local", "config"].contains(&database.as_str()) {
            continue;
        }
        let database = client.database(&database);
        for name in database.list_collection_names().await.expect("MongoDB responds") {
            let place = format!("collection {}.{name}", database.name());
            let found = database.collection::<RawDocumentBuf>(&name).find(bson::doc! {}).await;
            let mut documents = found.expect("MongoDB responds");
            while let Some(document) = documents.try_next().await.expect("MongoDB responds") {
                leaks.extend(secrets.find_leaks(&place, document.as_bytes()));
            }
        }
    }
    leaks
}

/// Returns all files under a directory, or none if the directory is missing.
fn files_under(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let below = |path: PathBuf| if path.is_dir() { files_under(&path) } else { vec![path] };
    entries.flatten().flat_map(|entry| below(entry.path())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_among_other_bytes_and_reported_without_its_value() {
        let secrets = BTreeMap::from([("correct horse battery".to_owned(), "password".to_owned())]);
        let leaks = find_leaks("a log", b"\xff{\"message\":\"correct horse battery\"}", &secrets);
        assert_eq!(leaks.into_iter().collect::<Vec<_>>(), [Leak { secret: "password".into(), place: "a log".into() }]);
        assert!(find_leaks("a log", b"correct horse", &secrets).is_empty());
    }
}
