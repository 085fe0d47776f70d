//! The texts of the pages behind mailed links: one table for each language. To add a language, add its table.

mod arabic;
mod english;
mod french;
mod german;
mod japanese;
mod spanish;

use jiff::{Timestamp, tz::TimeZone};

use crate::http::extractors::language::Language;

/// The texts of all pages in one language.
pub(in crate::http) struct Texts {
    pub verify_title: &'static str,
    pub verify_text: &'static str,
    pub verify_button: &'static str,
    /// The labels of the username and of the creation time of the account.
    pub account_username: &'static str,
    pub account_created: &'static str,
    pub verified_title: &'static str,
    pub verified_text: &'static str,
    /// For a link whose address is already verified.
    pub confirmed_text: &'static str,
    pub disown_text: &'static str,
    pub disown_box: &'static str,
    pub disown_button: &'static str,
    pub disowned_title: &'static str,
    pub disowned_text: &'static str,

    pub reset_title: &'static str,
    pub reset_text: &'static str,
    pub reset_label: &'static str,
    /// `{min}` is the minimum number of characters.
    pub reset_hint: &'static str,
    pub reset_button: &'static str,
    pub reset_done_title: &'static str,
    pub reset_done_text: &'static str,
    /// Shown before the reasons.
    pub password_refused: &'static str,
    /// The reasons by the codes of the password policy; `{min}` as above. For an unknown code, the English detail of the
    /// policy is shown.
    pub password_reasons: &'static [(&'static str, &'static str)],

    pub change_title: &'static str,
    pub change_text: &'static str,
    pub change_button: &'static str,
    pub changed_title: &'static str,
    pub changed_text: &'static str,
    pub taken_title: &'static str,
    pub taken_text: &'static str,
    /// The next step for a change whose link cannot be used any more.
    pub change_again_text: &'static str,

    pub undo_email: UndoTexts,
    pub undo_password: UndoTexts,
    pub undo_totp: UndoTexts,
    pub undo_codes: UndoTexts,
    /// The label of the box that the reader must tick before a change is undone.
    pub undo_box: &'static str,
    pub undo_button: &'static str,
    pub box_not_ticked: &'static str,

    pub unknown_title: &'static str,
    pub unknown_text: &'static str,
    pub used_title: &'static str,
    pub used_text: &'static str,
    pub reset_used_text: &'static str,
    pub expired_title: &'static str,
    pub expired_text: &'static str,

    pub send_button: &'static str,
    /// The button that sends a link to choose a new password, on the pages of other links.
    pub reset_offer_button: &'static str,
    pub address_form_text: &'static str,
    pub address_form_reset_text: &'static str,
    pub address_label: &'static str,
    pub address_invalid: &'static str,
    /// Shown after every request for a link, whether or not one is sent.
    pub sent_title: &'static str,
    pub sent_text: &'static str,
    pub not_sent_text: &'static str,

    pub unavailable_title: &'static str,
    pub rate_limited_text: &'static str,
    pub unavailable_text: &'static str,

    pub date_format: DateFormat,
}

/// The texts of a page that undoes one kind of change.
pub(in crate::http) struct UndoTexts {
    pub title: &'static str,
    pub text: &'static str,
    pub done_title: &'static str,
    pub done_text: &'static str,
}

/// The format of timestamps in a language: the same as in the mails, always in UTC.
pub(in crate::http) struct DateFormat {
    pub pattern: &'static str,
    /// The names of the months, from January.
    pub months: [&'static str; 12],
    /// The text for the first day of a month, if it is not `1`.
    pub first_day: Option<&'static str>,
}

impl DateFormat {
    /// Formats a timestamp to the minute, with the digits 0 to 9.
    pub(in crate::http) fn format(&self, at: Timestamp) -> String {
        let at = at.to_zoned(TimeZone::UTC);
        let month = usize::from(at.month().unsigned_abs()).saturating_sub(1);
        let day = match (self.first_day, at.day()) {
            (Some(first), 1) => first.to_owned(),
            (_, day) => day.to_string(),
        };
        self.pattern
            .replace("{day}", &day)
            .replace("{month}", self.months[month])
            .replace("{year}", &at.year().to_string())
            .replace("{hour}", &format!("{:02}", at.hour()))
            .replace("{minute}", &format!("{:02}", at.minute()))
    }
}

impl Texts {
    /// Returns the table of a language.
    pub(in crate::http) fn for_language(language: Language) -> &'static Self {
        match language {
            Language::English => &english::TEXTS,
            Language::German => &german::TEXTS,
            Language::French => &french::TEXTS,
            Language::Spanish => &spanish::TEXTS,
            Language::Japanese => &japanese::TEXTS,
            Language::Arabic => &arabic::TEXTS,
        }
    }

    /// Returns the reason why a password was refused, or `None` if this language has no text for the code.
    pub(in crate::http) fn password_reason(&self, code: &str, min_length: usize) -> Option<String> {
        let (_, text) = self.password_reasons.iter().find(|(known, _)| *known == code)?;
        Some(insert_min_length(text, min_length))
    }

    /// Returns the hint about the minimum length of a password.
    pub(in crate::http) fn password_hint(&self, min_length: usize) -> String {
        insert_min_length(self.reset_hint, min_length)
    }
}

fn insert_min_length(text: &str, min_length: usize) -> String {
    text.replace("{min}", &min_length.to_string())
}

#[cfg(test)]
mod tests;
