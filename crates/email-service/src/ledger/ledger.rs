//! The operations on `mailJobs`. Each is one atomic write whose filter says what it was
//! decided on; `docs/adr` argues why no mail can be handed over twice.

use std::time::Duration;

use bson::{Bson, Document, doc};
use futures_util::TryStreamExt as _;
use mongodb::{
    Collection, Database,
    error::{ErrorKind, InsertManyError},
    options::ReturnDocument,
};
use service_kit::mongo::{StoreError, within};

use super::{MailJob, NewMail, State};

/// The collection.
pub const COLLECTION: &str = "mailJobs";

/// After this an unknown delivery is sent again, where its policy allows: time for a late
/// 250 to be written down first.
pub const RESEND_AFTER: Duration = Duration::from_secs(10);

/// How many steps of history are kept beside those that concern `unknown`.
const HISTORY: i32 = 60;

/// A mail whose sender disappeared is due at once the first time, then this much later
/// with each time: one that takes its process down must not do so in a circle.
const PAUSE_AFTER_LOSS: Duration = Duration::from_secs(30);

const DUPLICATE_KEY: i32 = 11000;

/// Handle to the ledger. Clones share the connection pool.
#[derive(Clone)]
pub struct Ledger {
    jobs: Collection<MailJob>,
    documents: Collection<Document>,
    deadline: Duration,
    instance: String,
}

/// What became of a batch of new mails.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Inserted {
    /// Written now.
    pub new: usize,
    /// Was there already: a record read again.
    pub known: usize,
    /// Positions of those that the store refuses for themselves, with its error code.
    pub refused: Vec<(usize, i32)>,
}

/// What became of a write that only a holder may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// The mail stands as asked, by this write or an earlier one of the same holder.
    Done,
    /// Somebody else has taken the mail meanwhile; it stands like this.
    Lost(Option<State>),
}

/// How a mail that was not delivered goes back.
#[derive(Debug, Clone)]
pub struct GivenBack<'a> {
    /// Not before this much later.
    pub delay: Duration,
    /// Whether the try counts.
    pub attempted: bool,
    pub note: &'a str,
    pub reply: Option<&'a str>,
}

/// How many mails recovery moved.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Recovered {
    pub requeued: u64,
    pub unknown: u64,
    pub resent: u64,
    pub held: u64,
    pub expired: u64,
}

impl Ledger {
    /// `instance` is how the history calls this process; `deadline` bounds each operation.
    #[must_use]
    pub fn new(database: &Database, deadline: Duration, instance: String) -> Self {
        Self { jobs: database.collection(COLLECTION), documents: database.collection(COLLECTION), deadline, instance }
    }

    /// How the history calls this process.
    #[must_use]
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// Writes new mails down; one whose id is there already stays as it is. Ok means that
    /// every mail, but those `refused`, is on a majority of the servers.
    ///
    /// # Errors
    /// [`StoreError`]: some may be written. Trying again is safe.
    pub async fn insert(&self, mails: &[NewMail]) -> Result<Inserted, StoreError> {
        if mails.is_empty() {
            return Ok(Inserted::default());
        }
        let rows = mails.iter().map(|NewMail(job)| job);
        // Not `within`: which of the writes failed, and why, is in the driver's own error.
        let insert = self.jobs.insert_many(rows).ordered(false);
        match tokio::time::timeout(self.deadline, insert.into_future()).await {
            Err(_) => Err(StoreError::Timeout),
            Ok(Ok(_)) => Ok(Inserted { new: mails.len(), ..Inserted::default() }),
            Ok(Err(error)) => match error.kind.as_ref() {
                ErrorKind::InsertMany(failure) => match sorted_out(failure, mails.len()) {
                    Some(inserted) => Ok(inserted),
                    None => Err(error.into()),
                },
                _ => Err(error.into()),
            },
        }
    }

    /// Takes the mail that is due longest, if any: `queued -> preparing`.
    ///
    /// # Errors
    /// [`StoreError`]: a mail may have been taken; its lease will end.
    pub async fn claim(&self, lease: Duration) -> Result<Option<MailJob>, StoreError> {
        let taken = doc! {
            "epoch": { "$add": ["$epoch", 1_i64] },
            "lease": { "owner": literal(&self.instance), "until": from_now(lease) },
        };
        let claim = self
            .jobs
            .find_one_and_update(claimable(), self.step(State::Preparing, None, taken))
            .sort(doc! { "nextAttemptAt": 1 })
            .return_document(ReturnDocument::After);
        within(self.deadline, claim).await
    }

