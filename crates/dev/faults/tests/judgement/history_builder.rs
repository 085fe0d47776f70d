//! Builds histories as a system without faults would leave them, request by request.

use std::collections::BTreeMap;

use events::{
    DeletedBy, Event, LoginMethod, PasswordChangeReason, Payload, Recipient, SealedToken, StateRecord, TokenGrant,
    UserDeleted, UserEmailChangeRequested, UserLoggedIn, UserPasswordChanged, UserProfileUpdated, UserRegistered,
    UserState, UserStatus,
    topic::{DEFAULT_PARTITIONS, partition_of},
};
use faults::checker::{
    Action, DeadLetter, History, KnownSecret, LedgerMail, Limits, MailTransaction, Operation, Outcome, ProcessSample,
    RecordedResponse, SearchedText, StateTransition, StoredUser, TopicRecord,
};
use jiff::Timestamp;
use uuid::Uuid;

/// A secret that must not be readable anywhere.
pub(crate) const SECRET: &str = "correct horse battery staple";

/// Builds the history of a system that works correctly.
pub(crate) struct HistoryBuilder {
    history: History,
    /// The current time in milliseconds since 1970; every request advances it.
    now: i64,
    ids: u128,
    accounts: BTreeMap<Uuid, StoredUser>,
}

/// The outcome of a request's mails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MailOutcome {
    Sent,
    /// The server refused the mail permanently.
    Failed,
    /// The final dot got no reply. The mail is resent if its policy allows it; otherwise it stays unknown.
    Unknown,
}

impl HistoryBuilder {
    pub(crate) fn new() -> Self {
        let limits = Limits {
            neighbour_delay_ms: Some(60_000),
            resident: Some(500 << 20),
            descriptors: Some(1_000),
            latency_ms: Some(10_000),
            max_pending: Some(1_000),
            ..Limits::default()
        };
        let samples = (0..60).map(|second| ProcessSample {
            at: at(1_900_000_000_000 + second * 1_000),
            process: "user-service 1".into(),
            resident: 100 << 20,
            descriptors: 50,
            threads: 20,
        });
        let history = History {
            limits,
            samples: samples.collect(),
            secrets: vec![KnownSecret { what: "password".into(), value: SECRET.into() }],
            texts: vec![SearchedText { place: "a log".into(), text: "no secrets".into() }],
            states: Some(Vec::new()),
            ..History::default()
        };
        Self { history, now: 1_900_000_000_000, ids: 0, accounts: BTreeMap::new() }
    }

    /// Returns a builder with a registration, a login, a profile update, a password change, a probe, a refusal and a
    /// poison record, and the registered account.
    pub(crate) fn with_example() -> (Self, Uuid) {
        let mut builder = Self::new();
        let ada = builder.register(MailOutcome::Sent);
        builder.login(ada);
        builder.update_profile(ada);
        builder.change_password(ada, MailOutcome::Sent);
        builder.probe_existence();
        builder.refuse_for_overload();
        builder.add_poison_record();
        (builder, ada)
    }

    pub(crate) fn build(mut self) -> History {
        self.history.users = self.accounts.values().cloned().collect();
        for record in &self.history.records {
            self.history.committed.insert(record.partition, record.offset + 1);
        }
        for records in [&mut self.history.records, self.history.states.get_or_insert_default()] {
            records.sort_by_key(|record| (record.partition, record.offset));
        }
        self.history
    }

    pub(crate) fn users(&self) -> Vec<Uuid> {
        self.accounts.values().filter(|user| !user.deleted).map(|user| user.id).collect()
    }

    pub(crate) fn register(&mut self, end: MailOutcome) -> Uuid {
        let id = self.id();
        let state = UserState {
            id,
            version: 0,
            username: "ada".into(),
            email: recipient(id).email,
            email_verified: false,
            display_name: None,
            locale: None,
            timezone: None,
            roles: Vec::new(),
            status: UserStatus::Active,
            attributes: None,
            created_at: at(self.now),
            updated_at: at(self.now),
        };
        self.accounts.insert(id, StoredUser { id, version: 0, deleted: false, state: Some(state), pending: vec![] });
        let payload = UserRegistered {
            user_id: id,
            username: "ada".into(),
            recipient: recipient(id),
            verification: self.grant(),
        };
        self.request(Action::Register, 201, id, payload.into(), end);
        id
    }

