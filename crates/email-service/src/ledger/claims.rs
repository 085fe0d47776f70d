//! The writes to `mailJobs`. Each is one atomic write whose filter names the state that it is
//! based on; `docs/adr` argues why no mail can be handed over twice.

use std::{collections::BTreeMap, time::Duration};

use bson::{Document, RawDocumentBuf, doc};
use futures_util::TryStreamExt as _;
use mongodb::{
    Collection, Database,
    error::{Error, ErrorKind},
    options::ReturnDocument,
};
use service_kit::mongo::{StoreError, with_deadline};

use super::{
    InsertResult, MailJob, MailList, NewMail, State,
    filter::{abandoned, claimable, claimed_by, prepared_by, queued_and_expired, resendable, unknown_and_expired},
    transition::{
        finished_fields, from_now, insert_claimed, lease_fields, literal, queued_fields, requeued_fields,
        resent_fields, terminal_fields, transition, unknown_fields,
    },
};

/// The name of the collection.
pub const COLLECTION: &str = "mailJobs";

/// A handle to the ledger. Clones share the connection pool.
#[derive(Clone)]
pub struct Ledger {
    pub(super) jobs: Collection<MailJob>,
    pub(super) documents: Collection<Document>,
    pub(super) deadline: Duration,
    instance: String,
}

/// The delay after which a mail that this release cannot read is due again, for a replica that can.
const UNREADABLE_PAUSE: Duration = Duration::from_secs(10 * 60);
/// The number of unreadable mails that one call of `claim` puts aside.
const MAX_UNREADABLE_CLAIMS: usize = 100;

/// The result of a write that only the holder of a mail may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteOutcome {
    /// The mail has the requested state, by this write or an earlier one of the same holder.
    Done,
    /// Another sender or operator has taken the mail. The value is its present state, or `None` if
    /// it is gone.
    Lost(Option<State>),
}

/// How a mail that was not delivered returns to the queue.
#[derive(Debug, Clone)]
pub struct Requeue<'a> {
    /// The mail is due after this time.
    pub delay: Duration,
    /// Whether this counts as an attempt.
    pub attempted: bool,
    pub note: &'a str,
    pub reply: Option<&'a str>,
}

/// The numbers of mails that recovery moved.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct RecoveryCounts {
    pub requeued: u64,
    pub unknown: u64,
    pub resent: u64,
    pub held: u64,
    pub expired: u64,
}

impl Ledger {
    /// Creates a handle. `instance` is the name of this process in the history; `deadline` limits
    /// each operation.
    #[must_use]
    pub fn new(database: &Database, deadline: Duration, instance: String) -> Self {
        Self { jobs: database.collection(COLLECTION), documents: database.collection(COLLECTION), deadline, instance }
    }

