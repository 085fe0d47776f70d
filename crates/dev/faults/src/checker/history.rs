//! What was recorded of a run, in plain values that can be written to a file and read back.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Everything that is known about a run, from its first request to its last mail. Taken
/// after all faults have healed and nothing moves any more.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct History {
    /// What clients asked, in the order of asking.
    pub operations: Vec<Operation>,
    /// The whole topic; of each partition in the order of the offsets.
    pub records: Vec<TopicRecord>,
    /// The collection `users`, tombstones included.
    pub users: Vec<StoredUser>,
    /// The ledger.
    pub mails: Vec<LedgerMail>,
    /// The dead letters.
    pub dead_letters: Vec<DeadLetter>,
    /// The next offset to read of each partition that the consumer group has committed.
    pub committed: BTreeMap<i32, i64>,
    /// What SMTP servers saw of mail transactions, in the order of their MAIL commands.
    pub smtp: Vec<MailTransaction>,
    /// How large processes were while it ran.
    pub samples: Vec<ProcessSample>,
    /// Passwords and tokens that were in use; none of them may be in `texts`, records,
    /// mails of the ledger or dead letters.
    pub secrets: Vec<KnownSecret>,
    /// Other places to look for secrets in: logs, answers that failed, metrics.
    pub texts: Vec<SearchedText>,
    /// What the run was set up to stay within.
    pub limits: Limits,
}

/// One request of one client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// Its place among all operations, from 0.
    pub id: u64,
    /// Whose request it was. A client waits for each answer before it asks again.
    pub client: u32,
    /// What was asked.
    pub action: Action,
    /// The account that it was about, as far as anybody knew in the end: the id that the
    /// answer named, or the one that the client was logged in as. The nil UUID where the
    /// request named an address that no account has ever had.
    pub user: Option<Uuid>,
    /// When the request was sent.
    pub invoked: Timestamp,
    /// When it ended, whatever the end was.
    pub completed: Timestamp,
    /// What came back.
    pub outcome: Outcome,
    /// Operations of one group must be answered comparison_group, for nobody may see from the answer
    /// whether an account exists.
    #[serde(rename = "alike")]
    pub comparison_group: Option<u32>,
}

/// What can be asked. Its expected_events are one table, in `expected_events`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// `POST /api/users`
    Register,
    /// `POST /api/auth/login`, and the second step of it
    Login,
    /// `POST /api/auth/refresh`
    Refresh,
    /// `POST /api/auth/logout`, or one session ended
    Logout,
    /// `DELETE /api/users/me/sessions`
    EndOtherSessions,
    /// GET of anything
    Read,
    /// `PATCH /api/users/me` that changes something
    UpdateProfile,
    /// `PUT /api/users/me/password`
    ChangePassword,
    /// `POST /api/auth/password-reset`
    RequestReset,
    /// `POST /api/auth/password-reset/confirm`
    ConfirmReset,
    /// `POST /api/auth/email-verification/resend`
    ResendVerification,
    /// `POST /api/auth/email-verification`
    VerifyEmail,
    /// `PUT /api/users/me/email`
    RequestEmailChange,
    /// `POST /api/auth/email-change/confirm`
    ConfirmEmailChange,
    /// `POST /api/auth/email-change/undo`
    UndoEmailChange,
    /// `POST /api/users/me/totp`
    StartTotp,
    /// `POST /api/users/me/totp/confirm`
    EnableTotp,
    /// `DELETE /api/users/me/totp`
    DisableTotp,
    /// `DELETE /api/users/me`, or by an admin
    Delete,
    /// by an admin
    Disable,
    /// by an admin
    Enable,
    /// by an admin
    Unlock,
    /// by an admin: log out everywhere
    LogoutEverywhere,
    /// by an admin: PATCH with `roles`
    SetRoles,
    /// A request that is made to be refused: too large, malformed, not allowed.
    Invalid,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// There was a whole answer.
    Answered(RecordedResponse),
    /// There was none: the connection broke, or the client gave up. It may have happened.
    Unknown {
        /// What the client saw.
        why: String,
    },
}

/// An answer, as far as the promises speak about it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedResponse {
    /// The status code.
    pub status: u16,
    /// The end of the problem's `type`, where it is one.
    pub problem: Option<String>,
    /// The `version` of the account in the body, or the ETag.
    pub version: Option<u64>,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<u64>,
    /// Of a group that must be answered comparison_group: status line, body and headers but for those
    /// that differ by nature (`x-request-id`, `date`), in any form that can be compared.
    pub fingerprint: Option<String>,
}

