//! Updates that the service repeats instead of the driver (docs/adr/0021), on a replica set.

use std::time::Duration;

use bson::{Document, doc};
use mongodb::{
    Collection, Database,
    options::{Acknowledgment, CollectionOptions, ReturnDocument, WriteConcern},
};
use service_kit::{
    MongoConfig,
    mongo::{self, RepeatableUpdate, StoreError, with_deadline},
};
use test_support::{IsolatedMongod, Stack, TcpProxy};

const DEADLINE: Duration = Duration::from_secs(10);

async fn database(address: &str) -> Database {
    let uri = format!("mongodb://{address}/?directConnection=true");
    let config = MongoConfig { uri: uri.into(), database: String::new(), operation_timeout: DEADLINE };
    mongo::client(&config, "repeatable-writes").await.expect("the URI is valid").database("repeatable")
}

fn count() -> Vec<Document> {
    vec![doc! { "$set": { "n": { "$add": [{ "$ifNull": ["$n", 0_i32] }, 1_i32] } } }]
}

fn counting(upsert: bool) -> RepeatableUpdate {
    let pipeline = mongo::stages(&count()).expect("the stages are valid");
    RepeatableUpdate { filter: doc! { "_id": "counter" }, pipeline, upsert, ..RepeatableUpdate::default() }
}

async fn counted(rows: &Collection<Document>) -> Result<Option<i32>, StoreError> {
    let row = with_deadline(DEADLINE, counting(true).run(rows)).await?;
    Ok(row.map(|row| row.get_i32("n").expect("the row has its number")))
}

#[tokio::test]
async fn a_repeatable_update_leaves_no_copy_for_the_driver() {
    let mongod = IsolatedMongod::start_replica_set(&Stack::from_env(), "no-copies").await;
    let database = database(&mongod.address()).await;
    let rows = database.collection::<Document>("rows");
    let copies = async || {
        let of = |name| database.client().database("config").collection::<Document>(name);
        let images = of("image_collection").count_documents(doc! {}).await.expect("it can be counted");
        (images, of("transactions").count_documents(doc! {}).await.expect("it can be counted"))
    };
    assert_eq!(counted(&rows).await.expect("it is written"), Some(1));
    let only_number = RepeatableUpdate { projection: doc! { "_id": 0, "n": 1 }, ..counting(true) };
    let updated = with_deadline(DEADLINE, only_number.run(&rows)).await.expect("it is written");
    assert_eq!(updated, Some(doc! { "n": 2_i32 }));
    assert_eq!(copies().await, (0, 0));
    let update = rows.find_one_and_update(doc! { "_id": "counter" }, count()).return_document(ReturnDocument::After);
    let _ = update.await.expect("it is written");
    assert_eq!(copies().await, (1, 1));
}

#[tokio::test]
async fn an_update_whose_reply_is_lost_is_repeated_at_once() {
    let mongod = IsolatedMongod::start_replica_set(&Stack::from_env(), "lost-reply").await;
    let proxy = TcpProxy::start(&mongod.address()).await.expect("a proxy can listen");
    let rows = database(&proxy.address()).await.collection::<Document>("rows");
    assert_eq!(counted(&rows).await.expect("it is written"), Some(1));
    proxy.lose_reply_to(b"\x02findAndModify\0".to_vec());
    assert_eq!(counted(&rows).await.expect("it is written"), Some(3), "the attempt without a reply took effect");
    assert_eq!(proxy.lost_replies(), 1);
}

#[tokio::test]
async fn errors_of_a_repeatable_update_are_those_of_the_driver() {
    let mongod = IsolatedMongod::start_replica_set(&Stack::from_env(), "repeatable-errors").await;
    let database = database(&mongod.address()).await;
    let rows = database.collection::<Document>("rows");
    let nothing = with_deadline(DEADLINE, counting(false).run(&rows)).await;
    assert_eq!(nothing.expect("nothing matches"), None);
    let pipeline = mongo::stages(&[doc! { "$set": { "n": { "$unknown": 1 } } }]).expect("the stages are valid");
    let wrong = RepeatableUpdate { pipeline, ..counting(true) };
    let error = with_deadline(DEADLINE, wrong.run(&rows)).await.expect_err("the operator is unknown");
    assert!(matches!(error, StoreError::Other(_)), "{error:?}");
    // The set has one member.
    let two = WriteConcern::builder().w(Acknowledgment::Nodes(2)).build();
    let options = CollectionOptions::builder().write_concern(two).build();
    let error = counted(&database.collection_with_options("rows", options)).await.expect_err("no second member");
    assert!(matches!(error, StoreError::Unavailable(_)) && error.outcome_unknown(), "{error:?}");
}
