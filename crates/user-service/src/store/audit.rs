//! The audit log: writes the entries of actions that have no event (failed logins, ended sessions, changes of clients),
//! many in one command, and reads all entries. The entry of an action that has an event is written together with it,
//! in `outbox`.

use std::collections::{BTreeSet, HashMap};

use bson::{DateTime, Document, Uuid, doc};
use futures_util::TryStreamExt;
use serde::Deserialize;
use service_kit::mongo::{StoreError, duplicate_positions, with_deadline};

use super::{
    collection::{CollectionHandle, SCHEMA_VERSION, after_cursor},
    user_document::{AuditDetails, PendingEvent},
};
use crate::domain::Cursor;

/// The maximum number of rows of one kind that are written for a user in an hour.
const MAX_ROWS_PER_HOUR: u64 = 20;

/// The kind of an action that has no event. Each kind has its own limit, so that a flood of one kind does not hide
/// another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditOnlyKind {
    LoginFailed,
    PasswordRefused,
    CodeRefused,
    RefreshTokenReused,
    LoggedOut,
    SessionEnded,
    ClientCreated,
    ClientSecretRotated,
    ClientOldSecretDropped,
    ClientDisabled,
    ClientEnabled,
}

impl AuditOnlyKind {
    /// Returns the name in the audit log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LoginFailed => "login_failed",
            Self::PasswordRefused => "password_refused",
            Self::CodeRefused => "code_refused",
            Self::RefreshTokenReused => "refresh_token_reused",
            Self::LoggedOut => "logged_out",
            Self::SessionEnded => "session_ended",
            Self::ClientCreated => "client_created",
            Self::ClientSecretRotated => "client_secret_rotated",
            Self::ClientOldSecretDropped => "client_old_secret_dropped",
            Self::ClientDisabled => "client_disabled",
            Self::ClientEnabled => "client_enabled",
        }
    }
}

/// An entry to be written: an action on an account that did not change it.
pub struct AuditRow {
    pub id: uuid::Uuid,
    pub user: uuid::Uuid,
    pub at: jiff::Timestamp,
    pub kind: AuditOnlyKind,
    pub details: AuditDetails,
    /// The client that an administrator acts on.
    pub target: Option<uuid::Uuid>,
}

/// An entry as it is read.
#[derive(Clone, Deserialize)]
pub struct AuditEntry {
    #[serde(rename = "_id")]
    pub id: Uuid,
    pub at: DateTime,
    /// The type of the event, or the name of an [`AuditOnlyKind`].
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(flatten)]
    pub details: AuditDetails,
    /// The account or client that the action was done to, in the log of an admin.
    pub target: Option<Uuid>,
}

impl AuditEntry {
    /// Creates the entry of an event of `user` that is not published yet.
    #[must_use]
    pub fn from_pending(user: uuid::Uuid, event: &PendingEvent) -> Self {
        let (id, at, kind) = (event.id, event.at, event.event_type.clone());
        Self { id, at, kind, details: event.audit_details_for(user), target: None }
    }

    /// Returns the position of the entry in the list, which is sorted newest first.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        Cursor { at: self.at.timestamp_millis(), id: self.id.into() }
    }
}

/// The collection `audit`.
#[derive(Clone)]
pub struct AuditStore {
    handle: CollectionHandle,
}

impl AuditStore {
    pub(super) fn new(handle: CollectionHandle) -> Self {
        Self { handle }
    }

    /// Writes the rows, except those for which the user has reached the limit of rows of their kind in the last hour.
    /// Returns the number of rows that were written. May be repeated: a row that is there already counts as written.
    pub async fn record(&self, rows: &[AuditRow]) -> Result<usize, StoreError> {
        let mut counts = self.recent_counts(rows).await?;
        let is_within_limit = |row: &&AuditRow| {
            let count = counts.entry((row.user, row.kind.as_str().to_owned())).or_default();
            *count += 1;
            *count <= MAX_ROWS_PER_HOUR
        };
        let documents: Vec<Document> = rows.iter().filter(is_within_limit).map(document).collect();
        if documents.is_empty() {
            return Ok(0);
        }
        let written = documents.len();
        let insert = async {
            match self.handle.collection.insert_many(documents).ordered(false).await {
                Err(error) if duplicate_positions(&error).is_some() => Ok(()),
                inserted => inserted.map(drop),
            }
        };
        with_deadline(self.handle.deadline, insert).await?;
        Ok(written)
    }

