//! Every sentence of the pages behind the links in mails: one table for each language.
//! Adding a language is adding its table.

mod arabic;
mod french;
mod japanese;
mod spanish;

use jiff::{Timestamp, tz::TimeZone};

use crate::http::extractors::language::Language;

/// The texts of all pages in one language.
pub(in crate::http) struct Texts {
    pub verify_title: &'static str,
    pub verify_text: &'static str,
    pub verify_button: &'static str,
    /// Before the account's username, and before the time when it was created.
    pub account_username: &'static str,
    pub account_created: &'static str,
    pub verified_title: &'static str,
    pub verified_text: &'static str,
    /// For a link whose address is verified already.
    pub confirmed_text: &'static str,
    pub disown_text: &'static str,
    pub disown_box: &'static str,
    pub disown_button: &'static str,
    pub disowned_title: &'static str,
    pub disowned_text: &'static str,

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
    /// Where to go with a change whose link cannot be used any more.
    pub change_again_text: &'static str,

    pub undo_email: UndoTexts,
    pub undo_password: UndoTexts,
    pub undo_totp: UndoTexts,
    pub undo_codes: UndoTexts,
    /// What the reader has to tick before a change is undone.
    pub undo_box: &'static str,
    pub undo_button: &'static str,
    pub box_missing: &'static str,

    pub refused_title: &'static str,
    pub refused_text: &'static str,
    pub used_title: &'static str,
    pub used_text: &'static str,
    pub reset_used_text: &'static str,
    pub expired_title: &'static str,
    pub expired_text: &'static str,

    pub send_button: &'static str,
    /// Sends a link to choose a new password, on pages of other links.
    pub reset_offer_button: &'static str,
    pub ask_text: &'static str,
    pub ask_reset_text: &'static str,
    pub ask_label: &'static str,
    pub ask_invalid: &'static str,
    /// After every request for a link, whether or not one is sent.
    pub sent_title: &'static str,
    pub sent_text: &'static str,
    pub not_sent_text: &'static str,

    pub unavailable_title: &'static str,
    pub throttled_text: &'static str,
    pub unavailable_text: &'static str,

    pub dates: Dates,
}

/// The texts of a page that undoes one kind of change.
pub(in crate::http) struct UndoTexts {
    pub title: &'static str,
    pub text: &'static str,
    pub done_title: &'static str,
    pub done_text: &'static str,
}

/// How a language writes points in time: as in the mails, always in UTC.
pub(in crate::http) struct Dates {
    pub format: &'static str,
    /// January first.
    pub months: [&'static str; 12],
    /// How the first day of a month is written, if not `1`.
    pub first_day: Option<&'static str>,
}

impl Dates {
    /// A point in time to the minute, in digits 0 to 9.
    pub(in crate::http) fn format(&self, at: Timestamp) -> String {
        let at = at.to_zoned(TimeZone::UTC);
        let month = usize::from(at.month().unsigned_abs()).saturating_sub(1);
        let day = match (self.first_day, at.day()) {
            (Some(first), 1) => first.to_owned(),
            (_, day) => day.to_string(),
        };
        self.format
            .replace("{day}", &day)
            .replace("{month}", self.months[month])
            .replace("{year}", &at.year().to_string())
            .replace("{hour}", &format!("{:02}", at.hour()))
            .replace("{minute}", &format!("{:02}", at.minute()))
    }
}

impl Texts {
    /// The table of a language.
    pub(in crate::http) fn of(language: Language) -> &'static Self {
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
    pub(in crate::http) fn password_reason(&self, code: &str, min_length: usize) -> Option<String> {
        let (_, text) = self.password_reasons.iter().find(|(known, _)| *known == code)?;
        Some(with_min(text, min_length))
    }

