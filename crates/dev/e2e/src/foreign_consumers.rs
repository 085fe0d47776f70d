//! The consumers of `examples/consumers`: builds and starts them, and compares the copies that they keep with the
//! expected users.

use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use bson::{Bson, Document, RawDocumentBuf, doc};
use events::{StateRecord, UserState};
use futures_util::TryStreamExt as _;
use local_stack::process::child::{Child, ChildSpec, Output};
use mongodb::Collection;
use serde_json::{Map, Number, Value};
use test_support::wait_for;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../..");

/// A language that has an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Language {
    /// The directory of the example, and the default of `COLLECTION`.
    pub name: &'static str,
    commands: &'static [&'static str],
    build: &'static str,
    start: &'static [&'static str],
}

/// All languages that have an example.
pub const LANGUAGES: [Language; 4] = [
    Language {
        name: "node",
        commands: &["node", "npm"],
        build: "npm ci --silent --no-audit",
        start: &["node", "consumer.js"],
    },
    Language {
        name: "java",
        commands: &["java", "mvn"],
        build: "mvn --quiet --batch-mode package",
        start: &["java", "-jar", "target/consumer.jar"],
    },
    Language {
        name: "python",
        commands: &["python3"],
        build: "python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore \
                --no-warn-conflicts --requirement requirements.txt --target packages",
        start: &["env", "PYTHONPATH=packages", "python3", "consumer.py"],
    },
    Language { name: "go", commands: &["go"], build: "go build -o consumer .", start: &["./consumer"] },
];

impl Language {
    /// Returns the language of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<Language> {
        LANGUAGES.into_iter().find(|language| language.name == name)
    }

    /// Builds the example, or returns the build of the same source. Blocks for up to some minutes.
    ///
    /// # Errors
    /// Returns the commands that are not installed.
    ///
    /// # Panics
    /// Panics if the build fails. Its messages are in standard error.
    pub fn build(self) -> Result<BuiltConsumer, String> {
        let path = env::var_os("PATH").unwrap_or_default();
        let is_missing = |command: &&&str| !env::split_paths(&path).any(|directory| directory.join(command).is_file());
        let missing: Vec<&str> = self.commands.iter().filter(is_missing).copied().collect();
        if !missing.is_empty() {
            return Err(format!("not installed: {}", missing.join(", ")));
        }
        let prepared = Command::new(format!("{ROOT}/scripts/prepare-example"))
            .args([&format!("examples/consumers/{}", self.name), self.build])
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .expect("scripts/prepare-example can be started");
        assert!(prepared.status.success(), "the consumer in {} cannot be built", self.name);
        let directory = String::from_utf8(prepared.stdout).expect("a path in UTF-8");
        Ok(BuiltConsumer { language: self, directory: PathBuf::from(directory.trim_end()) })
    }
}

/// A consumer that has been built.
#[derive(Debug, Clone)]
pub struct BuiltConsumer {
    /// The language of the consumer.
    pub language: Language,
    directory: PathBuf,
}

/// What a consumer reads and where it keeps its copies.
#[derive(Debug, Clone)]
pub struct ConsumerSettings {
    /// The brokers, separated by commas.
    pub brokers: String,
    /// The topic of states.
    pub topic: String,
    /// The consumer group.
    pub group: String,
    /// The connection string of MongoDB.
    pub mongodb_uri: String,
    /// The database of the copies.
    pub database: String,
    /// The collection of the copies.
    pub collection: String,
}

impl BuiltConsumer {
    /// Starts an instance, which appends its output to a log file. Dropping the child kills it.
    ///
    /// # Panics
    /// Panics if the process cannot be started.
    #[must_use]
    pub fn start(&self, settings: &ConsumerSettings, log: &Path) -> Child {
        let (program, arguments) = self.language.start.split_first().expect("a command has a program");
        // A relative program is one of the directory, not of the present one.
        let program = if program.starts_with("./") { self.directory.join(program) } else { PathBuf::from(program) };
        ChildSpec::new(format!("consumer-{}", self.language.name), program, Output::File(log.to_owned()))
            .args(arguments)
            .directory(&self.directory)
            .env("KAFKA_BROKERS", &settings.brokers)
            .env("STATE_TOPIC", &settings.topic)
            .env("GROUP", &settings.group)
            .env("MONGODB_URI", &settings.mongodb_uri)
            .env("MONGODB_DATABASE", &settings.database)
            .env("COLLECTION", &settings.collection)
            .start()
            .unwrap_or_else(|error| panic!("{error:#}"))
    }
}

/// A user as a copy has it.
#[derive(Debug, Clone, PartialEq)]
pub struct UserCopy {
    /// The version of the account.
    pub version: u64,
    /// The members of the state except `id` and `version`, with every number as a double; `None` for a deleted user.
    pub members: Option<Map<String, Value>>,
}

impl UserCopy {
    /// Returns the copy of a state.
    ///
    /// # Panics
    /// Panics if the state cannot be encoded.
    #[must_use]
    pub fn of_state(state: &UserState) -> UserCopy {
        let Value::Object(mut members) = serde_json::to_value(state).expect("a state has string keys") else {
            panic!("a state is an object")
        };
        members.remove("id");
        members.remove("version");
        UserCopy { version: state.version, members: Some(members.into_iter().map(with_doubles).collect()) }
    }

    /// Returns the copy of a record: a state, or the tombstone of a deleted user.
    #[must_use]
    pub fn of_record(record: &StateRecord) -> UserCopy {
        let deleted = UserCopy { version: record.version, members: None };
        record.state.as_ref().map_or(deleted, UserCopy::of_state)
    }

