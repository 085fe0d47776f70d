//! A row of the ledger.

use events::Event;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_with::{serde_as, skip_serializing_none};

use super::{SCHEMA_VERSION, State};
use crate::{
    bson_date::BsonDate,
    plan::{MailFacts, PlannedMail, ResendPolicy, SealedLink, Template},
};

/// One mail: its facts, its state and its history.
///
/// It contains a token only in sealed form. `(id, epoch)` names one claim: every claim and every
/// recovery raises `epoch`, so a write that requires an epoch can only be its holder's.
#[skip_serializing_none]
#[serde_as]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MailJob {
    /// `<event id>/<template>`: a mail of an event can never be stored twice.
    #[serde(rename = "_id")]
    pub id: String,
    pub schema_version: i32,
    pub event_id: String,
    pub user_id: String,
    #[serde(rename = "type")]
    pub event_type: String,
    #[serde(flatten)]
    pub facts: MailFacts,
    pub link: Option<SealedLink>,
    pub trace_parent: Option<String>,
    /// From this time on the mail is not sent.
    #[serde_as(as = "BsonDate")]
    pub expires_at: Timestamp,
    pub policy: ResendPolicy,
    pub message_id: String,
    pub state: State,
    pub epoch: i64,
    pub lease: Option<Lease>,
    /// Attempts that reached a server and did not fail because of the server's own trouble.
    pub attempts: i64,
    /// How often an unknown delivery was sent again.
    #[serde(default)]
    pub resends: i64,
    /// How often a sender disappeared while it held the mail.
    #[serde(default)]
    pub losses: i64,
    #[serde_as(as = "Option<BsonDate>")]
    pub next_attempt_at: Option<Timestamp>,
    pub last_reply: Option<String>,
    pub history: Vec<HistoryEntry>,
    /// Set when the mail is terminal; the row is removed `ledger.retention` later.
    #[serde_as(as = "Option<BsonDate>")]
    pub terminal_at: Option<Timestamp>,
}

/// The holder of the mail, and the end of the lease by the server's clock.
#[serde_as]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lease {
    pub owner: String,
    #[serde_as(as = "BsonDate")]
    pub until: Timestamp,
}

/// One change of state of a mail.
#[skip_serializing_none]
#[serde_as]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryEntry {
    #[serde_as(as = "BsonDate")]
    pub at: Timestamp,
    /// Absent in the first entry.
    pub from: Option<State>,
    pub to: State,
    pub note: Option<String>,
    /// The instance, or `operator <login>@<host>`.
    pub by: String,
}

/// A mail that is not yet in the ledger.
#[derive(Debug, Clone, PartialEq)]
pub struct NewMail(pub(super) MailJob);

impl NewMail {
    /// Creates the row for one of the mails of `event`: due at once, or `expired` if `too_late`.
    #[must_use]
    pub fn new(event: &Event, mail: PlannedMail, too_late: bool, domain: &str, by: &str, now: Timestamp) -> Self {
        let envelope = &event.envelope;
        let (state, note) =
            if too_late { (State::Expired, Some("too old when it was read")) } else { (State::Queued, None) };
        let template = mail.facts.template;
        Self(MailJob {
            id: format!("{}/{template}", envelope.id),
            schema_version: SCHEMA_VERSION,
            event_id: envelope.id.to_string(),
            user_id: envelope.subject.to_string(),
            event_type: envelope.event_type.to_string(),
            facts: mail.facts,
            link: mail.link,
            trace_parent: envelope.trace_parent.as_ref().map(|parent| parent.as_str().to_owned()),
            expires_at: mail.expires_at,
            policy: template.resend_policy(),
            message_id: format!("<{}.{template}@{domain}>", envelope.id),
            state,
            epoch: 0,
            lease: None,
            attempts: 0,
            resends: 0,
            losses: 0,
            // The event's time keeps mails in order; an event from a clock that is ahead must not
            // wait.
            next_attempt_at: (!too_late).then(|| envelope.time.min(now)),
            last_reply: None,
            history: vec![HistoryEntry {
                at: now,
                from: None,
                to: state,
                note: note.map(str::to_owned),
                by: by.to_owned(),
            }],
            terminal_at: too_late.then_some(now),
        })
    }

    /// Returns the id of the row.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// Returns the recipient's address.
    #[must_use]
    pub fn to(&self) -> &str {
        &self.0.facts.to
    }

    #[must_use]
    pub fn template(&self) -> Template {
        self.0.facts.template
    }

    #[must_use]
    pub fn state(&self) -> State {
        self.0.state
    }

    /// Returns the mail as its sender sees it after the write that stores it as claimed.
    #[must_use]
    pub fn as_claimed(&self) -> MailJob {
        MailJob { state: State::Preparing, epoch: 1, ..self.0.clone() }
    }