    pub(crate) fn login(&mut self, user: Uuid) {
        let payload = UserLoggedIn { user_id: user, session_id: self.id(), methods: vec![LoginMethod::Password] };
        self.request(Action::Login, 200, user, payload.into(), MailOutcome::Sent);
    }

    pub(crate) fn update_profile(&mut self, user: Uuid) {
        let payload = UserProfileUpdated { user_id: user, changed: vec!["displayName".into()] };
        self.request(Action::UpdateProfile, 200, user, payload.into(), MailOutcome::Sent);
    }

    pub(crate) fn change_password(&mut self, user: Uuid, end: MailOutcome) {
        let reason = PasswordChangeReason::Change;
        let payload = UserPasswordChanged { user_id: user, reason, recipient: recipient(user), undo: None };
        self.request(Action::ChangePassword, 204, user, payload.into(), end);
    }

    pub(crate) fn request_email_change(&mut self, user: Uuid, end: MailOutcome) {
        let (new_email, confirmation) = (format!("new-{user}@example.org"), self.grant());
        let payload = UserEmailChangeRequested {
            user_id: user,
            new_email,
            recipient: recipient(user),
            confirmation,
            username: None,
        };
        self.request(Action::RequestEmailChange, 202, user, payload.into(), end);
    }

    pub(crate) fn delete(&mut self, user: Uuid, end: MailOutcome) {
        let payload = UserDeleted { user_id: user, by: DeletedBy::SelfService, recipient: recipient(user) };
        self.request(Action::Delete, 204, user, payload.into(), end);
        self.accounts.remove(&user);
    }

    /// Adds a profile update whose response was lost. It took effect if `happened` is true.
    pub(crate) fn lose_response(&mut self, user: Uuid, happened: bool) {
        if happened {
            self.update_profile(user);
            self.history.operations.last_mut().expect("the builder creates valid values").outcome =
                Outcome::Unknown { why: "reset".into() };
        } else {
            self.operation(Action::UpdateProfile, Some(user), Outcome::Unknown { why: "reset".into() });
        }
    }

    /// Adds two password reset requests with equal responses, for an existing account and for an unknown one.
    pub(crate) fn probe_existence(&mut self) {
        let group = Some(u32::try_from(self.history.operations.len()).expect("the builder creates valid values"));
        for user in [Uuid::nil(), Uuid::from_u128(u128::MAX)] {
            let response =
                RecordedResponse { status: 202, fingerprint: Some("same".into()), ..RecordedResponse::default() };
            self.operation(Action::RequestReset, Some(user), Outcome::Answered(response));
            self.history.operations.last_mut().expect("the builder creates valid values").comparison_group = group;
        }
    }

    pub(crate) fn refuse_for_overload(&mut self) {
        let response = RecordedResponse {
            status: 503,
            problem: Some("overloaded".into()),
            retry_after: Some(1),
            ..RecordedResponse::default()
        };
        self.operation(Action::Login, None, Outcome::Answered(response));
    }

    /// Publishes the last record again, as after a crash between its acknowledgement and its removal from the list.
    pub(crate) fn republish_last_record(&mut self) {
        let Some(mut record) = self.history.records.iter().rfind(|record| !record.foreign).cloned() else { return };
        record.offset = next_offset(&self.history.records, record.partition);
        self.history.records.push(record);
    }

    /// Publishes the state of every account again, as after a snapshot.
    pub(crate) fn publish_snapshot(&mut self) {
        for user in self.users() {
            self.publish_state(user, at(self.now));
        }
    }

