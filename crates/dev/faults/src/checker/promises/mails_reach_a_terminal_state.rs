//! I4: every event that asks for a mail has its rows in the ledger, each in a terminal state; and `sent` means
//! that the server answered 250.

use std::collections::{BTreeMap, BTreeSet};

use crate::checker::{
    History, LedgerMail, Violation, evidence,
    expected_mails::{TERMINAL, is_accepted, mail_id, templates_for, transactions},
    topic_events::all_events,
};

pub(super) fn violations(history: &History) -> Vec<Violation> {
    if history.limits.no_email_service {
        return Vec::new();
    }
    let mut found = missing_mails(history);
    for mail in &history.mails {
        let transactions = transactions(history, mail);
        let evidence = || {
            std::iter::once(evidence::mail(mail))
                .chain(transactions.iter().map(|transaction| evidence::transaction(transaction)))
        };
        if !is_over(mail) {
            found.push(Violation::new(format!("a mail that is still {}", mail.state), evidence()));
        } else if mail.state == "sent" && !transactions.iter().any(|transaction| is_accepted(transaction)) {
            found.push(Violation::new("a mail is `sent`, but no server has answered 250 to it", evidence()));
        }
    }
    found
}

/// Reports processable events whose mails are not in the ledger.
fn missing_mails(history: &History) -> Vec<Violation> {
    let rows: BTreeMap<&str, &LedgerMail> = history.mails.iter().map(|mail| (mail.id.as_str(), mail)).collect();
    let dead: BTreeSet<(i32, i64)> =
        history.dead_letters.iter().map(|letter| (letter.partition, letter.offset)).collect();
    let mut found = Vec::new();
    for topic_event in all_events(history) {
        // The token was sealed for another recipient. Whether that dead letter is correct is checked by I8.
        if dead.contains(&(topic_event.record.partition, topic_event.record.offset)) {
            continue;
        }
        for template in templates_for(&topic_event.event) {
            let id = mail_id(&topic_event.event, template);
            if !rows.contains_key(id.as_str()) {
                let what = format!("an event asks for the mail {template}, which is not in the ledger");
                found.push(Violation::new(what, [evidence::record(topic_event.record)]));
            }
        }
    }
    found
}

fn is_over(mail: &LedgerMail) -> bool {
    mail.terminal_at.is_some() && TERMINAL.contains(&mail.state.as_str())
}
