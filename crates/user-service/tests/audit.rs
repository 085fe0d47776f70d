//! Audit rows without an event on a real MongoDB: how many of a batch are written.

use std::time::Duration;

use bson::{Document, doc};
use jiff::{SignedDuration, Timestamp};
use mongodb::Database;
use service_kit::{Clock, Ids};
use test_support::{Stack, count};
use user_service::store::{AuditDetails, AuditOnlyKind, AuditRow, Store};
use uuid::Uuid;

const DEADLINE: Duration = Duration::from_secs(10);
/// The limit for each user and kind.
const LIMIT: usize = 20;

async fn new_store() -> (Database, Store) {
    let name = format!("audit-{}-{}", std::process::id(), Ids::random().v4().simple());
    let database = Stack::from_env().mongodb().await.database(&name);
    let store = Store::new(&database, DEADLINE, 100);
    (database, store)
}

fn rows(number: usize, user: Uuid, kind: AuditOnlyKind, at: Timestamp) -> Vec<AuditRow> {
    let row = |_| {
        let details = AuditDetails { actor: "self".to_owned(), address: None, client: None, reason: None };
        AuditRow { id: Ids::random().v4(), user, at, kind, details, target: None }
    };
    (0..number).map(row).collect()
}

async fn count_rows(database: &Database, user: Uuid) -> u64 {
    count(&database.collection::<Document>("audit"), doc! { "userId": bson::Uuid::from(user) }).await
}

#[tokio::test]
async fn a_batch_is_written_up_to_the_limit_of_each_user_and_kind() {
    let (database, store) = new_store().await;
    let (ada, eve, now) = (Ids::random().v4(), Ids::random().v4(), Clock::system().now());
    let failed = AuditOnlyKind::LoginFailed;
    // Rows of the hour before do not count.
    let earlier = now - SignedDuration::from_mins(61);
    assert_eq!(store.audit.record(&rows(LIMIT, ada, failed, earlier)).await.unwrap(), LIMIT);
    assert_eq!(store.audit.record(&rows(LIMIT - 2, ada, failed, now)).await.unwrap(), LIMIT - 2);

    let mut batch = rows(5, ada, failed, now);
    batch.extend(rows(3, ada, AuditOnlyKind::LoggedOut, now));
    batch.extend(rows(LIMIT + 4, eve, failed, now));
    assert_eq!(store.audit.record(&batch).await.unwrap(), 2 + 3 + LIMIT);
    assert_eq!(count_rows(&database, ada).await, 2 * LIMIT as u64 + 3);
    assert_eq!(count_rows(&database, eve).await, LIMIT as u64);
    assert_eq!(store.audit.record(&rows(1, eve, failed, now)).await.unwrap(), 0);
    database.drop().await.unwrap();
}

#[tokio::test]
async fn a_batch_that_is_written_again_adds_no_row() {
    let (database, store) = new_store().await;
    let (ada, now) = (Ids::random().v4(), Clock::system().now());
    let batch = rows(3, ada, AuditOnlyKind::LoginFailed, now);
    for _ in 0..2 {
        assert_eq!(store.audit.record(&batch).await.unwrap(), 3);
        assert_eq!(count_rows(&database, ada).await, 3);
    }
    let ids: Vec<Uuid> = batch.iter().take(2).map(|row| row.id).collect();
    store.audit.remove(&ids).await.unwrap();
    assert_eq!(count_rows(&database, ada).await, 1);
    database.drop().await.unwrap();
}
