//! What each kind of mail is about: the values that it must tell, and the page its button opens.

use super::bidi::Runs;
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
    Remaining,
    LockedUntil,
}

impl Placeholder {
    /// The one number there is: it chooses among the plural forms of a text.
    pub(super) const COUNT: P = P::Remaining;

    const ALL: [P; 9] = [
        P::Product,
        P::To,
        P::Name,
        P::EventTime,
        P::LinkExpiresAt,
        P::NewEmail,
        P::OldEmail,
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
            P::Remaining => "remaining",
            P::LockedUntil => "locked_until",
        }
    }

    pub(super) fn runs(self) -> Runs {
        match self {
            P::To | P::NewEmail | P::OldEmail => Runs::LeftToRight,
            P::Product | P::Name | P::EventTime | P::LinkExpiresAt | P::Remaining | P::LockedUntil => {
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
    /// Left out when there is no token: an imported user's address is confirmed already.
    PageIfToken(&'static str),
    Page(&'static str),
}

pub(super) fn link_to(template: Template) -> LinkTo {
    match template {
        Template::Welcome => LinkTo::PageIfToken("verify-email"),
        Template::VerifyEmail => LinkTo::Page("verify-email"),
        Template::PasswordReset => LinkTo::Page("reset-password"),
        Template::EmailChangeConfirm => LinkTo::Page("confirm-email"),
        Template::EmailChanged => LinkTo::Page("undo-email-change"),
        Template::PasswordChanged
        | Template::EmailChangeNotice
        | Template::EmailChangeUndone
        | Template::TotpEnabled
        | Template::TotpDisabled
        | Template::RecoveryCodeUsed
        | Template::AccountLocked
        | Template::Goodbye => LinkTo::Nothing,
    }
}

/// The values that a mail's body must tell in every language, besides its link.
pub(super) fn facts(template: Template) -> &'static [Placeholder] {
    match template {
        Template::Welcome | Template::PasswordReset => &[],
        Template::VerifyEmail | Template::EmailChangeConfirm => &[P::To],
        Template::PasswordChanged | Template::TotpEnabled | Template::TotpDisabled | Template::Goodbye => {
            &[P::EventTime]
        }
        Template::EmailChangeNotice => &[P::NewEmail, P::EventTime],
        Template::EmailChanged => &[P::NewEmail, P::OldEmail, P::EventTime],
        Template::EmailChangeUndone => &[P::To, P::EventTime],
        Template::RecoveryCodeUsed => &[P::Remaining, P::EventTime],
        Template::AccountLocked => &[P::LockedUntil, P::EventTime],
    }
}