    /// Returns how many rows of each user and kind among these there are from the last hour.
    async fn recent_counts(&self, rows: &[AuditRow]) -> Result<HashMap<(uuid::Uuid, String), u64>, StoreError> {
        #[derive(Deserialize)]
        struct Count {
            #[serde(rename = "_id")]
            of: Counted,
            rows: i64,
        }
        #[derive(Deserialize)]
        struct Counted {
            user: Uuid,
            kind: String,
        }
        let oldest = rows.iter().map(|row| row.at).min().unwrap_or(jiff::Timestamp::MIN);
        let since = oldest.saturating_sub(jiff::SignedDuration::from_hours(1)).unwrap_or(jiff::Timestamp::MIN);
        let users: BTreeSet<uuid::Uuid> = rows.iter().map(|row| row.user).collect();
        let users: Vec<Uuid> = users.into_iter().map(Uuid::from).collect();
        let kinds: BTreeSet<&str> = rows.iter().map(|row| row.kind.as_str()).collect();
        let kinds: Vec<&str> = kinds.into_iter().collect();
        let recent =
            doc! { "userId": { "$in": users }, "at": { "$gt": DateTime::from(since) }, "type": { "$in": kinds } };
        let group = doc! { "_id": { "user": "$userId", "kind": "$type" }, "rows": { "$sum": 1_i64 } };
        let pipeline = [doc! { "$match": recent }, doc! { "$group": group }];
        let counts: Vec<Count> = with_deadline(self.handle.deadline, async {
            let cursor = self.handle.collection.aggregate(pipeline).with_type::<Count>().await?;
            cursor.try_collect().await
        })
        .await?;
        let count = |found: Count| {
            let rows = u64::try_from(found.rows).unwrap_or_default();
            ((found.of.user.into(), found.of.kind), rows)
        };
        Ok(counts.into_iter().map(count).collect())
    }

    /// Writes the row, without a limit.
    pub async fn insert(&self, row: &AuditRow) -> Result<(), StoreError> {
        with_deadline(self.handle.deadline, self.handle.collection.insert_one(document(row))).await?;
        Ok(())
    }

    /// Removes rows again, because their accounts were deleted, or because the action was not done.
    pub async fn remove(&self, ids: &[uuid::Uuid]) -> Result<(), StoreError> {
        let ids: Vec<Uuid> = ids.iter().copied().map(Uuid::from).collect();
        let these = doc! { "_id": { "$in": ids } };
        with_deadline(self.handle.deadline, self.handle.collection.delete_many(these)).await?;
        Ok(())
    }

    /// Returns at most `limit` rows of a user after the cursor `after`, newest first.
    pub async fn page(&self, user: uuid::Uuid, after: Cursor, limit: i64) -> Result<Vec<AuditEntry>, StoreError> {
        let mut filter = after_cursor(after, "at");
        filter.insert("userId", Uuid::from(user));
        with_deadline(self.handle.deadline, async {
            let cursor = self.handle.collection.find(filter).sort(doc! { "at": -1, "_id": -1 }).limit(limit).await?;
            cursor.with_type::<AuditEntry>().try_collect().await
        })
        .await
    }
}

/// Returns the document of a row.
fn document(row: &AuditRow) -> Document {
    let mut document = doc! {
        "_id": Uuid::from(row.id),
        "schemaVersion": SCHEMA_VERSION,
        "userId": Uuid::from(row.user),
        "at": DateTime::from(row.at),
        "type": row.kind.as_str(),
        "actor": &row.details.actor,
    };
    for (field, value) in [("address", &row.details.address), ("client", &row.details.client)] {
        if let Some(value) = value {
            document.insert(field, value);
        }
    }
    if let Some(target) = row.target {
        document.insert("target", Uuid::from(target));
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_read_with_and_without_optional_details() {
        let (id, at) = (Uuid::from_bytes([7; 16]), DateTime::from_millis(1));
        let mut stored = doc! { "_id": id, "schemaVersion": 1, "userId": id, "at": at, "type": "login_failed" };
        stored.insert("actor", "self");
        let read = |stored: &bson::Document| {
            let bytes = bson::serialize_to_vec(stored).unwrap();
            let entry: AuditEntry = bson::deserialize_from_slice(&bytes).unwrap();
            assert_eq!((entry.id, entry.at, entry.kind.as_str()), (id, at, "login_failed"));
            let AuditDetails { actor, address, client, reason } = entry.details;
            (actor, address, client, reason, entry.target)
        };
        assert_eq!(read(&stored), ("self".to_owned(), None, None, None, None));
        stored.extend(doc! { "address": "192.0.2.1", "client": "curl", "reason": "asked", "target": id });
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(read(&stored), ("self".to_owned(), text("192.0.2.1"), text("curl"), text("asked"), Some(id)));
    }
}
