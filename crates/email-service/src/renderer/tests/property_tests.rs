//! The properties of every mail, for any user-chosen text in any place.

use corpus::{TestResult, corpus};
use proptest::prelude::*;

use super::*;

/// The maximum size of a mail with the longest names and addresses.
const LARGEST: usize = 256 * 1024;

fn check_invariants(renderer: &Renderer, mail: MailContent<'_>, chosen: &str) -> TestResult {
    match renderer.compose(&mail) {
        Ok(composed) => {
            let bytes = composed.message.as_bytes();
            prop_assert!(bytes.len() < LARGEST, "{} bytes", bytes.len());
            // A non-ASCII local part goes only to servers with SMTPUTF8.
            let ascii = composed.envelope.to().iter().all(|to| AsRef::<str>::as_ref(to).is_ascii());
            prop_assert!(bytes.is_ascii() || !ascii);
            // An address that is too long for a line cannot be folded: only the limit of RFC 5322
            // applies.
            for line in bytes.split(|byte| *byte == b'\n') {
                prop_assert!(line.len() <= 999 && !line[..line.len().saturating_sub(1)].contains(&b'\r'));
            }
            let parsed = mailparse::parse_mail(bytes).expect("a valid mail");
            let plain = renderer.compose(&example(mail.facts.template).content()).expect("the plain mail renders");
            prop_assert_eq!(header_names(&parsed), header_names_of(&plain));
            prop_assert_eq!(composed.envelope.to().len(), 1);
            prop_assert!(!composed.subject.chars().any(char::is_control));
            prop_assert!(!composed.text.chars().any(|c| c.is_control() && c != '\n'));
            // The elements and links come from the layout only.
            prop_assert_eq!(composed.html.matches("<a ").count(), plain.html.matches("<a ").count());
            prop_assert!(!composed.html.to_lowercase().contains("<script"));
        }
        Err(error) => {
            let shown = format!("{error} {error:?}");
            prop_assert!(chosen.len() < 12 || !shown.contains(chosen), "{}", shown);
        }
    }
    Ok(())
}

#[test]
fn any_user_text_gives_one_mail_to_one_recipient() {
    let renderer = renderer();
    let count = std::cell::Cell::new(0);
    corpus!("name").holds_for_text(|chosen| {
        count.set(count.get() + 1);
        let template = Template::ALL[count.get() % Template::ALL.len()];
        let plain = example(template);
        let changes: [fn(&mut MailFacts, String); 4] = [
            |facts, chosen| (facts.display_name, facts.values.username) = (Some(chosen.clone()), Some(chosen)),
            |facts, chosen| (facts.values.new_email, facts.values.old_email) = (Some(chosen.clone()), Some(chosen)),
            |facts, chosen| facts.to = chosen,
            |facts, chosen| facts.locale = Some(chosen),
        ];
        for change in changes {
            let mut mail = plain.clone();
            change(&mut mail.facts, chosen.to_owned());
            check_invariants(&renderer, mail.content(), chosen)?;
        }
        check_invariants(&renderer, MailContent { message_id: chosen, ..plain.content() }, chosen)
    });
}
