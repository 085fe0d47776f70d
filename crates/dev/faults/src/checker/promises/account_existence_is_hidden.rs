//! S2: status and body do not reveal whether an account exists. Response times are not checked, because faults
//! distort them.

use std::collections::BTreeMap;

use crate::checker::{History, Operation, Outcome, RecordedResponse, Violation, evidence};

pub(super) fn violations(history: &History) -> Vec<Violation> {
    let mut groups: BTreeMap<u32, Vec<(&Operation, &RecordedResponse)>> = BTreeMap::new();
    for operation in &history.operations {
        if let (Some(group), Outcome::Answered(response)) = (operation.comparison_group, &operation.outcome)
            && !is_not_served(response)
        {
            groups.entry(group).or_default().push((operation, response));
        }
    }
    let differ = |group: Vec<(&Operation, &RecordedResponse)>| {
        let [(first, expected), rest @ ..] = group.as_slice() else { return None };
        let (other, _) = rest.iter().find(|(_, response)| visible(response) != visible(expected))?;
        let what = "two requests that must be indistinguishable got different responses";
        Some(Violation::new(what, [evidence::operation(first), evidence::operation(other)]))
    };
    groups.into_values().filter_map(differ).collect()
}

/// Returns whether the request was rejected for every client, independently of the account.
fn is_not_served(response: &RecordedResponse) -> bool {
    matches!(response.status, 429 | 500..)
}

fn visible(response: &RecordedResponse) -> (u16, Option<&str>, Option<&str>) {
    (response.status, response.problem.as_deref(), response.fingerprint.as_deref())
}
