//! Which mails an event causes: one pure, exhaustive function.

use std::{fmt, str::FromStr};

use events::{Event, Payload, Recipient, TokenGrant, sealing::Purpose};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// The kinds of mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Template {
    Welcome,
    VerifyEmail,
    PasswordReset,
    PasswordChanged,
    EmailChangeConfirm,
    EmailChangeNotice,
    EmailChanged,
    EmailChangeUndone,
    TotpEnabled,
    TotpDisabled,
    RecoveryCodeUsed,
    AccountLocked,
    Goodbye,
}

impl Template {
    /// All kinds, in the order of an account's life.
    pub const ALL: &'static [Template] = &[
        Template::Welcome,
        Template::VerifyEmail,
        Template::PasswordReset,
        Template::PasswordChanged,
        Template::EmailChangeConfirm,
        Template::EmailChangeNotice,
        Template::EmailChanged,
        Template::EmailChangeUndone,
        Template::TotpEnabled,
        Template::TotpDisabled,
        Template::RecoveryCodeUsed,
        Template::AccountLocked,
        Template::Goodbye,
    ];

    /// The name in the ledger, in metrics and in the catalogues.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Template::Welcome => "welcome",
            Template::VerifyEmail => "verify-email",
            Template::PasswordReset => "password-reset",
            Template::PasswordChanged => "password-changed",
            Template::EmailChangeConfirm => "email-change-confirm",
            Template::EmailChangeNotice => "email-change-notice",
            Template::EmailChanged => "email-changed",
            Template::EmailChangeUndone => "email-change-undone",
            Template::TotpEnabled => "totp-enabled",
            Template::TotpDisabled => "totp-disabled",
            Template::RecoveryCodeUsed => "recovery-code-used",
            Template::AccountLocked => "account-locked",
            Template::Goodbye => "goodbye",
        }
    }

    /// What becomes of a mail of this kind whose delivery is unknown. A second copy of a
    /// link that somebody waits for does no harm; a second alarm does.
    #[must_use]
    pub fn policy(self) -> Policy {
        match self {
            Template::Welcome | Template::VerifyEmail | Template::PasswordReset | Template::EmailChangeConfirm => {
                Policy::ResendOnce
            }
            Template::PasswordChanged
            | Template::EmailChangeNotice
            | Template::EmailChanged
            | Template::EmailChangeUndone
            | Template::TotpEnabled
            | Template::TotpDisabled
            | Template::RecoveryCodeUsed
            | Template::AccountLocked
            | Template::Goodbye => Policy::Hold,
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no kind of mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no such kind of mail")]
pub struct UnknownTemplate;

impl FromStr for Template {
    type Err = UnknownTemplate;

    fn from_str(name: &str) -> Result<Self, UnknownTemplate> {
        Self::ALL.iter().copied().find(|template| template.as_str() == name).ok_or(UnknownTemplate)
    }
}

/// What becomes of a mail of which nobody knows whether the server took it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// It is sent once more.
    ResendOnce,
    /// It stays `unknown` until somebody decides.
    Hold,
}

impl Policy {
    /// The name in the ledger.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Policy::ResendOnce => "resend_once",
            Policy::Hold => "hold",
        }
    }
}

/// A link's token, still sealed, and what it must have been sealed for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedToken {
    pub grant: TokenGrant,
    pub purpose: Purpose,
}

/// What a text may mention beside the recipient.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    pub username: Option<String>,
    pub new_email: Option<String>,
    pub old_email: Option<String>,
    pub remaining: Option<u32>,
    pub locked_until: Option<Timestamp>,
}

/// One mail that an event asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedMail {
    pub template: Template,
    /// The one address it goes to, and the one its token must be sealed to.
    pub to: String,
    pub display_name: Option<String>,
    pub locale: Option<String>,
    pub token: Option<PlannedToken>,
    pub facts: Facts,
    /// Not worth sending from here on: the token's end, or `max_event_age` after the event.
    pub expires_at: Timestamp,
    pub policy: Policy,
}