    /// Gives back what this process holds without knowing it: a claim whose answer never
    /// came. `known` are the ids of the mails that its senders have in hand.
    ///
    /// # Errors
    /// [`StoreError`]: call it again.
    pub async fn release_unclaimed(&self, known: &[String]) -> Result<u64, StoreError> {
        let filter = doc! {
            "state": State::Preparing.as_str(),
            "lease.owner": &self.instance,
            "_id": { "$nin": known },
        };
        let fields = doc! {
            "epoch": { "$add": ["$epoch", 1_i64] },
            "lease": "$$REMOVE",
            "nextAttemptAt": "$$NOW",
        };
        self.move_all(filter, self.step(State::Queued, Some("the answer to the claim was lost"), fields)).await
    }

    /// Puts the end of the lease off. False: the mail is no longer held.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn renew(&self, job: &MailJob, lease: Duration) -> Result<bool, StoreError> {
        let filter = held(job, &[State::Preparing, State::Data]);
        let update = vec![doc! { "$set": { "lease.until": from_now(lease) } }];
        let result = within(self.deadline, self.documents.update_one(filter, update)).await?;
        Ok(result.matched_count == 1)
    }

    /// The fence: `preparing -> data`, and a new lease. Only after `true` may the body be
    /// sent. The filter asks for the claim's epoch and for a lease that has not ended by
    /// the server's clock, so it never matches once recovery could have taken the mail.
    ///
    /// # Errors
    /// [`StoreError`]: the flip may have taken effect, or may still. Call
    /// [`Ledger::take_back`].
    pub async fn flip(&self, job: &MailJob, lease: Duration) -> Result<bool, StoreError> {
        let mut filter = held(job, &[State::Preparing]);
        filter.insert("$expr", doc! { "$gt": ["$lease.until", "$$NOW"] });
        let flip = self.step(State::Data, None, doc! { "lease.until": from_now(lease) });
        let result = within(self.deadline, self.documents.update_one(filter, flip)).await?;
        Ok(result.matched_count == 1)
    }

    /// After a flip of unknown outcome, with no byte of the body sent:
    /// `preparing | data -> queued`. The raised epoch makes a late flip find nothing.
    ///
    /// # Errors
    /// [`StoreError`]: call it again, until the lease ends.
    pub async fn take_back(&self, job: &MailJob, note: &str) -> Result<Written, StoreError> {
        let back = GivenBack { delay: Duration::ZERO, attempted: false, note, reply: None };
        self.give_back(job, &back).await
    }

    /// `preparing | data -> queued`: surely not delivered.
    ///
    /// # Errors
    /// [`StoreError`]: call it again.
    pub async fn give_back(&self, job: &MailJob, back: &GivenBack<'_>) -> Result<Written, StoreError> {
        let mut fields = doc! {
            "epoch": { "$add": ["$epoch", 1_i64] },
            "lease": "$$REMOVE",
            "nextAttemptAt": from_now(back.delay),
            "attempts": { "$add": ["$attempts", i64::from(back.attempted)] },
        };
        if let Some(reply) = back.reply {
            fields.insert("lastReply", literal(reply));
        }
        let from = [State::Preparing, State::Data];
        self.write(job, &from, State::Queued, Some(back.note), fields).await
    }

    /// `data -> sent`, and `unknown -> sent` for a 250 that came late.
    ///
    /// # Errors
    /// [`StoreError`]: call it again.
    pub async fn sent(&self, job: &MailJob, reply: &str) -> Result<Written, StoreError> {
        let from = [State::Data, State::Unknown];
        self.write(job, &from, State::Sent, Some(reply), terminal(Some(reply), true)).await
    }

    /// Refused for good. `unknown -> failed` is a refusal that came late.
    ///
    /// # Errors
    /// [`StoreError`]: call it again.
    pub async fn failed(&self, job: &MailJob, note: &str, reply: Option<&str>) -> Result<Written, StoreError> {
        let from = [State::Preparing, State::Data, State::Unknown];
        self.write(job, &from, State::Failed, Some(note), terminal(reply, true)).await
    }

    /// `preparing -> expired`.
    ///
    /// # Errors
    /// [`StoreError`]: call it again.
    pub async fn expired(&self, job: &MailJob) -> Result<Written, StoreError> {
        self.write(job, &[State::Preparing], State::Expired, None, terminal(None, false)).await
    }

    /// `data -> unknown`: the body, or a part of it, is gone, and no reply came. Terminal
    /// at once unless the mail may be sent again.
    ///
    /// # Errors
    /// [`StoreError`]: call it again.
    pub async fn unknown(&self, job: &MailJob, note: &str) -> Result<Written, StoreError> {
        let mut fields = unknown_fields();
        fields.insert("attempts", doc! { "$add": ["$attempts", 1_i64] });
        fields.insert("lastReply", literal(note));
        self.write(job, &[State::Data], State::Unknown, Some(note), fields).await
    }

    /// What nobody holds any more, moved on by the server's clock alone. Any instance may
    /// do it, at any time.
    ///
    /// # Errors
    /// [`StoreError`]: the rest is done the next time.
    pub async fn recover(&self) -> Result<Recovered, StoreError> {
        Ok(Recovered {
            requeued: self.move_all(abandoned(State::Preparing), self.requeue_abandoned()).await?,
            unknown: self
                .move_all(
                    abandoned(State::Data),
                    self.step(State::Unknown, Some("the sender disappeared after the fence"), unknown_fields()),
                )
                .await?,
            held: self.move_all(held_for_good(), vec![doc! { "$set": end() }]).await?,
            resent: self.move_all(resendable(), self.resend()).await?,
            expired: self.move_all(overdue(), self.step(State::Expired, None, terminal(None, false))).await?,
        })
    }

    /// One mail.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find(&self, id: &str) -> Result<Option<MailJob>, StoreError> {
        within(self.deadline, self.jobs.find_one(doc! { "_id": id })).await
    }

    /// The newest mails first, of that state and user where given.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list(&self, state: Option<State>, user: Option<&str>, limit: i64) -> Result<Vec<MailJob>, StoreError> {
        let mut filter = Document::new();
        if let Some(state) = state {
            filter.insert("state", state.as_str());
        }
        if let Some(user) = user {
            filter.insert("userId", user);
        }
        let list =
            async { self.jobs.find(filter).sort(doc! { "eventTime": -1 }).limit(limit).await?.try_collect().await };
        within(self.deadline, list).await
    }

    /// How many mails are in `state`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn count(&self, state: State) -> Result<u64, StoreError> {
        within(self.deadline, self.documents.count_documents(doc! { "state": state.as_str() })).await
    }

    /// The mail that has been due longest.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn longest_due(&self) -> Result<Option<MailJob>, StoreError> {
        within(self.deadline, self.jobs.find_one(claimable()).sort(doc! { "nextAttemptAt": 1 })).await
    }

    /// A write by the holder of `job`. If nothing matches, an earlier try of the same write
    /// may have taken effect, whose answer was lost.
    async fn write(
        &self,
        job: &MailJob,
        from: &[State],
        to: State,
        note: Option<&str>,
        fields: Document,
    ) -> Result<Written, StoreError> {
        debug_assert!(from.iter().all(|state| state.successors().contains(&to)), "{from:?} -> {to}");
        let raised = fields.contains_key("epoch");
        let update = self.documents.update_one(held(job, from), self.step(to, note, fields));
        if within(self.deadline, update).await?.matched_count == 1 {
            return Ok(Written::Done);
        }
        let now = self.find(&job.id).await?;
        let epoch = if raised { job.epoch + 1 } else { job.epoch };
        Ok(match now {
            Some(row) if row.state == to && row.epoch == epoch => Written::Done,
            row => Written::Lost(row.map(|row| row.state)),
        })
    }

    async fn move_all(&self, filter: Document, update: Vec<Document>) -> Result<u64, StoreError> {
        let result = within(self.deadline, self.documents.update_many(filter, update)).await?;
        Ok(result.modified_count)
    }

    fn requeue_abandoned(&self) -> Vec<Document> {
        let millis = millis(PAUSE_AFTER_LOSS);
        let pause = doc! { "$multiply": [millis, { "$min": [{ "$ifNull": ["$losses", 0_i64] }, 20_i64] }] };
        let fields = doc! {
            "epoch": { "$add": ["$epoch", 1_i64] },
            "lease": "$$REMOVE",
            "losses": { "$add": [{ "$ifNull": ["$losses", 0_i64] }, 1_i64] },
            "nextAttemptAt": { "$add": ["$$NOW", pause] },
        };
        self.step(State::Queued, Some("the sender disappeared before the fence"), fields)
    }

    fn resend(&self) -> Vec<Document> {
        let fields = doc! {
            "epoch": { "$add": ["$epoch", 1_i64] },
            "resends": { "$add": [{ "$ifNull": ["$resends", 0_i64] }, 1_i64] },
            "nextAttemptAt": "$$NOW",
        };
        self.step(State::Queued, Some("sent again, as its policy allows once"), fields)
    }

    /// One step: the state, `fields`, and the entry of history.
    fn step(&self, to: State, note: Option<&str>, fields: Document) -> Vec<Document> {
        let mut entry = doc! { "at": "$$NOW", "from": "$state", "to": to.as_str(), "by": literal(&self.instance) };
        if let Some(note) = note {
            entry.insert("note", literal(note));
        }
        let mut set = doc! { "state": to.as_str(), "history": bounded_history(entry) };
        set.extend(fields);
        vec![doc! { "$set": set }]
    }
}

