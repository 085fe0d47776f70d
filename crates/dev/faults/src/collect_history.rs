//! Collects the parts of a history other than the operations: topic, collections, offsets, mail transactions,
//! logs.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use bson::{Document, doc};
use e2e::offsets;
use events::{Decoded, Payload, UserState};
use futures_util::{TryStreamExt as _, future::OptionFuture};
use jiff::Timestamp;
use mongodb::Database;
use serde_json::{Map, Value};
use test_support::{SmtpTransaction, TopicReader, secrets_used};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::{
    checker::{
        DeadLetter, History, KnownSecret, LedgerMail, Limits, MailTransaction, Operation, Promise, SearchedText,
        StateTransition, StoredUser, TopicRecord,
    },
    fault_run::FaultRun,
    recorder::RecordedOperation,
};

/// How long the topic of states may take to end with the newest state of every user after the lists have become empty.
/// A publisher that finds its entry gone adds another one, which a sweep publishes.
const STATES_DEADLINE: Duration = Duration::from_secs(5);

/// Collects the history of a run that is idle. It waits a few sweeps for the topic of states to settle.
///
/// # Panics
/// Panics when the broker or the database does not respond.
pub async fn collect_history(run: &FaultRun) -> History {
    let end = Instant::now() + STATES_DEADLINE;
    loop {
        let history = collect_once(run).await;
        if Instant::now() > end || Promise::I10.violations(&history).is_empty() {
            return history;
        }
        sleep(Duration::from_millis(200)).await;
    }
}

async fn collect_once(run: &FaultRun) -> History {
    let states = OptionFuture::from(run.world.state_reader().map(|reader| records(run, reader))).await;
    let records = records(run, run.world.topic_reader()).await;
    let users = documents(&run.world.user_database().await, "users").await;
    let email = run.world.email_database().await;
    let addresses = addresses(&records, &users);
    let secrets = secrets_used(run.world.stack()).into_iter().map(|(value, what)| KnownSecret { what, value });
    let committed = if run.limits.no_email_service { BTreeMap::new() } else { offsets::committed(&run.world).await };
    History {
        operations: run
            .recorder
            .recorded_operations()
            .into_iter()
            .map(|recorded| resolve_account(recorded, &addresses))
            .collect(),
        records,
        states,
        users: users.iter().map(|document| user(document, &run.limits)).collect(),
        mails: documents(&email, "mailJobs").await.iter().map(mail).collect(),
        dead_letters: documents(&email, "deadLetters").await.iter().map(letter).collect(),
        committed,
        smtp: run.smtp.transactions().into_iter().map(transaction).collect(),
        secrets: secrets.collect(),
        texts: texts(&run.world.logs()),
        limits: run.limits.clone(),
        ..History::default()
    }
}

async fn records(run: &FaultRun, mut reader: TopicReader) -> Vec<TopicRecord> {
    let foreign_keys = run.recorder.foreign_keys();
    let mut records: Vec<TopicRecord> =
        reader.read_all().await.iter().map(|read| record(read, &foreign_keys)).collect();
    records.sort_by_key(|record| (record.partition, record.offset));
    records
}

fn record(read: &test_support::Record, foreign_keys: &BTreeSet<Vec<u8>>) -> TopicRecord {
    TopicRecord {
        partition: read.partition,
        offset: read.offset,
        timestamp: read.timestamp,
        key: read.key.clone(),
        value: read.value.clone(),
        headers: read.headers.clone(),
        foreign: read.key.as_ref().is_some_and(|key| foreign_keys.contains(key)),
    }
}

/// Maps each email address to the account that it belongs or belonged to.
fn addresses(records: &[TopicRecord], users: &[Document]) -> BTreeMap<String, Uuid> {
    let mut addresses = BTreeMap::new();
    let mut is_of = |address: &str, user| addresses.insert(address.to_lowercase(), user);
    for record in records {
        let headers = record.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref()));
        let Ok(Decoded::Event(event)) = events::decode(headers, record.key.as_deref(), record.value.as_deref()) else {
            continue;
        };
        let user = event.envelope.subject;
        if let Some(recipient) = event.payload.recipient() {
            is_of(&recipient.email, user);
        }
        if let Payload::UserEmailChanged(changed) = &event.payload {
            is_of(&changed.new_email, user);
        }
    }
    for document in users {
        if let (Some(address), Some(id)) = (text(document, "email"), id(document)) {
            is_of(&address, id);
        }
    }
    addresses
}

/// Adds the account to an operation that named only an email address.
fn resolve_account(recorded: RecordedOperation, addresses: &BTreeMap<String, Uuid>) -> Operation {
    let RecordedOperation { mut operation, email } = recorded;
    if let (None, Some(address)) = (operation.user, email) {
        operation.user = Some(addresses.get(&address.to_lowercase()).copied().unwrap_or(Uuid::nil()));
    }
    operation
}

async fn documents(database: &Database, name: &str) -> Vec<Document> {
    let found = database.collection(name).find(doc! {}).sort(doc! { "_id": 1 }).await.expect("MongoDB answers");
    found.try_collect().await.expect("MongoDB answers")
}

