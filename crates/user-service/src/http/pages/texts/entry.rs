//! The texts of the pages of a visitor: the start, the registration, the mail after it, a forgotten password, and the pages
//! for a request that failed.

use i18n::Text;
use serde::Deserialize;

use super::MessageTexts;

/// The texts of the pages of a visitor.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http::pages) struct EntryTexts {
    pub start: EntryStartTexts,
    pub register: RegisterTexts,
    pub name_reasons: NameReasons,
    pub check_mail: CheckMailTexts,
    pub forgot: ForgotTexts,
    pub failed: FailedPageTexts,
}

/// The links on the start page. Title and text are for a start page that has nothing else.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http::pages) struct EntryStartTexts {
    pub title: Text,
    pub text: Text,
    pub register: Text,
    pub sign_in: Text,
}

/// The texts of the registration.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http::pages) struct RegisterTexts {
    pub title: Text,
    /// The label of the display name.
    pub name: Text,
    pub name_hint: Text,
    pub button: Text,
    /// The link for a reader who has an account.
    pub sign_in: Text,
    /// The same form was already sent with other values.
    pub sent_before: Text,
}

/// The reasons to refuse a display name, by the codes of the API.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::http::pages) struct NameReasons {
    too_short: Text,
    invalid_character: Text,
}

impl NameReasons {
    /// Returns the reason why a display name was refused, or `None` if there is no text for the code.
    pub(in crate::http::pages) fn reason(&self, code: &str) -> Option<&str> {
        Some(match code {
            "too-short" => &self.too_short,
            "invalid-character" => &self.invalid_character,
            _ => return None,
        })
    }
}

/// The texts of the page after the registration.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http::pages) struct CheckMailTexts {
    pub text: Text,
    /// The label of the email address.
    pub sent_to: Text,
    pub resend_title: Text,
    pub resend_text: Text,
    pub resend_button: Text,
}

/// The text of the page that sends a link to choose a new password.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http::pages) struct ForgotTexts {
    pub text: Text,
}

/// The texts of the pages for a request that failed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http::pages) struct FailedPageTexts {
    /// The link to the start page.
    pub start: Text,
    /// The label of the number of the request.
    pub request: Text,
    pub not_found: MessageTexts,
    pub forbidden: MessageTexts,
    pub internal: MessageTexts,
    pub unreadable: MessageTexts,
}
