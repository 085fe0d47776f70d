//! Merges the layers and converts them to the service's type with the `config` crate. Its errors
//! become [`ConfigError`].

use config::{Config, Map, Source, Value as Merged, ValueKind};
use serde::de::DeserializeOwned;
use toml::Value;

use super::{ConfigError, keys::KnownKeys, layers::Layers};

impl Layers {
    pub(super) fn deserialize<T: DeserializeOwned>(&self, keys: &KnownKeys) -> Result<T, ConfigError> {
        let result = self.merged(keys).and_then(Config::try_deserialize);
        result.map_err(|error| self.explain(keys, "", error))
    }

    pub(super) fn deserialize_section<T: DeserializeOwned>(
        &self,
        keys: &KnownKeys,
        section: &str,
    ) -> Result<T, ConfigError> {
        let result = self.merged(keys).and_then(|merged| {
            let section = merged.cache.into_table()?.remove(section);
            section.unwrap_or_default().try_deserialize()
        });
        result.map_err(|error| self.explain(keys, section, error))
    }

    /// Returns the known keys that `T` does not read.
    pub(super) fn unread_keys<T: DeserializeOwned>(&self, keys: &KnownKeys) -> Result<Vec<String>, ConfigError> {
        let mut unread = Vec::new();
        let result = self.merged(keys).and_then(|merged| {
            serde_ignored::deserialize::<_, _, T>(merged.cache, |path| unread.push(path.to_string()))
        });
        result.map_err(|error| self.explain(keys, "", error))?;
        Ok(unread)
    }

    fn merged(&self, keys: &KnownKeys) -> Result<Config, config::ConfigError> {
        // Every table exists, even if no value is set in it.
        let mut tables = Map::new();
        for table in keys.tables() {
            put(&mut tables, &table.split('.').collect::<Vec<_>>(), Map::<String, Merged>::new().into());
        }
        let mut builder = Config::builder().add_source(MergeSource(tables));
        for layer in &self.0 {
            let mut root = Map::new();
            for (key, entry) in layer {
                put(&mut root, &keys.path(key), to_merged(&entry.value));
            }
            builder = builder.add_source(MergeSource(root));
        }
        builder.build()
    }

    /// Converts an error of the `config` crate: adds the key and its origin, and removes secrets.
    fn explain(&self, keys: &KnownKeys, section: &str, error: config::ConfigError) -> ConfigError {
        let (path, reason, safe_reason) = split_error(error);
        let path = match (section, path) {
            ("", path) => path.unwrap_or_default(),
            (section, None) => section.to_owned(),
            (section, Some(path)) => format!("{section}.{path}"),
        };
        // The key of `smtp.url[1]` is `smtp.url`.
        let key = path.split('[').next().unwrap_or_default().to_owned();
        match self.get(&key) {
            None => {
                let variable = keys.variable_of(&key);
                let hint = if keys.is_secret(&key) { format!("{variable} or {variable}_FILE") } else { variable };
                ConfigError::Missing { key, hint }
            }
            Some(entry) => ConfigError::Invalid {
                origin: entry.origin.clone(),
                reason: if keys.is_secret(&key) { safe_reason } else { reason },
                key,
            },
        }
    }
}

fn to_merged(value: &Value) -> Merged {
    let kind = match value {
        Value::String(text) => ValueKind::String(text.clone()),
        Value::Integer(number) => ValueKind::I64(*number),
        Value::Float(number) => ValueKind::Float(*number),
        Value::Boolean(yes) => ValueKind::Boolean(*yes),
        Value::Datetime(time) => ValueKind::String(time.to_string()),
        Value::Array(items) => ValueKind::Array(items.iter().map(to_merged).collect()),
        Value::Table(table) => {
            let members = table.iter();
            ValueKind::Table(members.map(|(k, v)| (k.clone(), to_merged(v))).collect())
        }
    };
    Merged::new(None, kind)
}

/// Inserts a value at a path, and creates the tables in between.
fn put(table: &mut Map<String, Merged>, path: &[&str], value: Merged) {
    match path {
        [] => {}
        [name] => {
            table.insert((*name).to_owned(), value);
        }
        [name, rest @ ..] => {
            let inner = table.entry((*name).to_owned()).or_insert_with(|| Map::<String, Merged>::new().into());
            if let ValueKind::Table(inner) = &mut inner.kind {
                put(inner, rest, value);
            }
        }
    }
}

/// A layer in the form that the `config` crate accepts.
#[derive(Clone, Debug)]
struct MergeSource(Map<String, Merged>);

impl Source for MergeSource {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Merged>, config::ConfigError> {
        Ok(self.0.clone())
    }
}

/// Splits an error into its key, its reason, and its reason without the value.
fn split_error(error: config::ConfigError) -> (Option<String>, String, String) {
    use config::ConfigError::{At, NotFound, Type};
    const HIDDEN: &str = "not valid (not shown: it is a secret)";
    match error {
        NotFound(key) => (Some(key), "not set".into(), HIDDEN.into()),
        Type { unexpected, expected, key, .. } => {
            (key, format!("expected {expected}, got {unexpected}"), format!("expected {expected}"))
        }
        At { error, key, .. } => {
            let (_, reason, safe) = split_error(*error);
            (key, reason, safe)
        }
        other => (None, other.to_string(), HIDDEN.into()),
    }
}
