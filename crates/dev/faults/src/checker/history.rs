//! The recorded history of a run, as plain values that can be written to a file and read back.

use std::{collections::BTreeMap, net::Ipv4Addr};

use events::UserState;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Everything that was recorded about a run, from its first request to its last mail. It is collected after all
/// faults were healed and the system is idle.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct History {
    /// All requests of all clients, in the order in which they were sent.
    pub operations: Vec<Operation>,
    /// The whole topic, ordered by offset within each partition.
    pub records: Vec<TopicRecord>,
    /// The whole topic of states, ordered by offset within each partition; `None` if the run publishes no states.
    #[serde(default)]
    pub states: Option<Vec<TopicRecord>>,
    /// The collection `users`, including tombstones.
    pub users: Vec<StoredUser>,
    /// The rows of the email service's ledger.
    pub mails: Vec<LedgerMail>,
    /// The email service's dead letters.
    pub dead_letters: Vec<DeadLetter>,
    /// The next offset to read, for each partition for which the consumer group has committed one.
    pub committed: BTreeMap<i32, i64>,
    /// Mail transactions as the SMTP servers saw them, in the order of their MAIL commands.
    pub smtp: Vec<MailTransaction>,
    /// Resource usage of the processes during the run.
    pub samples: Vec<ProcessSample>,
    /// Passwords and tokens in use. None of them may occur in `texts`, records, ledger rows or dead letters.
    pub secrets: Vec<KnownSecret>,
    /// Other texts that are searched for secrets: logs, failed responses, metrics.
    pub texts: Vec<SearchedText>,
    /// The limits for which the run was set up.
    pub limits: Limits,
    /// The faults of a run on clusters, in the order in which they began.
    #[serde(default)]
    pub faults: Vec<InjectedFault>,
    /// The elections of a run on clusters, in the order in which they were observed. The first one precedes all
    /// faults.
    #[serde(default)]
    pub elections: Vec<Election>,
    /// Whether all replicas of all services were ready, at the beginning of a run on clusters and at each change.
    #[serde(default)]
    pub readiness: Vec<ReadinessChange>,
}

/// One request of one client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// The index among all operations, starting at 0.
    pub id: u64,
    /// The client that sent the request. A client waits for each response before it sends the next request.
    pub client: u32,
    /// The kind of request.
    pub action: Action,
    /// The account that the request concerned, if it became known: the id in the response, or the account that the
    /// client was logged in as. The nil UUID if the request named an address that no account has ever had.
    pub user: Option<Uuid>,
    /// When the request was sent.
    pub invoked: Timestamp,
    /// When the request ended, successfully or not.
    pub completed: Timestamp,
    /// The outcome of the request.
    pub outcome: Outcome,
    /// The group of requests whose responses must be indistinguishable, because no response may reveal whether an
    /// account exists.
    #[serde(rename = "alike")]
    pub comparison_group: Option<u32>,
    /// The address of the replica that got the request, or that was the last one to refuse the connection.
    #[serde(default)]
    pub server: String,
    /// The address that the client came from, if the run has rate limits.
    #[serde(default)]
    pub network: Option<Ipv4Addr>,
}

/// The kind of a request. Module `expected_events` maps each action to its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// `POST /api/users`
    Register,
    /// `POST /api/auth/login`, and the second step of a login
    Login,
    /// `POST /api/auth/login` with a wrong password
    Guess,
    /// `POST /api/auth/reauthenticate`
    Reauthenticate,
    /// `POST /api/auth/refresh`
    Refresh,
    /// `POST /api/auth/logout`, or the end of one session
    Logout,
    /// `DELETE /api/users/me/sessions`
    EndOtherSessions,
    /// GET of any resource
    Read,
    /// `PATCH /api/users/me` that changes the profile
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
    /// `POST /api/users/me/totp/recovery-codes`
    RenewRecoveryCodes,
    /// `POST /api/auth/undo`
    UndoChange,
    /// `POST /api/auth/email-verification/disown`
    Disown,
    /// `DELETE /api/users/me`, or a deletion by an administrator
    Delete,
    /// `POST /api/admin/users` with `invite`
    Invite,
    /// `POST /api/auth/accept-invitation`
    AcceptInvitation,
    /// Disabling by an administrator
    Disable,
    /// Enabling by an administrator
    Enable,
    /// Unlocking by an administrator
    Unlock,
    /// Logout from all sessions by an administrator
    LogoutEverywhere,
    /// `PATCH` with `roles` by an administrator
    SetRoles,
    /// A request that must be refused: too large, malformed, with an invalid token, or not permitted.
    Invalid,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// A complete response was received.
    Answered(RecordedResponse),
    /// No complete response was received: the connection broke or the client timed out. The request may have taken
    /// effect.
    Unknown {
        /// The error that the client saw.
        why: String,
    },
}

