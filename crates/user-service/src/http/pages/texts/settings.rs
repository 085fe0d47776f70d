//! The texts of the account home and of the pages that change a profile, an email address and a password.

use i18n::{Language, MessagePattern, Placeholder, Text};
use serde::Deserialize;

/// The texts below `settings`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http::pages) struct SettingsTexts {
    pub(in crate::http::pages) home: HomeTexts,
    pub(in crate::http::pages) profile: ProfileTexts,
    pub(in crate::http::pages) email: EmailTexts,
    pub(in crate::http::pages) password: PasswordTexts,
    pub(in crate::http::pages) strength: StrengthTexts,
}

/// Defines structures of texts without placeholders.
macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident { $($field:ident),+ $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(in crate::http::pages) struct $name {
            $(pub(in crate::http::pages) $field: Text,)+
        }
    )+};
}
pub(super) use texts;

texts! {
    /// The texts of the account home.
    HomeTexts {
        title, display_name, email_confirmed, email_unconfirmed, confirm_title, confirm_text, confirm_button, confirm_sent,
        profile, profile_hint, email, email_hint, password, password_hint, sessions, sessions_hint,
        second_factor, second_factor_on, second_factor_off, history, history_hint,
        export, export_hint, delete, delete_hint,
    }

    /// The texts of the change of the email address.
    EmailTexts { title, text, current, new, button, sent, saved, unchanged, too_often }

    /// The texts of the change of the password.
    PasswordTexts { title, text, current, wrong, button, changed }

    /// The result for a password while it is typed.
    StrengthTexts { accepted }
}

/// The texts of the profile.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http::pages) struct ProfileTexts {
    pub(in crate::http::pages) title: Text,
    pub(in crate::http::pages) username_hint: Text,
    pub(in crate::http::pages) display_name: Text,
    pub(in crate::http::pages) display_name_hint: Text,
    pub(in crate::http::pages) locale: Text,
    pub(in crate::http::pages) locale_hint: Text,
    pub(in crate::http::pages) timezone: Text,
    /// The choice that clears a member.
    pub(in crate::http::pages) not_set: Text,
    pub(in crate::http::pages) yes: Text,
    pub(in crate::http::pages) no: Text,
    /// The hint at a list, each entry of which has a line of its own.
    pub(in crate::http::pages) list_hint: Text,
    pub(in crate::http::pages) button: Text,
    pub(in crate::http::pages) saved: Text,
    /// Shown if the account was changed after the form was.
    pub(in crate::http::pages) conflict: Text,
    stored_now: MessagePattern<ProfileValue>,
    pub(in crate::http::pages) read_only_title: Text,
}

/// The value in a text of the profile.
#[derive(Debug, Clone, Copy, PartialEq)]
enum ProfileValue {
    /// The stored value of a field.
    Stored,
}

impl Placeholder for ProfileValue {
    const ALL: &'static [Self] = &[Self::Stored];
    const COUNT: Option<Self> = None;

    fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "value",
        }
    }
}

impl SettingsTexts {
    /// Checks that the texts name the values that they are for.
    pub(super) fn check(&self) -> Result<(), String> {
        let stored_now = &self.profile.stored_now;
        MessagePattern::check_mentioned(&[stored_now], ProfileValue::Stored, "settings.profile.stored_now")
    }
}

impl ProfileTexts {
    /// Returns the hint at a field that was saved with another value after the form was shown.
    pub(in crate::http::pages) fn stored_now(&self, language: &Language, value: &str) -> String {
        let filled = self.stored_now.fill(language, None, |ProfileValue::Stored| Some(value.to_owned()));
        filled.expect("the only placeholder has a value").plain
    }
}
