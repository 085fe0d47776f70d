//! The kinds of mail, the values that they contain, and the mails that an event causes ([`plan`]).

use std::fmt;

use events::{Event, Payload, Recipient, SealedToken, TokenGrant, TotpDisabledBy, UndoneChange, sealing::Purpose};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_with::{serde_as, skip_serializing_none};

use crate::bson_date::BsonDate;

/// The kinds of mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Template {
    Welcome,
    VerifyEmail,
    RegistrationAttempted,
    Invitation,
    NewSignIn,
    PasswordReset,
    PasswordChanged,
    EmailChangeConfirm,
    EmailChangeNotice,
    EmailChanged,
    EmailChangeUndone,
    TotpEnabled,
    TotpDisabled,
    RecoveryCodeUsed,
    RecoveryCodesRenewed,
    ChangeUndone,
    AccountLocked,
    Goodbye,
}

impl Template {
    /// All kinds of mail, in the order of an account's life.
    pub const ALL: &'static [Template] = &[
        Template::Welcome,
        Template::VerifyEmail,
        Template::RegistrationAttempted,
        Template::Invitation,
        Template::NewSignIn,
        Template::PasswordReset,
        Template::PasswordChanged,
        Template::EmailChangeConfirm,
        Template::EmailChangeNotice,
        Template::EmailChanged,
        Template::EmailChangeUndone,
        Template::TotpEnabled,
        Template::TotpDisabled,
        Template::RecoveryCodeUsed,
        Template::RecoveryCodesRenewed,
        Template::ChangeUndone,
        Template::AccountLocked,
        Template::Goodbye,
    ];

    /// Returns the name in the ledger, in metrics and in the catalogues.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Template::Welcome => "welcome",
            Template::VerifyEmail => "verify-email",
            Template::RegistrationAttempted => "registration-attempted",
            Template::Invitation => "invitation",
            Template::NewSignIn => "new-sign-in",
            Template::PasswordReset => "password-reset",
            Template::PasswordChanged => "password-changed",
            Template::EmailChangeConfirm => "email-change-confirm",
            Template::EmailChangeNotice => "email-change-notice",
            Template::EmailChanged => "email-changed",
            Template::EmailChangeUndone => "email-change-undone",
            Template::TotpEnabled => "totp-enabled",
            Template::TotpDisabled => "totp-disabled",
            Template::RecoveryCodeUsed => "recovery-code-used",
            Template::RecoveryCodesRenewed => "recovery-codes-renewed",
            Template::ChangeUndone => "change-undone",
            Template::AccountLocked => "account-locked",
            Template::Goodbye => "goodbye",
        }
    }

    /// Returns what happens to a mail of this kind if its delivery is unknown. A second copy of a
    /// link that the user waits for does no harm; a second alarm does.
    #[must_use]
    pub fn resend_policy(self) -> ResendPolicy {
        match self {
            Template::Welcome
            | Template::VerifyEmail
            | Template::RegistrationAttempted
            | Template::Invitation
            | Template::PasswordReset
            | Template::EmailChangeConfirm => ResendPolicy::ResendOnce,
            Template::NewSignIn
            | Template::PasswordChanged
            | Template::EmailChangeNotice
            | Template::EmailChanged
            | Template::EmailChangeUndone
            | Template::TotpEnabled
            | Template::TotpDisabled
            | Template::RecoveryCodeUsed
            | Template::RecoveryCodesRenewed
            | Template::ChangeUndone
            | Template::AccountLocked
            | Template::Goodbye => ResendPolicy::Hold,
        }
    }

    /// Returns whether a mail of this kind may use the display name of the account. A mail to an
    /// unverified address must not: the registrant chose the name, and the reader may be a
    /// stranger.
    #[must_use]
    pub fn names_recipient(self) -> bool {
        !matches!(
            self,
            Template::Welcome
                | Template::VerifyEmail
                | Template::RegistrationAttempted
                | Template::Invitation
                | Template::EmailChangeConfirm
        )
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The treatment of a mail when it is unknown whether the server accepted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResendPolicy {
    /// It is sent once more.
    ResendOnce,
    /// It stays `unknown` until an operator decides.
    Hold,
}

impl ResendPolicy {
    /// Returns the name in the ledger.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ResendPolicy::ResendOnce => "resend_once",
            ResendPolicy::Hold => "hold",
        }
    }
}

