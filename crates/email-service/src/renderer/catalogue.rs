//! The texts of the mails in one language, read from its file and checked for completeness.

use std::collections::BTreeMap;

use i18n::{CatalogueTables, Language, Text, Texts};
use serde::Deserialize;

use super::{
    link::{LinkTarget, link_target},
    message_case::{MailCase, cases},
    placeholders::{Placeholder, required_placeholders},
};
use crate::plan::Template;

pub(super) type MessagePattern = i18n::MessagePattern<Placeholder>;

/// The texts of all mails.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CatalogueTexts {
    pub(super) common: CommonTexts,
    mails: MailEntries,
}

/// The texts that all mails share.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CommonTexts {
    /// Follows a label in plain text, including the space after it.
    pub(super) colon: String,
    pub(super) greeting: MessagePattern,
    /// For recipients whose name is unknown or unsafe to show.
    pub(super) greeting_neutral: MessagePattern,
    pub(super) link_fallback: MessagePattern,
    /// The heading of [`MailEntry::not_you`], unless the mail has a heading of its own.
    pub(super) not_you: MessagePattern,
    /// Why the recipient gets this mail, unless it has a reason of its own.
    pub(super) reason: MessagePattern,
    pub(super) automatic: MessagePattern,
    /// Where to ask for help, in the mails of a brand with a support address.
    pub(super) support: MessagePattern,
    /// In place of a value of a sign-in that is not known.
    pub(super) unknown: Text,
}

/// The texts of one kind of mail.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MailEntry {
    subject: MessagePattern,
    /// The preview text that mail programs show after the subject.
    preheader: MessagePattern,
    heading: MessagePattern,
    paragraphs: Vec<MessagePattern>,
    #[serde(default)]
    details: Vec<DetailTexts>,
    /// Present only in the mails that have a button.
    link: Option<LinkTexts>,
    /// The advice to a recipient who did not cause the mail.
    not_you: MessagePattern,
    not_you_title: Option<MessagePattern>,
    reason: Option<MessagePattern>,
    /// One entry for each of the kind's [`cases`], by its name.
    #[serde(default)]
    when: BTreeMap<String, CaseTexts>,
}

/// The texts that replace the usual ones in one case.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseTexts {
    subject: Option<MessagePattern>,
    preheader: Option<MessagePattern>,
    heading: Option<MessagePattern>,
    paragraphs: Option<Vec<MessagePattern>>,
    not_you: Option<MessagePattern>,
}

