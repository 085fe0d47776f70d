//! Compares the copies of the users, which the consumers of the topic of states keep, with the collection `users`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use bson::{Bson, Document, doc};
use e2e::offsets;
use faults::checker::{History, StoredUser, TopicRecord};
use mongodb::Collection;
use serde_json::Value;
use test_support::{World, find_all};
use tokio::time::{Instant, sleep};

use crate::{
    consumers::{Consumer, DATABASE},
    deployment::Deployment,
    group_generations::group_generations,
};

/// How long the consumers have, after the system is idle, to read the topic to its end.
const DEADLINE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(500);
/// The number of differences of one copy that are shown.
const SHOWN: usize = 5;
/// The rebalances of a group whose instances only start.
const FIRST_GENERATIONS: i32 = 2;
/// The members of a copy that are not those of the user.
const OWN_MEMBERS: [&str; 3] = ["_id", "version", "deletedAt"];

/// The figures of all copies.
pub(crate) struct CopiesReport {
    users: usize,
    deleted: usize,
    /// The records of the topic of states.
    records: usize,
    /// How many of them were published again.
    repeated: usize,
    copies: Vec<CopyReport>,
}

/// The figures of one copy.
struct CopyReport {
    name: String,
    differences: Vec<String>,
    /// How many records the consumer has read, also repeatedly.
    read: usize,
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
    let end = Instant::now() + DEADLINE;
    let mut all = Vec::new();
    for consumer in &deployment.consumers {
        let collection = database.collection(&consumer.name);
        let differences = loop {
            let differences = consumer_differences(world, consumer, &collection, &history.users).await;
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
        let mut copy = CopyReport {
            name: consumer.name.clone(),
            differences,
            read: 0,
            rebalances: generations.get(&consumer.group).copied().unwrap_or(0),
            restarts: 0,
            ended: 0,
        };
        for instance in &consumer.instances {
            let instance = instance.lock().await;
            copy.read += instance.records_read();
            copy.restarts += instance.restarts;
            copy.ended += instance.ended;
        }
        copies.push(copy);
    }
    let states = history.states.as_deref().unwrap_or_default();
    let distinct: BTreeSet<_> = states.iter().map(id).collect();
    let deleted = history.users.iter().filter(|user| user.deleted).count();
    CopiesReport {
        users: history.users.len() - deleted,
        deleted,
        records: states.len(),
        repeated: states.len() - distinct.len(),
        copies,
    }
}

fn id(record: &TopicRecord) -> Option<&[u8]> {
    record.headers.iter().find(|(name, _)| name == "ce_id").and_then(|(_, value)| value.as_deref())
}

/// Returns what a consumer has not read yet, and then how its copy differs from the users.
async fn consumer_differences(
    world: &World,
    consumer: &Consumer,
    collection: &Collection<Document>,
    users: &[StoredUser],
) -> Vec<String> {
    let topic = world.state_topic().expect("the world has a topic of states");
    if let Some(behind) = offsets::describe_lag_of(world, &consumer.group, topic).await {
        return vec![behind];
    }
    differences(users, find_all(collection, doc! {}).await)
}

/// Returns how a copy differs from the users in the visible members. A deleted user may be missing or marked as
/// deleted.
fn differences(users: &[StoredUser], copy: Vec<Document>) -> Vec<String> {
    let expected: BTreeMap<String, Value> = users
        .iter()
        .filter_map(|user| {
            let mut state = serde_json::to_value(user.state.as_ref()?).expect("a state is JSON");
            state.as_object_mut()?.retain(|name, _| name != "id" && name != "version");
            Some((user.id.to_string(), state))
        })
        .collect();
    let copy: BTreeMap<String, Value> = copy
        .into_iter()
        .filter(|document| !document.contains_key("deleted"))
        .map(|document| {
            let id = document.get_str("_id").unwrap_or("(no text)").to_owned();
            let members = document.into_iter().filter(|(name, _)| !OWN_MEMBERS.contains(&name.as_str()));
            (id, Bson::Document(members.collect()).into_relaxed_extjson())
        })
        .collect();
    let ids: BTreeSet<&String> = expected.keys().chain(copy.keys()).collect();
    ids.into_iter()
        .filter_map(|id| match (expected.get(id), copy.get(id)) {
            (Some(user), Some(copied)) if user == copied => None,
            (Some(user), Some(copied)) => Some(format!("user {id} is {user}, the copy has {copied}")),
            (Some(_), None) => Some(format!("user {id} is missing")),
            (None, _) => Some(format!("user {id} is deleted, the copy still has the user")),
        })
        .collect()
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
            if copy.read <= self.records {
                missing.push(format!("{} has read no record twice", copy.name));
            }
            if copy.rebalances <= FIRST_GENERATIONS {
                missing.push(format!("the group of {} was not rebalanced", copy.name));
            }
        }
        missing
    }
}

