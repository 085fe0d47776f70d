//! The profiler of a service's database, which records every command.

use bson::{Document, doc};
use mongodb::Database;
use test_support::{DEADLINE, wait_for};

/// Waits for the index that the user service builds last, so that nothing of the start is recorded, and starts the
/// profiler.
///
/// # Panics
/// Panics if the index is missing after 30 s, or if the database refuses a command.
pub async fn start(database: &Database) {
    wait_for_last_index(database).await;
    record(database).await;
}

/// Starts the profiler.
///
/// # Panics
/// Panics if the database refuses a command.
pub async fn record(database: &Database) {
    let collection = doc! { "create": "system.profile", "capped": true, "size": 64 * 1024 * 1024 };
    database.run_command(collection).await.expect("a capped collection can be created");
    set_level(database, 2).await;
}

/// Switches the profiler off (0), or makes it record every command (2).
///
/// # Panics
/// Panics if the database refuses the command.
pub async fn set_level(database: &Database, level: i32) {
    database.run_command(doc! { "profile": level }).await.expect("the profiler can be switched");
}

/// Waits for the indexes that only improve speed, which are built while the service already runs.
///
/// # Panics
/// Panics if the last one is missing after 30 s.
pub async fn wait_for_last_index(database: &Database) {
    wait_for_index(database, "audit", "retention").await;
}

/// Waits for an index of a collection.
///
/// # Panics
/// Panics if it is missing after 30 s.
pub async fn wait_for_index(database: &Database, collection: &str, name: &str) {
    let collection = database.collection::<Document>(collection);
    wait_for(DEADLINE, "the last index", async || {
        let names = collection.list_index_names().await.unwrap_or_default();
        names.iter().any(|index| index == name).then_some(())
    })
    .await;
}
