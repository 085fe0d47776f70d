//! The texts of the pages about sessions, the second factor, the history, the export and the deletion.

use i18n::{Language, MessagePattern, Placeholder, Text};
use serde::Deserialize;

use super::settings::texts;

/// The texts below `security`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http::pages) struct SecurityTexts {
    pub(in crate::http::pages) sessions: SessionsTexts,
    pub(in crate::http::pages) second_factor: SecondFactorTexts,
    pub(in crate::http::pages) confirm_identity: ConfirmIdentityTexts,
    pub(in crate::http::pages) history: HistoryTexts,
    pub(in crate::http::pages) export: ExportTexts,
    pub(in crate::http::pages) delete: DeleteTexts,
}

/// The texts of the list of sessions.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http::pages) struct SessionsTexts {
    pub(in crate::http::pages) title: Text,
    pub(in crate::http::pages) text: Text,
    /// The mark of the session of this browser.
    pub(in crate::http::pages) current: Text,
    /// The title of a session whose device is not known.
    pub(in crate::http::pages) unknown: Text,
    pub(in crate::http::pages) since: Pattern,
    pub(in crate::http::pages) used: Pattern,
    pub(in crate::http::pages) address: Pattern,
    /// The button that ends one session.
    pub(in crate::http::pages) end: Text,
    pub(in crate::http::pages) ended: Text,
    pub(in crate::http::pages) end_others: Text,
    pub(in crate::http::pages) ended_others: Text,
    /// The link to the next page of the list.
    pub(in crate::http::pages) more: Text,
}

texts! {
    /// The texts of the second factor.
    SecondFactorTexts {
        title, off_text, start, scan_title, scan_text, qr_label, secret_label, code_hint, confirm, expired, codes_title,
        turned_on, codes_text, codes_kept, renewed, on_since, codes_left, renew_title, renew_text, renew, off_title,
        turn_off_text, turn_off, turned_off,
    }

    /// The texts of the reauthentication. `text_code` is for an account with a second factor.
    ConfirmIdentityTexts { title, text, text_code, button }

    /// The texts of the export.
    ExportTexts { title, text, button }
}

/// The texts of the audit log.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http::pages) struct HistoryTexts {
    pub(in crate::http::pages) title: Text,
    pub(in crate::http::pages) text: Text,
    pub(in crate::http::pages) none: Text,
    /// Shown to a user without a time zone.
    pub(in crate::http::pages) utc: Text,
    pub(in crate::http::pages) by_admin: Text,
    pub(in crate::http::pages) by_client: Text,
    pub(in crate::http::pages) by_operator: Text,
    pub(in crate::http::pages) by_system: Text,
    pub(in crate::http::pages) reason: Pattern,
    pub(in crate::http::pages) target: Pattern,
    /// The title of an entry without a text of its own.
    pub(in crate::http::pages) other: Pattern,
    pub(in crate::http::pages) older: Text,
    pub(in crate::http::pages) newest: Text,
    pub(in crate::http::pages) kinds: KindTexts,
}

/// Defines [`KindTexts`] with a text for each of these kinds.
macro_rules! kinds {
    ($($kind:ident),+ $(,)?) => {
        /// A text for each kind of entry. The names are those of the events without the prefix `user.` and the version,
        /// and those of the actions without an event.
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(in crate::http::pages) struct KindTexts {
            $($kind: Text,)+
        }

        impl KindTexts {
            /// Returns the text for an entry of this type, or `None` if there is none.
            pub(in crate::http::pages) fn of(&self, entry_type: &str) -> Option<&str> {
                let name = entry_type.strip_prefix("user.").unwrap_or(entry_type);
                Some(match name.split('.').next().unwrap_or_default() {
                    $(stringify!($kind) => &self.$kind,)+
                    _ => return None,
                })
            }
        }
    };
}

kinds! {
    registered, registration_attempted, disowned, invited, invitation_accepted, imported, email_verification_requested,
    email_verified, new_sign_in, logged_in, profile_updated, password_changed, password_reset_requested,
    email_change_requested, email_changed, email_change_undone, totp_enabled, totp_disabled, recovery_code_used,
    recovery_codes_renewed, change_undone, locked, unlocked, sessions_ended, roles_changed, disabled, enabled, deleted,
    login_failed, password_refused, code_refused, refresh_token_reused, logged_out, session_ended, client_created,
    client_secret_rotated, client_old_secret_dropped, client_disabled, client_enabled,
}