fn user(document: &Document, limits: &Limits) -> StoredUser {
    let pending = document.get_array("pendingEvents").map(Vec::as_slice).unwrap_or_default();
    let pending = pending.iter().filter_map(|entry| {
        let entry = entry.as_document()?;
        Some((uuid(entry, "id")?, text(entry, "type")?))
    });
    let id = id(document).expect("a user has an id");
    let version = u64::try_from(integer(document, "version")).expect("a version is not negative");
    let deleted = document.contains_key("deletedAt");
    // The address is not verified, and the username may be that of another user.
    let hidden = document.get_bool("unclaimed").unwrap_or(false);
    let state = (!deleted && !hidden).then(|| state(document, id, version, limits));
    StoredUser { id, version, deleted, state, pending: pending.collect() }
}

/// Returns the state of an account as other services may see it.
fn state(document: &Document, id: Uuid, version: u64, limits: &Limits) -> UserState {
    let required_text = |name: &str| text(document, name).unwrap_or_else(|| panic!("a user without {name}"));
    let required_time = |name: &str| time(document, name).unwrap_or_else(|| panic!("a user without {name}"));
    let roles = document.get_array("roles").map(Vec::as_slice).unwrap_or_default();
    let mut attributes: Map<String, Value> =
        text(document, "attributes").and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default();
    attributes.retain(|name, _| limits.public_attributes.contains(name));
    UserState {
        id,
        version,
        username: required_text("username"),
        email: required_text("email"),
        email_verified: document.get_bool("emailVerified").expect("a user has emailVerified"),
        display_name: text(document, "displayName"),
        locale: text(document, "locale"),
        timezone: text(document, "timezone"),
        roles: roles.iter().filter_map(|role| role.as_str().map(str::to_owned)).collect(),
        status: serde_json::from_value(required_text("status").into()).expect("a status of the contract"),
        attributes: Some(attributes).filter(|attributes| !attributes.is_empty()),
        created_at: required_time("createdAt"),
        updated_at: required_time("updatedAt"),
    }
}

fn mail(document: &Document) -> LedgerMail {
    let history = document.get_array("history").expect("a mail has a history");
    let step = |entry: &bson::Bson| {
        let entry = entry.as_document().expect("a step is a document");
        StateTransition {
            at: time(entry, "at").expect("a step has a time"),
            from: text(entry, "from"),
            to: text(entry, "to").expect("a step has a new state"),
            by: text(entry, "by").expect("a step names who caused it"),
        }
    };
    let required_text = |name: &str| text(document, name).unwrap_or_else(|| panic!("a mail without {name}"));
    LedgerMail {
        id: required_text("_id"),
        event_id: required_text("eventId"),
        template: required_text("template"),
        to: required_text("to"),
        policy: required_text("policy"),
        message_id: required_text("messageId"),
        state: required_text("state"),
        terminal_at: time(document, "terminalAt"),
        history: history.iter().map(step).collect(),
        raw: document.to_string(),
    }
}

fn letter(document: &Document) -> DeadLetter {
    let required_text = |name: &str| text(document, name).unwrap_or_else(|| panic!("a dead letter without {name}"));
    DeadLetter {
        id: required_text("_id"),
        state: required_text("state"),
        reason: required_text("reason"),
        partition: i32::try_from(integer(document, "partition")).expect("a partition is small"),
        offset: integer(document, "offset"),
    }
}

fn transaction(smtp: SmtpTransaction) -> MailTransaction {
    let at = |time| Timestamp::try_from(time).expect("the clock is within jiff's range");
    MailTransaction { message_id: smtp.message_id, to: smtp.to, dot_at: smtp.dot_at.map(at), reply: smtp.reply }
}

/// Returns the logs of the world's services.
fn texts(directory: &Path) -> Vec<SearchedText> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    paths.sort();
    let text = |path: PathBuf| {
        let bytes = fs::read(&path).unwrap_or_default();
        SearchedText { place: path.display().to_string(), text: String::from_utf8_lossy(&bytes).into_owned() }
    };
    paths.into_iter().map(text).collect()
}

fn id(document: &Document) -> Option<Uuid> {
    uuid(document, "_id")
}

fn uuid(document: &Document, name: &str) -> Option<Uuid> {
    match document.get(name)? {
        bson::Bson::Binary(binary) => Uuid::from_slice(&binary.bytes).ok(),
        bson::Bson::String(text) => Uuid::try_parse(text).ok(),
        _ => None,
    }
}

fn text(document: &Document, name: &str) -> Option<String> {
    document.get_str(name).ok().map(str::to_owned)
}

fn integer(document: &Document, name: &str) -> i64 {
    document.get_i64(name).ok().or_else(|| document.get_i32(name).ok().map(i64::from)).unwrap_or_default()
}

fn time(document: &Document, name: &str) -> Option<Timestamp> {
    document.get_datetime(name).ok().map(|time| time.to_jiff())
}
