//! Secrets, set directly or by a file that contains them.

use std::{fs, path::PathBuf};

use toml::Value;

use super::{
    ConfigError, Origin,
    deserialize::items,
    keys::KnownKeys,
    layers::{Entry, Values},
};

impl Values {
    /// Sets each secret `x` from the file that `x_file` names. If both are set, one overrides the
    /// other only if the other is a default. Otherwise it is an error, because it is unclear which
    /// one is meant. An `x_file` that is overridden becomes empty.
    pub(super) fn resolve_secrets(&mut self, keys: &KnownKeys) -> Result<(), ConfigError> {
        for secret in keys.secrets() {
            let file_key = format!("{secret}_file");
            let direct = self.get(secret).filter(|entry| entry.is_set());
            let contents = match (direct, self.get(&file_key).filter(|entry| entry.is_set())) {
                (Some(direct), Some(file)) if direct.is_default() == file.is_default() => {
                    return Err(ConfigError::BothSet {
                        key: secret.clone(),
                        direct: direct.origin.clone(),
                        file: file.origin.clone(),
                    });
                }
                (_, Some(file)) if direct.is_none_or(Entry::is_default) => {
                    Some(read_secret(keys, secret, &file_key, file)?)
                }
                _ => None,
            };
            match contents {
                Some(contents) => drop(self.0.insert(secret.clone(), contents)),
                None => drop(self.0.get_mut(&file_key).map(|file| file.value = Value::String(String::new()))),
            }
        }
        Ok(())
    }

    /// Sets all secrets to the empty string.
    pub(super) fn without_secrets(mut self, keys: &KnownKeys) -> Self {
        for secret in keys.secrets() {
            if keys.open_table_of(secret).is_none() {
                let blank = Entry { value: Value::String(String::new()), origin: Origin::Defaults };
                self.0.entry(secret.clone()).or_insert(blank);
            }
        }
        self
    }
}

fn read_secret(keys: &KnownKeys, secret: &str, file_key: &str, file: &Entry) -> Result<Entry, ConfigError> {
    let several = [file_key, secret].iter().any(|key| keys.default_of(key).is_some_and(Value::is_array));
    let paths: Vec<PathBuf> = match &file.value {
        Value::Array(items) => items.iter().filter_map(Value::as_str).map(PathBuf::from).collect(),
        Value::String(text) if several => items(text).map(PathBuf::from).collect(),
        Value::String(text) => vec![PathBuf::from(text)],
        _ => Vec::new(),
    };
    let mut contents = Vec::new();
    for path in &paths {
        let text = fs::read_to_string(path).map_err(|source| ConfigError::SecretFile {
            key: file_key.to_owned(),
            origin: file.origin.clone(),
            path: path.clone(),
            source,
        })?;
        let text = text.strip_suffix('\n').unwrap_or(&text);
        contents.push(text.strip_suffix('\r').unwrap_or(text).to_owned());
    }
    let value = if several {
        Value::Array(contents.iter().flat_map(|text| items(text)).map(Value::from).collect())
    } else {
        Value::String(contents.concat())
    };
    Ok(Entry { value, origin: Origin::SecretFile(paths.into_iter().next().unwrap_or_default()) })
}
