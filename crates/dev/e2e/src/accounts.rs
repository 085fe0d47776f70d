//! Accounts whose address counts as verified.

use bson::{Document, doc};
use test_support::{TestUser, World};

/// As if the person had followed the verification link, for tests of what needs a verified address.
///
/// # Panics
/// When there is no such account.
pub async fn mark_email_verified(world: &World, person: &TestUser) {
    let users = world.user_database().await.collection::<Document>("users");
    let change = doc! { "$set": { "emailVerified": true } };
    let updated = users.update_one(doc! { "email": &person.email }, change).await.expect("users can be written");
    assert_eq!(updated.matched_count, 1);
}
