//! The reads of `mailJobs`: one mail, a list, and numbers for the metrics.

use bson::{RawDocumentBuf, doc};
use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use mongodb::action::{Action as _, Find};
use service_kit::mongo::{StoreError, with_deadline};

use super::{Ledger, MailFilter, MailJob, State, filter::claimable};

/// The mails that a query found.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct MailList {
    pub jobs: Vec<MailJob>,
    /// The ids of the mails that this release cannot read: a newer one has written them.
    pub unreadable: Vec<String>,
}

impl MailList {
    pub(super) fn from_rows(rows: &[RawDocumentBuf]) -> Self {
        let mut listed = Self::default();
        for row in rows {
            match bson::deserialize_from_slice(row.as_bytes()) {
                Ok(job) => listed.jobs.push(job),
                Err(_) => listed.unreadable.extend(row.get_str("_id").ok().map(str::to_owned)),
            }
        }
        listed
    }
}

impl Ledger {
    /// Returns one mail.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database does not answer.
    pub async fn find(&self, id: &str) -> Result<Option<MailJob>, StoreError> {
        with_deadline(self.deadline, self.jobs.find_one(doc! { "_id": id })).await
    }

    /// Returns the mails that match `filter`, those of the newest events first.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database does not answer.
    pub async fn list(&self, filter: &MailFilter, now: Timestamp, limit: i64) -> Result<MailList, StoreError> {
        let rows = self.jobs.clone_with_type::<RawDocumentBuf>();
        let list = async {
            let find = rows.find(filter.document(now)).sort(doc! { "eventTime": -1 }).limit(limit);
            find.optional(filter.collation(), Find::collation).await?.try_collect().await
        };
        let found: Vec<RawDocumentBuf> = with_deadline(self.deadline, list).await?;
        Ok(MailList::from_rows(&found))
    }

    /// Counts the mails in `state`.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database does not answer.
    pub async fn count(&self, state: State) -> Result<u64, StoreError> {
        with_deadline(self.deadline, self.documents.count_documents(doc! { "state": state.as_str() })).await
    }

    /// Returns the due time of the mail that has been due longest.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database does not answer.
    pub async fn oldest_due(&self) -> Result<Option<Timestamp>, StoreError> {
        let find = self.documents.find_one(claimable()).sort(doc! { "nextAttemptAt": 1 });
        let row = with_deadline(self.deadline, find.projection(doc! { "nextAttemptAt": 1 })).await?;
        Ok(row.and_then(|row| row.get_datetime("nextAttemptAt").ok().map(|at| at.to_jiff())))
    }
}
