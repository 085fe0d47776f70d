//! Converts the merged values to the service's type. An error names the key and the origin of its value.

use serde::de::DeserializeOwned;
use serde_path_to_error::{Deserializer, Path, Track};
use toml::Table;

use super::{ConfigError, keys::KnownKeys, layers::Values, tables::insert_at};

impl Values {
    /// Converts the section that is loaded, or everything. Also returns the keys that `T` does not read.
    pub(super) fn deserialize<T: DeserializeOwned>(&self, keys: &KnownKeys) -> Result<(T, Vec<String>), ConfigError> {
        let mut root = keys.empty_tables();
        for (key, entry) in self.0.iter().filter(|(key, _)| keys.secret_of_file(key).is_none()) {
            insert_at(&mut root, &keys.path(key), entry.value.clone());
        }
        let value = match keys.section() {
            Some(section) => root.remove(section).unwrap_or_else(|| Table::new().into()),
            None => root.into(),
        };
        let (mut unread, mut track) = (Vec::new(), Track::new());
        let deserializer = Deserializer::new(value, &mut track);
        match serde_ignored::deserialize(deserializer, |path| unread.push(path.to_string())) {
            Ok(typed) => Ok((typed, unread)),
            Err(error) => Err(self.explain(keys, &track.path(), &error)),
        }
    }

    /// Adds the key and its origin to an error, and removes secrets.
    fn explain(&self, keys: &KnownKeys, path: &Path, error: &toml::de::Error) -> ConfigError {
        // serde reports a missing field at the path of its struct.
        let missing = error.message().strip_prefix("missing field `").and_then(|field| field.strip_suffix('`'));
        let path = (path.iter().len() > 0).then(|| path.to_string());
        let parts = [keys.section(), path.as_deref(), missing];
        let path = parts.into_iter().flatten().collect::<Vec<_>>().join(".");
        // The key of `smtp.url[1]` is `smtp.url`.
        let key = path.split('[').next().unwrap_or_default().to_owned();
        match self.get(&key) {
            None => {
                let variable = keys.variable_of(&key);
                let hint = if keys.is_secret(&key) { format!("{variable} or {variable}_FILE") } else { variable };
                ConfigError::Missing { key, hint }
            }
            Some(entry) => {
                let secret = keys.is_secret(&key);
                let reason = if secret { "not valid (not shown: it is a secret)" } else { error.message() };
                ConfigError::Invalid { origin: entry.origin.clone(), reason: reason.to_owned(), key }
            }
        }
    }
}