    /// Marks the mail as suppressed: it is stored, and not sent.
    pub fn suppress(&mut self, now: Timestamp) {
        if self.0.state != State::Queued {
            return;
        }
        self.0.state = State::Suppressed;
        self.0.next_attempt_at = None;
        self.0.terminal_at = Some(now);
        if let Some(entry) = self.0.history.last_mut() {
            entry.to = State::Suppressed;
            entry.note = Some("the address refused mail before".to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use bson::{Bson, Document, doc};
    use events::{Recipient, SealedToken, TokenGrant, UserRegistered};
    use jiff::SignedDuration;
    use uuid::Uuid;

    use super::*;
    use crate::plan::plan;

    fn now() -> Timestamp {
        Timestamp::from_second(1_900_000_000).unwrap()
    }

    fn event() -> Event {
        let registered = UserRegistered {
            user_id: Uuid::from_u128(1),
            username: "ada".into(),
            recipient: Recipient { email: "ada@example.com".into(), display_name: None, locale: None },
            verification: TokenGrant {
                sealed: SealedToken { kid: "kid".into(), sealed_box: "box".into() },
                expires_at: now() + SignedDuration::from_hours(1),
            },
        };
        Event::new(Uuid::from_u128(2), now() - SignedDuration::from_secs(1), 1, None, registered.into())
    }

    fn new_mail(too_late: bool) -> NewMail {
        let planned = plan(&event(), SignedDuration::from_hours(24)).remove(0);
        NewMail::new(&event(), planned, too_late, "example.org", "here", now())
    }

    #[test]
    fn the_id_and_the_message_id_follow_from_the_event() {
        let NewMail(job) = new_mail(false);
        assert_eq!(job.id, "00000000-0000-0000-0000-000000000002/welcome");
        assert_eq!(job.message_id, "<00000000-0000-0000-0000-000000000002.welcome@example.org>");
    }

    #[test]
    fn a_mail_job_round_trips_through_bson() {
        let NewMail(job) = new_mail(false);
        let document = bson::serialize_to_document(&job).unwrap();
        assert!(matches!(document.get("eventTime"), Some(Bson::DateTime(_))));
        assert!(matches!(document.get("nextAttemptAt"), Some(Bson::DateTime(_))));
        assert!(matches!(document.get("attempts"), Some(Bson::Int64(0))));
        assert_eq!(document.get_str("policy").unwrap(), "resend_once");
        assert!(!document.contains_key("terminalAt"), "the TTL index must not match it");
        assert_eq!(bson::deserialize_from_document::<MailJob>(document).unwrap(), job);
    }

    /// Returns a row with every field, as release 0.1 stores it.
    fn full_row() -> Document {
        let at = |seconds: i64| bson::DateTime::from_millis((1_900_000_000 + seconds) * 1_000);
        doc! {
            "_id": "00000000-0000-0000-0000-000000000002/email-changed",
            "schemaVersion": 1,
            "eventId": "00000000-0000-0000-0000-000000000002",
            "userId": "00000000-0000-0000-0000-000000000001",
            "type": "user.email_changed.v1",
            "template": "email-changed",
            "to": "ada@example.com",
            "displayName": "Ada",
            "locale": "de",
            "facts": {
                "username": "ada",
                "newEmail": "ada@new.example",
                "oldEmail": "ada@example.com",
                "remaining": 3_i64,
                "lockedUntil": at(900),
                "totpDisabledBy": "mailbox",
                "undoneChange": "recovery-codes",
            },
            "link": { "kid": "0011223344556677", "box": "AAAA", "purpose": "email-change-undo", "expiresAt": at(3_600) },
            "traceParent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "eventTime": at(0),
            "expiresAt": at(86_400),
            "policy": "hold",
            "messageId": "<00000000-0000-0000-0000-000000000002.email-changed@example.org>",
            "state": "preparing",
            "epoch": 3_i64,
            "lease": { "owner": "here", "until": at(90) },
            "attempts": 2_i64,
            "resends": 1_i64,
            "losses": 1_i64,
            "nextAttemptAt": at(60),
            "lastReply": "452 4.2.2 full",
            "history": [
                { "at": at(0), "to": "queued", "by": "here" },
                { "at": at(1), "from": "queued", "to": "preparing", "note": "a note", "by": "here" },
            ],
            "terminalAt": at(120),
        }
    }

    #[test]
    fn a_row_of_release_0_1_is_read_and_written_back_unchanged() {
        let mut least = full_row();
        for optional in
            ["displayName", "locale", "link", "traceParent", "lease", "nextAttemptAt", "lastReply", "terminalAt"]
        {
            least.remove(optional);
        }
        least.insert("facts", doc! {});
        for stored in [full_row(), least] {
            let job: MailJob = bson::deserialize_from_slice(&bson::serialize_to_vec(&stored).unwrap()).unwrap();
            let written: Document = bson::deserialize_from_slice(&bson::serialize_to_vec(&job).unwrap()).unwrap();
            assert_eq!(written, stored);
        }
    }

    #[test]
    fn a_mail_that_arrives_too_late_is_recorded_as_expired() {
        let NewMail(job) = new_mail(true);
        assert_eq!((job.state, job.terminal_at, job.next_attempt_at), (State::Expired, Some(now()), None));
    }

    #[test]
    fn a_suppressed_mail_is_terminal_and_an_expired_one_stays_expired() {
        let mut mail = new_mail(false);
        mail.suppress(now());
        assert_eq!((mail.0.state, mail.0.terminal_at), (State::Suppressed, Some(now())));
        assert_eq!(mail.0.history.last().unwrap().to, State::Suppressed);
        let mut expired = new_mail(true);
        expired.suppress(now());
        assert_eq!(expired.state(), State::Expired);
    }
}
