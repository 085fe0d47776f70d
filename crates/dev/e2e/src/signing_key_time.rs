//! Simulates that time passes for the signing keys.

use bson::doc;
use test_support::World;

/// A minute in milliseconds.
pub const MINUTE: i64 = 60_000;

/// Moves the stored times of the signing keys back. Only their distance to the clock of the database counts.
///
/// # Panics
/// Panics if there are no keys.
pub async fn advance_signing_key_time(world: &World, millis: i64) {
    let back = |field: &str| {
        doc! { "$cond": [{ "$eq": [{ "$type": field }, "missing"] }, "$$REMOVE", { "$subtract": [field, millis] }] }
    };
    let times = doc! { "signFrom": back("$$this.signFrom"), "signUntil": back("$$this.signUntil") };
    let moved = doc! { "$map": { "input": "$keys", "in": { "$mergeObjects": ["$$this", times] } } };
    let keys = world.user_collection("keys").await;
    let update = vec![doc! { "$set": { "keys": moved } }];
    let updated = keys.update_one(doc! { "_id": "signing-keys" }, update).await.expect("keys can be written");
    assert_eq!(updated.matched_count, 1);
}