/// The texts of the deletion.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http::pages) struct DeleteTexts {
    pub(in crate::http::pages) title: Text,
    pub(in crate::http::pages) text: Text,
    /// The link to the export.
    pub(in crate::http::pages) export: Text,
    pub(in crate::http::pages) checkbox: Text,
    pub(in crate::http::pages) username_hint: Pattern,
    pub(in crate::http::pages) username_wrong: Text,
    /// The account is the last one that may administrate.
    pub(in crate::http::pages) last_admin: Text,
    pub(in crate::http::pages) button: Text,
    pub(in crate::http::pages) done_title: Text,
    pub(in crate::http::pages) done_text: Text,
}

/// A text with one value.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(in crate::http::pages) struct Pattern(MessagePattern<Value>);

/// A value in a text of these pages.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Value {
    Time,
    Address,
    Reason,
    Id,
    Kind,
    Username,
}

impl Placeholder for Value {
    const ALL: &'static [Self] = &[Self::Time, Self::Address, Self::Reason, Self::Id, Self::Kind, Self::Username];
    const COUNT: Option<Self> = None;

    fn as_str(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Address => "address",
            Self::Reason => "reason",
            Self::Id => "id",
            Self::Kind => "kind",
            Self::Username => "username",
        }
    }
}

impl Pattern {
    /// Returns the text with this value.
    pub(in crate::http::pages) fn with(&self, language: &Language, value: &str) -> String {
        self.0.fill(language, None, |_| Some(value.to_owned())).expect("every placeholder has the value").plain
    }
}

impl SecurityTexts {
    /// Checks that each text with a value names this one.
    pub(super) fn check(&self) -> Result<(), String> {
        for (pattern, value, location) in [
            (&self.sessions.since, Value::Time, "security.sessions.since"),
            (&self.sessions.used, Value::Time, "security.sessions.used"),
            (&self.sessions.address, Value::Address, "security.sessions.address"),
            (&self.history.reason, Value::Reason, "security.history.reason"),
            (&self.history.target, Value::Id, "security.history.target"),
            (&self.history.other, Value::Kind, "security.history.other"),
            (&self.delete.username_hint, Value::Username, "security.delete.username_hint"),
        ] {
            MessagePattern::check_mentioned(&[&pattern.0], value, location)?;
            pattern.0.check_only(&[value], location)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use events::EventType;
    use test_support::LANGUAGES;

    use crate::{http::pages::layout::tests::pages_in, usecase::AuditOnlyKind};

    #[test]
    fn every_kind_of_entry_has_a_text_in_every_language() {
        use AuditOnlyKind as K;
        let without_event = [
            K::LoginFailed,
            K::PasswordRefused,
            K::CodeRefused,
            K::RefreshTokenReused,
            K::LoggedOut,
            K::SessionEnded,
            K::ClientCreated,
            K::ClientSecretRotated,
            K::ClientOldSecretDropped,
            K::ClientDisabled,
            K::ClientEnabled,
        ];
        let kinds: Vec<&str> =
            EventType::ALL.iter().map(|it| it.as_str()).chain(without_event.iter().map(|it| it.as_str())).collect();
        for tag in LANGUAGES {
            let catalogue = pages_in(tag).catalogue;
            let texts = &catalogue.texts.security.history.kinds;
            let mut shown: Vec<&str> =
                kinds.iter().map(|kind| texts.of(kind).unwrap_or_else(|| panic!("{tag}: {kind}"))).collect();
            shown.sort_unstable();
            shown.dedup();
            assert_eq!(shown.len(), kinds.len(), "{tag}: two kinds have the same text");
            assert_eq!(texts.of("user.unheard_of.v1"), None);
            // A later version of an event is the same kind.
            assert_eq!(texts.of("user.logged_in.v2"), texts.of("user.logged_in.v1"));
        }
    }

    #[test]
    fn every_text_with_a_value_has_it() {
        for tag in LANGUAGES {
            let catalogue = pages_in(tag).catalogue;
            let (texts, language) = (&catalogue.texts.security, &catalogue.language);
            let patterns = [
                &texts.sessions.since,
                &texts.sessions.used,
                &texts.sessions.address,
                &texts.history.reason,
                &texts.history.target,
                &texts.history.other,
                &texts.delete.username_hint,
            ];
            for pattern in patterns {
                assert!(pattern.with(language, "a value").contains("a value"), "{tag}");
            }
        }
    }
}