/// The texts of one mail: those of its case, and the usual ones for the rest.
#[derive(Clone, Copy)]
pub(super) struct MailTexts<'a> {
    pub(super) subject: &'a MessagePattern,
    pub(super) preheader: &'a MessagePattern,
    pub(super) heading: &'a MessagePattern,
    pub(super) paragraphs: &'a [MessagePattern],
    pub(super) details: &'a [DetailTexts],
    pub(super) link: Option<&'a LinkTexts>,
    pub(super) not_you: &'a MessagePattern,
    pub(super) not_you_title: Option<&'a MessagePattern>,
    pub(super) reason: Option<&'a MessagePattern>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DetailTexts {
    pub(super) label: MessagePattern,
    pub(super) value: MessagePattern,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LinkTexts {
    #[serde(default)]
    pub(super) paragraphs: Vec<MessagePattern>,
    pub(super) button: MessagePattern,
    pub(super) expiry: MessagePattern,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct MailEntries {
    welcome: MailEntry,
    verify_email: MailEntry,
    registration_attempted: MailEntry,
    invitation: MailEntry,
    new_sign_in: MailEntry,
    password_reset: MailEntry,
    password_changed: MailEntry,
    email_change_confirm: MailEntry,
    email_change_notice: MailEntry,
    email_changed: MailEntry,
    email_change_undone: MailEntry,
    totp_enabled: MailEntry,
    totp_disabled: MailEntry,
    recovery_code_used: MailEntry,
    recovery_codes_renewed: MailEntry,
    change_undone: MailEntry,
    account_locked: MailEntry,
    goodbye: MailEntry,
}

impl Texts for CatalogueTexts {
    const TABLES: CatalogueTables = CatalogueTables::TopLevel(&["common", "mails"]);

    fn check(&self, language: &Language) -> Result<(), String> {
        self.common.check()?;
        for &template in Template::ALL {
            self.mail(template)
                .check(template, language)
                .map_err(|problem| format!("mails.{}.{problem}", template.as_str()))?;
        }
        Ok(())
    }
}

impl CatalogueTexts {
    /// Returns the texts of a mail of this kind in this case.
    pub(super) fn of_mail(&self, template: Template, case: Option<MailCase>) -> MailTexts<'_> {
        self.mail(template).texts(case)
    }

    fn mail(&self, template: Template) -> &MailEntry {
        let mails = &self.mails;
        match template {
            Template::Welcome => &mails.welcome,
            Template::VerifyEmail => &mails.verify_email,
            Template::RegistrationAttempted => &mails.registration_attempted,
            Template::Invitation => &mails.invitation,
            Template::NewSignIn => &mails.new_sign_in,
            Template::PasswordReset => &mails.password_reset,
            Template::PasswordChanged => &mails.password_changed,
            Template::EmailChangeConfirm => &mails.email_change_confirm,
            Template::EmailChangeNotice => &mails.email_change_notice,
            Template::EmailChanged => &mails.email_changed,
            Template::EmailChangeUndone => &mails.email_change_undone,
            Template::TotpEnabled => &mails.totp_enabled,
            Template::TotpDisabled => &mails.totp_disabled,
            Template::RecoveryCodeUsed => &mails.recovery_code_used,
            Template::RecoveryCodesRenewed => &mails.recovery_codes_renewed,
            Template::ChangeUndone => &mails.change_undone,
            Template::AccountLocked => &mails.account_locked,
            Template::Goodbye => &mails.goodbye,
        }
    }
}

impl CommonTexts {
    fn check(&self) -> Result<(), String> {
        use Placeholder::{Name, Product, Support, To};
        if self.colon.trim().is_empty() || self.colon.chars().any(char::is_control) {
            return Err("common.colon: it is empty, or contains a control character".to_owned());
        }
        self.greeting.check_only(&[Name, Product], "common.greeting")?;
        MessagePattern::check_mentioned(&[&self.greeting], Name, "common.greeting")?;
        self.greeting_neutral.check_only(&[Product], "common.greeting_neutral")?;
        self.link_fallback.check_only(&[Product], "common.link_fallback")?;
        self.not_you.check_only(&[Product], "common.not_you")?;
        self.reason.check_only(&[Product, To], "common.reason")?;
        self.automatic.check_only(&[Product], "common.automatic")?;
        // The layout makes a link of the only value.
        self.support.check_only(&[Support], "common.support")?;
        MessagePattern::check_mentioned(&[&self.support], Support, "common.support")
    }
}

impl MailEntry {
    fn texts(&self, case: Option<MailCase>) -> MailTexts<'_> {
        let when = case.and_then(|case| self.when.get(case.as_str()));
        MailTexts {
            subject: when.and_then(|when| when.subject.as_ref()).unwrap_or(&self.subject),
            preheader: when.and_then(|when| when.preheader.as_ref()).unwrap_or(&self.preheader),
            heading: when.and_then(|when| when.heading.as_ref()).unwrap_or(&self.heading),
            paragraphs: when.and_then(|when| when.paragraphs.as_ref()).unwrap_or(&self.paragraphs),
            details: &self.details,
            link: self.link.as_ref(),
            not_you: when.and_then(|when| when.not_you.as_ref()).unwrap_or(&self.not_you),
            not_you_title: self.not_you_title.as_ref(),
            reason: self.reason.as_ref(),
        }
    }

    fn check(&self, template: Template, language: &Language) -> Result<(), String> {
        let cases = cases(template);
        if let Some(unknown) = self.when.keys().find(|name| cases.iter().all(|case| case.as_str() != *name)) {
            return Err(format!("when.{unknown}: this mail has no such case"));
        }
        if let Some(missing) = cases.iter().find(|case| !self.when.contains_key(case.as_str())) {
            return Err(format!("when.{}: it is missing", missing.as_str()));
        }
        self.texts(None).check(template, None, language)?;
        for case in cases {
            self.texts(Some(*case))
                .check(template, Some(*case), language)
                .map_err(|problem| format!("when.{}.{problem}", case.as_str()))?;
        }
        Ok(())
    }
}