/// The sealed token of a mail's link.
#[serde_as]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SealedLink {
    #[serde(flatten)]
    pub token: SealedToken,
    /// The purpose that the token must have been sealed for.
    pub purpose: Purpose,
    #[serde_as(as = "BsonDate")]
    pub expires_at: Timestamp,
}

/// The facts of a mail: its kind, its recipient, and the values that its texts may mention. The
/// ledger stores them, and the renderer reads them.
#[skip_serializing_none]
#[serde_as]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MailFacts {
    pub template: Template,
    /// The only recipient; the token of the link must be sealed to this address.
    pub to: String,
    /// The display name as the user typed it: it may contain anything. Earlier releases stored it
    /// for every kind of mail; see [`Template::names_recipient`].
    pub display_name: Option<String>,
    /// A BCP 47 tag.
    pub locale: Option<String>,
    #[serde_as(as = "BsonDate")]
    pub event_time: Timestamp,
    #[serde(rename = "facts")]
    pub values: MailValues,
}

/// The values that only some kinds of mail mention.
#[skip_serializing_none]
#[serde_as]
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MailValues {
    pub username: Option<String>,
    pub new_email: Option<String>,
    pub old_email: Option<String>,
    /// The number of recovery codes left.
    pub remaining: Option<u32>,
    #[serde_as(as = "Option<BsonDate>")]
    pub locked_until: Option<Timestamp>,
    /// The actor that turned TOTP off, if it was not the user.
    pub totp_disabled_by: Option<TotpDisabledBy>,
    /// The change that an undo link reverted.
    pub undone_change: Option<UndoneChange>,
    /// The display name of the administrator who invites, as it was typed: it may contain anything.
    pub inviter: Option<String>,
    /// The browser and the system of a sign-in, such as "Firefox on Linux".
    pub device: Option<String>,
    /// The network of a sign-in in CIDR notation.
    pub network: Option<String>,
}

/// One mail that an event asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedMail {
    pub facts: MailFacts,
    pub link: Option<SealedLink>,
    /// From this time on the mail is not worth sending: the token's expiry, or `max_event_age`
    /// after the event. For a notice with an undo link the later of both.
    pub expires_at: Timestamp,
}

impl PlannedMail {
    fn with_values(self, values: MailValues) -> Self {
        Self { facts: MailFacts { values, ..self.facts }, ..self }
    }

    /// Adds the link without which the mail is useless.
    fn with_link(self, grant: &TokenGrant, purpose: Purpose) -> Self {
        let link = SealedLink { token: grant.sealed.clone(), purpose, expires_at: grant.expires_at };
        Self { link: Some(link), expires_at: grant.expires_at, ..self }
    }

    /// Adds the undo link to a notice if the event has a grant. The notice is useful without it,
    /// too.
    fn with_undo_link(self, grant: Option<&TokenGrant>, purpose: Purpose) -> Self {
        let Some(grant) = grant else { return self };
        let expires_at = self.expires_at.max(grant.expires_at);
        Self { expires_at, ..self.with_link(grant, purpose) }
    }
}

