//! MongoDB without a service around it: clients, bulk set-up, and what it was asked.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use bson::{Document, RawDocumentBuf, doc};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use mongodb::{
    Client, Collection, Database, IndexModel,
    options::{Acknowledgment, ClientOptions, CollectionOptions, ReadConcern, WriteConcern},
};

/// As many connections as a service may have.
const CONNECTIONS: u32 = 64;
/// Documents of one insert of a set-up, and such inserts at once.
const BLOCK_SIZE: usize = 2_000;
const CONCURRENT_INSERTS: usize = 4;

/// A client that writes and reads as the services do: to a majority and its journal, and
/// what a majority has.
pub(crate) async fn client(uri: &str) -> Result<Client> {
    let mut options = ClientOptions::parse(uri).await?;
    options.write_concern = Some(WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build());
    options.read_concern = Some(ReadConcern::majority());
    options.max_pool_size = Some(CONNECTIONS);
    Ok(Client::with_options(options)?)
}

/// Inserts what a measurement begins with, without waiting for the journal.
pub(crate) async fn bulk_insert(
    collection: &Collection<Document>,
    documents: impl IntoIterator<Item = Document>,
) -> Result<()> {
    let concern = WriteConcern::builder().w(Acknowledgment::Nodes(1)).journal(false).build();
    let options = CollectionOptions::builder().write_concern(concern).build();
    let database = collection.client().database(&collection.namespace().db);
    let collection = database.collection_with_options::<RawDocumentBuf>(collection.name(), options);
    let mut documents = documents.into_iter().map(|document| RawDocumentBuf::try_from(&document));
    let blocks = std::iter::from_fn(|| {
        let block: Result<Vec<_>, _> = documents.by_ref().take(BLOCK_SIZE).collect();
        block.map(|block| (!block.is_empty()).then_some(block)).transpose()
    });
    let inserts = stream::iter(blocks).map(|block| {
        let collection = collection.clone();
        async move { anyhow::Ok(collection.insert_many(block?).ordered(false).await.map(drop)?) }
    });
    inserts.buffer_unordered(CONCURRENT_INSERTS).try_collect().await
}

/// All indexes but that of `_id`.
pub(crate) async fn indexes(collection: &Collection<Document>) -> Result<Vec<IndexModel>> {
    let all: Vec<IndexModel> = collection.list_indexes().await?.try_collect().await?;
    Ok(all.into_iter().filter(|index| index.keys != doc! { "_id": 1 }).collect())
}

/// The same indexes as another collection has.
pub(crate) async fn copy_indexes(collection: &Collection<Document>, model: &Collection<Document>) -> Result<()> {
    let indexes = indexes(model).await?;
    if !indexes.is_empty() {
        collection.create_indexes(indexes).await?;
    }
    Ok(())
}

/// Waits for an index that a service builds behind its readiness.
pub(crate) async fn wait_for_index(collection: &Collection<Document>, name: &str) -> Result<()> {
    loop {
        // Of a collection that is not there yet there are none.
        let names = collection.list_index_names().await.unwrap_or_default();
        if names.iter().any(|index| index == name) {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// Many updates in one command, each on its own, as the services send them.
pub(crate) async fn bulk_update(collection: &Collection<Document>, updates: Vec<Document>) -> Result<()> {
    if updates.is_empty() {
        return Ok(());
    }
    let command = doc! {
        "update": collection.name(),
        "updates": updates,
        "ordered": false,
        "writeConcern": { "w": "majority", "j": true },
    };
    let answer = collection.client().database(&collection.namespace().db).run_command(command).await?;
    anyhow::ensure!(!answer.contains_key("writeErrors"), "an update of a batch failed");
    Ok(())
}

/// How many commands of each kind the server has had so far.
pub(crate) async fn command_counts(client: &Client) -> Result<BTreeMap<String, i64>> {
    let status = client.database("admin").run_command(doc! { "serverStatus": 1 }).await?;
    let commands = status.get_document("metrics")?.get_document("commands")?;
    let kinds = ["find", "getMore", "insert", "update", "findAndModify", "delete", "aggregate"];
    let total = |kind: &str| {
        let count = commands.get_document(kind).ok()?.get_i64("total").ok()?;
        Some((kind.to_owned(), count))
    };
    Ok(kinds.into_iter().filter_map(total).collect())
}

/// Those between two looks, for so many of what was done: `find 0.02, update 0.01`.
pub(crate) fn commands_per_item(before: &BTreeMap<String, i64>, after: &BTreeMap<String, i64>, done: f64) -> String {
    let one = |(kind, count): (&String, &i64)| {
        let more = count - before.get(kind).copied().unwrap_or(0);
        (more as f64 / done >= 0.0005).then(|| format!("{kind} {:.3}", more as f64 / done))
    };
    after.iter().filter_map(one).collect::<Vec<_>>().join(", ")
}

/// Those that read or write documents.
const ON_DOCUMENTS: [&str; 6] = ["aggregate", "delete", "find", "findAndModify", "insert", "update"];

/// Of the server that has this database, since it was started.
pub(crate) async fn document_commands(database: &Database) -> Result<f64> {
    let status = database.run_command(doc! { "serverStatus": 1 }).await?;
    let commands = status.get_document("metrics")?.get_document("commands")?;
    ON_DOCUMENTS.iter().map(|name| Ok(commands.get_document(name)?.get_i64("total")? as f64)).sum()
}

/// The memory that the server keeps documents in, in MiB; what it was started with is 256.
pub(crate) async fn set_cache_size(client: &Client, mib: u32) -> Result<()> {
    let command = doc! { "setParameter": 1, "wiredTigerEngineRuntimeConfig": format!("cache_size={mib}M") };
    client.database("admin").run_command(command).await.context("the size of mongod's cache")?;
    Ok(())
}
