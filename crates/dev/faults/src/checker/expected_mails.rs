//! The mails that an event asks for and their possible outcomes, according to `docs/EVENTS.md` and the design,
//! independently of the email service's code.

use events::{Event, Payload};

use crate::checker::{History, LedgerMail, MailTransaction};

/// Returns the templates of the mails that an event asks for.
pub(crate) fn templates_for(event: &Event) -> &'static [&'static str] {
    match &event.payload {
        Payload::UserRegistered(_) => &["welcome"],
        Payload::UserImported(data) if data.welcome => &["welcome"],
        Payload::UserEmailVerificationRequested(_) => &["verify-email"],
        Payload::UserNewSignIn(_) => &["new-sign-in"],
        Payload::UserPasswordChanged(_) => &["password-changed"],
        Payload::UserPasswordResetRequested(_) => &["password-reset"],
        Payload::UserEmailChangeRequested(_) => &["email-change-confirm", "email-change-notice"],
        Payload::UserEmailChanged(_) => &["email-changed"],
        Payload::UserEmailChangeUndone(_) => &["email-change-undone"],
        Payload::UserTotpEnabled(_) => &["totp-enabled"],
        Payload::UserTotpDisabled(_) => &["totp-disabled"],
        Payload::UserRecoveryCodeUsed(_) => &["recovery-code-used"],
        Payload::UserLocked(_) => &["account-locked"],
        Payload::UserDeleted(_) => &["goodbye"],
        Payload::UserRegistrationAttempted(_) => &["registration-attempted"],
        Payload::UserInvited(_) => &["invitation"],
        Payload::UserRecoveryCodesRenewed(_) => &["recovery-codes-renewed"],
        Payload::UserChangeUndone(_) => &["change-undone"],
        _ => &[],
    }
}

/// Returns how many times the service itself may resend a mail whose delivery is unknown.
pub(crate) fn resends_allowed(template: &str) -> usize {
    const RESENT: [&str; 6] =
        ["welcome", "verify-email", "registration-attempted", "invitation", "password-reset", "email-change-confirm"];
    usize::from(RESENT.contains(&template))
}

/// Returns the ledger id of one of an event's mails.
pub(crate) fn mail_id(event: &Event, template: &str) -> String {
    format!("{}/{template}", event.envelope.id)
}

/// The terminal states of a mail.
pub(crate) const TERMINAL: [&str; 6] = ["sent", "failed", "expired", "suppressed", "discarded", "unknown"];

/// Returns the mail transactions of one mail.
pub(crate) fn transactions<'a>(history: &'a History, mail: &LedgerMail) -> Vec<&'a MailTransaction> {
    let is_of_mail = |transaction: &&MailTransaction| transaction.message_id.as_ref() == Some(&mail.message_id);
    history.smtp.iter().filter(is_of_mail).collect()
}

/// Returns whether the server has accepted the mail or may have: all of it arrived, and it was not refused.
pub(crate) fn is_handover(transaction: &MailTransaction) -> bool {
    transaction.dot_at.is_some() && !transaction.reply.as_ref().is_some_and(|reply| reply.starts_with(['4', '5']))
}

/// Returns whether the server confirmed that it accepted the mail.
pub(crate) fn is_accepted(transaction: &MailTransaction) -> bool {
    transaction.dot_at.is_some() && transaction.reply.as_ref().is_some_and(|reply| reply.starts_with("250"))
}