impl MailTexts<'_> {
    /// Checks that subject, preheader and heading contain no user text, and that the body contains
    /// every required placeholder.
    fn check(&self, template: Template, case: Option<MailCase>, language: &Language) -> Result<(), String> {
        use Placeholder::{EventTime, Product, To};
        self.subject.check_only(&[Product], "subject")?;
        self.preheader.check_only(&[Product], "preheader")?;
        self.heading.check_only(&[Product], "heading")?;
        if let Some(title) = self.not_you_title {
            title.check_only(&[Product], "not_you_title")?;
        }
        if let Some(reason) = self.reason {
            reason.check_only(&[Product, To], "reason")?;
        }
        if self.paragraphs.is_empty() {
            return Err("paragraphs: they are missing".to_owned());
        }
        let required = required_placeholders(template, case);
        let mut known = vec![Product, To, EventTime];
        known.extend(required);
        let paragraphs = self.paragraphs.iter().enumerate();
        let mut body: Vec<_> = paragraphs.map(|(at, pattern)| (format!("paragraphs.{at}"), pattern)).collect();
        body.push(("not_you".to_owned(), self.not_you));
        for (at, detail) in self.details.iter().enumerate() {
            detail.label.check_only(&[Product], &format!("details.{at}.label"))?;
            body.push((format!("details.{at}.value"), &detail.value));
        }
        for (key, pattern) in &body {
            pattern.check_only(&known, key)?;
            pattern.check_forms(language).map_err(|problem| format!("{key}: {problem}"))?;
        }
        let body: Vec<_> = body.into_iter().map(|(_, pattern)| pattern).collect();
        for &placeholder in required {
            MessagePattern::check_mentioned(&body, placeholder, "paragraphs")?;
        }
        match (link_target(template), self.link) {
            (LinkTarget::Nothing, None) => Ok(()),
            (LinkTarget::Nothing, Some(_)) => Err("link: this mail has no link".to_owned()),
            (_, None) => Err("link: it is missing".to_owned()),
            (_, Some(link)) => link.check(known),
        }
    }
}

impl LinkTexts {
    fn check(&self, mut known: Vec<Placeholder>) -> Result<(), String> {
        known.push(Placeholder::LinkExpiresAt);
        for (at, pattern) in self.paragraphs.iter().enumerate() {
            pattern.check_only(&known, &format!("link.paragraphs.{at}"))?;
        }
        self.button.check_only(&[Placeholder::Product], "link.button")?;
        self.expiry.check_only(&known, "link.expiry")?;
        MessagePattern::check_mentioned(&[&self.expiry], Placeholder::LinkExpiresAt, "link.expiry")
    }
}

#[cfg(test)]
mod tests {
    use i18n::Catalogue;

    use super::*;

    const ENGLISH: &str = include_str!("../../catalogues/en.toml");

    fn problem(toml: &str) -> String {
        match Catalogue::<CatalogueTexts>::parse(Language::embedded("en").unwrap(), toml) {
            Ok(_) => panic!("the catalogue was accepted"),
            Err(error) => error.to_string(),
        }
    }

    fn changed(from: &str, to: &str) -> String {
        assert!(ENGLISH.contains(from), "the test needs {from:?}");
        ENGLISH.replacen(from, to, 1)
    }

    #[test]
    fn a_missing_mail_or_text_is_refused() {
        let (before, _) = ENGLISH.split_once("[mails.goodbye]").unwrap();
        assert!(problem(before).contains("goodbye"));
        let subject = "subject = \"Your account was deleted\"\n";
        assert!(problem(&changed(subject, "")).contains("subject"));
        assert!(problem(&changed(subject, "subject = \"\"\n")).contains("empty"));
    }

