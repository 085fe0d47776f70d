//! I7: memory and connections stay below their limits and do not grow without bound; overload is refused with
//! `Retry-After`, and accepted requests end in time.

use std::collections::BTreeMap;

use crate::checker::{History, Limits, Operation, Outcome, ProcessSample, RecordedResponse, Violation, evidence};

/// The minimum number of samples for detecting growth.
const MIN_SAMPLES: usize = 30;
/// The permitted growth from the first to the last third, in percent, in addition to `slack`.
const MAX_GROWTH_PERCENT: u64 = 50;

/// A resource of a process: its name, its value in a sample, its limit, and the growth that is always permitted.
struct Resource {
    name: &'static str,
    of: fn(&ProcessSample) -> u64,
    limit: fn(&Limits) -> Option<u64>,
    slack: u64,
}

const RESOURCES: [Resource; 3] = [
    Resource { name: "bytes of memory", of: |s| s.resident, limit: |l| l.resident, slack: 64 << 20 },
    Resource { name: "open descriptors", of: |s| s.descriptors, limit: |l| l.descriptors, slack: 100 },
    Resource { name: "threads", of: |s| s.threads, limit: |_| None, slack: 20 },
];

pub(super) fn violations(history: &History) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut processes: BTreeMap<&str, Vec<&ProcessSample>> = BTreeMap::new();
    for sample in &history.samples {
        processes.entry(&sample.process).or_default().push(sample);
    }
    for (process, samples) in &processes {
        for resource in &RESOURCES {
            found.extend(over_the_limit(resource, process, samples, &history.limits));
            found.extend(growth(resource, process, samples, &history.limits));
        }
    }
    found.extend(history.operations.iter().filter_map(|operation| bad_response(operation, &history.limits)));
    found
}

fn over_the_limit(
    resource: &Resource,
    process: &str,
    samples: &[&ProcessSample],
    limits: &Limits,
) -> Option<Violation> {
    let limit = (resource.limit)(limits)?;
    let largest = samples.iter().max_by_key(|sample| (resource.of)(sample))?;
    let value = (resource.of)(largest);
    let what = format!("{process} had {value} {} at {}, but {limit} are allowed", resource.name, largest.at);
    (value > limit).then(|| Violation::new(what, []))
}

/// Compares the medians of the first and the last third, so that a peak does not count as growth.
fn growth(resource: &Resource, process: &str, samples: &[&ProcessSample], limits: &Limits) -> Option<Violation> {
    (resource.limit)(limits)?;
    if samples.len() < MIN_SAMPLES {
        return None;
    }
    let (third, rest) = (samples.len() / 3, samples.len() - samples.len() / 3);
    let first = median(samples.get(..third)?.iter().map(|sample| (resource.of)(sample)).collect())?;
    let last = median(samples.get(rest..)?.iter().map(|sample| (resource.of)(sample)).collect())?;
    let most = first + first * MAX_GROWTH_PERCENT / 100 + resource.slack;
    let what = format!("{process} grows: {first} {} in the first third, {last} in the last", resource.name);
    (last > most).then(|| Violation::new(what, []))
}

fn median(mut values: Vec<u64>) -> Option<u64> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

fn bad_response(operation: &Operation, limits: &Limits) -> Option<Violation> {
    let Outcome::Answered(response) = &operation.outcome else { return None };
    let what = if is_temporary_refusal(response) && response.retry_after.is_none() {
        "a temporary refusal without Retry-After".to_owned()
    } else if response.problem.as_deref() == Some("overloaded") && response.status != 503 {
        "overload that is not answered with 503".to_owned()
    } else {
        let most = limits.latency_ms.filter(|_| (200..300).contains(&response.status))?;
        let took = operation.completed.as_millisecond() - operation.invoked.as_millisecond();
        u64::try_from(took)
            .is_ok_and(|took| took > most)
            .then(|| format!("accepted after {took} ms, but {most} ms are allowed"))?
    };
    Some(Violation::new(what, [evidence::operation(operation)]))
}

fn is_temporary_refusal(response: &RecordedResponse) -> bool {
    matches!(response.status, 429 | 503)
}
