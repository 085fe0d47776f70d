//! The collections of the email service, and assertions about its guarantees.

use std::{collections::BTreeMap, time::Duration};

use bson::{DateTime, Document, doc};
use futures_util::TryStreamExt as _;
use mongodb::{Collection, Database};
use serde::{Deserialize, de::DeserializeOwned};
use test_support::{Delivery, Record, World, wait_for};

use crate::offsets;

/// The event types that cause a mail.
const MAILING: [&str; 4] =
    ["user.registered.v1", "user.email_verification_requested.v1", "user.password_changed.v1", "user.deleted.v1"];

/// A row of the ledger.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MailJob {
    #[serde(rename = "_id")]
    pub id: String,
    pub event_id: String,
    pub to: String,
    pub message_id: String,
    pub last_reply: Option<String>,
    pub state: String,
    pub attempts: i64,
    pub next_attempt_at: Option<DateTime>,
    pub terminal_at: Option<DateTime>,
    pub history: Vec<HistoryEntry>,
}

/// A state transition in the history of a mail.
#[derive(Debug, Clone, Deserialize)]
pub struct HistoryEntry {
    pub at: DateTime,
    pub from: Option<String>,
    pub to: String,
    pub note: Option<String>,
    pub by: String,
}

/// A dead letter without its contents.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    #[serde(rename = "_id")]
    pub id: String,
    pub state: String,
    pub reason: String,
    pub partition: i32,
    pub offset: i64,
}

impl MailJob {
    /// Returns how often the history contains this transition.
    #[must_use]
    pub fn count_transitions(&self, from: &str, to: &str) -> usize {
        self.history.iter().filter(|step| step.from.as_deref() == Some(from) && step.to == to).count()
    }

    /// Returns the states of the mail in chronological order.
    #[must_use]
    pub fn states(&self) -> Vec<&str> {
        self.history.iter().map(|step| step.to.as_str()).collect()
    }

    /// Returns whether the mail is in a terminal state.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.terminal_at.is_some()
    }

    /// Returns the time between the last transition and the next attempt.
    #[must_use]
    pub fn retry_delay(&self) -> Duration {
        let last = self.history.last().map_or(0, |step| step.at.timestamp_millis());
        let next = self.next_attempt_at.map_or(0, DateTime::timestamp_millis);
        Duration::from_millis(u64::try_from(next - last).unwrap_or(0))
    }

    /// Returns the number of deliveries of this mail that the server has accepted or may have accepted.
    #[must_use]
    pub fn count_handovers(&self, deliveries: &[Delivery]) -> usize {
        let ours = deliveries.iter().filter(|delivery| delivery.mail.header("Message-ID") == self.message_id);
        ours.filter(|delivery| delivery.reply.is_none() || delivery.is_accepted()).count()
    }
}

/// The collections of the email service of one world.
#[derive(Debug, Clone)]
pub struct Ledger {
    world: World,
    database: Database,
}

impl Ledger {
    /// Opens the collections of a world.
    pub async fn for_world(world: &World) -> Self {
        Self { world: world.clone(), database: world.email_database().await }
    }

    /// Returns all mails.
    pub async fn mails(&self) -> Vec<MailJob> {
        self.read("mailJobs", doc! {}).await
    }

    /// Returns the mails to an address, oldest first.
    pub async fn mails_to(&self, address: &str) -> Vec<MailJob> {
        self.read("mailJobs", doc! { "to": address }).await
    }

    /// Returns all dead letters.
    pub async fn dead_letters(&self) -> Vec<DeadLetter> {
        self.read("deadLetters", doc! {}).await
    }

    /// Returns whether an address is suppressed.
    pub async fn is_suppressed(&self, address: &str) -> bool {
        let rows: Vec<Document> = self.read("suppressions", doc! { "_id": address }).await;
        !rows.is_empty()
    }

    /// Waits until there is exactly one mail to an address and `holds` is true for it.
    ///
    /// # Panics
    /// Panics at the deadline, with the mails to the address.
    pub async fn wait_for_mail(
        &self,
        address: &str,
        what: &str,
        within: Duration,
        holds: impl Fn(&MailJob) -> bool,
    ) -> MailJob {
        let mut last = Vec::new();
        let wait = tokio::time::timeout(within, async {
            loop {
                last = self.mails_to(address).await;
                if let [mail] = last.as_slice()
                    && holds(mail)
                {
                    return mail.clone();
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        let found = wait.await;
        found.unwrap_or_else(|_| panic!("the mail to {address} is not {what} within {within:?}: {last:#?}"))
    }

    /// Waits with [`Ledger::wait_for_mail`] until the mail is in a state.
    pub async fn wait_for_state(&self, address: &str, state: &str, within: Duration) -> MailJob {
        self.wait_for_mail(address, state, within, |mail| mail.state == state).await
    }

    /// Waits until the whole topic is read and every mail is in a terminal state, so that no more mail is sent.
    ///
    /// # Panics
    /// Panics at the deadline.
    pub async fn wait_until_all_terminal(&self, within: Duration) -> Vec<MailJob> {
        offsets::wait_until_consumed(&self.world, within).await;
        wait_for(within, "every mail to be in a terminal state", async || {
            let mails = self.mails().await;
            mails.iter().all(MailJob::is_terminal).then_some(mails)
        })
        .await
    }

    /// Checks I9: for every committed offset, all earlier records that cause a mail are in the ledger or, if they
    /// cannot be processed, among the dead letters.
    ///
    /// # Panics
    /// Panics if a record is missing.
    pub async fn assert_contains_committed_records(&self) {
        let committed = offsets::committed(&self.world).await;
        let rows: BTreeMap<String, MailJob> =
            self.mails().await.into_iter().map(|mail| (mail.event_id.clone(), mail)).collect();
        let letters = self.dead_letters().await;
        let dead = |record: &Record| {
            letters.iter().any(|letter| (letter.partition, letter.offset) == (record.partition, record.offset))
        };
        let mut reader = self.world.topic_reader();
        let asks = |record: &&Record| MAILING.contains(&record.event_type().as_str());
        for record in reader.read_all().await.iter().filter(asks) {
            let passed = committed.get(&record.partition).is_some_and(|next| record.offset < *next);
            let kept = rows.contains_key(&record.id()) || dead(record);
            assert!(!passed || kept, "committed and not in the ledger: {record:?}");
        }
    }

    /// Makes every queued mail due now by a direct write to the database.
    pub async fn make_all_due(&self) {
        let mails: Collection<Document> = self.database.collection("mailJobs");
        let due = vec![doc! { "$set": { "nextAttemptAt": "$$NOW" } }];
        mails.update_many(doc! { "state": "queued" }, due).await.expect("MongoDB responds");
    }

    async fn read<T: DeserializeOwned + Send + Sync + Unpin>(&self, collection: &str, filter: Document) -> Vec<T> {
        let collection: Collection<T> = self.database.collection(collection);
        let found = collection.find(filter).sort(doc! { "_id": 1 }).await.expect("MongoDB responds");
        found.try_collect().await.expect("the documents have the expected form")
    }
}
