//! The cases in which a kind of mail has other texts than usual.

use events::{TotpDisabledBy, UndoneChange};

use super::{MailContent, sanitize};
use crate::plan::Template;

/// A case in which a kind of mail has other texts than usual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailCase {
    /// The change can be undone by a link.
    Undo,
    /// An administrator or the operator turned the second factor off.
    ByAdmin,
    /// The owner of the mailbox turned the second factor off, by a link in a mail.
    ByMailbox,
    /// A password change was undone.
    Password,
    /// A second factor was turned off again.
    Totp,
    /// New recovery codes were voided.
    RecoveryCodes,
    /// The username is known and safe to show.
    Named,
}

impl MailCase {
    /// Returns the name of its table below `when` in the catalogues.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            MailCase::Undo => "undo",
            MailCase::ByAdmin => "by-admin",
            MailCase::ByMailbox => "by-mailbox",
            MailCase::Password => "password",
            MailCase::Totp => "totp",
            MailCase::RecoveryCodes => "recovery-codes",
            MailCase::Named => "named",
        }
    }
}

/// Returns the cases of a kind of mail besides the usual one.
#[must_use]
pub fn cases(template: Template) -> &'static [MailCase] {
    match template {
        Template::PasswordChanged | Template::TotpEnabled | Template::RecoveryCodesRenewed => &[MailCase::Undo],
        Template::TotpDisabled => &[MailCase::ByAdmin, MailCase::ByMailbox],
        Template::ChangeUndone => &[MailCase::Password, MailCase::Totp, MailCase::RecoveryCodes],
        Template::EmailChangeConfirm => &[MailCase::Named],
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

/// Returns the case of this mail; `None` is the usual one.
pub(super) fn case_of(mail: &MailContent<'_>) -> Option<MailCase> {
    let case = match mail.template {
        Template::TotpDisabled => mail.totp_disabled_by.map(|by| match by {
            TotpDisabledBy::Admin | TotpDisabledBy::Operator => MailCase::ByAdmin,
            TotpDisabledBy::Mailbox => MailCase::ByMailbox,
        }),
        Template::ChangeUndone => mail.undone_change.map(|change| match change {
            UndoneChange::Password => MailCase::Password,
            UndoneChange::Totp => MailCase::Totp,
            UndoneChange::RecoveryCodes => MailCase::RecoveryCodes,
        }),
        Template::EmailChangeConfirm => sanitize::name_in_sentence(mail.username).map(|_| MailCase::Named),
        _ => mail.link_token.map(|_| MailCase::Undo),
    };
    case.filter(|case| cases(mail.template).contains(case))
}

impl MailContent<'_> {
    /// Returns the same mail in this case, for examples.
    #[must_use]
    pub fn in_case(self, case: Option<MailCase>) -> Self {
        let is = |wanted| case == Some(wanted);
        let undoable = cases(self.template).contains(&MailCase::Undo);
        Self {
            link_token: self.link_token.filter(|_| !undoable || is(MailCase::Undo)),
            link_expires_at: self.link_expires_at.filter(|_| !undoable || is(MailCase::Undo)),
            username: self.username.filter(|_| is(MailCase::Named)),
            totp_disabled_by: match case {
                Some(MailCase::ByAdmin) => Some(TotpDisabledBy::Admin),
                Some(MailCase::ByMailbox) => Some(TotpDisabledBy::Mailbox),
                _ => None,
            },
            undone_change: match case {
                Some(MailCase::Password) => Some(UndoneChange::Password),
                Some(MailCase::Totp) => Some(UndoneChange::Totp),
                Some(MailCase::RecoveryCodes) => Some(UndoneChange::RecoveryCodes),
                _ => None,
            },
            ..self
        }
    }
}
