//! Tests with a real MongoDB server: indexes, duplicate keys, the monitor.
//!
//! `scripts/test` starts a server and sets `TEST_MONGODB_URI`. Without the variable these tests
//! print that they are skipped.

#![expect(clippy::disallowed_methods, reason = "a test waits for its own tasks")]
#![expect(clippy::unwrap_used, reason = "a test fails with a panic")]

use std::{env, time::Duration};

use mongodb::{
    Database,
    bson::{Bson, Document, doc},
};
use service_kit::{
    CheckState, Health, Ids, MongoConfig,
    mongo::{self, IndexError, IndexSpec, StoreError, ensure_indexes, with_deadline},
};
use tokio_util::sync::CancellationToken;

const DEADLINE: Duration = Duration::from_secs(10);

/// Returns a new database for this test, or `None` if there is no server.
async fn database() -> Option<Database> {
    let Ok(uri) = env::var("TEST_MONGODB_URI") else {
        eprintln!("SKIPPED: TEST_MONGODB_URI is not set; scripts/test sets it");
        return None;
    };
    let config = MongoConfig { uri: uri.into(), database: String::new(), operation_timeout: DEADLINE };
    let client = mongo::client(&config, "service-kit-tests").await.unwrap();
    Some(client.database(&format!("service-kit-{}", Ids::random().v4())))
}

fn expiring(seconds: u64) -> IndexSpec {
    IndexSpec::new("rows", "expiry", doc! { "at": 1 }).expire_after(Duration::from_secs(seconds))
}

async fn expiry_of(database: &Database) -> i64 {
    let answer = database.run_command(doc! { "listIndexes": "rows" }).await.unwrap();
    let indexes = answer.get_document("cursor").unwrap().get_array("firstBatch").unwrap();
    let mut indexes = indexes.iter().filter_map(Bson::as_document);
    let index = indexes.find(|index| index.get_str("name").is_ok_and(|name| name == "expiry")).unwrap();
    let seconds = index.get("expireAfterSeconds").unwrap();
    seconds.as_i64().or(seconds.as_i32().map(i64::from)).unwrap()
}

#[tokio::test]
async fn indexes_are_created_once_and_their_expiry_is_updated() {
    let Some(database) = database().await else { return };
    let specs = |seconds| {
        let unique = IndexSpec::new("rows", "name", doc! { "name": 1 }).unique();
        [unique.partial(doc! { "name": { "$exists": true } }), expiring(seconds)]
    };
    for seconds in [60, 60, 3600] {
        ensure_indexes(&database, &specs(seconds)).await.unwrap();
        assert_eq!(expiry_of(&database).await, i64::try_from(seconds).unwrap());
    }
    let error = ensure_indexes(&database, &[expiring(3600).unique()]).await.unwrap_err();
    assert!(matches!(error, IndexError::Conflict { collection: "rows", name: "expiry" }), "{error}");
    assert!(!error.is_transient());
    database.drop().await.unwrap();
}

#[tokio::test]
async fn a_duplicate_key_names_its_index_for_every_command() {
    let Some(database) = database().await else { return };
    let unique = IndexSpec::new("rows", "name-unique", doc! { "name": 1 }).unique();
    ensure_indexes(&database, &[unique]).await.unwrap();
    let rows = database.collection::<Document>("rows");
    let ada = || doc! { "name": "ada@example.org" };
    rows.insert_many([ada(), doc! { "name": "bob" }]).await.unwrap();

    let to_ada = || doc! { "$set": ada() };
    let bob = || doc! { "name": "bob" };
    for result in [
        with_deadline(DEADLINE, rows.insert_one(ada())).await.map(drop),
        with_deadline(DEADLINE, rows.insert_many([doc! { "name": "cy" }, ada()])).await.map(drop),
        with_deadline(DEADLINE, rows.update_one(bob(), to_ada())).await.map(drop),
        with_deadline(DEADLINE, rows.find_one_and_update(bob(), to_ada())).await.map(drop),
        with_deadline(DEADLINE, rows.replace_one(bob(), ada())).await.map(drop),
    ] {
        let error = result.unwrap_err();
        assert!(matches!(&error, StoreError::DuplicateKey { index } if index == "name-unique"), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("ada"), "{error:?}");
    }
    database.drop().await.unwrap();
}

#[tokio::test]
async fn an_operation_that_times_out_has_an_unknown_outcome() {
    let Some(database) = database().await else { return };
    let rows = database.collection::<Document>("rows");
    rows.insert_one(doc! {}).await.unwrap();
    let slow = rows.find_one(doc! { "$where": "sleep(2000) || true" });
    let error = with_deadline(Duration::from_millis(100), slow).await.unwrap_err();
    assert!(matches!(error, StoreError::Timeout), "{error:?}");
    assert!(error.outcome_unknown());
    database.drop().await.unwrap();
}

#[tokio::test]
async fn an_index_is_created_once_the_one_in_its_way_is_dropped() {
    let Some(database) = database().await else { return };
    let (plain, stop) = (IndexSpec::new("rows", "key", doc! { "key": 1 }), CancellationToken::new());
    ensure_indexes(&database, std::slice::from_ref(&plain)).await.unwrap();
    let unique = [plain.unique()];
    let repair = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        database.collection::<Document>("rows").drop_index("key").await.unwrap();
    };
    let created = async { tokio::join!(mongo::create_indexes(&database, &unique, &stop), repair).0 };
    assert!(tokio::time::timeout(DEADLINE, created).await.expect("the index is created"));
    ensure_indexes(&database, &unique).await.unwrap();
    database.drop().await.unwrap();
}

#[tokio::test]
async fn the_monitor_reports_a_server_that_is_up() {
    let Some(database) = database().await else { return };
    let health = Health::new();
    let check = health.required("mongodb");
    let stop = CancellationToken::new();
    let monitor = tokio::spawn(mongo::monitor(database.collection("readiness"), check, stop.clone()));
    let up = async {
        while health.report().checks[0].1 != CheckState::Ok {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, up).await.expect("the check becomes ok");
    stop.cancel();
    monitor.await.unwrap();
    database.drop().await.unwrap();
}
