//! I5: no mail is handed to SMTP twice, unless its history contains `unknown -> queued` and its policy allows
//! that, or an operator has resent it.

use std::collections::BTreeSet;

use crate::checker::{
    History, LedgerMail, StateTransition, Violation, evidence,
    expected_mails::{is_handover, resends_allowed, transactions},
};

/// The prefix that the history uses for operators.
const OPERATOR: &str = "operator";

pub(super) fn violations(history: &History) -> Vec<Violation> {
    let mut found: Vec<Violation> = history.mails.iter().filter_map(|mail| check_mail(history, mail)).collect();
    let known: BTreeSet<&str> = history.mails.iter().map(|mail| mail.message_id.as_str()).collect();
    let unknown = history.smtp.iter().filter(|transaction| {
        is_handover(transaction) && !transaction.message_id.as_deref().is_some_and(|id| known.contains(id))
    });
    found.extend(unknown.map(|transaction| {
        Violation::new("a mail was handed over that is not in the ledger", [evidence::transaction(transaction)])
    }));
    found
}

fn check_mail(history: &History, mail: &LedgerMail) -> Option<Violation> {
    let resends = |by_operator: bool| {
        // An entry without a previous state is the first one, here of a replayed dead letter.
        let is_resend = move |step: &&StateTransition| {
            step.from.is_some() && step.to == "queued" && step.by.starts_with(OPERATOR) == by_operator
        };
        mail.history.iter().filter(is_resend)
    };
    let resent = resends(false).filter(|step| step.from.as_deref() == Some("unknown")).count();
    let by_operator = resends(true).count();
    let handovers: Vec<_> =
        transactions(history, mail).into_iter().filter(|transaction| is_handover(transaction)).collect();
    let what = if resent > resends_allowed(&mail.template) {
        format!("the service has resent a mail {resent} times, but {} are allowed", resends_allowed(&mail.template))
    } else if handovers.len() > 1 + resent + by_operator {
        format!("handed over {} times, but resent {} times", handovers.len(), resent + by_operator)
    } else {
        return None;
    };
    Some(Violation::new(
        what,
        std::iter::once(evidence::mail(mail)).chain(handovers.into_iter().map(evidence::transaction)),
    ))
}
