//! The size of a database, on disk and in the server's cache, by collection and index.

use anyhow::{Context as _, Result};
use bson::{Bson, Document, doc};
use mongodb::{Client, Database, IndexModel, options::Hint};

use super::population::Population;
use crate::{
    database,
    report::{Goal, Row},
    sampling::Sample,
};

/// The collections that grow with the number of users. The other ones stay small.
const COLLECTIONS: [&str; 3] = ["users", "sessions", "audit"];
/// An index that has less than this per user is not worth a remark.
const NEGLIGIBLE_BYTES: f64 = 0.05;

/// The bytes per user of one collection and of each of its indexes.
struct CollectionBytes {
    collection: &'static str,
    /// The size of one document without compression.
    document: f64,
    rows: f64,
    indexes: Vec<(String, f64)>,
}

impl CollectionBytes {
    fn index_bytes(&self) -> f64 {
        self.indexes.iter().map(|(_, bytes)| bytes).sum()
    }

    fn index_remark(&self) -> String {
        let sizeable = self.indexes.iter().filter(|(_, bytes)| *bytes >= NEGLIGIBLE_BYTES);
        let all: Vec<_> = sizeable.map(|(name, bytes)| format!("{name} {bytes:.1}")).collect();
        all.join(", ")
    }
}

/// Returns the rows about the space on disk.
pub(super) async fn on_disk(client: &Client, population: &Population) -> Result<Vec<Row>> {
    let database = client.database(population.database());
    let (users, mut rows, mut all) = (population.size() as f64, Vec::new(), 0.0);
    for collection in COLLECTIONS {
        let stats = statistics(&database, collection).await?;
        let indexes = stats.get_document("indexSizes")?;
        let indexes = indexes.iter().map(|(name, bytes)| Ok((name.clone(), number(bytes)? / users)));
        let bytes = CollectionBytes {
            collection,
            document: number(stats.get("avgObjSize").context("avgObjSize")?)?,
            rows: number(stats.get("storageSize").context("storageSize")?)? / users,
            indexes: indexes.collect::<Result<_>>()?,
        };
        all += bytes.rows + bytes.index_bytes();
        let document = format!("a document has {:.0} B before compression", bytes.document);
        rows.push(bytes_row(format!("{}: rows on disk, for each user", bytes.collection), bytes.rows, document));
        let name = format!("{}: indexes on disk, for each user", bytes.collection);
        rows.push(bytes_row(name, bytes.index_bytes(), bytes.index_remark()));
    }
    let remark = format!("{:.2} GB for {users} users; {}", all * users / 1e9, population.load_time());
    rows.push(bytes_row("all of it on disk, for each user".to_owned(), all, remark));
    Ok(rows)
}

/// Returns the rows about the space in the server's cache, which must be large enough for the whole database.
pub(super) async fn in_memory(client: &Client, population: &Population) -> Result<Vec<Row>> {
    let database = client.database(population.database());
    read_everything(&database).await?;
    let (users, mut rows, mut all) = (population.size() as f64, Vec::new(), 0.0);
    for collection in COLLECTIONS {
        let stats = statistics(&database, collection).await?;
        let details = stats.get_document("indexDetails")?;
        let indexes = details.iter().map(|(name, details)| {
            let details = details.as_document().context("the details of an index")?;
            Ok((name.clone(), cached_bytes(details)? / users))
        });
        let bytes = CollectionBytes {
            collection,
            document: 0.0,
            rows: cached_bytes(stats.get_document("wiredTiger")?)? / users,
            indexes: indexes.collect::<Result<_>>()?,
        };
        all += bytes.rows + bytes.index_bytes();
        let name = format!("{}: in memory, for each user", bytes.collection);
        let remark = format!("rows {:.0}, {}", bytes.rows, bytes.index_remark());
        rows.push(bytes_row(name, bytes.rows + bytes.index_bytes(), remark));
    }
    let remark = format!("{:.2} GB for {users} users, all of whose rows and indexes were read", all * users / 1e9);
    rows.push(bytes_row("all of it in memory, for each user".to_owned(), all, remark));
    Ok(rows)
}

/// Reads all rows and indexes of the database, so that they are in the server's cache as far as it is large enough.
/// The indexes are read last, because a server that has run for long keeps them.
pub(super) async fn read_everything(database: &Database) -> Result<()> {
    for collection in COLLECTIONS {
        count(database, collection, doc! { "absent": 1 }, Hint::Keys(doc! { "$natural": 1 })).await?;
    }
    for collection in COLLECTIONS {
        for index in database::indexes(&database.collection(collection)).await? {
            let filter = filter_for(&index);
            let name = index.options.and_then(|options| options.name).context("the name of an index")?;
            count(database, collection, filter, Hint::Name(name)).await?;
        }
        count(database, collection, doc! {}, Hint::Name("_id_".to_owned())).await?;
    }
    Ok(())
}

/// Returns a filter for everything in the index. A server reads the documents too if it is asked which ones have a
/// field, but not if it is asked for those with a text in it, which all sizeable indexes of that kind have.
fn filter_for(index: &IndexModel) -> Document {
    let partial = index.options.as_ref().and_then(|options| options.partial_filter_expression.clone());
    let partial = partial.unwrap_or_default();
    match (index.keys.keys().next(), partial.iter().next()) {
        (Some(key), Some((field, Bson::Document(condition)))) if key == field && condition.contains_key("$exists") => {
            doc! { key: { "$gte": "" } }
        }
        _ => partial,
    }
}

async fn count(database: &Database, collection: &str, filter: Document, hint: Hint) -> Result<()> {
    let rows = database.collection::<Document>(collection);
    rows.count_documents(filter).hint(hint).await.with_context(|| format!("the count of {collection}"))?;
    Ok(())
}

async fn statistics(database: &Database, collection: &str) -> Result<Document> {
    Ok(database.run_command(doc! { "collStats": collection }).await?)
}

fn cached_bytes(statistics: &Document) -> Result<f64> {
    let cache = statistics.get_document("cache")?;
    number(cache.get("bytes currently in the cache").context("bytes currently in the cache")?)
}

pub(super) fn number(value: &Bson) -> Result<f64> {
    let whole = value.as_i64().or_else(|| value.as_i32().map(i64::from)).map(|whole| whole as f64);
    whole.or_else(|| value.as_f64()).context("a number")
}

fn bytes_row(name: String, bytes: f64, remark: String) -> Row {
    Row::value(name, "B", Sample::from_rounds(&[bytes]), Goal::None).note(remark)
}

#[cfg(test)]
mod tests {
    use mongodb::options::IndexOptions;

    use super::*;

    #[test]
    fn everything_in_an_index_is_counted_without_reading_the_documents() {
        let filter = |keys: Document, partial: Option<Document>| {
            let options = IndexOptions::builder().partial_filter_expression(partial).build();
            filter_for(&IndexModel::builder().keys(keys).options(options).build())
        };
        assert_eq!(filter(doc! { "at": 1 }, None), doc! {});
        let with_status = doc! { "status": { "$exists": true } };
        assert_eq!(filter(doc! { "status": 1, "_id": -1 }, Some(with_status)), doc! { "status": { "$gte": "" } });
        let unverified = doc! { "emailVerified": false };
        assert_eq!(filter(doc! { "createdAt": 1 }, Some(unverified.clone())), unverified);
        let with_role = doc! { "roles.0": { "$exists": true } };
        assert_eq!(filter(doc! { "roles": 1 }, Some(with_role.clone())), with_role);
    }
}