/// The parts of a response that the promises refer to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedResponse {
    /// The status code.
    pub status: u16,
    /// The slug at the end of the problem's `type`, if the response is a problem.
    pub problem: Option<String>,
    /// The account's `version` from the body, or from the ETag.
    pub version: Option<u64>,
    /// The account in the body, without its attributes.
    #[serde(default)]
    pub state: Option<Box<UserState>>,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<u64>,
    /// Body and headers in a form that can be compared, without the headers that always vary (`x-request-id`,
    /// `date`). Only set for requests of a comparison group.
    pub fingerprint: Option<String>,
}

/// A record in the topic.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicRecord {
    /// The partition.
    pub partition: i32,
    /// The offset in the partition.
    pub offset: i64,
    /// The broker's timestamp, in milliseconds since 1970.
    pub timestamp: Option<i64>,
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The value.
    pub value: Option<Vec<u8>>,
    /// The headers, in order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// Whether the test itself wrote the record. Such a record needs no request that explains it (I2) and has no
    /// place in a user's order (I3).
    pub foreign: bool,
}

/// A stored account, or its tombstone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredUser {
    /// `_id`
    pub id: Uuid,
    /// `version`
    pub version: u64,
    /// Whether only the tombstone is left.
    pub deleted: bool,
    /// What a record of the topic of states must show; `None` for a tombstone, and for a hidden registration whose
    /// address is not verified.
    #[serde(default)]
    pub state: Option<UserState>,
    /// The ids and types of events that are not yet published.
    pub pending: Vec<(Uuid, String)>,
}

/// A row of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerMail {
    /// `_id`
    pub id: String,
    /// The id of the event that asked for the mail.
    pub event_id: String,
    /// The template of the mail.
    pub template: String,
    /// The recipient.
    pub to: String,
    /// `resend_once` or `hold`
    pub policy: String,
    /// The header `Message-ID`.
    pub message_id: String,
    /// The state.
    pub state: String,
    /// When the mail reached a terminal state, if it did.
    pub terminal_at: Option<Timestamp>,
    /// All state transitions, oldest first.
    pub history: Vec<StateTransition>,
    /// The whole row as text, for the search for secrets.
    pub raw: String,
}

/// A state transition of a mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateTransition {
    /// The time of the transition.
    pub at: Timestamp,
    /// The previous state; `None` for the first transition.
    pub from: Option<String>,
    /// The new state.
    pub to: String,
    /// The instance of the service, or the operator, that caused the transition.
    pub by: String,
}

/// A dead letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// `_id`
    pub id: String,
    /// The state: `open`, `replayed` or `discarded`.
    pub state: String,
    /// The reason why the record cannot be processed.
    pub reason: String,
    /// The partition of the record.
    pub partition: i32,
    /// The offset of the record.
    pub offset: i64,
}

/// A mail transaction as an SMTP server saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailTransaction {
    /// The header `Message-ID`, if the headers arrived.
    pub message_id: Option<String>,
    /// The recipients that the client requested.
    pub to: Vec<String>,
    /// When the final dot arrived; `None` if it did not, and the server discarded the mail.
    pub dot_at: Option<Timestamp>,
    /// The reply to the final dot; `None` if it was never sent.
    pub reply: Option<String>,
}

/// The resource usage of a process at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessSample {
    /// The time of the sample.
    pub at: Timestamp,
    /// `user-service` or `email-service`, with the number of the replica.
    pub process: String,
    /// Resident memory, in bytes.
    pub resident: u64,
    /// Open file descriptors, including connections.
    pub descriptors: u64,
    /// The number of threads.
    pub threads: u64,
}