    #[test]
    fn an_unused_text_is_refused() {
        assert!(problem(&changed("[mails.goodbye]", "[mails.goodbye]\nfooter = \"x\"")).contains("footer"));
        assert!(problem(&format!("{ENGLISH}\n[mails.farewell]\nsubject = \"x\"")).contains("farewell"));
    }

    #[test]
    fn a_placeholder_without_a_value_is_refused() {
        let unknown = problem(&changed("Your {product} account was deleted", "Your {produkt} account"));
        assert!(unknown.contains("{produkt}"), "{unknown}");
        let elsewhere = problem(&changed("other = \"{remaining} codes\"", "other = \"{remaining} {locked_until}\""));
        assert!(elsewhere.contains("mails.recovery-code-used.details.0.value: {locked_until}"), "{elsewhere}");
    }

    #[test]
    fn a_subject_with_user_text_is_refused() {
        let name = problem(&changed("subject = \"Reset your password\"", "subject = \"{name}, reset it\""));
        assert!(name.contains("mails.password-reset.subject: {name}"), "{name}");
        let to = problem(&changed("subject = \"Reset your password\"", "subject = \"Mail to {to}\""));
        assert!(to.contains("mails.password-reset.subject: {to}"), "{to}");
    }

    #[test]
    fn a_mail_without_a_required_placeholder_is_refused() {
        let fact = problem(&changed("value = \"{locked_until}\"", "value = \"later\""));
        assert!(fact.contains("mails.account-locked.paragraphs: {locked_until}"), "{fact}");
        let expiry = problem(&changed("until {link_expires_at}.", "for a while."));
        assert!(expiry.contains("mails.welcome.link.expiry"), "{expiry}");
    }

    #[test]
    fn a_missing_plural_form_and_a_misplaced_count_are_refused() {
        let form = problem(&changed("one = \"{remaining} code\", ", ""));
        assert!(form.contains("mails.recovery-code-used.details.0.value: there is no form for 1"), "{form}");
        let misplaced =
            problem(&changed("subject = \"A recovery code was used to sign in\"", "subject = { other = \"x\" }"));
        assert!(misplaced.contains("mails.recovery-code-used.subject: {remaining}"), "{misplaced}");
    }

    #[test]
    fn an_empty_colon_is_refused() {
        assert!(problem(&changed("colon = \": \"", "colon = \" \"")).contains("common.colon"));
    }

    #[test]
    fn an_unexpected_or_missing_link_is_refused() {
        let link = "\n[mails.goodbye.link]\nbutton = \"x\"\nexpiry = \"{link_expires_at}\"\n";
        assert!(problem(&format!("{ENGLISH}{link}")).contains("mails.goodbye.link"));
        let header = "[mails.verify-email.link]\nbutton = \"Confirm email address\"\nexpiry = \"The link works once, until {link_expires_at}.\"";
        assert!(problem(&changed(header, "")).contains("mails.verify-email.link"));
    }

    #[test]
    fn an_unknown_or_missing_case_or_one_without_its_placeholder_is_refused() {
        let header = "[mails.totp-disabled.when.by-mailbox]";
        assert!(problem(&changed(header, "[mails.totp-disabled.when.by-stranger]")).contains("when.by-stranger"));
        let (before, from) = ENGLISH.split_once(header).unwrap();
        let (_, after) = from.split_once("\n[").unwrap();
        let missing = problem(&format!("{before}[{after}"));
        assert!(missing.contains("mails.totp-disabled.when.by-mailbox: it is missing"), "{missing}");
        let fact = problem(&changed("account {username}", "account"));
        assert!(fact.contains("mails.email-change-confirm.when.named.paragraphs: {username}"), "{fact}");
        let usual = problem(&changed("an account at {product} whose", "the account {username} whose"));
        assert!(usual.contains("mails.email-change-confirm.paragraphs.0: {username}"), "{usual}");
    }
}