    /// What a password has to be like.
    pub(in crate::http) fn password_hint(&self, min_length: usize) -> String {
        with_min(self.reset_hint, min_length)
    }
}

fn with_min(text: &str, min_length: usize) -> String {
    text.replace("{min}", &min_length.to_string())
}

const ENGLISH: Texts = Texts {
    verify_title: "Confirm your email address",
    verify_text: "Press the button to confirm that this email address is yours, and that this account is:",
    verify_button: "Confirm the address",
    account_username: "Username",
    account_created: "Account created",
    verified_title: "Your email address is confirmed",
    verified_text: "Thank you. You can close this page.",
    confirmed_text: "It was confirmed before. You can sign in; there is nothing else to do.",
    disown_text: "If you did not create this account, tell us. Its password stops working, every device is signed out, two-factor authentication is turned off, and the email address stays unconfirmed.",
    disown_box: "I did not create this account.",
    disown_button: "This was not me",
    disowned_title: "The account is not confirmed",
    disowned_text: "You told us that you did not create it. Its password does not work any more, every device is signed out, and two-factor authentication is off. If you want to use the account yourself, we can send a link to choose a new password to your email address: it is yours then. Otherwise there is nothing else to do.",

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
        ("common", "This one is among the first that an attacker would try: take several words, or random characters."),
        ("contains-own-words", "This one is little more than your name, your address, or the name of this service."),
        ("breached", "This one is on a list of passwords that have become known."),
        ("strength-unknown", "The strength of this one could not be estimated: take several words."),
    ],

    change_title: "Confirm your new email address",
    change_text: "Press the button to use this email address for your account from now on.",
    change_button: "Use this address",
    changed_title: "Your new email address is confirmed",
    changed_text: "From now on you sign in with it. We have told your old address. You can close this page.",
    taken_title: "This email address is taken",
    taken_text: "Another account uses this address by now, so yours keeps the one it has.",
    change_again_text: "Your account keeps the address it has. Sign in and ask for the change again if you still want it.",

    undo_email: UndoTexts {
        title: "Take your email address back",
        text: "Use this if you did not want your email address to change. Your account gets this address back, its present password stops working, two-factor authentication is turned off if it was turned on after the change, every device is signed out, and we send you a link to choose a new password.",
        done_title: "Your email address is back",
        done_text: "Every device is signed out, and the previous password does not work any more. Please choose a new one now, with the link in the email that we have just sent you.",
    },
    undo_password: UndoTexts {
        title: "Undo the change of your password",
        text: "Use this if you did not change your password. The present password stops working, every device is signed out, and we send you a link to choose a new password.",
        done_title: "The changed password does not work any more",
        done_text: "Every device is signed out. Please choose a new password now, with the link in the email that we have just sent you.",
    },
    undo_totp: UndoTexts {
        title: "Turn two-factor authentication off",
        text: "Use this if you did not turn two-factor authentication on. It is turned off, its recovery codes stop working, and every device is signed out.",
        done_title: "Two-factor authentication is off",
        done_text: "Every device is signed out. The person who turned it on probably knows your password, so please choose a new one now.",
    },
    undo_codes: UndoTexts {
        title: "Void the new recovery codes",
        text: "Use this if you did not create new recovery codes. All present recovery codes stop working, and every device is signed out. Two-factor authentication stays on.",
        done_title: "The recovery codes do not work any more",
        done_text: "Every device is signed out. The person who created the codes probably knows your password, so please choose a new one now. You can create new recovery codes after you sign in.",
    },
    undo_box: "I did not make this change.",
    undo_button: "Undo the change",
    box_missing: "Please tick the box first.",

    refused_title: "This link does not work any more",
    refused_text: "It is not complete, or a later link or a later change has replaced it.",
    used_title: "This link was used already",
    used_text: "It has done what it was sent for. A link works once.",
    reset_used_text: "A new password was set with it, or with another link like it. Sign in with that password, or ask for a new link.",
    expired_title: "This link has expired",
    expired_text: "It worked for a limited time.",
    send_button: "Send a new link",
    reset_offer_button: "Send a link to choose a new password",
    ask_text: "Enter your email address, and we send you a new link.",
    ask_reset_text: "If you cannot sign in, enter your email address, and we send you a link to choose a new password.",
    ask_label: "Email address",
    ask_invalid: "This is not an email address.",
    sent_title: "Please look into your mailbox",
    sent_text: "If this address belongs to an account that needs the link, a new one is on its way. It can take a few minutes; please look into the spam folder too.",
    not_sent_text: "No link was sent. Either too many were asked for, or something we need is not available right now.",
    unavailable_title: "Please try again in a moment",
    throttled_text: "Too many requests came from your network. The link in your mail stays valid.",
    unavailable_text: "Something we need is not available right now. The link in your mail stays valid.",

