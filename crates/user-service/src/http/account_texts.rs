//! Every sentence of the pages behind the links in mails: one table for each language.
//! Adding a language is adding its table.

mod arabic;
mod french;
mod japanese;
mod spanish;

use super::language::Language;

/// The texts of all pages in one language.
pub(super) struct Texts {
    pub verify_title: &'static str,
    pub verify_text: &'static str,
    pub verify_button: &'static str,
    pub verified_title: &'static str,
    pub verified_text: &'static str,

    pub reset_title: &'static str,
    pub reset_text: &'static str,
    pub reset_label: &'static str,
    /// `{min}` is the least number of characters.
    pub reset_hint: &'static str,
    pub reset_button: &'static str,
    pub reset_done_title: &'static str,
    pub reset_done_text: &'static str,
    /// Before the reason.
    pub password_refused: &'static str,
    /// By the codes of the password policy; `{min}` as above. For a code that is not
    /// here the policy's own English sentence is shown.
    pub password_reasons: &'static [(&'static str, &'static str)],

    pub change_title: &'static str,
    pub change_text: &'static str,
    pub change_button: &'static str,
    pub changed_title: &'static str,
    pub changed_text: &'static str,
    pub taken_title: &'static str,
    pub taken_text: &'static str,

    pub undo_title: &'static str,
    pub undo_text: &'static str,
    pub undo_button: &'static str,
    pub undone_title: &'static str,
    pub undone_text: &'static str,

    pub refused_title: &'static str,
    pub refused_text: &'static str,
    pub unavailable_title: &'static str,
    pub throttled_text: &'static str,
    pub unavailable_text: &'static str,
}

impl Texts {
    /// The table of a language.
    pub(super) fn of(language: Language) -> &'static Self {
        match language {
            Language::English => &ENGLISH,
            Language::German => &GERMAN,
            Language::French => &french::TEXTS,
            Language::Spanish => &spanish::TEXTS,
            Language::Japanese => &japanese::TEXTS,
            Language::Arabic => &arabic::TEXTS,
        }
    }

    /// Why a password may not be chosen, if this language has a sentence for it.
    pub(super) fn password_reason(&self, code: &str, min_length: usize) -> Option<String> {
        let (_, text) = self.password_reasons.iter().find(|(known, _)| *known == code)?;
        Some(with_min(text, min_length))
    }

    /// What a password has to be like.
    pub(super) fn password_hint(&self, min_length: usize) -> String {
        with_min(self.reset_hint, min_length)
    }
}

fn with_min(text: &str, min_length: usize) -> String {
    text.replace("{min}", &min_length.to_string())
}

const ENGLISH: Texts = Texts {
    verify_title: "Confirm your e-mail address",
    verify_text: "Press the button to confirm that this e-mail address is yours.",
    verify_button: "Confirm the address",
    verified_title: "Your e-mail address is confirmed",
    verified_text: "Thank you. You can close this page.",

    reset_title: "Choose a new password",
    reset_text: "You will be signed out on all devices, and can sign in with the new password then.",
    reset_label: "New password",
    reset_hint: "At least {min} characters. Several words are easier to remember than signs.",
    reset_button: "Set the password",
    reset_done_title: "Your password is changed",
    reset_done_text: "You can sign in with it now. You can close this page.",
    password_refused: "Please choose another password.",
    password_reasons: &[
        ("too-short", "It needs at least {min} characters."),
        ("too-long", "It is too long: at most 256 characters."),
        ("common", "This one is among the first that somebody would try: take several words, or random characters."),
        ("contains-own-words", "This one is little more than your name, your address, or the name of this service."),
        ("breached", "This one is on a list of passwords that have become known."),
        ("strength-unknown", "The strength of this one could not be estimated: take several words."),
    ],

    change_title: "Confirm your new e-mail address",
    change_text: "Press the button to use this e-mail address for your account from now on.",
    change_button: "Use this address",
    changed_title: "Your new e-mail address is confirmed",
    changed_text: "From now on you sign in with it. We have told your old address. You can close this page.",
    taken_title: "This e-mail address is taken",
    taken_text: "Another account uses this address by now, so yours keeps the one it has.",

    undo_title: "Take your e-mail address back",
    undo_text: "Press the button if you did not want your e-mail address to change. Your account gets this address back, is signed out on all devices, and we send you a link to choose a new password.",
    undo_button: "Undo the change",
    undone_title: "Your e-mail address is back",
    undone_text: "All devices are signed out. Please use the link in the mail that we have just sent you, and choose a new password now: whoever changed the address may know the present one.",

    refused_title: "This link does not work any more",
    refused_text: "It has been used, it has expired, or it is not complete. If you still need it, ask for a new one.",
    unavailable_title: "Please try again in a moment",
    throttled_text: "Too many requests came from your network. The link in your mail stays valid.",
    unavailable_text: "Something we need is not available right now. The link in your mail stays valid.",
};

