//! What has no event (failed logins, ended sessions), straight into `audit`.

use bson::{DateTime, Uuid, doc};
use service_kit::mongo::{StoreError, within};

use super::{Handle, SCHEMA_VERSION, user_document::AuditPart};

/// Of what happens without an event, at most so many rows a user and hour.
const AT_MOST_AN_HOUR: u64 = 20;
/// What happens without an event.
const WITHOUT_EVENT: [&str; 7] = [
    "login_failed",
    "password_refused",
    "refresh_token_reused",
    "logged_out",
    "session_ended",
    "code_refused",
    "recovery_codes_renewed",
];

/// Something that happened to an account and changed nothing of it.
pub struct AuditRow {
    pub id: uuid::Uuid,
    pub user: uuid::Uuid,
    pub at: jiff::Timestamp,
    /// One of the kinds `WITHOUT_EVENT`.
    pub kind: &'static str,
    pub part: AuditPart,
}

/// The collection `audit`.
#[derive(Clone)]
pub struct AuditStore {
    handle: Handle,
}

impl AuditStore {
    pub(super) fn new(handle: Handle) -> Self {
        Self { handle }
    }

    /// Writes the row unless the user has had twenty such in the last hour;
    /// false if it was left out.
    pub async fn record(&self, row: &AuditRow) -> Result<bool, StoreError> {
        let user = Uuid::from(row.user);
        let since = row.at.saturating_sub(jiff::SignedDuration::from_hours(1)).unwrap_or(jiff::Timestamp::MIN);
        let recent =
            doc! { "userId": user, "at": { "$gt": DateTime::from(since) }, "type": { "$in": &WITHOUT_EVENT[..] } };
        let count = within(self.handle.deadline, async {
            self.handle.collection.count_documents(recent).limit(AT_MOST_AN_HOUR).await
        })
        .await?;
        if count >= AT_MOST_AN_HOUR {
            return Ok(false);
        }
        let mut document = doc! {
            "_id": Uuid::from(row.id),
            "schemaVersion": SCHEMA_VERSION,
            "userId": user,
            "at": DateTime::from(row.at),
            "type": row.kind,
            "actor": &row.part.actor,
        };
        for (field, value) in [("address", &row.part.address), ("client", &row.part.client)] {
            if let Some(value) = value {
                document.insert(field, value);
            }
        }
        within(self.handle.deadline, self.handle.collection.insert_one(document)).await?;
        Ok(true)
    }
}