    dates: Dates {
        format: "{day} {month} {year}, {hour}:{minute} UTC",
        months: [
            "January",
            "February",
            "March",
            "April",
            "May",
            "June",
            "July",
            "August",
            "September",
            "October",
            "November",
            "December",
        ],
        first_day: None,
    },
};

const GERMAN: Texts = Texts {
    verify_title: "E-Mail-Adresse bestätigen",
    verify_text: "Mit der Schaltfläche bestätigen Sie, dass diese E-Mail-Adresse Ihnen gehört, und auch dieses Konto:",
    verify_button: "Adresse bestätigen",
    account_username: "Benutzername",
    account_created: "Konto erstellt",
    verified_title: "Ihre E-Mail-Adresse ist bestätigt",
    verified_text: "Vielen Dank. Sie können diese Seite schließen.",
    confirmed_text: "Sie wurde schon früher bestätigt. Sie können sich anmelden; sonst ist nichts zu tun.",
    disown_text: "Falls Sie dieses Konto nicht erstellt haben, teilen Sie es uns mit. Sein Passwort gilt dann nicht mehr, alle Geräte werden abgemeldet, die Zwei-Faktor-Authentisierung wird ausgeschaltet, und die E-Mail-Adresse bleibt unbestätigt.",
    disown_box: "Ich habe dieses Konto nicht erstellt.",
    disown_button: "Das war ich nicht",
    disowned_title: "Das Konto ist nicht bestätigt",
    disowned_text: "Sie haben uns mitgeteilt, dass Sie es nicht erstellt haben. Sein Passwort gilt nicht mehr, alle Geräte sind abgemeldet, und die Zwei-Faktor-Authentisierung ist ausgeschaltet. Wenn Sie das Konto selbst nutzen möchten, schicken wir an Ihre E-Mail-Adresse einen Link, mit dem Sie ein neues Passwort wählen: dann gehört es Ihnen. Sonst ist nichts zu tun.",

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
    change_again_text: "Ihr Konto behält die bisherige Adresse. Falls Sie die Änderung noch möchten, melden Sie sich an und fordern Sie sie erneut an.",

    undo_email: UndoTexts {
        title: "Änderung der E-Mail-Adresse zurücknehmen",
        text: "Damit nehmen Sie eine Änderung der E-Mail-Adresse zurück, die Sie nicht wollten. Ihr Konto bekommt diese Adresse wieder, das jetzige Passwort gilt nicht mehr, eine nach der Änderung eingeschaltete Zwei-Faktor-Authentisierung wird ausgeschaltet, alle Geräte werden abgemeldet, und wir schicken Ihnen einen Link, mit dem Sie ein neues Passwort wählen.",
        done_title: "Ihre E-Mail-Adresse gilt wieder",
        done_text: "Alle Geräte sind abgemeldet, und das bisherige Passwort gilt nicht mehr. Bitte wählen Sie jetzt ein neues, mit dem Link in der E-Mail, die wir Ihnen gerade geschickt haben.",
    },
    undo_password: UndoTexts {
        title: "Änderung des Passworts zurücknehmen",
        text: "Das ist für den Fall, dass Sie Ihr Passwort nicht geändert haben. Das jetzige Passwort gilt dann nicht mehr, alle Geräte werden abgemeldet, und wir schicken Ihnen einen Link, mit dem Sie ein neues Passwort wählen.",
        done_title: "Das geänderte Passwort gilt nicht mehr",
        done_text: "Alle Geräte sind abgemeldet. Bitte wählen Sie jetzt ein neues Passwort, mit dem Link in der E-Mail, die wir Ihnen gerade geschickt haben.",
    },
    undo_totp: UndoTexts {
        title: "Zwei-Faktor-Authentisierung ausschalten",
        text: "Das ist für den Fall, dass Sie die Zwei-Faktor-Authentisierung nicht eingeschaltet haben. Sie wird ausgeschaltet, ihre Wiederherstellungscodes gelten nicht mehr, und alle Geräte werden abgemeldet.",
        done_title: "Die Zwei-Faktor-Authentisierung ist ausgeschaltet",
        done_text: "Alle Geräte sind abgemeldet. Wer sie eingeschaltet hat, kennt wahrscheinlich Ihr Passwort. Bitte wählen Sie deshalb jetzt ein neues.",
    },
    undo_codes: UndoTexts {
        title: "Neue Wiederherstellungscodes ungültig machen",
        text: "Das ist für den Fall, dass Sie keine neuen Wiederherstellungscodes erstellt haben. Alle jetzigen Wiederherstellungscodes gelten dann nicht mehr, und alle Geräte werden abgemeldet. Die Zwei-Faktor-Authentisierung bleibt eingeschaltet.",
        done_title: "Die Wiederherstellungscodes gelten nicht mehr",
        done_text: "Alle Geräte sind abgemeldet. Wer die Codes erstellt hat, kennt wahrscheinlich Ihr Passwort. Bitte wählen Sie deshalb jetzt ein neues. Nach der Anmeldung können Sie neue Wiederherstellungscodes erstellen.",
    },
    undo_box: "Ich habe diese Änderung nicht vorgenommen.",
    undo_button: "Änderung zurücknehmen",
    box_missing: "Bitte kreuzen Sie zuerst das Kästchen an.",

    refused_title: "Dieser Link gilt nicht mehr",
    refused_text: "Er ist unvollständig, oder ein späterer Link oder eine spätere Änderung hat ihn ersetzt.",
    used_title: "Dieser Link wurde schon benutzt",
    used_text: "Er hat getan, wofür er gedacht war. Ein Link gilt einmal.",
    reset_used_text: "Mit ihm oder mit einem anderen Link dieser Art wurde ein neues Passwort gesetzt. Melden Sie sich damit an, oder fordern Sie einen neuen Link an.",
    expired_title: "Dieser Link ist abgelaufen",
    expired_text: "Er galt nur für eine begrenzte Zeit.",
    send_button: "Neuen Link schicken",
    reset_offer_button: "Link für ein neues Passwort schicken",
    ask_text: "Geben Sie Ihre E-Mail-Adresse ein, dann schicken wir Ihnen einen neuen Link.",
    ask_reset_text: "Falls Sie sich nicht anmelden können, geben Sie Ihre E-Mail-Adresse ein. Dann schicken wir Ihnen einen Link, mit dem Sie ein neues Passwort wählen.",
    ask_label: "E-Mail-Adresse",
    ask_invalid: "Das ist keine E-Mail-Adresse.",
    sent_title: "Bitte sehen Sie in Ihr Postfach",
    sent_text: "Falls diese Adresse zu einem Konto gehört, das den Link braucht, ist ein neuer unterwegs. Das kann einige Minuten dauern; bitte sehen Sie auch im Spam-Ordner nach.",
    not_sent_text: "Es wurde kein Link geschickt. Entweder wurden zu viele angefordert, oder etwas, das wir brauchen, ist gerade nicht verfügbar.",
    unavailable_title: "Bitte versuchen Sie es gleich noch einmal",
    throttled_text: "Aus Ihrem Netz kamen zu viele Anfragen. Der Link in Ihrer E-Mail bleibt gültig.",
    unavailable_text: "Etwas, das wir brauchen, ist gerade nicht verfügbar. Der Link in Ihrer E-Mail bleibt gültig.",

    dates: Dates {
        format: "{day}. {month} {year}, {hour}:{minute} Uhr (UTC)",
        months: [
            "Januar",
            "Februar",
            "März",
            "April",
            "Mai",
            "Juni",
            "Juli",
            "August",
            "September",
            "Oktober",
            "November",
            "Dezember",
        ],
        first_day: None,
    },
};

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    impl Texts {
        /// Every sentence, the reasons last.
        fn all(&self) -> Vec<&'static str> {
            let Texts {
                verify_title,
                verify_text,
                verify_button,
                account_username,
                account_created,
                verified_title,
                verified_text,
                confirmed_text,
                disown_text,
                disown_box,
                disown_button,
                disowned_title,
                disowned_text,
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
                change_again_text,
                ref undo_email,
                ref undo_password,
                ref undo_totp,
                ref undo_codes,
                undo_box,
                undo_button,
                box_missing,
                refused_title,
                refused_text,
                used_title,
                used_text,
                reset_used_text,
                expired_title,
                expired_text,
                send_button,
                reset_offer_button,
                ask_text,
                ask_reset_text,
                ask_label,
                ask_invalid,
                sent_title,
                sent_text,
                not_sent_text,
                unavailable_title,
                throttled_text,
                unavailable_text,
                dates: _,
            } = *self;
            let mut all = vec![
                verify_title,
                verify_text,
                verify_button,
                account_username,
                account_created,
                verified_title,
                verified_text,
                confirmed_text,
                disown_text,
                disown_box,
                disown_button,
                disowned_title,
                disowned_text,
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
                change_again_text,
                undo_box,
                undo_button,
                box_missing,
                refused_title,
                refused_text,
                used_title,
                used_text,
                reset_used_text,
                expired_title,
                expired_text,
                send_button,
                reset_offer_button,
                ask_text,
                ask_reset_text,
                ask_label,
                ask_invalid,
                sent_title,
                sent_text,
                not_sent_text,
                unavailable_title,
                throttled_text,
                unavailable_text,
            ];
            for undo in [undo_email, undo_password, undo_totp, undo_codes] {
                all.extend([undo.title, undo.text, undo.done_title, undo.done_text]);
            }
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

    #[test]
    fn points_in_time_are_written_in_each_language_and_in_utc() {
        let at = "2026-03-01T04:05:59Z".parse().unwrap();
        for (language, expected) in [
            (Language::English, "1 March 2026, 04:05 UTC"),
            (Language::German, "1. März 2026, 04:05 Uhr (UTC)"),
            (Language::French, "1er mars 2026 à 04:05 (UTC)"),
            (Language::Spanish, "1 de marzo de 2026, 04:05 (UTC)"),
            (Language::Japanese, "2026年3月1日 04:05（UTC）"),
            (Language::Arabic, "1 مارس 2026، الساعة 04:05 (UTC)"),
        ] {
            assert_eq!(Texts::of(language).dates.format(at), expected);
        }
        let second = "2026-12-02T23:59:00Z".parse().unwrap();
        assert_eq!(Texts::of(Language::French).dates.format(second), "2 décembre 2026 à 23:59 (UTC)");
    }

    #[test]
    fn points_in_time_are_written_as_in_the_mails() {
        let catalogues = Path::new(env!("CARGO_MANIFEST_DIR")).join("../email-service/catalogues");
        for language in Language::ALL {
            let catalogue = fs::read_to_string(catalogues.join(format!("{}.toml", language.tag()))).unwrap();
            let Dates { format, months, first_day } = &Texts::of(*language).dates;
            assert!(catalogue.contains(&format!("\nformat = \"{format}\"\n")), "{language:?}: {format}");
            for month in months {
                assert!(catalogue.contains(&format!("\"{month}\"")), "{language:?}: {month}");
            }
            let first_day = first_day.map(|day| format!("\nfirst_day = \"{day}\"\n"));
            let as_it_is = first_day.map_or(!catalogue.contains("first_day ="), |line| catalogue.contains(&line));
            assert!(as_it_is, "{language:?}");
        }
    }

    #[test]
    fn english_speaks_as_the_vocabulary_says() {
        for text in Texts::of(Language::English).all() {
            let lower = text.to_lowercase();
            for wrong in ["e-mail", "user name", "log in", "login", "somebody", "nobody", "whoever"] {
                assert!(!lower.contains(wrong), "{wrong}: {text}");
            }
        }
    }
}
