//! What each kind of mail is about: the values that it must tell, the cases in which it says
//! something else, and the page its button opens.

use events::{TotpDisabledBy, UndoneChange};

use super::{MailContent, bidi::Runs, name};
use crate::plan::Template;
use Placeholder as P;

/// A value that a text can name in braces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Placeholder {
    Product,
    To,
    Name,
    EventTime,
    LinkExpiresAt,
    NewEmail,
    OldEmail,
    /// The present address of the account, for a reader who need not be its owner.
    MaskedEmail,
    Username,
    Remaining,
    LockedUntil,
}

impl Placeholder {
    /// The one number there is: it chooses among the plural forms of a text.
    pub(super) const COUNT: P = P::Remaining;

    const ALL: [P; 11] = [
        P::Product,
        P::To,
        P::Name,
        P::EventTime,
        P::LinkExpiresAt,
        P::NewEmail,
        P::OldEmail,
        P::MaskedEmail,
        P::Username,
        P::Remaining,
        P::LockedUntil,
    ];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            P::Product => "product",
            P::To => "to",
            P::Name => "name",
            P::EventTime => "event_time",
            P::LinkExpiresAt => "link_expires_at",
            P::NewEmail => "new_email",
            P::OldEmail => "old_email",
            P::MaskedEmail => "masked_email",
            P::Username => "username",
            P::Remaining => "remaining",
            P::LockedUntil => "locked_until",
        }
    }

    pub(super) fn runs(self) -> Runs {
        match self {
            P::To | P::NewEmail | P::OldEmail | P::MaskedEmail => Runs::LeftToRight,
            P::Product | P::Name | P::EventTime | P::LinkExpiresAt | P::Username | P::Remaining | P::LockedUntil => {
                Runs::AsItsLetters
            }
        }
    }

    pub(super) fn parse(name: &str) -> Option<Placeholder> {
        P::ALL.into_iter().find(|p| p.as_str() == name)
    }
}

/// Whether a kind of mail has a button, and the path of the page that it opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LinkTo {
    Nothing,
    /// Left out when there is no token: an imported user's address is confirmed already, and not
    /// every change can be undone.
    PageIfToken(&'static str),
    Page(&'static str),
}

pub(super) fn link_to(template: Template) -> LinkTo {
    match template {
        Template::Welcome => LinkTo::PageIfToken("verify-email"),
        Template::VerifyEmail => LinkTo::Page("verify-email"),
        Template::PasswordReset | Template::RegistrationAttempted => LinkTo::Page("reset-password"),
        Template::EmailChangeConfirm => LinkTo::Page("confirm-email"),
        Template::EmailChanged => LinkTo::Page("undo-email-change"),
        Template::PasswordChanged | Template::TotpEnabled | Template::RecoveryCodesRenewed => {
            LinkTo::PageIfToken("undo-change")
        }
        Template::EmailChangeNotice
        | Template::EmailChangeUndone
        | Template::TotpDisabled
        | Template::RecoveryCodeUsed
        | Template::ChangeUndone
        | Template::AccountLocked
        | Template::Goodbye => LinkTo::Nothing,
    }
}

/// A case in which a kind of mail says something else than its usual texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// The change can be undone by a link.
    Undo,
    /// An administrator, or the operator, turned the second factor off.
    ByAdmin,
    /// The owner of the mailbox turned the second factor off, by a link in a mail.
    ByMailbox,
    /// A change of the password was undone.
    Password,
    /// A second factor was turned off again.
    Totp,
    /// New recovery codes were made void.
    RecoveryCodes,
    /// The username is known, and fit to be shown.
    Named,
}

impl Case {
    /// The name of its table below `when` in the catalogues.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Case::Undo => "undo",
            Case::ByAdmin => "by-admin",
            Case::ByMailbox => "by-mailbox",
            Case::Password => "password",
            Case::Totp => "totp",
            Case::RecoveryCodes => "recovery-codes",
            Case::Named => "named",
        }
    }
}

