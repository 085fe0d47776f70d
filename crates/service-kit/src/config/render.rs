//! Renders the effective configuration as TOML without secrets.

use toml::{Table, Value};

use super::{
    ConfigError, Origin,
    keys::KnownKeys,
    layers::{Entry, Layers},
};

const REDACTED: &str = "<redacted>";

/// Renders the configuration. `layers` are the layers as collected, with the names of secret files;
/// `resolved` are the layers with the secrets in place of the file names.
pub(super) fn effective(keys: &KnownKeys, layers: &Layers, resolved: &Layers) -> Result<String, ConfigError> {
    let mut root = Table::new();
    for key in shown_keys(keys, layers, resolved) {
        let secret_of_file = key.strip_suffix("_file").filter(|secret| keys.is_secret(secret));
        let value = if keys.is_secret(&key) {
            let shown = if is_set(resolved, &key) { REDACTED } else { "" };
            Some(Value::from(shown))
        } else if secret_of_file.is_some_and(|secret| !is_from_file(resolved, secret)) {
            // A file is named, but another value overrides it.
            layers.get(&key).map(|_| Value::from(""))
        } else {
            layers.get(&key).map(|entry| entry.value.clone())
        };
        if let Some(value) = value {
            insert_at(&mut root, &keys.path(&key), value);
        }
    }
    for table in keys.open_tables() {
        create_tables(&mut root, &table.split('.').collect::<Vec<_>>());
    }
    Ok(root.to_string())
}

fn is_set(layers: &Layers, key: &str) -> bool {
    layers.get(key).is_some_and(Entry::is_set)
}

fn is_from_file(resolved: &Layers, secret: &str) -> bool {
    resolved.get(secret).is_some_and(|entry| matches!(entry.origin, Origin::SecretFile(_)))
}

/// Returns the keys to show, in the order of the defaults, each secret next to its `_file` key.
fn shown_keys(keys: &KnownKeys, layers: &Layers, resolved: &Layers) -> Vec<String> {
    let mut shown: Vec<String> = Vec::new();
    let mut show = |key: &str| {
        if !shown.iter().any(|other| other == key) {
            shown.push(key.to_owned());
        }
    };
    for key in keys.leaves() {
        let secret = key.strip_suffix("_file").filter(|s| keys.is_secret(s)).unwrap_or(key);
        show(secret);
        if keys.is_secret(secret) {
            show(&format!("{secret}_file"));
        }
        show(key);
    }
    for secret in keys.secrets() {
        // Secrets in open tables are shown only if they are set.
        if keys.open_table_of(secret).is_none() || resolved.get(secret).is_some() {
            show(secret);
        }
        show(&format!("{secret}_file"));
    }
    for table in keys.open_tables() {
        for member in layers.members_of(table) {
            show(member);
        }
    }
    shown
}

/// Inserts a value at a path, and creates the tables in between.
fn insert_at(table: &mut Table, path: &[&str], value: Value) {
    if let Some((name, tables)) = path.split_last() {
        create_tables(table, tables).insert((*name).to_owned(), value);
    }
}

/// Returns the table at a path, and creates it if necessary.
fn create_tables<'a>(mut table: &'a mut Table, path: &[&str]) -> &'a mut Table {
    for name in path {
        let entry = table.entry(*name).or_insert_with(|| Value::Table(Table::new()));
        match entry {
            Value::Table(inner) => table = inner,
            _ => unreachable!("a key is a value or a table, never both"),
        }
    }
    table
}
