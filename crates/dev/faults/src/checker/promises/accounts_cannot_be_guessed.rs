//! S2: nobody can tell from status and body whether an account exists. Time is not judged
//! here: a run with faults in it says nothing about it.

use std::collections::BTreeMap;

use crate::checker::{Answer, History, Operation, Outcome, Violation, show};

pub(super) fn violations(history: &History) -> Vec<Violation> {
    let mut groups: BTreeMap<u32, Vec<(&Operation, &Answer)>> = BTreeMap::new();
    for operation in &history.operations {
        if let (Some(group), Outcome::Answered(answer)) = (operation.alike, &operation.outcome)
            && !says_nothing(answer)
        {
            groups.entry(group).or_default().push((operation, answer));
        }
    }
    let differ = |group: Vec<(&Operation, &Answer)>| {
        let [(first, expected), rest @ ..] = group.as_slice() else { return None };
        let (other, _) = rest.iter().find(|(_, answer)| visible(answer) != visible(expected))?;
        let what = "two requests that nobody may tell apart were answered differently";
        Some(Violation::new(what, [show::operation(first), show::operation(other)]))
    };
    groups.into_values().filter_map(differ).collect()
}

/// Not served at all, whoever was meant.
fn says_nothing(answer: &Answer) -> bool {
    matches!(answer.status, 429 | 500..)
}

fn visible(answer: &Answer) -> (u16, Option<&str>, Option<&str>) {
    (answer.status, answer.problem.as_deref(), answer.fingerprint.as_deref())
}