/// The cases that a kind of mail has beside the usual one.
#[must_use]
pub fn cases(template: Template) -> &'static [Case] {
    match template {
        Template::PasswordChanged | Template::TotpEnabled | Template::RecoveryCodesRenewed => &[Case::Undo],
        Template::TotpDisabled => &[Case::ByAdmin, Case::ByMailbox],
        Template::ChangeUndone => &[Case::Password, Case::Totp, Case::RecoveryCodes],
        Template::EmailChangeConfirm => &[Case::Named],
        Template::Welcome
        | Template::VerifyEmail
        | Template::RegistrationAttempted
        | Template::PasswordReset
        | Template::EmailChangeNotice
        | Template::EmailChanged
        | Template::EmailChangeUndone
        | Template::RecoveryCodeUsed
        | Template::AccountLocked
        | Template::Goodbye => &[],
    }
}

/// The case of this mail; none: the usual one.
pub(super) fn case_of(mail: &MailContent<'_>) -> Option<Case> {
    let case = match mail.template {
        Template::TotpDisabled => mail.totp_disabled_by.map(|by| match by {
            TotpDisabledBy::Admin | TotpDisabledBy::Operator => Case::ByAdmin,
            TotpDisabledBy::Mailbox => Case::ByMailbox,
        }),
        Template::ChangeUndone => mail.undone_change.map(|change| match change {
            UndoneChange::Password => Case::Password,
            UndoneChange::Totp => Case::Totp,
            UndoneChange::RecoveryCodes => Case::RecoveryCodes,
        }),
        Template::EmailChangeConfirm => name::in_text(mail.username).map(|_| Case::Named),
        _ => mail.link_token.map(|_| Case::Undo),
    };
    case.filter(|case| cases(mail.template).contains(case))
}

impl MailContent<'_> {
    /// The same mail in this case: for examples of all of them.
    #[must_use]
    pub fn in_case(self, case: Option<Case>) -> Self {
        let is = |wanted| case == Some(wanted);
        let undoable = cases(self.template).contains(&Case::Undo);
        Self {
            link_token: self.link_token.filter(|_| !undoable || is(Case::Undo)),
            link_expires_at: self.link_expires_at.filter(|_| !undoable || is(Case::Undo)),
            username: self.username.filter(|_| is(Case::Named)),
            totp_disabled_by: match case {
                Some(Case::ByAdmin) => Some(TotpDisabledBy::Admin),
                Some(Case::ByMailbox) => Some(TotpDisabledBy::Mailbox),
                _ => None,
            },
            undone_change: match case {
                Some(Case::Password) => Some(UndoneChange::Password),
                Some(Case::Totp) => Some(UndoneChange::Totp),
                Some(Case::RecoveryCodes) => Some(UndoneChange::RecoveryCodes),
                _ => None,
            },
            ..self
        }
    }
}

/// The values that a mail's body must tell in every language, besides its link.
pub(super) fn facts(template: Template, case: Option<Case>) -> &'static [Placeholder] {
    match (template, case) {
        (Template::Welcome | Template::PasswordReset | Template::RegistrationAttempted, _) => &[],
        (Template::VerifyEmail, _) => &[P::To],
        (Template::EmailChangeConfirm, Some(Case::Named)) => &[P::To, P::MaskedEmail, P::Username],
        (Template::EmailChangeConfirm, _) => &[P::To, P::MaskedEmail],
        (
            Template::PasswordChanged
            | Template::TotpEnabled
            | Template::TotpDisabled
            | Template::RecoveryCodesRenewed
            | Template::ChangeUndone
            | Template::Goodbye,
            _,
        ) => &[P::EventTime],
        (Template::EmailChangeNotice, _) => &[P::NewEmail, P::EventTime],
        (Template::EmailChanged, _) => &[P::NewEmail, P::OldEmail, P::EventTime],
        (Template::EmailChangeUndone, _) => &[P::To, P::EventTime],
        (Template::RecoveryCodeUsed, _) => &[P::Remaining, P::EventTime],
        (Template::AccountLocked, _) => &[P::LockedUntil, P::EventTime],
    }
}
