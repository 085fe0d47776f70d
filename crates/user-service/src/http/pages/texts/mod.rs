//! The texts of all pages, from `catalogues/<tag>.toml`.

pub(super) mod account_pages;
pub(super) mod entry;
pub(super) mod security;
pub(super) mod settings;

use i18n::{CatalogueTables, Language, MessagePattern, Placeholder, Text};
use serde::Deserialize;

/// The texts of all pages in one language, in the order of the catalogue.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PageTexts {
    pub(super) start: StartTexts,
    pub(super) verify: FormTexts,
    pub(super) account: AccountTexts,
    pub(super) verified: MessageTexts,
    pub(super) disown: DisownTexts,
    pub(super) disowned: MessageTexts,
    pub(super) reset: ResetTexts,
    pub(super) reset_done: MessageTexts,
    pub(super) invitation: InvitationTexts,
    pub(super) invitation_done: MessageTexts,
    pub(super) change: FormTexts,
    pub(super) changed: MessageTexts,
    pub(super) taken: MessageTexts,
    pub(super) undo: UndoTexts,
    pub(super) unusable: UnusableTexts,
    pub(super) send: SendTexts,
    pub(super) sent: MessageTexts,
    pub(super) fields: FieldTexts,
    pub(super) failed: FailedTexts,
    pub(super) account_pages: account_pages::AccountPagesTexts,
    pub(super) sign_in: account_pages::SignInTexts,
    pub(super) entry: entry::EntryTexts,
    pub(super) settings: settings::SettingsTexts,
    pub(super) security: security::SecurityTexts,
    pub(super) footer: FooterTexts,
}

/// The texts of the start page.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StartTexts {
    /// What this service is.
    pub(super) about: Text,
    pub(super) ready: Text,
    pub(super) degraded: Text,
    pub(super) unavailable: Text,
    pub(super) documentation: Text,
    pub(super) api: Text,
    pub(super) problems: Text,
    pub(super) keys: Text,
    pub(super) mails: Text,
    /// The heading above the example of a request.
    pub(super) request_title: Text,
    pub(super) request_text: Text,
}

/// The texts of a page with a form.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FormTexts {
    pub(super) title: Text,
    pub(super) text: Text,
    pub(super) button: Text,
}