    /// Publishes the first state of the user of the last one again, and then the last one, as after a replica that
    /// was stopped for a while.
    pub(crate) fn republish_first_state(&mut self) {
        let states = self.history.states.get_or_insert_default();
        let Some(last) = states.last().cloned() else { return };
        let Some(first) = states.iter().find(|record| record.key == last.key).cloned() else { return };
        for mut record in [first, last] {
            record.offset = next_offset(states, record.partition);
            states.push(record);
        }
    }

    pub(crate) fn add_poison_record(&mut self) {
        let (partition, timestamp) = (3, Some(self.now));
        let offset = next_offset(&self.history.records, partition);
        let value = Some(b"not JSON".to_vec());
        let record = TopicRecord { partition, offset, timestamp, value, foreign: true, ..TopicRecord::default() };
        self.history.records.push(record);
        let id = format!("letter {offset}");
        let (state, reason) = ("open".into(), "missing-header".into());
        self.history.dead_letters.push(DeadLetter { id, state, reason, partition, offset });
    }

    /// Adds one request, its event, and the event's mails.
    fn request(&mut self, action: Action, status: u16, user: Uuid, payload: Payload, end: MailOutcome) {
        let account = self.accounts.get_mut(&user).expect("the account exists");
        account.version += 1;
        let version = account.version;
        let began = self.now;
        let state = account.state.as_mut().expect("the account exists");
        state.version = version;
        if action != Action::Login {
            state.updated_at = at(began + 1);
        }
        if action == Action::UpdateProfile {
            state.display_name = Some(format!("Ada the {version}."));
        }
        let shown = status < 202;
        let response = RecordedResponse {
            status,
            version: shown.then_some(version),
            state: shown.then(|| Box::new(state.clone())),
            ..RecordedResponse::default()
        };
        self.operation(action, Some(user), Outcome::Answered(response));
        let event = Event::new(self.id(), at(began + 1), version, None, payload);
        let templates: &[&str] = match &event.payload {
            Payload::UserRegistered(_) => &["welcome"],
            Payload::UserPasswordChanged(_) => &["password-changed"],
            Payload::UserEmailChangeRequested(_) => &["email-change-confirm", "email-change-notice"],
            Payload::UserDeleted(_) => &["goodbye"],
            _ => &[],
        };
        self.publish(&event);
        match action {
            Action::Login => {}
            Action::Delete => self.push_state(&StateRecord { user, version, time: at(began + 1), state: None }),
            _ => self.publish_state(user, at(began + 1)),
        }
        for template in templates {
            self.mail(&event, template, end);
        }
    }

    fn operation(&mut self, action: Action, user: Option<Uuid>, outcome: Outcome) {
        let id = u64::try_from(self.history.operations.len()).expect("the builder creates valid values");
        let (invoked, completed) = (at(self.now), at(self.now + 10));
        self.now += 20;
        self.history.operations.push(Operation {
            id,
            client: 1,
            action,
            user,
            invoked,
            completed,
            outcome,
            comparison_group: None,
            server: "127.0.0.1:1".into(),
            network: None,
        });
    }

    fn publish(&mut self, event: &Event) {
        let key = event.envelope.key().into_bytes();
        let partition = partition_of(&key, DEFAULT_PARTITIONS);
        let headers = event.envelope.headers().into_iter();
        let record = TopicRecord {
            partition,
            offset: next_offset(&self.history.records, partition),
            timestamp: Some(self.now),
            key: Some(key),
            value: Some(event.payload.to_json().into_bytes()),
            headers: headers.map(|(name, value)| (name.to_owned(), Some(value.into_bytes()))).collect(),
            foreign: false,
        };
        self.history.records.push(record);
    }

    fn publish_state(&mut self, user: Uuid, time: Timestamp) {
        let account = self.accounts.get(&user).expect("the account exists");
        self.push_state(&StateRecord { user, version: account.version, time, state: account.state.clone() });
    }

    fn push_state(&mut self, state: &StateRecord) {
        let states = self.history.states.get_or_insert_default();
        states.push(state_record(state, self.now, states));
    }

