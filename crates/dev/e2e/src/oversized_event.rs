//! An event that every broker refuses because of its size, and the account that it belongs to.

use bson::{DateTime, Document, Uuid, doc};
use mongodb::Collection;
use serde_json::json;
use test_support::{DEADLINE, World, wait_for};

async fn users(world: &World) -> Collection<Document> {
    world.user_database().await.collection("users")
}

/// Inserts an event of 2 MB into the pending list of an account, and returns its id. No request can cause such an
/// event; a later version with larger events might.
///
/// # Panics
/// Panics if the account does not exist.
pub async fn insert_oversized_event(world: &World, user: &str) -> String {
    let event = Uuid::new();
    let user = Uuid::parse_str(user).expect("an id is a UUID");
    let users = users(world).await;
    let found = users.find_one(doc! { "_id": user }).await.expect("users can be read").expect("the user exists");
    let sequence = found.get_i64("version").expect("a user has a version") + 1;
    let data = json!({ "userId": user.to_string(), "changed": ["x".repeat(2 * 1024 * 1024)] }).to_string();
    let entry = doc! {
        "id": event, "type": "user.profile_updated.v1", "sequence": sequence, "at": DateTime::from_millis(0),
        "data": data, "audit": { "actor": "self" },
    };
    let update = doc! { "$push": { "pendingEvents": entry }, "$inc": { "version": 1_i64 } };
    let _ = users.update_one(doc! { "_id": user }, update).await.expect("the user can be changed");
    event.to_string()
}

/// Waits until the account was parked at least `attempts` times.
///
/// # Panics
/// Panics after 30 s.
pub async fn wait_until_parked(world: &World, user: &str, attempts: i32) {
    let user = Uuid::parse_str(user).expect("an id is a UUID");
    let users = users(world).await;
    wait_for(DEADLINE, "the user to be parked", async || {
        let filter = doc! { "_id": user, "parked.attempts": { "$gte": attempts } };
        users.find_one(filter).await.expect("users can be read")
    })
    .await;
}