/// The claim's filter.
pub fn claimable() -> Document {
    doc! {
        "state": State::Queued.as_str(),
        "$expr": { "$and": [
            { "$lte": ["$nextAttemptAt", "$$NOW"] },
            { "$gt": ["$expiresAt", "$$NOW"] },
        ] },
    }
}

/// Held by a sender whose lease has ended.
pub fn abandoned(state: State) -> Document {
    doc! { "state": state.as_str(), "$expr": { "$lte": ["$lease.until", "$$NOW"] } }
}

/// Unknown, and to be sent again now.
pub fn resendable() -> Document {
    doc! {
        "state": State::Unknown.as_str(),
        // A terminal one has no such time; without this, `$expr` would take "none" for early.
        "nextAttemptAt": { "$gt": bson::DateTime::from_millis(0) },
        "$expr": { "$and": [
            { "$lte": ["$nextAttemptAt", "$$NOW"] },
            { "$gt": ["$expiresAt", "$$NOW"] },
        ] },
    }
}

/// Unknown, was to be sent again, and has expired meanwhile.
pub fn held_for_good() -> Document {
    doc! {
        "state": State::Unknown.as_str(),
        "nextAttemptAt": { "$gt": bson::DateTime::from_millis(0) },
        "$expr": { "$lte": ["$expiresAt", "$$NOW"] },
    }
}