impl fmt::Display for CopiesReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { users, deleted, records, repeated, copies } = self;
        let equal = copies.iter().filter(|copy| copy.differences.is_empty()).count();
        write!(f, "consumers: {equal} of {} copies equal {users} users ({deleted} deleted)", copies.len())?;
        write!(f, "; {records} states published, {repeated} of them again; read, rebalances, restarts:")?;
        for (n, copy) in copies.iter().enumerate() {
            let separator = if n == 0 { "" } else { "," };
            write!(f, "{separator} {} {} {} {}", copy.name, copy.read, copy.rebalances, copy.restarts)?;
            if copy.ended > 0 {
                write!(f, " ({} by itself)", copy.ended)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use events::{UserState, UserStatus};
    use jiff::Timestamp;
    use uuid::Uuid;

    use super::*;

    const ADA: Uuid = Uuid::from_u128(1);
    const BOB: Uuid = Uuid::from_u128(2);

    fn user(id: Uuid, name: &str) -> StoredUser {
        let state = UserState {
            id,
            version: 7,
            username: name.to_owned(),
            email: format!("{name}@example.org"),
            email_verified: true,
            display_name: None,
            locale: None,
            timezone: None,
            roles: vec!["editor".to_owned()],
            status: UserStatus::Active,
            attributes: None,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
        };
        StoredUser { id, version: 7, deleted: false, state: Some(state), pending: Vec::new() }
    }

    fn deleted(id: Uuid) -> StoredUser {
        StoredUser { id, version: 8, deleted: true, state: None, pending: Vec::new() }
    }

    fn copied(id: Uuid, name: &str) -> Document {
        doc! { "_id": id.to_string(), "version": 5_i64, "username": name, "email": format!("{name}@example.org"),
        "emailVerified": true, "roles": ["editor"], "status": "active",
        "createdAt": "1970-01-01T00:00:00Z", "updatedAt": "1970-01-01T00:00:00Z" }
    }

    #[test]
    fn an_equal_copy_has_no_differences_whatever_its_version_is() {
        let users = [user(ADA, "ada"), deleted(BOB)];
        assert_eq!(differences(&users, vec![copied(ADA, "ada")]), Vec::<String>::new());
        let tombstone = doc! { "_id": BOB.to_string(), "version": 9, "deleted": true };
        assert_eq!(differences(&users, vec![copied(ADA, "ada"), tombstone]), Vec::<String>::new());
    }

    #[test]
    fn a_changed_a_missing_and_a_deleted_user_are_differences() {
        let users = [user(ADA, "ada"), user(BOB, "bob")];
        let found = differences(&users, vec![copied(ADA, "lovelace")]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("lovelace") && found[1].contains("is missing"), "{found:?}");
        let found = differences(&[deleted(ADA)], vec![copied(ADA, "ada")]);
        assert!(found.len() == 1 && found[0].contains("is deleted"), "{found:?}");
    }

    #[test]
    fn a_run_without_repeats_and_rebalances_says_that_it_proved_less() {
        let copy = |read, rebalances| CopyReport {
            name: "go".to_owned(),
            differences: Vec::new(),
            read,
            rebalances,
            restarts: 0,
            ended: 0,
        };
        let report = |repeated, copy| CopiesReport { users: 1, deleted: 0, records: 10, repeated, copies: vec![copy] };
        assert_eq!(report(0, copy(10, 2)).not_proved().len(), 3);
        assert_eq!(report(1, copy(11, 3)).not_proved(), Vec::<String>::new());
    }
}
