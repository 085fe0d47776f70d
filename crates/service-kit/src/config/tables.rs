//! Nested TOML tables, addressed by paths.

use toml::{Table, Value};

/// Inserts a value at a path, and creates the tables in between.
pub(super) fn insert_at(table: &mut Table, path: &[&str], value: Value) {
    if let Some((name, tables)) = path.split_last() {
        create_tables(table, tables).insert((*name).to_owned(), value);
    }
}

/// Returns the table at a path, and creates it if necessary.
pub(super) fn create_tables<'a>(mut table: &'a mut Table, path: &[&str]) -> &'a mut Table {
    for name in path {
        match table.entry(*name).or_insert_with(|| Table::new().into()) {
            Value::Table(inner) => table = inner,
            _ => unreachable!("a key is a value or a table, never both"),
        }
    }
    table
}