    /// Returns the name of this process in the history.
    #[must_use]
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// Writes new mails; existing ones are not changed. `Ok` means that every mail, except those
    /// `refused`, is on a majority of the servers.
    ///
    /// # Errors
    /// Returns [`StoreError`]: some mails may be written. Trying again is safe.
    pub async fn insert<'a>(
        &self,
        mails: impl ExactSizeIterator<Item = &'a NewMail> + Send,
    ) -> Result<InsertResult, StoreError> {
        let total = mails.len();
        if total == 0 {
            return Ok(InsertResult::default());
        }
        let rows = mails.map(|NewMail(job)| job);
        // Not `with_deadline`: only the driver's own error tells which writes failed, and why.
        let insert = self.jobs.insert_many(rows).ordered(false);
        match tokio::time::timeout(self.deadline, insert.into_future()).await {
            Err(_) => Err(StoreError::Timeout),
            Ok(Ok(_)) => Ok(InsertResult { new: total, ..InsertResult::default() }),
            Ok(Err(error)) => match error.kind.as_ref() {
                ErrorKind::InsertMany(failure) => match InsertResult::from_failure(failure, total) {
                    Some(inserted) => Ok(inserted),
                    None => Err(error.into()),
                },
                _ => Err(error.into()),
            },
        }
    }

    /// Writes new mails that are due, already claimed by this process: `preparing`, with the epoch 1. Existing ones are
    /// not changed. All are written by one command.
    ///
    /// # Errors
    /// Returns [`StoreError`]: some mails may be written, and so claimed; call [`Ledger::release_lost_claims`]. Writing
    /// them again, with [`Ledger::insert`] too, is safe: rows that exist stay as they are.
    pub async fn insert_claimed(&self, mails: &[&NewMail], lease: Duration) -> Result<InsertResult, StoreError> {
        let mut updates = Vec::with_capacity(mails.len());
        for NewMail(job) in mails {
            let row = bson::serialize_to_document(job).map_err(Error::from)?;
            let update = insert_claimed(row, &self.instance, lease);
            updates.push(doc! { "q": { "_id": &job.id }, "u": update, "upsert": true });
        }
        let command = doc! {
            "update": COLLECTION,
            "updates": updates,
            "ordered": false,
            "writeConcern": { "w": "majority", "j": true },
        };
        let database = self.documents.client().database(&self.documents.namespace().db);
        let answer = with_deadline(self.deadline, database.run_command(command)).await?;
        InsertResult::from_upserts(&answer, mails.len()).ok_or(StoreError::Timeout)
    }

    /// Claims the mail that has been due longest, if there is one: `queued -> preparing`.
    ///
    /// # Errors
    /// Returns [`StoreError`]: a mail may have been claimed; call
    /// [`Ledger::release_lost_claims`].
    pub async fn claim(&self, lease: Duration) -> Result<Option<MailJob>, StoreError> {
        for _ in 0..MAX_UNREADABLE_CLAIMS {
            let rows = self.jobs.clone_with_type::<RawDocumentBuf>();
            let claim = rows
                .find_one_and_update(claimable(), self.claim_update(lease))
                .sort(doc! { "nextAttemptAt": 1 })
                .return_document(ReturnDocument::After);
            let Some(row) = with_deadline(self.deadline, claim).await? else { return Ok(None) };
            if let Some(job) = self.put_unreadable_aside(&[row]).await.pop() {
                return Ok(Some(job));
            }
        }
        Ok(None)
    }

    /// Claims up to `limit` of the mails that have been due longest, with one read and one write. If
    /// other instances claim at the same time, it reads once more and may return fewer mails.
    ///
    /// # Errors
    /// Returns [`StoreError`]: mails may have been claimed; call
    /// [`Ledger::release_lost_claims`].
    pub async fn claim_batch(&self, limit: usize, lease: Duration) -> Result<Vec<MailJob>, StoreError> {
        let rows = self.jobs.clone_with_type::<RawDocumentBuf>();
        let due = rows.find(claimable()).sort(doc! { "nextAttemptAt": 1 });
        let due = due.limit(i64::try_from(limit).unwrap_or(i64::MAX));
        let due: Vec<RawDocumentBuf> = with_deadline(self.deadline, async { due.await?.try_collect().await }).await?;
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<&str> = due.iter().filter_map(|row| row.get_str("_id").ok()).collect();
        let mut as_read = claimable();
        as_read.insert("_id", doc! { "$in": &ids });
        as_read.insert("$or", unclaimed_since(&due));
        let claimed = self.update_all(as_read, self.claim_update(lease)).await?;
        if usize::try_from(claimed).is_ok_and(|claimed| claimed == due.len()) {
            let mut jobs = self.put_unreadable_aside(&due).await;
            for job in &mut jobs {
                (job.state, job.epoch) = (State::Preparing, job.epoch + 1);
            }
            return Ok(jobs);
        }
        // Among the ids that were due, those leased to this instance were claimed by this write, or
        // by an earlier one whose answer was lost.
        let claimed_here = prepared_by(&self.instance, doc! { "$in": ids });
        let claimed: Vec<RawDocumentBuf> =
            with_deadline(self.deadline, async { rows.find(claimed_here).await?.try_collect().await }).await?;
        Ok(self.put_unreadable_aside(&claimed).await)
    }

    /// Returns those of the claimed mails that this release can read. A newer release may have
    /// written kinds of mail that this one does not know: they are put aside, so that they do not
    /// block other mails.
    async fn put_unreadable_aside(&self, rows: &[RawDocumentBuf]) -> Vec<MailJob> {
        let MailList { jobs, unreadable } = MailList::from_rows(rows);
        if !unreadable.is_empty() {
            tracing::warn!(mails = ?unreadable, "this release cannot read these mails: leaving them to a newer one");
            let filter = prepared_by(&self.instance, doc! { "$in": unreadable });
            let note = Some("this release cannot read it: left to a newer one");
            let fields = queued_fields(from_now(UNREADABLE_PAUSE));
            if let Err(error) = self.update_all(filter, self.transition(State::Queued, note, fields)).await {
                tracing::warn!(%error, "they are due again when their lease has ended");
            }
        }
        jobs
    }

    fn claim_update(&self, lease: Duration) -> Vec<Document> {
        let fields = doc! {
            "epoch": { "$add": ["$epoch", 1_i64] },
            "lease": lease_fields(&self.instance, lease),
        };
        self.transition(State::Preparing, None, fields)
    }

    /// Requeues the mails that this process holds without knowing it, because the answer to the
    /// claim was lost. `known` are the ids of the mails that its senders hold.
    ///
    /// # Errors
    /// Returns [`StoreError`]: call it again.
    pub async fn release_lost_claims(&self, known: &[String]) -> Result<u64, StoreError> {
        let filter = prepared_by(&self.instance, doc! { "$nin": known });
        let note = Some("the answer to the claim was lost");
        self.update_all(filter, self.transition(State::Queued, note, queued_fields("$$NOW"))).await
    }

    /// Extends the lease. Returns false if the mail is no longer held.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database does not answer.
    pub async fn renew_lease(&self, job: &MailJob, lease: Duration) -> Result<bool, StoreError> {
        let filter = claimed_by(job, &[State::Preparing, State::Data]);
        let update = vec![doc! { "$set": { "lease.until": from_now(lease) } }];
        let result = with_deadline(self.deadline, self.documents.update_one(filter, update)).await?;
        Ok(result.matched_count == 1)
    }

    /// Passes the fence: `preparing -> data`, with a new lease. Only after `true` may the body be
    /// sent. The filter requires the epoch of the claim and a lease that has not ended by the
    /// server's clock, so it never matches once recovery could have taken the mail.
    ///
    /// # Errors
    /// Returns [`StoreError`]: the write may have taken effect, or may still do so. Call
    /// [`Ledger::undo_fence`].
    pub async fn pass_fence(&self, job: &MailJob, lease: Duration) -> Result<bool, StoreError> {
        let mut filter = claimed_by(job, &[State::Preparing]);
        filter.insert("$expr", doc! { "$gt": ["$lease.until", "$$NOW"] });
        let pass_fence = self.transition(State::Data, None, doc! { "lease.until": from_now(lease) });
        let result = with_deadline(self.deadline, self.documents.update_one(filter, pass_fence)).await?;
        Ok(result.matched_count == 1)
    }

    /// Requeues the mail after a fence write of unknown outcome, when no byte of the body was sent:
    /// `preparing | data -> queued`. Because the epoch is raised, a late fence write matches
    /// nothing.
    ///
    /// # Errors
    /// Returns [`StoreError`]: call it again, until the lease ends.
    pub async fn undo_fence(&self, job: &MailJob, note: &str) -> Result<WriteOutcome, StoreError> {
        let requeue = Requeue { delay: Duration::ZERO, attempted: false, note, reply: None };
        self.requeue(job, &requeue).await
    }

    /// Requeues a mail that was certainly not delivered: `preparing | data -> queued`.
    ///
    /// # Errors
    /// Returns [`StoreError`]: call it again.
    pub async fn requeue(&self, job: &MailJob, requeue: &Requeue<'_>) -> Result<WriteOutcome, StoreError> {
        let mut fields = queued_fields(from_now(requeue.delay));
        fields.insert("attempts", doc! { "$add": ["$attempts", i64::from(requeue.attempted)] });
        if let Some(reply) = requeue.reply {
            fields.insert("lastReply", literal(reply));
        }
        let from = [State::Preparing, State::Data];
        self.write_as_holder(job, &from, State::Queued, Some(requeue.note), fields).await
    }

    /// Records a delivery: `data -> sent`, or `unknown -> sent` for a late 250.
    ///
    /// # Errors
    /// Returns [`StoreError`]: call it again.
    pub async fn mark_sent(&self, job: &MailJob, reply: &str) -> Result<WriteOutcome, StoreError> {
        let from = [State::Data, State::Unknown];
        self.write_as_holder(job, &from, State::Sent, Some(reply), finished_fields(Some(reply), true)).await
    }

    /// Records a permanent failure. `unknown -> failed` is a late refusal.
    ///
    /// # Errors
    /// Returns [`StoreError`]: call it again.
    pub async fn mark_failed(
        &self,
        job: &MailJob,
        note: &str,
        reply: Option<&str>,
    ) -> Result<WriteOutcome, StoreError> {
        let from = [State::Preparing, State::Data, State::Unknown];
        self.write_as_holder(job, &from, State::Failed, Some(note), finished_fields(reply, true)).await
    }

    /// Records that the mail has expired: `preparing -> expired`.
    ///
    /// # Errors
    /// Returns [`StoreError`]: call it again.
    pub async fn mark_expired(&self, job: &MailJob) -> Result<WriteOutcome, StoreError> {
        self.write_as_holder(job, &[State::Preparing], State::Expired, None, finished_fields(None, false)).await
    }

    /// Records an unknown delivery: `data -> unknown`. The body was sent, or a part of it, and no
    /// reply came. The mail is terminal at once unless it may be resent.
    ///
    /// # Errors
    /// Returns [`StoreError`]: call it again.
    pub async fn mark_unknown(&self, job: &MailJob, note: &str) -> Result<WriteOutcome, StoreError> {
        let mut fields = unknown_fields();
        fields.insert("attempts", doc! { "$add": ["$attempts", 1_i64] });
        fields.insert("lastReply", literal(note));
        self.write_as_holder(job, &[State::Data], State::Unknown, Some(note), fields).await
    }

    /// Moves on the mails that no sender holds any more, by the server's clock alone. Any instance
    /// may call it at any time.
    ///
    /// # Errors
    /// Returns [`StoreError`]: the next call does the rest.
    pub async fn recover(&self) -> Result<RecoveryCounts, StoreError> {
        Ok(RecoveryCounts {
            requeued: self
                .update_all(
                    abandoned(State::Preparing),
                    self.transition(State::Queued, Some("the sender disappeared before the fence"), requeued_fields()),
                )
                .await?,
            unknown: self
                .update_all(
                    abandoned(State::Data),
                    self.transition(State::Unknown, Some("the sender disappeared after the fence"), unknown_fields()),
                )
                .await?,
            held: self.update_all(unknown_and_expired(), vec![doc! { "$set": terminal_fields() }]).await?,
            resent: self
                .update_all(
                    resendable(),
                    self.transition(State::Queued, Some("sent again once, as its policy allows"), resent_fields()),
                )
                .await?,
            expired: self
                .update_all(queued_and_expired(), self.transition(State::Expired, None, finished_fields(None, false)))
                .await?,
        })
    }

    /// Writes as the holder of `job`. If nothing matches, an earlier attempt of the same write may
    /// have taken effect although its answer was lost.
    async fn write_as_holder(
        &self,
        job: &MailJob,
        from: &[State],
        to: State,
        note: Option<&str>,
        fields: Document,
    ) -> Result<WriteOutcome, StoreError> {
        debug_assert!(from.iter().all(|state| state.successors().contains(&to)), "{from:?} -> {to}");
        let raises_epoch = fields.contains_key("epoch");
        let update = self.documents.update_one(claimed_by(job, from), self.transition(to, note, fields));
        if with_deadline(self.deadline, update).await?.matched_count == 1 {
            return Ok(WriteOutcome::Done);
        }
        let now = self.find(&job.id).await?;
        let epoch = if raises_epoch { job.epoch + 1 } else { job.epoch };
        match now {
            Some(row) if row.state == to && row.epoch == epoch => Ok(WriteOutcome::Done),
            // The primary has changed the row, and the majority read does not show it yet: try
            // again.
            Some(row) if row.epoch == job.epoch && from.contains(&row.state) => Err(StoreError::Timeout),
            row => Ok(WriteOutcome::Lost(row.map(|row| row.state))),
        }
    }

    async fn update_all(&self, filter: Document, update: Vec<Document>) -> Result<u64, StoreError> {
        let result = with_deadline(self.deadline, self.documents.update_many(filter, update)).await?;
        Ok(result.modified_count)
    }

    fn transition(&self, to: State, note: Option<&str>, fields: Document) -> Vec<Document> {
        transition(&self.instance, to, note, fields)
    }
}

/// Returns conditions of which one holds for each of `rows` if no other claim has taken it since it was read.
fn unclaimed_since(rows: &[RawDocumentBuf]) -> Vec<Document> {
    let mut by_epoch: BTreeMap<i64, Vec<&str>> = BTreeMap::new();
    for row in rows {
        if let (Ok(id), Ok(epoch)) = (row.get_str("_id"), row.get_i64("epoch")) {
            by_epoch.entry(epoch).or_default().push(id);
        }
    }
    by_epoch.into_iter().map(|(epoch, ids)| doc! { "epoch": epoch, "_id": { "$in": ids } }).collect()
}
