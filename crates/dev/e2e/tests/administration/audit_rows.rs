//! Rows of the audit log, and the roles in an access token.

use bson::{Document, doc};
use e2e::accounts::parse_uuid;
use futures_util::TryStreamExt as _;
use serde_json::Value;
use test_support::{DEADLINE, World, wait_for};

/// Waits until the log of an account has `count` rows of a type, and returns them.
pub(crate) async fn wait_for_audit_rows(world: &World, user: &str, event_type: &str, count: usize) -> Vec<Document> {
    let rows = world.user_collection("audit").await;
    let filter = doc! { "userId": parse_uuid(user), "type": event_type };
    wait_for(DEADLINE, &format!("{count} rows of {event_type}"), async || {
        let found = rows.find(filter.clone()).sort(doc! { "at": 1 }).await.expect("audit can be read");
        let found: Vec<Document> = found.try_collect().await.expect("audit can be read");
        (found.len() >= count).then_some(found)
    })
    .await
}

/// Returns a text field of a row, or an empty text if it is absent.
pub(crate) fn text<'a>(row: &'a Document, field: &str) -> &'a str {
    row.get_str(field).unwrap_or_default()
}

pub(crate) fn roles_claim(access_token: &str) -> Value {
    use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
    let claims = access_token.split('.').nth(1).expect("a JWT has three parts");
    let claims = BASE64_URL_SAFE_NO_PAD.decode(claims).expect("a part of a JWT is base64url");
    serde_json::from_slice::<Value>(&claims).expect("claims are JSON")["roles"].clone()
}
