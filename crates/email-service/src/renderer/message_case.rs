//! The cases in which a kind of mail has other texts than usual.

use events::{TotpDisabledBy, UndoneChange};

use super::{MailContent, sanitize};
use crate::plan::Template;

/// A case in which a kind of mail has other texts than usual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MailCase {
    /// The change can be undone by a link, or the sign-in disowned.
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
    /// A sign-in was disowned.
    SignIn,
    /// The name that the mail mentions is known and safe to show: the username, or that of the inviter.
    Named,
}

impl MailCase {
    /// Returns the name of its table below `when` in the catalogues.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            MailCase::Undo => "undo",
            MailCase::ByAdmin => "by-admin",
            MailCase::ByMailbox => "by-mailbox",
            MailCase::Password => "password",
            MailCase::Totp => "totp",
            MailCase::RecoveryCodes => "recovery-codes",
            MailCase::SignIn => "sign-in",
            MailCase::Named => "named",
        }
    }
}

/// Returns the cases of a kind of mail besides the usual one.
pub(super) fn cases(template: Template) -> &'static [MailCase] {
    match template {
        Template::NewSignIn | Template::PasswordChanged | Template::TotpEnabled | Template::RecoveryCodesRenewed => {
            &[MailCase::Undo]
        }
        Template::TotpDisabled => &[MailCase::ByAdmin, MailCase::ByMailbox],
        Template::ChangeUndone => &[MailCase::Password, MailCase::Totp, MailCase::RecoveryCodes, MailCase::SignIn],
        Template::EmailChangeConfirm | Template::Invitation => &[MailCase::Named],
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
    let (template, values) = (mail.facts.template, &mail.facts.values);
    let case = match template {
        Template::TotpDisabled => values.totp_disabled_by.map(|by| match by {
            TotpDisabledBy::Admin | TotpDisabledBy::Operator => MailCase::ByAdmin,
            TotpDisabledBy::Mailbox => MailCase::ByMailbox,
        }),
        Template::ChangeUndone => values.undone_change.map(|change| match change {
            UndoneChange::Password => MailCase::Password,
            UndoneChange::Totp => MailCase::Totp,
            UndoneChange::RecoveryCodes => MailCase::RecoveryCodes,
            UndoneChange::SignIn => MailCase::SignIn,
        }),
        Template::EmailChangeConfirm => sanitize::name_in_sentence(values.username.as_deref()).map(|_| MailCase::Named),
        Template::Invitation => sanitize::name_of_inviter(values.inviter.as_deref()).map(|_| MailCase::Named),
        _ => mail.link.map(|_| MailCase::Undo),
    };
    case.filter(|case| cases(template).contains(case))
}