const GERMAN: Texts = Texts {
    verify_title: "E-Mail-Adresse bestätigen",
    verify_text: "Mit der Schaltfläche bestätigen Sie, dass diese E-Mail-Adresse Ihnen gehört.",
    verify_button: "Adresse bestätigen",
    verified_title: "Ihre E-Mail-Adresse ist bestätigt",
    verified_text: "Vielen Dank. Sie können diese Seite schließen.",

    reset_title: "Neues Passwort wählen",
    reset_text: "Sie werden auf allen Geräten abgemeldet und können sich dann mit dem neuen Passwort anmelden.",
    reset_label: "Neues Passwort",
    reset_hint: "Mindestens {min} Zeichen. Mehrere Wörter merken sich leichter als Sonderzeichen.",
    reset_button: "Passwort setzen",
    reset_done_title: "Ihr Passwort ist geändert",
    reset_done_text: "Sie können sich jetzt damit anmelden. Sie können diese Seite schließen.",
    password_refused: "Bitte wählen Sie ein anderes Passwort.",
    password_reasons: &[
        ("too-short", "Es braucht mindestens {min} Zeichen."),
        ("too-long", "Es ist zu lang: höchstens 256 Zeichen."),
        (
            "common",
            "Dieses gehört zu den ersten, die jemand versuchen würde: nehmen Sie mehrere Wörter oder zufällige Zeichen.",
        ),
        ("contains-own-words", "Dieses ist wenig mehr als Ihr Name, Ihre Adresse oder der Name dieses Dienstes."),
        ("breached", "Dieses steht auf einer Liste bekannt gewordener Passwörter."),
        ("strength-unknown", "Die Stärke von diesem ließ sich nicht einschätzen: nehmen Sie mehrere Wörter."),
    ],

    change_title: "Neue E-Mail-Adresse bestätigen",
    change_text: "Mit der Schaltfläche gilt diese E-Mail-Adresse von jetzt an für Ihr Konto.",
    change_button: "Diese Adresse verwenden",
    changed_title: "Ihre neue E-Mail-Adresse ist bestätigt",
    changed_text: "Von jetzt an melden Sie sich mit ihr an. Ihre alte Adresse haben wir benachrichtigt. Sie können diese Seite schließen.",
    taken_title: "Diese E-Mail-Adresse ist vergeben",
    taken_text: "Inzwischen benutzt ein anderes Konto diese Adresse. Ihr Konto behält deshalb die bisherige.",

    undo_title: "Änderung der E-Mail-Adresse zurücknehmen",
    undo_text: "Mit der Schaltfläche nehmen Sie eine Änderung zurück, die Sie nicht wollten. Ihr Konto bekommt diese Adresse wieder, alle Geräte werden abgemeldet, und wir schicken Ihnen einen Link, mit dem Sie ein neues Passwort wählen.",
    undo_button: "Änderung zurücknehmen",
    undone_title: "Ihre E-Mail-Adresse gilt wieder",
    undone_text: "Alle Geräte sind abgemeldet. Bitte benutzen Sie jetzt den Link in der E-Mail, die wir Ihnen gerade geschickt haben, und wählen Sie ein neues Passwort: Wer die Adresse geändert hat, kennt vielleicht das bisherige.",

    refused_title: "Dieser Link gilt nicht mehr",
    refused_text: "Er wurde schon benutzt, ist abgelaufen oder unvollständig. Falls Sie ihn noch brauchen, fordern Sie bitte einen neuen an.",
    unavailable_title: "Bitte versuchen Sie es gleich noch einmal",
    throttled_text: "Aus Ihrem Netz kamen zu viele Anfragen. Der Link in Ihrer E-Mail bleibt gültig.",
    unavailable_text: "Etwas, das wir brauchen, ist gerade nicht verfügbar. Der Link in Ihrer E-Mail bleibt gültig.",
};