/// The texts of a page without a form of its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MessageTexts {
    pub(super) title: Text,
    pub(super) text: Text,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AccountTexts {
    pub(super) username: Text,
    pub(super) created: Text,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DisownTexts {
    pub(super) text: Text,
    pub(super) checkbox: Text,
    pub(super) button: Text,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResetTexts {
    pub(super) title: Text,
    pub(super) text: Text,
    pub(super) label: Text,
    hint: PagePattern,
    pub(super) button: Text,
    /// Shown before the reasons.
    pub(super) refused: Text,
    reasons: PasswordReasons,
}

/// The reasons to refuse a password, by the codes of the password policy.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct PasswordReasons {
    too_short: PagePattern,
    too_long: PagePattern,
    common: PagePattern,
    contains_own_words: PagePattern,
    breached: PagePattern,
    strength_unknown: PagePattern,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InvitationTexts {
    pub(super) title: Text,
    pub(super) text: Text,
    pub(super) username_hint: Text,
    pub(super) password: Text,
    pub(super) button: Text,
    /// Shown before the reasons.
    pub(super) username_refused: Text,
    pub(super) reasons: UsernameReasons,
}

/// The reasons to refuse a username, by the codes of the API.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct UsernameReasons {
    too_short: Text,
    too_long: Text,
    invalid_character: Text,
    mixed_scripts: Text,
    taken: Text,
}

impl UsernameReasons {
    /// Returns the reason why a username was refused, or `None` if there is no text for the code.
    pub(super) fn reason(&self, code: &str) -> Option<&str> {
        Some(match code {
            "too-short" | "missing" => &self.too_short,
            "too-long" => &self.too_long,
            "invalid-character" => &self.invalid_character,
            "mixed-scripts" => &self.mixed_scripts,
            "taken" => &self.taken,
            _ => return None,
        })
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UndoTexts {
    /// The label of the box that the reader must tick before a change is undone.
    pub(super) checkbox: Text,
    pub(super) button: Text,
    pub(super) sign_in: SignInUndoTexts,
    pub(super) email: UndoneTexts,
    pub(super) password: UndoneTexts,
    pub(super) totp: UndoneTexts,
    pub(super) codes: UndoneTexts,
}

/// The texts of the page that ends all sessions after a sign-in, and of the page after it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SignInUndoTexts {
    pub(super) title: Text,
    pub(super) text: Text,
    pub(super) checkbox: Text,
    pub(super) button: Text,
    pub(super) done_title: Text,
    pub(super) done_text: Text,
}

/// The texts of the page that undoes one kind of change, and of the page after it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UndoneTexts {
    pub(super) title: Text,
    pub(super) text: Text,
    pub(super) done_title: Text,
    pub(super) done_text: Text,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UnusableTexts {
    /// For a link whose address is already verified.
    pub(super) confirmed_text: Text,
    pub(super) reset_used_text: Text,
    /// The next step for a change whose link cannot be used any more.
    pub(super) change_again_text: Text,
    /// The next step for an invitation whose link cannot be used.
    pub(super) invitation_again_text: Text,
    pub(super) unknown: MessageTexts,
    pub(super) used: MessageTexts,
    pub(super) expired: MessageTexts,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SendTexts {
    pub(super) text: Text,
    pub(super) button: Text,
    /// The form that sends a link to choose a new password, on the pages of other links.
    pub(super) reset_text: Text,
    pub(super) reset_button: Text,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FieldTexts {
    pub(super) address: Text,
    pub(super) address_invalid: Text,
    pub(super) checkbox_not_ticked: Text,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FailedTexts {
    pub(super) title: Text,
    pub(super) not_sent_text: Text,
    pub(super) rate_limited_text: Text,
    pub(super) unavailable_text: Text,
}

/// The texts of the footer, which only a page with a brand has.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FooterTexts {
    /// The link to the support address.
    pub(super) support: Text,
}

type PagePattern = MessagePattern<PageValue>;

/// A value in a text of a page.
#[derive(Debug, Clone, Copy, PartialEq)]
enum PageValue {
    /// The minimum length of a password.
    Min,
}

impl Placeholder for PageValue {
    const ALL: &'static [Self] = &[Self::Min];
    const COUNT: Option<Self> = None;

    fn as_str(self) -> &'static str {
        match self {
            Self::Min => "min",
        }
    }
}

impl i18n::Texts for PageTexts {
    const TABLES: CatalogueTables = CatalogueTables::Below("pages");

    fn check(&self, _: &Language) -> Result<(), String> {
        MessagePattern::check_mentioned(&[&self.reset.hint], PageValue::Min, "reset.hint")?;
        MessagePattern::check_mentioned(&[&self.reset.reasons.too_short], PageValue::Min, "reset.reasons.too-short")?;
        self.settings.check()?;
        self.security.check()
    }
}

impl ResetTexts {
    /// Returns the reason why a password was refused, or `None` if there is no text for the code.
    pub(super) fn reason(&self, code: &str, language: &Language, min_length: usize) -> Option<String> {
        let reasons = &self.reasons;
        let pattern = match code {
            "too-short" => &reasons.too_short,
            "too-long" => &reasons.too_long,
            "common" => &reasons.common,
            "contains-own-words" => &reasons.contains_own_words,
            "breached" => &reasons.breached,
            "strength-unknown" => &reasons.strength_unknown,
            _ => return None,
        };
        Some(fill(pattern, language, min_length))
    }

    /// Returns the hint about the minimum length of a password.
    pub(super) fn hint(&self, language: &Language, min_length: usize) -> String {
        fill(&self.hint, language, min_length)
    }
}

fn fill(pattern: &PagePattern, language: &Language, min_length: usize) -> String {
    let filled = pattern.fill(language, None, |PageValue::Min| Some(min_length.to_string()));
    filled.expect("the only placeholder has a value").plain
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use i18n::Catalogue;
    use test_support::LANGUAGES;

    use super::*;
    use crate::http::pages::layout::tests::pages_in;

    const ENGLISH: &str = include_str!("../../../../catalogues/en.toml");

    #[test]
    fn the_catalogues_are_complete_and_follow_the_conventions_of_each_language() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalogues");
        test_support::assert_catalogues(&folder, &LANGUAGES, &[]);
    }

    #[test]
    fn every_language_explains_each_refused_password_and_username_and_the_minimum_length() {
        for tag in LANGUAGES {
            let catalogue = pages_in(tag).catalogue;
            let (reset, language) = (&catalogue.texts.reset, &catalogue.language);
            for code in ["too-short", "too-long", "common", "contains-own-words", "breached", "strength-unknown"] {
                let reason = reset.reason(code, language, 12).unwrap_or_else(|| panic!("{tag}: {code}"));
                assert_eq!(reason.contains("12"), code == "too-short", "{tag}: {code}");
            }
            assert_eq!(reset.reason("unheard-of", language, 12), None);
            let reasons = &catalogue.texts.invitation.reasons;
            for code in ["too-short", "too-long", "invalid-character", "mixed-scripts", "taken", "missing"] {
                assert!(reasons.reason(code).is_some(), "{tag}: {code}");
            }
            assert_eq!(reasons.reason("unheard-of"), None);
            assert!(reset.hint(language, 12).contains("12"), "{tag}");
        }
    }

    #[test]
    fn a_missing_or_unknown_text_and_a_wrong_placeholder_are_refused_with_their_key() {
        let problem = |from: &str, to: &str| {
            assert!(ENGLISH.contains(from), "the test needs {from:?}");
            let toml = ENGLISH.replacen(from, to, 1);
            match Catalogue::<PageTexts>::parse(Language::embedded("en").unwrap(), &toml) {
                Ok(_) => panic!("{to:?} was accepted"),
                Err(error) => error.to_string(),
            }
        };
        let button = "button = \"Undo the change\"\n";
        assert!(problem(button, "").contains("missing field `button`"));
        assert!(problem(button, "button = \"\"\n").contains("empty"));
        assert!(problem(button, "button = \"Undo {min}\"\n").contains("placeholder"));
        assert!(problem(button, &format!("{button}footer = \"x\"\n")).contains("unknown field `footer`"));
        assert!(problem("[sent]", "[sent_again]").contains("sent_again"));
        assert!(problem("breached = ", "leaked = ").contains("leaked"));
        assert!(problem("At least {min} characters.", "At least {max} characters.").contains("{max}"));
        assert!(problem("At least {min} characters.", "Some characters.").contains("reset.hint: {min} is missing"));
        let too_short = problem("too-short = \"It needs at least {min}", "too-short = \"It needs more");
        assert!(too_short.contains("reset.reasons.too-short: {min} is missing"), "{too_short}");
    }
}
