//! Merges the layers of a configuration, and checks each value against the known keys.

use std::{collections::BTreeMap, fs, path::Path};

use toml::{Table, Value};

use super::{ConfigError, Origin, coerce, error::parse_toml, keys::KnownKeys};

/// A value and its origin.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

impl Entry {
    /// Returns whether the value is set. Compose files pass `""` for values that are not.
    pub(super) fn is_set(&self) -> bool {
        match &self.value {
            Value::String(text) => !text.is_empty(),
            Value::Array(items) => !items.is_empty(),
            _ => true,
        }
    }

    pub(super) fn is_default(&self) -> bool {
        self.origin == Origin::Defaults
    }
}

/// The value of each dotted key, from the highest layer that contains it.
#[derive(Debug)]
pub(super) struct Values(pub(super) BTreeMap<String, Entry>);

impl Values {
    pub(super) fn merge(
        keys: &KnownKeys,
        file: Option<&Path>,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut values = Self(BTreeMap::new());
        values.insert_table(keys, keys.defaults(), "", &Origin::Defaults)?;
        if let Some(path) = file {
            let text =
                fs::read_to_string(path).map_err(|source| ConfigError::File { path: path.to_owned(), source })?;
            let origin = Origin::File(path.to_owned());
            values.insert_table(keys, &parse_toml(&text, &origin)?, "", &origin)?;
        }
        for (variable, value) in env {
            if let Some(key) = keys.key_of_variable(&variable) {
                values.insert(keys, key, Value::String(value), &Origin::Variable(variable))?;
            }
        }
        Ok(values)
    }

    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.0.get(key)
    }

    fn insert_table(
        &mut self,
        keys: &KnownKeys,
        table: &Table,
        prefix: &str,
        origin: &Origin,
    ) -> Result<(), ConfigError> {
        for (name, value) in table {
            let key = format!("{prefix}{name}");
            match value {
                // An empty table sets nothing, but its name may be wrong.
                Value::Table(inner) if inner.is_empty() && keys.is_in_scope(&key) && !keys.is_table(&key) => {
                    return Err(keys.unknown_key(&key, origin.clone()));
                }
                Value::Table(inner) => self.insert_table(keys, inner, &format!("{key}."), origin)?,
                leaf => self.insert(keys, key, leaf.clone(), origin)?,
            }
        }
        Ok(())
    }

    fn insert(&mut self, keys: &KnownKeys, key: String, value: Value, origin: &Origin) -> Result<(), ConfigError> {
        if !keys.is_in_scope(&key) {
            return Ok(());
        }
        let Some(default) = keys.default_of(&key) else {
            return Err(keys.unknown_key(&key, origin.clone()));
        };
        let in_open_table = keys.open_table_of(&key).is_some();
        let origin = origin.clone();
        match coerce::coerce(default, in_open_table, value) {
            Ok(value) => {
                self.0.insert(key, Entry { value, origin });
                Ok(())
            }
            Err((expected, value)) => {
                let found = coerce::describe(&value, keys.is_secret(&key));
                Err(ConfigError::WrongType { key, origin, expected, found })
            }
        }
    }
}