/// Waits, and is no longer worth it.
pub fn overdue() -> Document {
    doc! { "state": State::Queued.as_str(), "$expr": { "$lte": ["$expiresAt", "$$NOW"] } }
}

/// Only the claim that `job` is, and only in these states.
fn held(job: &MailJob, states: &[State]) -> Document {
    let states: Vec<&str> = states.iter().map(|state| state.as_str()).collect();
    doc! { "_id": &job.id, "epoch": job.epoch, "state": { "$in": states } }
}

/// The fields of a row that nothing more happens to.
fn end() -> Document {
    doc! { "terminalAt": "$$NOW", "lease": "$$REMOVE", "nextAttemptAt": "$$REMOVE" }
}

fn terminal(reply: Option<&str>, attempted: bool) -> Document {
    let mut fields = end();
    if attempted {
        fields.insert("attempts", doc! { "$add": ["$attempts", 1_i64] });
    }
    if let Some(reply) = reply {
        fields.insert("lastReply", literal(reply));
    }
    fields
}

/// `unknown` waits for its resend, or is terminal: under `hold`, after its one resend, and
/// once the mail has expired. The epoch stays: a late 250 still finds it.
fn unknown_fields() -> Document {
    let may_resend = doc! { "$and": [
        { "$eq": ["$policy", "resend_once"] },
        { "$eq": [{ "$ifNull": ["$resends", 0_i64] }, 0_i64] },
        { "$gt": ["$expiresAt", "$$NOW"] },
    ] };
    doc! {
        "lease": "$$REMOVE",
        "nextAttemptAt": { "$cond": [may_resend.clone(), from_now(RESEND_AFTER), "$$REMOVE"] },
        "terminalAt": { "$cond": [may_resend, "$$REMOVE", "$$NOW"] },
    }
}

