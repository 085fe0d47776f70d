//! Compares the copies of the users, which the consumers of the topic of states keep, with the collection `users`.

use std::{collections::BTreeSet, fmt, time::Duration};

use bson::Document;
use e2e::{
    foreign_consumers::{Comparison, UserCopies, UserCopy, differences, read_copies},
    offsets,
};
use faults::checker::History;
use mongodb::Collection;
use test_support::World;
use tokio::time::{Instant, sleep};

use crate::{
    consumers::{Consumer, DATABASE},
    deployment::Deployment,
    group_generations::group_generations,
    summary::records_and_repeats,
};

/// How long the consumers have, after the system is idle, to read the topic to its end.
const DEADLINE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(500);
/// The number of differences of one copy that are shown.
const SHOWN: usize = 5;

/// The generations of a group whose instances start one after the other.
const STARTS: i32 = 2;

/// The figures of all copies.
pub(crate) struct CopiesReport {
    users: usize,
    deleted: usize,
    /// The different records of the topic of states.
    states: usize,
    /// The records that repeat one of them.
    repeated: usize,
    copies: Vec<CopyReport>,
}

/// The figures of one copy.
struct CopyReport {
    name: &'static str,
    differences: Vec<String>,
    /// At least how many records the consumer has read again.
    replayed: i64,
    /// How many times its groups were rebalanced, without the starts of their instances.
    rebalances: i32,
    restarts: usize,
    /// How many times an instance ended by itself.
    ended: usize,
}

/// Waits until every consumer has read the topic to its end and every copy equals the users of this history, or until
/// the deadline.
///
/// # Panics
/// Panics if the broker or MongoDB does not respond.
pub(crate) async fn compare(deployment: &Deployment, history: &History) -> CopiesReport {
    let world = &deployment.run.world;
    let database = world.user_database().await.client().database(DATABASE);
    let states = history.users.iter().filter_map(|user| user.state.as_ref());
    let expected: UserCopies = states.map(|state| (state.id.to_string(), UserCopy::of_state(state))).collect();
    let end = Instant::now() + DEADLINE;
    let mut all = Vec::new();
    for consumer in &deployment.consumers.running {
        let collection = database.collection(consumer.name);
        let differences = loop {
            let differences = consumer_differences(world, consumer, &collection, &expected).await;
            if differences.is_empty() || Instant::now() > end {
                break differences;
            }
            sleep(PAUSE).await;
        };
        all.push((consumer, differences));
    }
    let generations = group_generations(world).await;
    let mut copies = Vec::new();
    for (consumer, differences) in all {
        let groups = consumer.groups.lock().await;
        let rebalances = |group: &String| (generations.get(group).copied().unwrap_or(0) - STARTS).max(0);
        let mut copy = CopyReport {
            name: consumer.name,
            differences,
            replayed: groups.replayed,
            rebalances: groups.names.iter().map(rebalances).sum(),
            restarts: 0,
            ended: 0,
        };
        for instance in &consumer.instances {
            let instance = instance.lock().await;
            copy.restarts += instance.restarts;
            copy.ended += instance.ended;
        }
        copies.push(copy);
    }
    let (states, repeated) = records_and_repeats(history.states.as_deref().unwrap_or_default());
    let tombstones = history.states.iter().flatten().filter(|record| record.value.is_none());
    let deleted = tombstones.map(|record| record.key.as_deref()).collect::<BTreeSet<_>>().len();
    CopiesReport { users: expected.len(), deleted, states, repeated, copies }
}

/// Returns what a consumer has not read yet, and then how its copy differs from the users.
async fn consumer_differences(
    world: &World,
    consumer: &Consumer,
    collection: &Collection<Document>,
    expected: &UserCopies,
) -> Vec<String> {
    let topic = world.state_topic().expect("the world has a topic of states");
    let group = consumer.groups.lock().await.names.last().cloned().unwrap_or_default();
    if let Some(behind) = offsets::describe_lag_of(world, &group, topic).await {
        return vec![behind];
    }
    match read_copies(collection).await {
        Ok(found) => differences(expected, &found, Comparison::VisibleMembers),
        Err(error) => vec![error],
    }
}

impl CopiesReport {
    /// Returns how the copies differ from the users.
    pub(crate) fn differences(&self) -> Vec<String> {
        let line = |copy: &CopyReport| {
            let shown: Vec<&str> = copy.differences.iter().take(SHOWN).map(String::as_str).collect();
            let count = copy.differences.len();
            (count > 0).then(|| format!("the copy of {} differs {count} ×: {}", copy.name, shown.join("; ")))
        };
        self.copies.iter().filter_map(line).collect()
    }

    /// Returns what the run did not prove, because it did not happen.
    pub(crate) fn not_proved(&self) -> Vec<String> {
        let mut missing = Vec::new();
        if self.repeated == 0 {
            missing.push("no state was published twice".to_owned());
        }
        for copy in &self.copies {
            if copy.replayed == 0 {
                missing.push(format!("{} has read no record twice", copy.name));
            }
            if copy.rebalances == 0 {
                missing.push(format!("no group of {} was rebalanced", copy.name));
            }
        }
        missing
    }
}

impl fmt::Display for CopiesReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { users, deleted, states, repeated, copies } = self;
        let equal = copies.iter().filter(|copy| copy.differences.is_empty()).count();
        write!(f, "consumers: {equal} of {} copies equal {users} users ({deleted} deleted)", copies.len())?;
        write!(f, "; {states} states and {repeated} repeats published; read again (at least), rebalances, restarts:")?;
        for (n, copy) in copies.iter().enumerate() {
            let separator = if n == 0 { "" } else { "," };
            write!(f, "{separator} {} {} {} {}", copy.name, copy.replayed, copy.rebalances, copy.restarts)?;
            if copy.ended > 0 {
                write!(f, " ({} by itself)", copy.ended)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_without_repeats_and_rebalances_says_that_it_proved_less() {
        let copy = |replayed, rebalances| CopyReport {
            name: "go",
            differences: Vec::new(),
            replayed,
            rebalances,
            restarts: 0,
            ended: 0,
        };
        let report = |repeated, copy| CopiesReport { users: 1, deleted: 0, states: 10, repeated, copies: vec![copy] };
        assert_eq!(report(0, copy(0, 0)).not_proved().len(), 3);
        assert_eq!(report(1, copy(1, 1)).not_proved(), Vec::<String>::new());
    }
}
