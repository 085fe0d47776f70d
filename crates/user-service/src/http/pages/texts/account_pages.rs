//! The texts that all account pages share, and those of the sign-in.

use i18n::Text;
use serde::Deserialize;

use super::MessageTexts;

/// The texts that all account pages share.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http::pages) struct AccountPagesTexts {
    /// The link to the account home.
    pub home: Text,
    pub sign_out: Text,
    pub foreign_form: MessageTexts,
    pub failed: FormFailedTexts,
    pub refused: RefusedTexts,
}

/// The texts above a form that could not be used.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http::pages) struct FormFailedTexts {
    pub rate_limited: Text,
    pub unavailable: Text,
    pub changed_meanwhile: Text,
    pub email_not_verified: Text,
    pub other: Text,
}

/// The reasons to refuse a value, by the codes of the API.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::http::pages) struct RefusedTexts {
    missing: Text,
    invalid: Text,
    too_long: Text,
    taken: Text,
    wrong: Text,
}

impl RefusedTexts {
    /// Returns the reason why a value was refused, or `None` if there is no text for the code.
    pub(in crate::http::pages) fn reason(&self, code: &str) -> Option<&str> {
        Some(match code {
            "missing" => &self.missing,
            "invalid" => &self.invalid,
            "too-long" => &self.too_long,
            "taken" => &self.taken,
            "wrong" => &self.wrong,
            _ => return None,
        })
    }
}

/// The texts of the sign-in, of its second step, and of the page after signing out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http::pages) struct SignInTexts {
    pub title: Text,
    pub identifier: Text,
    pub password: Text,
    pub button: Text,
    /// The link to the registration.
    pub register: Text,
    /// The link for a reader who has forgotten the password.
    pub forgot: Text,
    pub refused: Text,
    pub disabled: Text,
    pub code_title: Text,
    pub code: Text,
    pub code_hint: Text,
    pub code_refused: Text,
    /// The second step took too long.
    pub expired: Text,
    pub signed_out_title: Text,
    pub signed_out_text: Text,
}