/// A fault that was injected and healed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InjectedFault {
    /// The number in the table of faults in `docs/GUARANTEES.md`, if it disturbs a cluster. Only these faults have
    /// recovery times.
    pub number: Option<u32>,
    /// The name of the fault.
    pub name: String,
    /// What it disturbs.
    pub target: FaultTarget,
    /// When the injection began.
    pub began: Timestamp,
    /// When the last step of the healing was done.
    pub healed: Timestamp,
}

/// What a fault disturbs, as far as recovery times depend on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultTarget {
    /// The replica set.
    ReplicaSet,
    /// The Kafka cluster.
    Brokers,
    /// Service processes, which are ended and started again.
    Services,
    /// The service at this address, which is stopped (SIGSTOP): it accepts connections and does not answer.
    StoppedService(String),
    /// Anything else.
    Other,
}

/// A member of the replica set that became its primary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Election {
    /// When the member first said that it is the primary.
    pub at: Timestamp,
    /// The name of the member, such as `member 1`.
    pub member: String,
    /// The id of the election, which increases.
    pub id: String,
    /// When it first acknowledged a write of the observer on a majority. Until then, no client can write.
    #[serde(default)]
    pub majority_at: Option<Timestamp>,
}

/// The readiness of all replicas of all services together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadinessChange {
    /// The time of the observation.
    pub at: Timestamp,
    /// Whether every `/readyz` was answered with 200 and `ready`.
    pub ready: bool,
}

/// A secret that may not occur in any output.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownSecret {
    /// The kind of secret, for the report.
    pub what: String,
    /// The secret itself.
    pub value: String,
}

/// A text that is searched for secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchedText {
    /// The source of the text, for the report.
    pub place: String,
    /// The complete text.
    pub text: String,
}

/// The limits for which a run was set up. A promise without its limit is not checked. A flag disables checks that
/// do not apply to the run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// I6: addresses whose mails are meant to fail. Every other mail must be accepted within `neighbour_delay_ms` of
    /// its event.
    pub undeliverable: Vec<String>,
    /// I6: the maximum delay from the event to the 250, in milliseconds, for mails that are not meant to fail.
    pub neighbour_delay_ms: Option<u64>,
    /// I7: the maximum resident memory of one process, in bytes.
    pub resident: Option<u64>,
    /// I7: the maximum number of file descriptors of one process.
    pub descriptors: Option<u64>,
    /// I7: the maximum duration of an accepted request, in milliseconds.
    pub latency_ms: Option<u64>,
    /// `relay.max_pending_per_user` if it differs from the default of 100. When half of it is used, logins succeed
    /// without their event.
    pub max_pending: Option<u64>,
    /// All partition counts that the topic had, if they differ from the default of 12. A key belongs to the partition
    /// that one of them determines.
    pub partitions: Vec<i32>,
    /// No email service ran, so mails, dead letters and offsets are not checked.
    pub no_email_service: bool,
    /// No user service ran, so the test wrote every record in the topic.
    pub no_user_service: bool,
    /// The topic was recreated during the run. Its earlier records are gone, so missing records are not reported.
    pub topic_replaced: bool,
    /// The attributes that the operator's schema marks as public.
    #[serde(default)]
    pub public_attributes: Vec<String>,
    /// The topic of states was switched on during the run. A user who was deleted before needs no tombstone in it.
    #[serde(default)]
    pub states_later: bool,
    /// The code was made to panic, so a valid record may be a dead letter with the reason `processing-failed`.
    #[serde(default)]
    pub panics: bool,
    /// S3: the rate limits of the user service.
    #[serde(default)]
    pub rate_limits: Option<RateLimits>,
}

/// The rate limits for which a run was set up. The waits after failures do not end during a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateLimits {
    /// `limits.login_free_failures`
    pub login_free_failures: usize,
    /// `limits.account_free_failures`
    pub account_free_failures: usize,
    /// `limits.requests_per_network`, which are counted in blocks of a tenth.
    pub requests_per_network: u32,
    /// The number of replicas of the user service.
    pub replicas: u32,
}

impl std::fmt::Debug for KnownSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KnownSecret").field("what", &self.what).finish_non_exhaustive()
    }
}
