//! Secrets, set directly or by a file that contains them.

use std::{fs, path::PathBuf};

use toml::Value;

use super::{
    ConfigError, Origin,
    coerce::ValueType,
    deserialize::items,
    keys::KnownKeys,
    layers::{Entry, Layer, Layers},
};

impl Layers {
    /// Replaces each `x_file` of a secret `x` by the contents of the file. If both are set, one
    /// overrides the other only if the other is a default. Otherwise it is an error, because it is
    /// unclear which one is meant.
    pub(super) fn resolve_secrets(&mut self, keys: &KnownKeys) -> Result<(), ConfigError> {
        let mut contents = Layer::new();
        for secret in keys.secrets() {
            let file_key = format!("{secret}_file");
            let file = match (self.get_if_set(secret), self.get_if_set(&file_key)) {
                (_, None) => None,
                (None, Some((_, file))) => Some(file),
                (Some((direct, _)), Some((0, _))) if direct > 0 => None,
                (Some((0, _)), Some((level, file))) if level > 0 => Some(file),
                (Some((_, direct)), Some((_, file))) => {
                    return Err(ConfigError::BothSet {
                        key: secret.clone(),
                        direct: direct.origin.clone(),
                        file: file.origin.clone(),
                    });
                }
            };
            if let Some(file) = file {
                let entry = read_secret(keys, secret, &file_key, file)?;
                contents.insert(secret.clone(), entry);
            }
            for layer in &mut self.0 {
                layer.remove(&file_key);
            }
        }
        self.0.push(contents);
        Ok(())
    }

    /// Returns the layers with all secrets set to the empty string.
    pub(super) fn without_secrets(mut self, keys: &KnownKeys) -> Self {
        let mut blank = Layer::new();
        for secret in keys.secrets() {
            self.0.iter_mut().for_each(|layer| drop(layer.remove(&format!("{secret}_file"))));
            if keys.open_table_of(secret).is_none() && self.get(secret).is_none() {
                let value = Value::String(String::new());
                blank.insert(secret.clone(), Entry { value, origin: Origin::Defaults });
            }
        }
        self.0.push(blank);
        self
    }
}

fn read_secret(keys: &KnownKeys, secret: &str, file_key: &str, file: &Entry) -> Result<Entry, ConfigError> {
    let several =
        keys.value_type(file_key) == Some(ValueType::List) || keys.value_type(secret) == Some(ValueType::List);
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
        let texts = contents.iter().flat_map(|text| items(text));
        Value::Array(texts.map(|text| Value::String(text.to_owned())).collect())
    } else {
        Value::String(contents.concat())
    };
    Ok(Entry { value, origin: Origin::SecretFile(paths.into_iter().next().unwrap_or_default()) })
}
