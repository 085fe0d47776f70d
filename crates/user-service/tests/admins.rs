//! The list of admins on a real MongoDB, one step of two writers after the other: whatever
//! comes between, nobody is listed who is no admin, and the list is never empty.
#![expect(clippy::unwrap_used, reason = "a test: what fails to unwrap fails the test")]

use std::time::Duration;

use bson::{DateTime, Document, doc};
use mongodb::Database;
use service_kit::Ids;
use test_support::Stack;
use user_service::store::{self, AdminRemoval, Change, Commit, Precondition, Store};
use uuid::Uuid;

const DEADLINE: Duration = Duration::from_secs(10);

async fn world(name: &str) -> (Database, Store) {
    let name = format!("{name}-{}-{}", std::process::id(), Ids::random().v4().simple());
    let database = Stack::from_env().mongodb().await.database(&name);
    let indexes: Vec<_> = [store::unique_indexes(), store::non_unique_indexes(DEADLINE)].concat();
    service_kit::mongo::ensure_indexes(&database, &indexes).await.unwrap();
    let store = Store::new(&database, DEADLINE, 100);
    (database, store)
}

async fn account(database: &Database, name: &str, roles: &[&str], status: &str) -> Uuid {
    let id = Ids::random().v4();
    let now = DateTime::now();
    let user = doc! {
        "_id": bson::Uuid::from(id), "schemaVersion": 1, "version": 1_i64, "username": name, "usernameKey": name,
        "email": name, "emailKeys": [name], "emailVerified": true, "roles": roles, "status": status,
        "passwordHash": "none", "sessions": { "epoch": 1_i64 }, "createdAt": now, "updatedAt": now,
    };
    database.collection::<Document>("users").insert_one(user).await.unwrap();
    id
}

async fn listed(database: &Database) -> Vec<Uuid> {
    let list = database.collection::<Document>("admins").find_one(doc! {}).await.unwrap().unwrap_or_default();
    let ids = list.get_array("ids").cloned().unwrap_or_default();
    let mut ids: Vec<Uuid> =
        ids.into_iter().map(|id| bson::deserialize_from_bson::<bson::Uuid>(id).unwrap().into()).collect();
    ids.sort_unstable();
    ids
}

/// The write that takes the role, as it was decided on a version.
async fn take_role(store: &Store, id: Uuid, version: i64) -> Commit {
    let change = Change { set: doc! { "roles": Vec::<String>::new() }, ..Change::default() };
    store.users.commit(id, Precondition::Version(version), change).await.unwrap()
}

async fn version(store: &Store, id: Uuid) -> i64 {
    store.users.by_id(id).await.unwrap().unwrap().version
}

#[tokio::test]
async fn admins_whom_nobody_lists_are_put_back_by_an_index() {
    let (database, store) = world("readmit").await;
    let mut admins = Vec::new();
    for name in ["ada", "bea", "cyn"] {
        admins.push(account(&database, name, &["admin", "x"], "active").await);
    }
    account(&database, "disabled", &["admin"], "disabled").await;
    account(&database, "other", &["administrator"], "active").await;
    account(&database, "plain", &[], "active").await;
    admins.sort_unstable();
    database.run_command(doc! { "profile": 2 }).await.unwrap();
    assert_eq!(store.admins.ensure_all_listed().await.unwrap(), 3);
    assert_eq!(listed(&database).await, admins);
    assert_eq!(store.admins.ensure_all_listed().await.unwrap(), 0);
    assert_eq!(version(&store, admins[0]).await, 2, "who is listed is left alone");
    let profile = database.collection::<Document>("system.profile");
    let search = doc! { "op": "query", "command.filter.roles": "admin" };
    let seen = profile.find_one(search).await.unwrap().unwrap();
    assert_eq!(seen.get_str("planSummary").unwrap(), "IXSCAN { roles: 1 }");
}

#[tokio::test]
async fn the_last_one_cannot_leave_and_somebody_unlisted_can() {
    let (database, store) = world("leave").await;
    let (ada, bea) =
        (account(&database, "ada", &["admin"], "active").await, account(&database, "bea", &["admin"], "active").await);
    assert_eq!(
        store.admins.remove_unless_last(ada).await.unwrap(),
        AdminRemoval::LastAdmin,
        "before anybody was listed"
    );
    assert!(store.admins.ensure_listed(ada).await.unwrap());
    assert_eq!(store.admins.remove_unless_last(ada).await.unwrap(), AdminRemoval::LastAdmin);
    assert_eq!(store.admins.remove_unless_last(bea).await.unwrap(), AdminRemoval::Removed, "not listed, and ada is");
    assert!(store.admins.ensure_listed(bea).await.unwrap());
    assert_eq!(store.admins.remove_unless_last(ada).await.unwrap(), AdminRemoval::Removed);
    assert_eq!(store.admins.remove_unless_last(bea).await.unwrap(), AdminRemoval::LastAdmin);
    assert_eq!(listed(&database).await, [bea]);
}

#[tokio::test]
async fn who_is_put_back_while_being_removed_is_not_removed_by_the_late_write() {
    let (database, store) = world("late").await;
    let (ada, bea) =
        (account(&database, "ada", &["admin"], "active").await, account(&database, "bea", &["admin"], "active").await);
    assert_eq!(store.admins.ensure_all_listed().await.unwrap(), 2);
    let precondition = version(&store, ada).await;
    assert_eq!(store.admins.remove_unless_last(ada).await.unwrap(), AdminRemoval::Removed);
    // The one who removes is slow; somebody mends the list meanwhile.
    assert!(store.admins.ensure_listed(ada).await.unwrap());
    assert!(matches!(take_role(&store, ada, precondition).await, Commit::Conflict));
    let mut both = [ada, bea];
    both.sort_unstable();
    assert_eq!(listed(&database).await, both);
    // Decided again, it is done.
    let precondition = version(&store, ada).await;
    assert_eq!(store.admins.remove_unless_last(ada).await.unwrap(), AdminRemoval::Removed);
    assert!(matches!(take_role(&store, ada, precondition).await, Commit::Done(_)));
    assert!(!store.admins.ensure_listed(ada).await.unwrap());
    assert_eq!(listed(&database).await, [bea]);
}

#[tokio::test]
async fn who_is_removed_before_being_listed_is_not_listed() {
    let (database, store) = world("early").await;
    let bea = account(&database, "bea", &["admin"], "active").await;
    assert!(store.admins.ensure_listed(bea).await.unwrap());
    // Ada has just been given the role, and is not listed yet.
    let removal_count = store.admins.removal_count().await.unwrap();
    let ada = account(&database, "ada", &["admin"], "active").await;
    assert_eq!(store.admins.remove_unless_last(ada).await.unwrap(), AdminRemoval::Removed);
    assert!(matches!(take_role(&store, ada, 1).await, Commit::Done(_)));
    store.admins.add(ada, removal_count).await.unwrap();
    assert_eq!(listed(&database).await, [bea]);
    // And who has the role still is, although somebody else has left since.
    let cyn = account(&database, "cyn", &["admin"], "active").await;
    let removal_count = store.admins.removal_count().await.unwrap();
    assert_eq!(store.admins.remove_unless_last(Ids::random().v4()).await.unwrap(), AdminRemoval::Removed);
    store.admins.add(cyn, removal_count).await.unwrap();
    let mut both = [bea, cyn];
    both.sort_unstable();
    assert_eq!(listed(&database).await, both);
}