/// Returns the mails that `event` causes, in the order in which they are worth sending.
#[must_use]
pub fn plan(event: &Event, max_event_age: SignedDuration) -> Vec<PlannedMail> {
    let event_time = event.envelope.time;
    let mail = |template: Template, to: &Recipient| PlannedMail {
        facts: MailFacts {
            template,
            to: to.email.clone(),
            display_name: to.display_name.clone().filter(|_| template.names_recipient()),
            locale: to.locale.clone(),
            event_time,
            values: MailValues::default(),
        },
        link: None,
        expires_at: event_time.checked_add(max_event_age).unwrap_or(Timestamp::MAX),
    };

    match &event.payload {
        Payload::UserRegistered(data) => {
            vec![mail(Template::Welcome, &data.recipient).with_link(&data.verification, Purpose::EmailVerification)]
        }
        Payload::UserImported(data) if data.welcome => vec![mail(Template::Welcome, &data.recipient)],
        Payload::UserRegistrationAttempted(data) => {
            vec![mail(Template::RegistrationAttempted, &data.recipient).with_link(&data.reset, Purpose::PasswordReset)]
        }
        Payload::UserInvited(data) => {
            let values = MailValues { inviter: data.inviter.clone(), ..MailValues::default() };
            let mail = mail(Template::Invitation, &data.recipient).with_link(&data.invitation, Purpose::Invitation);
            vec![mail.with_values(values)]
        }
        Payload::UserEmailVerificationRequested(data) => {
            vec![mail(Template::VerifyEmail, &data.recipient).with_link(&data.verification, Purpose::EmailVerification)]
        }
        Payload::UserNewSignIn(data) => {
            let values =
                MailValues { device: data.device.clone(), network: data.network.clone(), ..MailValues::default() };
            let notice = mail(Template::NewSignIn, &data.recipient).with_values(values);
            vec![notice.with_undo_link(data.undo.as_ref(), Purpose::SignInUndo)]
        }
        Payload::UserPasswordChanged(data) => {
            let notice = mail(Template::PasswordChanged, &data.recipient);
            vec![notice.with_undo_link(data.undo.as_ref(), Purpose::PasswordChangeUndo)]
        }
        Payload::UserPasswordResetRequested(data) => {
            vec![mail(Template::PasswordReset, &data.recipient).with_link(&data.reset, Purpose::PasswordReset)]
        }
        Payload::UserEmailChangeRequested(data) => {
            let new_address = Recipient { email: data.new_email.clone(), ..data.recipient.clone() };
            let values = MailValues {
                new_email: Some(data.new_email.clone()),
                old_email: Some(data.recipient.email.clone()),
                ..MailValues::default()
            };
            vec![
                mail(Template::EmailChangeConfirm, &new_address)
                    .with_link(&data.confirmation, Purpose::EmailChange)
                    .with_values(MailValues { username: data.username.clone(), ..values.clone() }),
                mail(Template::EmailChangeNotice, &data.recipient).with_values(values),
            ]
        }
        Payload::UserEmailChanged(data) => {
            let notice = mail(Template::EmailChanged, &data.recipient).with_values(MailValues {
                new_email: Some(data.new_email.clone()),
                old_email: Some(data.old_email.clone()),
                ..MailValues::default()
            });
            vec![notice.with_undo_link(Some(&data.undo), Purpose::EmailChangeUndo)]
        }
        Payload::UserEmailChangeUndone(data) => vec![mail(Template::EmailChangeUndone, &data.recipient)],
        Payload::UserTotpEnabled(data) => {
            let notice = mail(Template::TotpEnabled, &data.recipient);
            vec![notice.with_undo_link(data.undo.as_ref(), Purpose::TotpUndo)]
        }
        Payload::UserTotpDisabled(data) => {
            let values = MailValues { totp_disabled_by: data.by, ..MailValues::default() };
            vec![mail(Template::TotpDisabled, &data.recipient).with_values(values)]
        }
        Payload::UserRecoveryCodesRenewed(data) => {
            let notice = mail(Template::RecoveryCodesRenewed, &data.recipient);
            vec![notice.with_undo_link(data.undo.as_ref(), Purpose::RecoveryCodesUndo)]
        }
        Payload::UserChangeUndone(data) => {
            let values = MailValues { undone_change: Some(data.change), ..MailValues::default() };
            vec![mail(Template::ChangeUndone, &data.recipient).with_values(values)]
        }
        Payload::UserRecoveryCodeUsed(data) => {
            let values = MailValues { remaining: Some(data.remaining), ..MailValues::default() };
            vec![mail(Template::RecoveryCodeUsed, &data.recipient).with_values(values)]
        }
        Payload::UserLocked(data) => {
            let values = MailValues { locked_until: Some(data.until), ..MailValues::default() };
            vec![mail(Template::AccountLocked, &data.recipient).with_values(values)]
        }
        Payload::UserDeleted(data) => vec![mail(Template::Goodbye, &data.recipient)],
        // An event without a recipient, and an import without a welcome. A test finds a recipient without a mail.
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use events::{
        DeletedBy, EventType, PasswordChangeReason, SealedToken, UserChangeUndone, UserDeleted, UserDisowned,
        UserEmailChangeRequested, UserEmailChanged, UserImported, UserInvitationAccepted, UserInvited, UserLocked,
        UserNewSignIn, UserPasswordChanged, UserRecoveryCodeUsed, UserRecoveryCodesRenewed, UserRegistered,
        UserRegistrationAttempted, UserTotpDisabled, UserTotpEnabled, UserUnlocked,
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
    fn a_registration_causes_a_welcome_mail_that_expires_with_its_link() {
        let mails = planned(UserRegistered {
            user_id: USER,
            username: "ada".into(),
            recipient: recipient(),
            verification: grant(at(90)),
        });
        let [mail] = mails.as_slice() else { panic!("{mails:?}") };
        assert_eq!(mail.facts.template, Template::Welcome);
        assert_eq!((mail.facts.to.as_str(), mail.facts.locale.as_deref()), ("ada@example.com", Some("de")));
        assert_eq!(
            (&mail.facts.display_name, &mail.facts.values),
            (&None, &MailValues::default()),
            "no text of the registrant"
        );
        assert_eq!(mail.link.as_ref().map(|link| link.purpose), Some(Purpose::EmailVerification));
        assert_eq!((mail.expires_at, mail.facts.template.resend_policy()), (at(90), ResendPolicy::ResendOnce));
    }

    #[test]
    fn an_import_causes_a_welcome_mail_only_on_request_and_without_a_link() {
        let imported =
            |welcome| UserImported { user_id: USER, username: "ada".into(), welcome, recipient: recipient() };
        assert!(planned(imported(false)).is_empty());
        let mails = planned(imported(true));
        assert_eq!(mails.len(), 1);
        assert!(mails[0].link.is_none());
        assert_eq!(mails[0].expires_at, at(0) + WEEK);
    }

    #[test]
    fn a_requested_email_change_mails_the_new_and_the_old_address() {
        let mails = planned(UserEmailChangeRequested {
            user_id: USER,
            new_email: "ada@new.example".into(),
            recipient: recipient(),
            confirmation: grant(at(60)),
            username: Some("ada".into()),
        });
        let [confirmation, notice] = mails.as_slice() else { panic!("{mails:?}") };
        assert_eq!(confirmation.facts.template, Template::EmailChangeConfirm);
        assert_eq!(confirmation.facts.to, "ada@new.example");
        assert_eq!(confirmation.link.as_ref().map(|link| link.purpose), Some(Purpose::EmailChange));
        assert_eq!(
            (&confirmation.facts.display_name, confirmation.facts.values.username.as_deref()),
            (&None, Some("ada"))
        );
        assert_eq!((notice.facts.template, notice.facts.to.as_str()), (Template::EmailChangeNotice, "ada@example.com"));
        assert_eq!((notice.facts.display_name.as_deref(), &notice.facts.values.username), (Some("Ada"), &None));
        assert!(notice.link.is_none(), "the old address must not get the link");
        assert_eq!(notice.facts.template.resend_policy(), ResendPolicy::Hold);
    }

    #[test]
    fn a_changed_email_address_sends_the_undo_link_to_the_old_one() {
        let mails = planned(UserEmailChanged {
            user_id: USER,
            old_email: "ada@example.com".into(),
            new_email: "ada@new.example".into(),
            recipient: recipient(),
            undo: grant(at(60)),
        });
        assert_eq!(mails.len(), 1);
        assert_eq!(mails[0].facts.to, "ada@example.com");
        assert_eq!(mails[0].facts.values.new_email.as_deref(), Some("ada@new.example"));
        assert_eq!(mails[0].link.as_ref().map(|link| link.purpose), Some(Purpose::EmailChangeUndo));
    }

    #[test]
    fn a_notice_carries_the_undo_link_and_does_not_expire_with_it() {
        let undo = || Some(grant(at(60)));
        let changed = |undo, reason| UserPasswordChanged { user_id: USER, reason, recipient: recipient(), undo };
        let renewed = |undo| UserRecoveryCodesRenewed { user_id: USER, recipient: recipient(), undo };
        let enabled = |undo| UserTotpEnabled { user_id: USER, recipient: recipient(), undo };
        let signed_in = |undo| UserNewSignIn {
            user_id: USER,
            session_id: USER,
            device: None,
            network: None,
            recipient: recipient(),
            undo,
        };
        let with: [(Vec<PlannedMail>, _, _); 4] = [
            (
                planned(changed(undo(), PasswordChangeReason::Change)),
                Template::PasswordChanged,
                Purpose::PasswordChangeUndo,
            ),
            (planned(enabled(undo())), Template::TotpEnabled, Purpose::TotpUndo),
            (planned(renewed(undo())), Template::RecoveryCodesRenewed, Purpose::RecoveryCodesUndo),
            (planned(signed_in(undo())), Template::NewSignIn, Purpose::SignInUndo),
        ];
        for (mails, template, purpose) in with {
            let [mail] = mails.as_slice() else { panic!("{mails:?}") };
            assert_eq!(mail.facts.template, template);
            assert_eq!(mail.link.as_ref().map(|link| link.purpose), Some(purpose));
            assert_eq!((mail.expires_at, mail.facts.template.resend_policy()), (at(0) + WEEK, ResendPolicy::Hold));
        }
        let without = [
            planned(changed(None, PasswordChangeReason::Reset)),
            planned(enabled(None)),
            planned(renewed(None)),
            planned(signed_in(None)),
        ];
        for mails in without {
            assert_eq!((mails.len(), &mails[0].link, mails[0].expires_at), (1, &None, at(0) + WEEK));
        }
    }

    #[test]
    fn an_undone_change_and_a_disabled_factor_name_the_change_and_the_actor() {
        for change in [UndoneChange::Password, UndoneChange::Totp, UndoneChange::RecoveryCodes, UndoneChange::SignIn] {
            let mails = planned(UserChangeUndone { user_id: USER, change, recipient: recipient() });
            let [mail] = mails.as_slice() else { panic!("{mails:?}") };
            assert_eq!((mail.facts.template, mail.facts.values.undone_change), (Template::ChangeUndone, Some(change)));
            assert_eq!((&mail.link, mail.facts.template.resend_policy()), (&None, ResendPolicy::Hold));
        }
        for by in [None, Some(TotpDisabledBy::Admin), Some(TotpDisabledBy::Operator), Some(TotpDisabledBy::Mailbox)] {
            let mails = planned(UserTotpDisabled { user_id: USER, recipient: recipient(), by });
            assert_eq!((mails.len(), mails[0].facts.values.totp_disabled_by), (1, by));
        }
    }

    #[test]
    fn an_attempted_registration_sends_the_owner_a_reset_link() {
        let attempted = UserRegistrationAttempted { user_id: USER, recipient: recipient(), reset: grant(at(60)) };
        let mails = planned(attempted);
        let [mail] = mails.as_slice() else { panic!("{mails:?}") };
        assert_eq!((mail.facts.template, mail.facts.to.as_str()), (Template::RegistrationAttempted, "ada@example.com"));
        assert_eq!(mail.link.as_ref().map(|link| link.purpose), Some(Purpose::PasswordReset));
        assert_eq!(
            (mail.expires_at, mail.facts.template.resend_policy(), &mail.facts.display_name),
            (at(60), ResendPolicy::ResendOnce, &None)
        );
        assert!(planned(UserDisowned { user_id: USER }).is_empty());
    }

    #[test]
    fn an_invitation_sends_the_link_with_the_name_of_the_inviter_and_its_acceptance_sends_nothing() {
        let invited = |inviter: Option<&str>| UserInvited {
            user_id: USER,
            username: Some("ada".into()),
            recipient: recipient(),
            inviter: inviter.map(str::to_owned),
            invitation: grant(at(60)),
        };
        for inviter in [None, Some("Grace Hopper")] {
            let mails = planned(invited(inviter));
            let [mail] = mails.as_slice() else { panic!("{mails:?}") };
            assert_eq!((mail.facts.template, mail.facts.to.as_str()), (Template::Invitation, "ada@example.com"));
            assert_eq!(mail.link.as_ref().map(|link| link.purpose), Some(Purpose::Invitation));
            assert_eq!((mail.facts.values.inviter.as_deref(), &mail.facts.display_name), (inviter, &None));
            assert_eq!((mail.expires_at, mail.facts.template.resend_policy()), (at(60), ResendPolicy::ResendOnce));
        }
        assert!(planned(UserInvitationAccepted { user_id: USER, username: "ada".into() }).is_empty());
    }

    #[test]
    fn notices_carry_the_values_that_they_mention() {
        let locked = planned(UserLocked { user_id: USER, until: at(5), recipient: recipient() });
        assert_eq!(locked[0].facts.values.locked_until, Some(at(5)));
        let used = planned(UserRecoveryCodeUsed { user_id: USER, remaining: 3, recipient: recipient() });
        assert_eq!(used[0].facts.values.remaining, Some(3));
        let (device, network) = (Some("Firefox on Linux".to_owned()), Some("203.0.113.0/24".to_owned()));
        let signed_in = planned(UserNewSignIn {
            user_id: USER,
            session_id: USER,
            device: device.clone(),
            network: network.clone(),
            recipient: recipient(),
            undo: None,
        });
        assert_eq!(signed_in[0].facts.values, MailValues { device, network, ..MailValues::default() });
    }

    #[test]
    fn a_deletion_sends_a_goodbye_and_an_unlock_sends_nothing() {
        let mails = planned(UserDeleted { user_id: USER, by: DeletedBy::Admin, recipient: recipient() });
        assert_eq!(mails[0].facts.template, Template::Goodbye);
        assert!(planned(UserUnlocked { user_id: USER }).is_empty());
    }

    #[test]
    fn exactly_the_types_with_a_recipient_cause_mails() {
        let examples = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../events/examples"));
        for event_type in EventType::ALL {
            let files = fs::read_dir(examples.join(event_type.as_str())).unwrap();
            let planned_one = files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).any(|text| {
                let example: serde_json::Value = serde_json::from_str(&text).unwrap();
                let payload = Payload::from_json(*event_type, example["value"].to_string().as_bytes()).unwrap();
                !planned(payload).is_empty()
            });
            assert_eq!(planned_one, event_type.can_cause_mail(), "{event_type}");
        }
    }

    #[test]
    fn every_kind_of_mail_has_one_name() {
        for template in Template::ALL {
            assert_eq!(serde_json::to_value(template).unwrap(), template.as_str());
        }
    }
}
