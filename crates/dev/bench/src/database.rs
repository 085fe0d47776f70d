//! MongoDB without a service: clients, bulk inserts for the set-up, and command counts.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use bson::{Document, RawDocumentBuf, doc};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use mongodb::{
    Client, Collection, Database, IndexModel,
    options::{Acknowledgment, ClientOptions, CollectionOptions, ReadConcern, WriteConcern},
};

/// The maximum number of connections, as in the services.
const CONNECTIONS: u32 = 64;
/// The number of documents in one insert of the set-up. At most `CONCURRENT_INSERTS` inserts run concurrently.
const BLOCK_SIZE: usize = 2_000;
const CONCURRENT_INSERTS: usize = 4;

/// Returns a client with the services' guarantees: journaled majority writes and majority reads.
pub(crate) async fn client(uri: &str) -> Result<Client> {
    let mut options = ClientOptions::parse(uri).await?;
    options.write_concern = Some(WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build());
    options.read_concern = Some(ReadConcern::majority());
    options.max_pool_size = Some(CONNECTIONS);
    Ok(Client::with_options(options)?)
}

/// Inserts the initial data of a measurement, without waiting for the journal.
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

/// Returns all indexes except that of `_id`.
pub(crate) async fn indexes(collection: &Collection<Document>) -> Result<Vec<IndexModel>> {
    let all: Vec<IndexModel> = collection.list_indexes().await?.try_collect().await?;
    Ok(all.into_iter().filter(|index| index.keys != doc! { "_id": 1 }).collect())
}

/// Creates the same indexes as `model` has.
pub(crate) async fn copy_indexes(collection: &Collection<Document>, model: &Collection<Document>) -> Result<()> {
    let indexes = indexes(model).await?;
    if !indexes.is_empty() {
        collection.create_indexes(indexes).await?;
    }
    Ok(())
}

/// Waits for an index that a service builds after it has become ready.
pub(crate) async fn wait_for_index(collection: &Collection<Document>, name: &str) -> Result<()> {
    loop {
        // A collection that does not exist yet has no indexes.
        let names = collection.list_index_names().await.unwrap_or_default();
        if names.iter().any(|index| index == name) {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// Waits until no event waits to be published.
pub(crate) async fn wait_until_published(users: &Collection<Document>) -> Result<()> {
    while users.find_one(doc! { "pendingEvents.0": { "$exists": true } }).await?.is_some() {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Sends many independent updates in one command, as the services do.
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
    let response = collection.client().database(&collection.namespace().db).run_command(command).await?;
    anyhow::ensure!(!response.contains_key("writeErrors"), "an update of a batch failed");
    Ok(())
}

/// Returns how many commands of each kind the server has executed so far.
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

/// Returns the number of commands per item between two counts, such as `find 0.02, update 0.01`.
pub(crate) fn commands_per_item(before: &BTreeMap<String, i64>, after: &BTreeMap<String, i64>, done: f64) -> String {
    let one = |(kind, count): (&String, &i64)| {
        let more = count - before.get(kind).copied().unwrap_or(0);
        (more as f64 / done >= 0.0005).then(|| format!("{kind} {:.3}", more as f64 / done))
    };
    after.iter().filter_map(one).collect::<Vec<_>>().join(", ")
}

/// The commands that read or write documents.
const ON_DOCUMENTS: [&str; 6] = ["aggregate", "delete", "find", "findAndModify", "insert", "update"];

/// Returns how many of these commands the database's server has executed since its start.
pub(crate) async fn document_commands(database: &Database) -> Result<f64> {
    let status = database.run_command(doc! { "serverStatus": 1 }).await?;
    let commands = status.get_document("metrics")?.get_document("commands")?;
    ON_DOCUMENTS.iter().map(|name| Ok(commands.get_document(name)?.get_i64("total")? as f64)).sum()
}

/// Sets the size of the server's document cache in MiB. It is started with 256.
pub(crate) async fn set_cache_size(client: &Client, mib: u32) -> Result<()> {
    let command = doc! { "setParameter": 1, "wiredTigerEngineRuntimeConfig": format!("cache_size={mib}M") };
    client.database("admin").run_command(command).await.context("the size of mongod's cache")?;
    Ok(())
}