/// A record as it stands in the topic.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicRecord {
    /// The partition.
    pub partition: i32,
    /// The offset in it.
    pub offset: i64,
    /// Milliseconds since 1970, as the broker keeps it.
    pub timestamp: Option<i64>,
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The value.
    pub value: Option<Vec<u8>>,
    /// The headers, in order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// Whether the test wrote it itself. Nobody's change explains such a record (I2), and it
    /// stands in nobody's order (I3).
    pub foreign: bool,
}

/// An account as it is stored, or the tombstone of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredUser {
    /// `_id`
    pub id: Uuid,
    /// `version`
    pub version: u64,
    /// Whether only the tombstone is left.
    pub deleted: bool,
    /// `active` or `disabled`; none of a tombstone.
    pub status: Option<String>,
    /// Whether it has the role `admin`.
    pub admin: bool,
    /// The ids and types of events that are not yet published.
    pub pending: Vec<(Uuid, String)>,
}

/// A row of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerMail {
    /// `_id`
    pub id: String,
    /// The event that asked for it.
    pub event_id: String,
    /// The kind of mail.
    pub template: String,
    /// The recipient.
    pub to: String,
    /// `resend_once` or `hold`
    pub policy: String,
    /// The header `Message-ID`.
    pub message_id: String,
    /// The state.
    pub state: String,
    /// When it was over, if it is.
    pub terminal_at: Option<Timestamp>,
    /// Every step that it took, oldest first.
    pub history: Vec<StateTransition>,
    /// The whole row as text, for the search for secrets.
    pub raw: String,
}

/// A step of a mail's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateTransition {
    /// When.
    pub at: Timestamp,
    /// The state before; none for the first.
    pub from: Option<String>,
    /// The state after.
    pub to: String,
    /// Who took it: an instance of the service, or an operator.
    pub by: String,
}

/// A dead letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// `_id`
    pub id: String,
    /// Its state: `open`, `replayed`, `discarded`.
    pub state: String,
    /// Why the record cannot be processed.
    pub reason: String,
    /// Where the record stood.
    pub partition: i32,
    /// Where the record stood.
    pub offset: i64,
}

/// One mail transaction as an SMTP server saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailTransaction {
    /// The header `Message-ID`, if the headers arrived.
    pub message_id: Option<String>,
    /// The recipients that were asked for.
    pub to: Vec<String>,
    /// When the final dot arrived; none if it never did, and the server threw all away.
    pub dot_at: Option<Timestamp>,
    /// The reply to the dot; none when it was never written.
    pub reply: Option<String>,
}

/// What a process took at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessSample {
    /// When.
    pub at: Timestamp,
    /// `user-service` or `email-service`, with the replica's number.
    pub process: String,
    /// Resident memory, in bytes.
    pub resident: u64,
    /// Open file descriptors: connections and files.
    pub descriptors: u64,
    /// Threads.
    pub threads: u64,
}

/// Something that nobody may read anywhere.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownSecret {
    /// What it is, for the report.
    pub what: String,
    /// The secret.
    pub value: String,
}

/// What somebody could read, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchedText {
    /// Where it stands.
    pub place: String,
    /// All of it.
    pub text: String,
}

/// What a run was set up to stay within. A promise without its limit is not checked; a flag
/// takes back what cannot be asked of such a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// I6: addresses that are meant to fail; every other mail is accepted within
    /// `neighbour_delay_ms` of its event.
    pub undeliverable: Vec<String>,
    /// Milliseconds from the event to the 250, for those that nothing is wrong with.
    pub neighbour_delay_ms: Option<u64>,
    /// I7: the most that one process may hold, in bytes.
    pub resident: Option<u64>,
    /// I7: the most file descriptors of one process.
    pub descriptors: Option<u64>,
    /// I7: milliseconds that an accepted request may take.
    pub latency_ms: Option<u64>,
    /// `relay.max_pending_per_user`, where it is not the usual 100: from half of it on logins
    /// succeed without their event.
    pub max_pending: Option<u64>,
    /// How many partitions the topic had, one number after the other, where it is not the usual
    /// 12: a key belongs where one of them says.
    pub partitions: Vec<i32>,
    /// No email service ran: nothing is topic_event about mails, dead letters and offsets.
    pub no_email_service: bool,
    /// No user service ran: whatever is in the topic was written by the test.
    pub no_user_service: bool,
    /// The topic was made anew during the run: the earlier records are gone, so nothing is
    /// topic_event about what ought to be in it.
    pub topic_replaced: bool,
    /// The code was made to panic: a good record may be a dead letter for that reason.
    #[serde(default)]
    pub panics: bool,
}

impl std::fmt::Debug for KnownSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KnownSecret").field("what", &self.what).finish_non_exhaustive()
    }
}