    /// Returns the copy in a document, and the user's id.
    fn of_document(document: Document) -> Result<(String, UserCopy), String> {
        let mut members: Map<String, Value> =
            document.into_iter().map(|(name, value)| (name, json_of(value))).collect();
        let Some(Value::String(id)) = members.remove("_id") else { return Err("an _id that is no text".to_owned()) };
        let version = members.remove("version").and_then(|version| version.as_f64());
        let version = version.ok_or_else(|| format!("{id}: no version"))?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "versions have ten digits")]
        let version = version as u64;
        let members = match members.remove("deleted") {
            None => Some(members),
            Some(Value::Bool(true)) => {
                members.remove("deletedAt").ok_or_else(|| format!("{id}: deleted, but without deletedAt"))?;
                if !members.is_empty() {
                    return Err(format!("{id}: deleted, but with members: {members:?}"));
                }
                None
            }
            Some(other) => return Err(format!("{id}: deleted is {other}")),
        };
        Ok((id, UserCopy { version, members }))
    }
}

/// Users by their ids, as lower-case text with hyphens.
pub type UserCopies = BTreeMap<String, UserCopy>;

/// What must be equal in two copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// The members that other services see. A deleted user may have a copy that says so, or none. `ce_sequence` may be
    /// lower than the version in the database, because logins raise only the latter.
    VisibleMembers,
    /// The same, and the version; and each deleted user must have a copy that says so.
    MembersAndVersions,
}

/// Reads all copies in a collection.
///
/// # Errors
/// Returns what is wrong with a document that is not a copy, or the error of MongoDB.
pub async fn read_copies(collection: &Collection<Document>) -> Result<UserCopies, String> {
    // Raw documents, because serde reads an attribute like `{"$numberLong": "5"}` as the number that it stands for.
    let collection = collection.clone_with_type::<RawDocumentBuf>();
    let found: Vec<RawDocumentBuf> = match collection.find(doc! {}).await {
        Ok(cursor) => cursor.try_collect().await.map_err(|error| error.to_string())?,
        Err(error) => return Err(error.to_string()),
    };
    found.iter().map(|raw| UserCopy::of_document(raw.try_into().map_err(|error| format!("{error}"))?)).collect()
}

/// Describes each difference between the copies in a collection and the expected users.
#[must_use]
pub fn differences(expected: &UserCopies, found: &UserCopies, comparison: Comparison) -> Vec<String> {
    let with_versions = comparison == Comparison::MembersAndVersions;
    let mut differences = Vec::new();
    let mut ids: Vec<&String> = expected.keys().chain(found.keys()).collect();
    ids.sort();
    ids.dedup();
    for id in ids {
        let (expected, found) = (expected.get(id), found.get(id));
        let members = |copy: Option<&UserCopy>| copy.and_then(|copy| copy.members.clone());
        if members(expected) != members(found) {
            differences.push(format!("{id}: expected {}, found {}", describe(expected), describe(found)));
        } else if with_versions && expected.map(|copy| copy.version) != found.map(|copy| copy.version) {
            let version = |copy: Option<&UserCopy>| copy.map(|copy| copy.version);
            differences.push(format!("{id}: expected version {:?}, found {:?}", version(expected), version(found)));
        }
    }
    differences
}

fn describe(copy: Option<&UserCopy>) -> String {
    match copy {
        None => "no user".to_owned(),
        Some(UserCopy { version, members: None }) => format!("a deleted user, version {version}"),
        Some(UserCopy { version, members: Some(members) }) => {
            format!("version {version} {}", Value::Object(members.clone()))
        }
    }
}

/// Waits until the copies in a collection are the expected users.
///
/// # Panics
/// Panics with the first differences after `within`.
pub async fn wait_until_equal(
    name: &str,
    collection: &Collection<Document>,
    expected: &UserCopies,
    comparison: Comparison,
    within: Duration,
) {
    let compare = async || match read_copies(collection).await {
        Ok(found) => differences(expected, &found, comparison),
        Err(error) => vec![error],
    };
    let equal = async || compare().await.is_empty().then_some(());
    if tokio::time::timeout(within, wait_for(within * 2, "equal copies", equal)).await.is_err() {
        let differences = compare().await;
        let shown: Vec<&str> = differences.iter().take(5).map(String::as_str).collect();
        assert!(shown.is_empty(), "{name}: {} differences after {within:?}:\n{}", differences.len(), shown.join("\n"));
    }
}

fn with_doubles((name, value): (String, Value)) -> (String, Value) {
    let value = match value {
        Value::Number(number) => number.as_f64().map_or(Value::Number(number), double),
        Value::Array(items) => {
            Value::Array(items.into_iter().map(|item| with_doubles((String::new(), item)).1).collect())
        }
        Value::Object(members) => Value::Object(members.into_iter().map(with_doubles).collect()),
        other => other,
    };
    (name, value)
}

/// Returns the JSON of a value, with every number as a double. Types that JSON does not have become their description.
fn json_of(value: Bson) -> Value {
    match value {
        Bson::Null => Value::Null,
        Bson::Boolean(value) => Value::Bool(value),
        Bson::String(value) => Value::String(value),
        Bson::Int32(value) => double(value.into()),
        #[expect(clippy::cast_precision_loss, reason = "JSON's other side is a double too")]
        Bson::Int64(value) => double(value as f64),
        Bson::Double(value) => double(value),
        Bson::Array(items) => Value::Array(items.into_iter().map(json_of).collect()),
        Bson::Document(members) => {
            Value::Object(members.into_iter().map(|(name, value)| (name, json_of(value))).collect())
        }
        other => Value::String(format!("{other:?}")),
    }
}

fn double(value: f64) -> Value {
    Number::from_f64(value).map_or_else(|| Value::String(value.to_string()), Value::Number)
}
