//! An example of each kind of mail, for the preview and the tests.

use events::{TotpDisabledBy, UndoneChange};
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;

use super::{
    MailContent, OpenedLink,
    message_case::{MailCase, cases},
};
use crate::plan::{MailFacts, MailValues, Template};

/// The time of the event in the examples: 22 November 2026, 20:10:42 UTC.
const EVENT_TIME: i64 = 1_795_378_242;
const LINK_LIFETIME: SignedDuration = SignedDuration::from_hours(72);
const LOCK_LIFETIME: SignedDuration = SignedDuration::from_mins(15);

/// A mail with example data.
#[derive(Debug, Clone)]
pub struct ExampleMail {
    pub facts: MailFacts,
    pub link_token: Option<SecretString>,
    case: Option<MailCase>,
}

impl ExampleMail {
    /// Returns the same mail to a user with this locale.
    pub(crate) fn in_language(mut self, locale: &str) -> Self {
        self.facts.locale = Some(locale.to_owned());
        self
    }

    /// Returns the same mail about an event at this time.
    pub(crate) fn at(mut self, event_time: Timestamp) -> Self {
        self.facts.event_time = event_time;
        self.facts.values.locked_until = Some(event_time + LOCK_LIFETIME);
        self
    }

    /// Creates a mail that has all values and a link with `token`.
    pub(super) fn new(template: Template, token: &str) -> Self {
        let event_time = Timestamp::from_second(EVENT_TIME).unwrap_or_default();
        let values = MailValues {
            username: Some("ada".to_owned()),
            new_email: Some("ada@lovelace.example".to_owned()),
            old_email: Some("ada@example.org".to_owned()),
            remaining: Some(7),
            locked_until: Some(event_time + LOCK_LIFETIME),
            totp_disabled_by: None,
            undone_change: None,
            inviter: Some("Grace Hopper".to_owned()),
            device: Some("Firefox on Linux".to_owned()),
            network: Some("203.0.113.0/24".to_owned()),
        };
        let facts = MailFacts {
            template,
            to: "ada@example.org".to_owned(),
            display_name: Some("Ada Lovelace".to_owned()),
            locale: None,
            event_time,
            values,
        };
        Self { facts, link_token: Some(token.into()), case: None }
    }

    /// Returns a mail of each kind in each of its cases.
    pub fn all(token: &str) -> impl Iterator<Item = Self> {
        let in_all_cases = move |&template: &Template| {
            let cases = [None].into_iter().chain(cases(template).iter().copied().map(Some));
            cases.map(move |case| Self::new(template, token).in_case(case))
        };
        Template::ALL.iter().flat_map(in_all_cases)
    }

    /// Returns the kind of mail and its case, if it is not the usual one.
    #[must_use]
    pub fn name(&self) -> String {
        let template = self.facts.template;
        self.case.map_or(template.to_string(), |case| format!("{template}.{}", case.as_str()))
    }

    /// Returns what the renderer needs.
    #[must_use]
    pub fn content(&self) -> MailContent<'_> {
        let facts = &self.facts;
        let expires_at = facts.event_time + LINK_LIFETIME;
        MailContent {
            facts,
            link: self.link_token.as_ref().map(|token| OpenedLink { token, expires_at }),
            message_id: "<0193590c-7a4e@mail.acme.example>",
            date: facts.event_time + SignedDuration::from_secs(1),
        }
    }

    fn in_case(mut self, case: Option<MailCase>) -> Self {
        let is = |wanted| case == Some(wanted);
        if cases(self.facts.template).contains(&MailCase::Undo) && !is(MailCase::Undo) {
            self.link_token = None;
        }
        let values = &mut self.facts.values;
        if !is(MailCase::Named) {
            values.username = None;
            values.inviter = None;
        }
        match case {
            Some(MailCase::ByAdmin) => values.totp_disabled_by = Some(TotpDisabledBy::Admin),
            Some(MailCase::ByMailbox) => values.totp_disabled_by = Some(TotpDisabledBy::Mailbox),
            Some(MailCase::Password) => values.undone_change = Some(UndoneChange::Password),
            Some(MailCase::Totp) => values.undone_change = Some(UndoneChange::Totp),
            Some(MailCase::RecoveryCodes) => values.undone_change = Some(UndoneChange::RecoveryCodes),
            Some(MailCase::SignIn) => values.undone_change = Some(UndoneChange::SignIn),
            Some(MailCase::Undo | MailCase::Named) | None => {}
        }
        Self { case, ..self }
    }
}