#[cfg(test)]
mod tests {
    use super::*;

    impl Texts {
        /// Every sentence, the reasons last.
        fn all(&self) -> Vec<&'static str> {
            let Texts {
                verify_title,
                verify_text,
                verify_button,
                verified_title,
                verified_text,
                reset_title,
                reset_text,
                reset_label,
                reset_hint,
                reset_button,
                reset_done_title,
                reset_done_text,
                password_refused,
                password_reasons,
                change_title,
                change_text,
                change_button,
                changed_title,
                changed_text,
                taken_title,
                taken_text,
                undo_title,
                undo_text,
                undo_button,
                undone_title,
                undone_text,
                refused_title,
                refused_text,
                unavailable_title,
                throttled_text,
                unavailable_text,
            } = *self;
            let mut all = vec![
                verify_title,
                verify_text,
                verify_button,
                verified_title,
                verified_text,
                reset_title,
                reset_text,
                reset_label,
                reset_hint,
                reset_button,
                reset_done_title,
                reset_done_text,
                password_refused,
                change_title,
                change_text,
                change_button,
                changed_title,
                changed_text,
                taken_title,
                taken_text,
                undo_title,
                undo_text,
                undo_button,
                undone_title,
                undone_text,
                refused_title,
                refused_text,
                unavailable_title,
                throttled_text,
                unavailable_text,
            ];
            all.extend(password_reasons.iter().map(|(_, text)| *text));
            all
        }
    }

    #[test]
    fn every_language_knows_the_reasons_that_english_knows_and_says_how_long() {
        for language in Language::ALL {
            let texts = Texts::of(*language);
            for (code, english) in Texts::of(Language::English).password_reasons {
                let reason = texts.password_reason(code, 12).unwrap_or_else(|| panic!("{language:?}: {code}"));
                assert_eq!(reason.contains("12"), english.contains("{min}"), "{language:?}: {code}");
            }
            assert!(texts.password_hint(12).contains("12"), "{language:?}");
        }
    }

    #[test]
    fn nothing_was_left_in_english_and_no_sentence_is_empty() {
        let english = Texts::of(Language::English).all();
        for language in Language::ALL.iter().filter(|language| **language != Language::English) {
            for text in Texts::of(*language).all() {
                assert!(!text.is_empty() && text.trim() == text && !english.contains(&text), "{language:?}: {text:?}");
            }
        }
    }

    #[test]
    fn each_language_has_its_punctuation() {
        for text in Texts::of(Language::French).all() {
            let chars: Vec<char> = text.chars().collect();
            for (at, c) in chars.iter().enumerate().skip(1) {
                match c {
                    ':' => assert_eq!(chars[at - 1], '\u{A0}', "{text}"),
                    ';' | '!' | '?' => assert_eq!(chars[at - 1], '\u{202F}', "{text}"),
                    _ => {}
                }
            }
            assert!(!text.contains('\''), "{text}");
        }
        for text in Texts::of(Language::Japanese).all() {
            assert!(!text.contains([' ', ',', '.', ':', '!', '?']), "{text}");
        }
        for text in Texts::of(Language::Arabic).all() {
            assert!(!text.contains([',', ';', '?']), "{text}");
        }
    }
}