/// The mails that `event` causes, in the order in which they are worth sending.
#[must_use]
pub fn plan(event: &Event, max_event_age: SignedDuration) -> Vec<PlannedMail> {
    let too_old_at = event.envelope.time.checked_add(max_event_age).unwrap_or(Timestamp::MAX);
    let plain = |template: Template, to: &Recipient, facts: Facts| PlannedMail {
        template,
        to: to.email.clone(),
        display_name: to.display_name.clone(),
        locale: to.locale.clone(),
        token: None,
        facts,
        expires_at: too_old_at,
        policy: template.policy(),
    };
    let linked = |template: Template, to: &Recipient, facts: Facts, grant: &TokenGrant, purpose: Purpose| PlannedMail {
        token: Some(PlannedToken { grant: grant.clone(), purpose }),
        expires_at: grant.expires_at,
        ..plain(template, to, facts)
    };
    let nothing_to_mention = Facts::default;

    match &event.payload {
        Payload::UserRegistered(data) => vec![linked(
            Template::Welcome,
            &data.recipient,
            Facts { username: Some(data.username.clone()), ..Facts::default() },
            &data.verification,
            Purpose::EmailVerification,
        )],
        Payload::UserImported(data) if data.welcome => vec![plain(
            Template::Welcome,
            &data.recipient,
            Facts { username: Some(data.username.clone()), ..Facts::default() },
        )],
        Payload::UserEmailVerificationRequested(data) => vec![linked(
            Template::VerifyEmail,
            &data.recipient,
            nothing_to_mention(),
            &data.verification,
            Purpose::EmailVerification,
        )],
        Payload::UserPasswordChanged(data) => {
            vec![plain(Template::PasswordChanged, &data.recipient, nothing_to_mention())]
        }
        Payload::UserPasswordResetRequested(data) => vec![linked(
            Template::PasswordReset,
            &data.recipient,
            nothing_to_mention(),
            &data.reset,
            Purpose::PasswordReset,
        )],
        Payload::UserEmailChangeRequested(data) => {
            let new_address = Recipient { email: data.new_email.clone(), ..data.recipient.clone() };
            let facts = Facts {
                new_email: Some(data.new_email.clone()),
                old_email: Some(data.recipient.email.clone()),
                ..Facts::default()
            };
            vec![
                linked(
                    Template::EmailChangeConfirm,
                    &new_address,
                    facts.clone(),
                    &data.confirmation,
                    Purpose::EmailChange,
                ),
                plain(Template::EmailChangeNotice, &data.recipient, facts),
            ]
        }
        Payload::UserEmailChanged(data) => vec![linked(
            Template::EmailChanged,
            &data.recipient,
            Facts {
                new_email: Some(data.new_email.clone()),
                old_email: Some(data.old_email.clone()),
                ..Facts::default()
            },
            &data.undo,
            Purpose::EmailChangeUndo,
        )],
        Payload::UserEmailChangeUndone(data) => {
            vec![plain(Template::EmailChangeUndone, &data.recipient, nothing_to_mention())]
        }
        Payload::UserTotpEnabled(data) => vec![plain(Template::TotpEnabled, &data.recipient, nothing_to_mention())],
        Payload::UserTotpDisabled(data) => vec![plain(Template::TotpDisabled, &data.recipient, nothing_to_mention())],
        Payload::UserRecoveryCodeUsed(data) => vec![plain(
            Template::RecoveryCodeUsed,
            &data.recipient,
            Facts { remaining: Some(data.remaining), ..Facts::default() },
        )],
        Payload::UserLocked(data) => vec![plain(
            Template::AccountLocked,
            &data.recipient,
            Facts { locked_until: Some(data.until), ..Facts::default() },
        )],
        Payload::UserDeleted(data) => vec![plain(Template::Goodbye, &data.recipient, nothing_to_mention())],
        Payload::UserImported(_)
        | Payload::UserRegistrationAttempted(_)
        | Payload::UserDisowned(_)
        | Payload::UserRecoveryCodesRenewed(_)
        | Payload::UserChangeUndone(_)
        | Payload::UserEmailVerified(_)
        | Payload::UserLoggedIn(_)
        | Payload::UserProfileUpdated(_)
        | Payload::UserUnlocked(_)
        | Payload::UserSessionsEnded(_)
        | Payload::UserRolesChanged(_)
        | Payload::UserDisabled(_)
        | Payload::UserEnabled(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use events::{
        DeletedBy, SealedToken, UserDeleted, UserEmailChangeRequested, UserEmailChanged, UserImported, UserLocked,
        UserRecoveryCodeUsed, UserRegistered, UserUnlocked,
    };
    use uuid::Uuid;

    use super::*;

    const USER: Uuid = Uuid::from_u128(1);
    const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_900_000_000 + second).unwrap()
    }

    fn recipient() -> Recipient {
        Recipient { email: "ada@example.com".into(), display_name: Some("Ada".into()), locale: Some("de".into()) }
    }

    fn grant(expires_at: Timestamp) -> TokenGrant {
        TokenGrant { sealed: SealedToken { kid: "00".into(), sealed_box: "AA".into() }, expires_at }
    }

    fn planned(payload: impl Into<Payload>) -> Vec<PlannedMail> {
        plan(&Event::new(Uuid::from_u128(2), at(0), 1, None, payload.into()), WEEK)
    }

    #[test]
    fn a_registration_causes_a_welcome_that_expires_with_its_link() {
        let mails = planned(UserRegistered {
            user_id: USER,
            username: "ada".into(),
            recipient: recipient(),
            verification: grant(at(90)),
        });
        let [mail] = mails.as_slice() else { panic!("{mails:?}") };
        assert_eq!(mail.template, Template::Welcome);
        assert_eq!((mail.to.as_str(), mail.locale.as_deref()), ("ada@example.com", Some("de")));
        assert_eq!(mail.facts.username.as_deref(), Some("ada"));
        assert_eq!(mail.token.as_ref().map(|token| token.purpose), Some(Purpose::EmailVerification));
        assert_eq!((mail.expires_at, mail.policy), (at(90), Policy::ResendOnce));
    }

    #[test]
    fn an_import_causes_a_welcome_without_a_link_only_where_it_says_so() {
        let imported =
            |welcome| UserImported { user_id: USER, username: "ada".into(), welcome, recipient: recipient() };
        assert!(planned(imported(false)).is_empty());
        let mails = planned(imported(true));
        assert_eq!(mails.len(), 1);
        assert!(mails[0].token.is_none());
        assert_eq!(mails[0].expires_at, at(0) + WEEK);
    }

    #[test]
    fn a_change_of_address_confirms_to_the_new_one_and_tells_the_old_one() {
        let mails = planned(UserEmailChangeRequested {
            user_id: USER,
            new_email: "ada@new.example".into(),
            recipient: recipient(),
            confirmation: grant(at(60)),
            username: None,
        });
        let [confirmation, notice] = mails.as_slice() else { panic!("{mails:?}") };
        assert_eq!(confirmation.template, Template::EmailChangeConfirm);
        assert_eq!(confirmation.to, "ada@new.example");
        assert_eq!(confirmation.token.as_ref().map(|token| token.purpose), Some(Purpose::EmailChange));
        assert_eq!((notice.template, notice.to.as_str()), (Template::EmailChangeNotice, "ada@example.com"));
        assert!(notice.token.is_none(), "the old address must not get the link");
        assert_eq!(notice.policy, Policy::Hold);
    }

    #[test]
    fn a_changed_address_is_told_to_the_old_one_with_the_undo_link() {
        let mails = planned(UserEmailChanged {
            user_id: USER,
            old_email: "ada@example.com".into(),
            new_email: "ada@new.example".into(),
            recipient: recipient(),
            undo: grant(at(60)),
        });
        assert_eq!(mails.len(), 1);
        assert_eq!(mails[0].to, "ada@example.com");
        assert_eq!(mails[0].facts.new_email.as_deref(), Some("ada@new.example"));
        assert_eq!(mails[0].token.as_ref().map(|token| token.purpose), Some(Purpose::EmailChangeUndo));
    }

    #[test]
    fn notices_carry_what_they_mention() {
        let locked = planned(UserLocked { user_id: USER, until: at(5), recipient: recipient() });
        assert_eq!(locked[0].facts.locked_until, Some(at(5)));
        let used = planned(UserRecoveryCodeUsed { user_id: USER, remaining: 3, recipient: recipient() });
        assert_eq!(used[0].facts.remaining, Some(3));
    }

    #[test]
    fn a_deletion_says_goodbye_and_an_unlock_says_nothing() {
        let mails = planned(UserDeleted { user_id: USER, by: DeletedBy::Admin, recipient: recipient() });
        assert_eq!(mails[0].template, Template::Goodbye);
        assert!(planned(UserUnlocked { user_id: USER }).is_empty());
    }

    #[test]
    fn every_name_reads_back() {
        for template in Template::ALL {
            assert_eq!(template.as_str().parse(), Ok(*template));
            assert_eq!(serde_json::to_value(template).unwrap(), template.as_str());
        }
        assert!("nothing".parse::<Template>().is_err());
    }
}