    fn mail(&mut self, event: &Event, template: &str, end: MailOutcome) {
        let id = format!("{}/{template}", event.envelope.id);
        let message_id = format!("<{}.{template}@example.org>", event.envelope.id);
        let to = event.payload.recipient().expect("the builder creates valid values").email.clone();
        let may_resend = ["welcome", "email-change-confirm"].contains(&template);
        let mut transitions = vec![(None, "queued"), (Some("queued"), "preparing"), (Some("preparing"), "data")];
        match end {
            MailOutcome::Sent => transitions.push((Some("data"), "sent")),
            MailOutcome::Failed => transitions.push((Some("data"), "failed")),
            MailOutcome::Unknown => transitions.push((Some("data"), "unknown")),
        }
        let mut add_transaction = |reply: Option<&str>| {
            let dot_at = Some(at(self.now));
            let (message_id, to) = (Some(message_id.clone()), vec![to.clone()]);
            self.history.smtp.push(MailTransaction { message_id, to, dot_at, reply: reply.map(str::to_owned) });
        };
        match end {
            MailOutcome::Sent => add_transaction(Some("250 2.0.0 taken")),
            MailOutcome::Failed => add_transaction(Some("550 5.7.1 no")),
            MailOutcome::Unknown => add_transaction(None),
        }
        if end == MailOutcome::Unknown && may_resend {
            add_transaction(Some("250 2.0.0 taken"));
            transitions.extend([
                (Some("unknown"), "queued"),
                (Some("queued"), "preparing"),
                (Some("preparing"), "data"),
                (Some("data"), "sent"),
            ]);
        }
        if end != MailOutcome::Sent {
            self.history.limits.undeliverable.push(to.clone());
        }
        let step = |(from, to): &(Option<&str>, &str)| StateTransition {
            at: at(self.now),
            from: from.map(str::to_owned),
            to: (*to).to_owned(),
            by: "email-service-1".into(),
        };
        self.history.mails.push(LedgerMail {
            raw: format!("{{ \"_id\": \"{id}\" }}"),
            event_id: event.envelope.id.to_string(),
            template: template.to_owned(),
            policy: if may_resend { "resend_once" } else { "hold" }.to_owned(),
            state: transitions.last().expect("the builder creates valid values").1.to_owned(),
            terminal_at: Some(at(self.now)),
            history: transitions.iter().map(step).collect(),
            id,
            to,
            message_id,
        });
    }

    fn grant(&mut self) -> TokenGrant {
        let sealed = SealedToken { kid: "0123456789abcdef".into(), sealed_box: "box".into() };
        TokenGrant { sealed, expires_at: at(self.now + 86_400_000) }
    }

    fn id(&mut self) -> Uuid {
        self.ids += 1;
        Uuid::from_u128(self.ids)
    }
}

/// Returns the record of a state at the end of the topic.
pub(crate) fn state_record(state: &StateRecord, timestamp: i64, topic: &[TopicRecord]) -> TopicRecord {
    let key = state.user.to_string().into_bytes();
    let partition = partition_of(&key, DEFAULT_PARTITIONS);
    let headers = state.headers().into_iter();
    TopicRecord {
        partition,
        offset: next_offset(topic, partition),
        timestamp: Some(timestamp),
        key: Some(key),
        value: state.state.as_ref().map(|state| state.to_json().into_bytes()),
        headers: headers.map(|(name, value)| (name.to_owned(), Some(value.into_bytes()))).collect(),
        foreign: false,
    }
}

fn next_offset(topic: &[TopicRecord], partition: i32) -> i64 {
    let there = topic.iter().filter(|record| record.partition == partition);
    there.map(|record| record.offset + 1).max().unwrap_or(0)
}

fn recipient(user: Uuid) -> Recipient {
    Recipient { email: format!("{user}@example.org"), display_name: None, locale: None }
}

fn at(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).expect("the builder creates valid values")
}
