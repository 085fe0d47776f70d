//! The report: for each algorithm, a table of checks and stacks.

use std::fmt::Write as _;

use crate::stacks::StackSpec;

/// What one stack did in one check.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    /// The stack did what it must. The text is what the report says.
    Passed(String),
    /// The text is what the stack did instead.
    Failed(String),
    /// The libraries of the stack do not know the algorithm.
    NotSupported,
}

/// The checks with tokens of one algorithm.
#[derive(Debug)]
pub(crate) struct RunReport {
    pub(crate) algorithm: String,
    /// The name of each check, and its outcome with each stack, in the order of the list of stacks.
    pub(crate) checks: Vec<(String, Vec<Outcome>)>,
}

impl RunReport {
    /// Returns what failed, one text for each check and stack.
    pub(crate) fn failures(&self, stacks: &[StackSpec]) -> Vec<String> {
        let of_check = |(check, outcomes): &(String, Vec<Outcome>)| {
            let failed = stacks.iter().zip(outcomes).filter_map(|(stack, outcome)| match outcome {
                Outcome::Failed(instead) => Some(format!("{}, {}, {check}: {instead}", stack.name, self.algorithm)),
                Outcome::Passed(_) | Outcome::NotSupported => None,
            });
            failed.collect::<Vec<_>>()
        };
        self.checks.iter().flat_map(of_check).collect()
    }
}

/// Returns the report in Markdown. `run` says when and with which commit, `skipped` which stacks were not there.
pub(crate) fn markdown(reports: &[RunReport], stacks: &[StackSpec], run: &str, skipped: &str) -> String {
    let mut text = String::from(INTRODUCTION);
    let mut line = |line: &str| writeln!(text, "{line}").expect("a text can be extended");
    line(&format!("Last run: {run}."));
    skipped.lines().for_each(|skipped| line(&format!("\n{skipped}")));
    line("\n| stack | versions |\n|---|---|");
    for stack in stacks {
        line(&format!("| [{0}](../examples/verify/{0}) | {1} |", stack.name, stack.versions));
    }
    for report in reports {
        line(&format!("\n## {}\n", report.algorithm));
        let names: Vec<&str> = stacks.iter().map(|stack| stack.name.as_str()).collect();
        line(&format!("| | {} |\n|---|{}", names.join(" | "), "---|".repeat(names.len())));
        for (check, outcomes) in &report.checks {
            let cells: Vec<String> = outcomes.iter().map(cell).collect();
            line(&format!("| {check} | {} |", cells.join(" | ")));
        }
    }
    text
}

fn cell(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Passed(how) => how.clone(),
        Outcome::Failed(_) => "**FAILED**".to_owned(),
        Outcome::NotSupported => "–".to_owned(),
    }
}

const INTRODUCTION: &str = "\
# Verified by other stacks

Written by `scripts/verify-examples --report`, which `scripts/nightly` runs. Each column is a program of \
[examples/verify](../examples/verify) with the libraries that its stack usually has, or a gateway that asks the user \
service. Each was asked for `GET /me` with tokens of a running user service. \"accepted\" is 200 with the right `sub` \
and roles, \"refused\" is 401; every cell is what it must be, or FAILED; only `typ: at+jwt` and a change of the \
algorithm may have either result. \"–\" means that the libraries of the stack do not know the algorithm, and that it \
refused such a token.

- A token of the next key: the time is how long the stack refused it, if it had fetched the keys shortly before. In \
operation a key is published ten minutes before it signs, and every stack has fetched it by then.
- A token of a removed key: the time is how long the stack still accepted it. A stack that verifies tokens itself may \
keep keys for five minutes, and this check fails after five and a half.

";
