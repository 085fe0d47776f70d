//! The secret of the session salts on a real MongoDB: replicas that start at the same time have the same one.

use std::time::Duration;

use bson::{Document, doc};
use futures_util::future::join_all;
use service_kit::Ids;
use test_support::{Stack, count};
use tokio_util::sync::CancellationToken;
use user_service::{
    keys::{KeyEncryptionKey, SessionSalts},
    store::Store,
    tokens::{RefreshToken, RefreshTokens},
};

const REPLICAS: usize = 16;

#[tokio::test]
async fn replicas_that_start_at_the_same_time_verify_each_others_tokens_without_a_row() {
    let name = format!("session-salts-{}-{}", std::process::id(), Ids::random().v4().simple());
    let database = Stack::from_env().mongodb().await.database(&name);
    let keys = Store::new(&database, Duration::from_secs(10), 100).keys;
    // 32 bytes in Base64.
    let text = format!("{}=", "A".repeat(43));
    let encryption = KeyEncryptionKey::from_base64(&text.into()).expect("a key");
    let replica = async |_| {
        let salts = SessionSalts::default();
        salts.load(&keys, &CancellationToken::new()).await;
        RefreshTokens::new(&encryption, salts)
    };
    let replicas: Vec<RefreshTokens> = join_all((0..REPLICAS).map(replica)).await;
    let session = Ids::random().v4();
    for issuing in &replicas {
        let token = issuing.issue(session, &issuing.new_salt(session), 1);
        let token = RefreshToken::parse(&token).expect("a token");
        assert!(replicas.iter().all(|verifying| verifying.is_genuine_by_derived_salt(&token)));
    }
    assert_eq!(count(&database.collection::<Document>("keys"), doc! {}).await, 1);
    database.drop().await.expect("a database of this test");
}
