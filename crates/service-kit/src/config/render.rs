//! Renders the effective configuration as TOML without secrets.

use toml::{Table, Value};

use super::{
    keys::KnownKeys,
    layers::Values,
    tables::{create_tables, insert_at},
};

const REDACTED: &str = "<redacted>";

/// Renders the configuration in the order of the defaults, each secret next to its `_file` key.
pub(super) fn effective(keys: &KnownKeys, values: &Values) -> String {
    let mut root = Table::new();
    // A key that is shown already keeps its place.
    let mut show = |key: &str| {
        let value = match values.get(key) {
            Some(entry) if keys.is_secret(key) => Value::from(if entry.is_set() { REDACTED } else { "" }),
            Some(entry) => entry.value.clone(),
            // Secrets in open tables are shown only if they are set.
            None if keys.is_secret(key) && keys.open_table_of(key).is_none() => Value::from(""),
            None => return,
        };
        insert_at(&mut root, &keys.path(key), value);
    };
    let leaves = keys.leaves().map(|key| keys.secret_of_file(key).unwrap_or(key));
    for key in leaves.chain(keys.secrets().iter().map(String::as_str)) {
        show(key);
        if keys.is_secret(key) {
            show(&format!("{key}_file"));
        }
    }
    values.0.keys().for_each(|key| show(key));
    for table in keys.open_tables() {
        create_tables(&mut root, &table.split('.').collect::<Vec<_>>());
    }
    root.to_string()
}