/// The history with `entry` at its end. Beyond its bound old steps go, but never one that
/// concerns `unknown`: those say why a mail may have been sent twice.
fn bounded_history(entry: Document) -> Bson {
    let all = doc! { "$concatArrays": ["$history", [entry]] };
    let unknown = |field: &str| doc! { "$eq": [format!("$$step.{field}"), State::Unknown.as_str()] };
    let older = doc! { "$slice": ["$$all", { "$subtract": [{ "$size": "$$all" }, HISTORY] }] };
    let kept = doc! { "$filter": {
        "input": older, "as": "step", "cond": { "$or": [unknown("from"), unknown("to")] },
    } };
    doc! { "$let": {
        "vars": { "all": all },
        "in": { "$cond": [
            { "$lte": [{ "$size": "$$all" }, HISTORY] },
            "$$all",
            { "$concatArrays": [kept, { "$slice": ["$$all", -HISTORY] }] },
        ] },
    } }
    .into()
}

/// A text as it is: in a pipeline a string that begins with `$` would name a field.
fn literal(text: &str) -> Document {
    doc! { "$literal": text }
}

fn from_now(duration: Duration) -> Document {
    doc! { "$add": ["$$NOW", millis(duration)] }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}

/// Which mails of a batch were there already and which the store refuses for themselves;
/// none of it if the batch as a whole has to be tried again.
fn sorted_out(failure: &InsertManyError, total: usize) -> Option<Inserted> {
    if failure.write_concern_error.is_some() {
        return None;
    }
    let mut inserted = Inserted::default();
    for error in failure.write_errors.as_deref().unwrap_or_default() {
        if error.code != DUPLICATE_KEY {
            inserted.refused.push((error.index, error.code));
        } else if error.message.contains(" index: _id_ ") {
            inserted.known += 1;
        } else {
            // Another unique index, which we do not have: not "already in the ledger".
            return None;
        }
    }
    inserted.new = total.checked_sub(inserted.known + inserted.refused.len())?;
    Some(inserted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(errors: &[(usize, i32, &str)], concern: bool) -> InsertManyError {
        let errors: Vec<Document> = errors
            .iter()
            .map(|(index, code, message)| doc! { "index": i64::try_from(*index).unwrap(), "code": code, "errmsg": message })
            .collect();
        let concern = concern.then(|| doc! { "code": 64, "codeName": "WriteConcernTimeout", "errmsg": "waiting" });
        bson::deserialize_from_document(doc! { "writeErrors": errors, "writeConcernError": concern }).unwrap()
    }

    const KNOWN: &str = "E11000 duplicate key error collection: db.mailJobs index: _id_ dup key: { _id: \"x\" }";

    #[test]
    fn a_row_that_is_there_already_is_known() {
        let inserted = sorted_out(&failure(&[(0, DUPLICATE_KEY, KNOWN)], false), 3).unwrap();
        assert_eq!(inserted, Inserted { new: 2, known: 1, refused: Vec::new() });
    }

    #[test]
    fn a_row_that_the_store_refuses_is_told_apart() {
        let inserted = sorted_out(&failure(&[(0, DUPLICATE_KEY, KNOWN), (2, 10334, "too large")], false), 3).unwrap();
        assert_eq!(inserted, Inserted { new: 1, known: 1, refused: vec![(2, 10334)] });
    }

    #[test]
    fn nothing_is_known_to_be_safe_without_the_majority() {
        assert_eq!(sorted_out(&failure(&[(0, DUPLICATE_KEY, KNOWN)], true), 1), None);
    }

    #[test]
    fn a_duplicate_of_another_index_is_no_known_row() {
        let other = KNOWN.replace("_id_", "someIndex_1");
        assert_eq!(sorted_out(&failure(&[(0, DUPLICATE_KEY, &other)], false), 1), None);
    }
}
