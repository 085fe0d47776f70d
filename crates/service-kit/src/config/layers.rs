//! Collects the layers of a configuration, and checks each value against the known keys.

use std::{collections::BTreeMap, fs, path::Path};

use toml::{Table, Value};

use super::{ConfigError, Origin, coerce, error::parse_toml, keys::KnownKeys};

/// A value and its origin.
#[derive(Clone, Debug)]
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
}

/// The values of one layer, by dotted key.
pub(super) type Layer = BTreeMap<String, Entry>;

/// All layers, lowest first: defaults, file, environment, and then the contents of secret files.
#[derive(Clone, Debug)]
pub(super) struct Layers(pub(super) Vec<Layer>);

impl Layers {
    pub(super) fn collect(
        keys: &KnownKeys,
        file: Option<&Path>,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut layers = vec![layer_from(keys, keys.defaults(), &Origin::Defaults)?];
        if let Some(path) = file {
            let text =
                fs::read_to_string(path).map_err(|source| ConfigError::File { path: path.to_owned(), source })?;
            let origin = Origin::File(path.to_owned());
            layers.push(layer_from(keys, &parse_toml(&text, &origin)?, &origin)?);
        }
        let mut layer = Layer::new();
        for (variable, value) in env {
            if let Some(key) = keys.key_of_variable(&variable) {
                let origin = Origin::Variable(variable);
                insert(keys, &mut layer, key, Value::String(value), &origin)?;
            }
        }
        layers.push(layer);
        Ok(Self(layers))
    }

    /// Returns the value of the highest layer that contains `key`.
    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.0.iter().rev().find_map(|layer| layer.get(key))
    }

    /// Returns the value like [`Layers::get`], with the number of its layer, if it is set.
    pub(super) fn get_if_set(&self, key: &str) -> Option<(usize, &Entry)> {
        let layers = self.0.iter().enumerate().rev();
        let (level, entry) = layers.filter_map(|(level, layer)| Some((level, layer.get(key)?))).next()?;
        entry.is_set().then_some((level, entry))
    }

    /// Returns the keys in the open table `table`, sorted.
    pub(super) fn members_of(&self, table: &str) -> Vec<&str> {
        let prefix = format!("{table}.");
        let mut members: Vec<&str> = self.0.iter().flat_map(Layer::keys).map(String::as_str).collect();
        members.retain(|key| key.starts_with(&prefix));
        members.sort_unstable();
        members.dedup();
        members
    }
}

fn layer_from(keys: &KnownKeys, table: &Table, origin: &Origin) -> Result<Layer, ConfigError> {
    let mut layer = Layer::new();
    flatten(keys, table, "", origin, &mut layer)?;
    Ok(layer)
}

fn flatten(
    keys: &KnownKeys,
    table: &Table,
    prefix: &str,
    origin: &Origin,
    layer: &mut Layer,
) -> Result<(), ConfigError> {
    for (name, value) in table {
        let key = format!("{prefix}{name}");
        match value {
            // An empty table sets nothing, but its name may be wrong.
            Value::Table(inner) if inner.is_empty() && keys.is_in_scope(&key) && !keys.is_table(&key) => {
                return Err(keys.unknown_key(&key, origin.clone()));
            }
            Value::Table(inner) => {
                flatten(keys, inner, &format!("{key}."), origin, layer)?;
            }
            leaf => insert(keys, layer, key, leaf.clone(), origin)?,
        }
    }
    Ok(())
}

fn insert(keys: &KnownKeys, layer: &mut Layer, key: String, value: Value, origin: &Origin) -> Result<(), ConfigError> {
    if !keys.is_in_scope(&key) {
        return Ok(());
    }
    let Some(value_type) = keys.value_type(&key) else {
        return Err(keys.unknown_key(&key, origin.clone()));
    };
    let in_open_table = keys.open_table_of(&key).is_some();
    let value =
        coerce::coerce(value_type, in_open_table, value).map_err(|(expected, value)| ConfigError::WrongType {
            found: coerce::describe(&value, keys.is_secret(&key)),
            key: key.clone(),
            origin: origin.clone(),
            expected,
        })?;
    let origin = origin.clone();
    layer.insert(key, Entry { value, origin });
    Ok(())
}
