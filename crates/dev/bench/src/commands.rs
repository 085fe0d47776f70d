//! How many commands mongod has carried out, by its own count and for whomever.

use anyhow::Result;
use bson::doc;
use mongodb::Database;

/// Those that read or write documents.
const ON_DOCUMENTS: [&str; 6] = ["aggregate", "delete", "find", "findAndModify", "insert", "update"];

/// Of the server that has this database, since it was started.
pub(crate) async fn carried_out(database: &Database) -> Result<f64> {
    let status = database.run_command(doc! { "serverStatus": 1 }).await?;
    let commands = status.get_document("metrics")?.get_document("commands")?;
    ON_DOCUMENTS.iter().map(|name| Ok(commands.get_document(name)?.get_i64("total")? as f64)).sum()
}
