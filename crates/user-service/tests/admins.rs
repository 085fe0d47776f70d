//! The list of administrators on a real MongoDB, with the steps of two writers in every order: the list never contains
//! an account that is no administrator, and is never empty.
#![expect(clippy::unwrap_used, reason = "a test: what fails to unwrap fails the test")]

use std::time::Duration;

use bson::{DateTime, Document, doc};
use mongodb::Database;
use service_kit::Ids;
use test_support::Stack;
use user_service::store::{self, AdminRemoval, Change, Commit, Precondition, Store};
use uuid::Uuid;

const DEADLINE: Duration = Duration::from_secs(10);

async fn new_database(name: &str) -> (Database, Store) {
    let name = format!("{name}-{}-{}", std::process::id(), Ids::random().v4().simple());
    let database = Stack::from_env().mongodb().await.database(&name);
    let indexes: Vec<_> = [store::unique_indexes(), store::non_unique_indexes(DEADLINE)].concat();
    service_kit::mongo::ensure_indexes(&database, &indexes).await.unwrap();
    let store = Store::new(&database, DEADLINE, 100);
    (database, store)
}

async fn insert_account(database: &Database, name: &str, roles: &[&str], status: &str) -> Uuid {
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

async fn insert_admin(database: &Database, name: &str) -> Uuid {
    insert_account(database, name, &["admin"], "active").await
}

async fn listed_admins(database: &Database) -> Vec<Uuid> {
    let list = database.collection::<Document>("admins").find_one(doc! {}).await.unwrap().unwrap_or_default();
    let ids = list.get_array("ids").cloned().unwrap_or_default();
    let mut ids: Vec<Uuid> =
        ids.into_iter().map(|id| bson::deserialize_from_bson::<bson::Uuid>(id).unwrap().into()).collect();
    ids.sort_unstable();
    ids
}

/// Writes the account without its roles, decided on a version.
async fn write_without_roles(store: &Store, id: Uuid, version: i64) -> Commit {
    let change = Change { set: doc! { "roles": Vec::<String>::new() }, ..Change::default() };
    store.users.commit(id, Precondition::Version(version), change).await.unwrap()
}

async fn version_of(store: &Store, id: Uuid) -> i64 {
    store.users.by_id(id).await.unwrap().unwrap().version
}

#[tokio::test]
async fn admins_missing_from_the_list_are_added_through_an_index() {
    let (database, store) = new_database("readmit").await;
    let mut admins = Vec::new();
    for name in ["ada", "bea", "cyn"] {
        admins.push(insert_account(&database, name, &["admin", "x"], "active").await);
    }
    insert_account(&database, "disabled", &["admin"], "disabled").await;
    insert_account(&database, "other", &["administrator"], "active").await;
    insert_account(&database, "plain", &[], "active").await;
    admins.sort_unstable();
    database.run_command(doc! { "profile": 2 }).await.unwrap();
    assert_eq!(store.admins.ensure_all_listed().await.unwrap(), 3);
    assert_eq!(listed_admins(&database).await, admins);
    assert_eq!(store.admins.ensure_all_listed().await.unwrap(), 0);
    assert_eq!(version_of(&store, admins[0]).await, 2, "an admin who is already listed is not written");
    let profile = database.collection::<Document>("system.profile");
    let search = doc! { "op": "query", "command.filter.roles": "admin" };
    let seen = profile.find_one(search).await.unwrap().unwrap();
    assert_eq!(seen.get_str("planSummary").unwrap(), "IXSCAN { roles: 1 }");
}

#[tokio::test]
async fn the_last_admin_cannot_leave_and_an_unlisted_one_can() {
    let (database, store) = new_database("leave").await;
    let (ada, bea) = (insert_admin(&database, "ada").await, insert_admin(&database, "bea").await);
    assert_eq!(store.admins.remove_unless_last(ada).await.unwrap(), AdminRemoval::LastAdmin, "no admin is listed yet");
    assert!(store.admins.ensure_listed(ada).await.unwrap());
    assert_eq!(store.admins.remove_unless_last(ada).await.unwrap(), AdminRemoval::LastAdmin);
    assert_eq!(
        store.admins.remove_unless_last(bea).await.unwrap(),
        AdminRemoval::Removed,
        "bea is not listed, and ada is"
    );
    assert!(store.admins.ensure_listed(bea).await.unwrap());
    assert_eq!(store.admins.remove_unless_last(ada).await.unwrap(), AdminRemoval::Removed);
    assert_eq!(store.admins.remove_unless_last(bea).await.unwrap(), AdminRemoval::LastAdmin);
    assert_eq!(listed_admins(&database).await, [bea]);
}

#[tokio::test]
async fn an_admin_added_again_during_a_removal_is_not_removed_by_the_late_write() {
    let (database, store) = new_database("late").await;
    let (ada, bea) = (insert_admin(&database, "ada").await, insert_admin(&database, "bea").await);
    assert_eq!(store.admins.ensure_all_listed().await.unwrap(), 2);
    let decided_on = version_of(&store, ada).await;
    assert_eq!(store.admins.remove_unless_last(ada).await.unwrap(), AdminRemoval::Removed);
    // The removal is slow, and the list is repaired meanwhile.
    assert!(store.admins.ensure_listed(ada).await.unwrap());
    assert!(matches!(write_without_roles(&store, ada, decided_on).await, Commit::Conflict));
    let mut both = [ada, bea];
    both.sort_unstable();
    assert_eq!(listed_admins(&database).await, both);
    // The second attempt succeeds.
    let decided_on = version_of(&store, ada).await;
    assert_eq!(store.admins.remove_unless_last(ada).await.unwrap(), AdminRemoval::Removed);
    assert!(matches!(write_without_roles(&store, ada, decided_on).await, Commit::Done(_)));
    assert!(!store.admins.ensure_listed(ada).await.unwrap());
    assert_eq!(listed_admins(&database).await, [bea]);
}

#[tokio::test]
async fn an_admin_removed_before_being_listed_is_not_listed() {
    let (database, store) = new_database("early").await;
    let bea = insert_admin(&database, "bea").await;
    assert!(store.admins.ensure_listed(bea).await.unwrap());
    // Ada has just been granted the role, and is not listed yet.
    let removal_count = store.admins.removal_count().await.unwrap();
    let ada = insert_admin(&database, "ada").await;
    assert_eq!(store.admins.remove_unless_last(ada).await.unwrap(), AdminRemoval::Removed);
    assert!(matches!(write_without_roles(&store, ada, 1).await, Commit::Done(_)));
    store.admins.add(ada, removal_count).await.unwrap();
    assert_eq!(listed_admins(&database).await, [bea]);
    // An account that still has the role is listed, although another one has left meanwhile.
    let cyn = insert_admin(&database, "cyn").await;
    let removal_count = store.admins.removal_count().await.unwrap();
    assert_eq!(store.admins.remove_unless_last(Ids::random().v4()).await.unwrap(), AdminRemoval::Removed);
    store.admins.add(cyn, removal_count).await.unwrap();
    let mut both = [bea, cyn];
    both.sort_unstable();
    assert_eq!(listed_admins(&database).await, both);
}
