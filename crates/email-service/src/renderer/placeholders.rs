//! The placeholders of the texts, and those that each kind of mail requires.

use i18n::ValueDirection;

use super::message_case::MailCase;
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
    /// The present address of the account, masked for a reader who may not be its owner.
    MaskedEmail,
    Username,
    /// The name of the administrator who invites.
    Inviter,
    Remaining,
    LockedUntil,
    /// The browser and the system of a sign-in.
    Device,
    /// The network of a sign-in, as a shortened address.
    Network,
    /// The support address of the brand: an email address or a URL.
    Support,
}

impl i18n::Placeholder for Placeholder {
    const COUNT: Option<P> = Some(P::Remaining);

    const ALL: &'static [P] = &[
        P::Product,
        P::To,
        P::Name,
        P::EventTime,
        P::LinkExpiresAt,
        P::NewEmail,
        P::OldEmail,
        P::MaskedEmail,
        P::Username,
        P::Inviter,
        P::Remaining,
        P::LockedUntil,
        P::Device,
        P::Network,
        P::Support,
    ];

    fn as_str(self) -> &'static str {
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
            P::Inviter => "inviter",
            P::Remaining => "remaining",
            P::LockedUntil => "locked_until",
            P::Device => "device",
            P::Network => "network",
            P::Support => "support",
        }
    }

    fn direction(self) -> ValueDirection {
        match self {
            P::To | P::NewEmail | P::OldEmail | P::MaskedEmail | P::Network | P::Support => ValueDirection::LeftToRight,
            P::Product
            | P::Name
            | P::EventTime
            | P::LinkExpiresAt
            | P::Username
            | P::Inviter
            | P::Remaining
            | P::LockedUntil
            | P::Device => ValueDirection::FirstStrong,
        }
    }
}

/// Returns the values that a mail's body must contain in every language, besides its link.
pub(super) fn required_placeholders(template: Template, case: Option<MailCase>) -> &'static [Placeholder] {
    match (template, case) {
        (Template::Welcome | Template::PasswordReset | Template::RegistrationAttempted, _) => &[],
        (Template::VerifyEmail, _) => &[P::To],
        (Template::Invitation, Some(MailCase::Named)) => &[P::To, P::Inviter],
        (Template::Invitation, _) => &[P::To],
        (Template::EmailChangeConfirm, Some(MailCase::Named)) => &[P::To, P::MaskedEmail, P::Username],
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
        (Template::NewSignIn, _) => &[P::Device, P::Network, P::EventTime],
        (Template::EmailChangeNotice, _) => &[P::NewEmail, P::EventTime],
        (Template::EmailChanged, _) => &[P::NewEmail, P::OldEmail, P::EventTime],
        (Template::EmailChangeUndone, _) => &[P::To, P::EventTime],
        (Template::RecoveryCodeUsed, _) => &[P::Remaining, P::EventTime],
        (Template::AccountLocked, _) => &[P::LockedUntil, P::EventTime],
    }
}
