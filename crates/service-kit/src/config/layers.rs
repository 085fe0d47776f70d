//! The layers of a configuration: collected and checked here, merged and turned into
//! the service's type by the `config` crate.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use config::{Config, Map, Source, Value as Merged, ValueKind};
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::{
    ConfigError, Origin,
    keys::{Keys, Kind},
};

/// A value and where it came from.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

impl Entry {
    /// Whether it says anything: compose files pass `""` for what is not set.
    pub(super) fn is_set(&self) -> bool {
        match &self.value {
            Value::String(text) => !text.is_empty(),
            Value::Array(items) => !items.is_empty(),
            _ => true,
        }
    }
}

type Layer = BTreeMap<String, Entry>;

/// Lowest first: defaults, file, environment, and then the contents of secret files.
#[derive(Clone, Debug)]
pub(super) struct Layers(Vec<Layer>);

impl Layers {
    pub(super) fn collect(
        keys: &Keys,
        file: Option<&Path>,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut layers = vec![layer_of(keys, keys.defaults(), &Origin::Defaults)?];
        if let Some(path) = file {
            let text =
                fs::read_to_string(path).map_err(|source| ConfigError::File { path: path.to_owned(), source })?;
            let origin = Origin::File(path.to_owned());
            layers.push(layer_of(keys, &parse(&text, &origin)?, &origin)?);
        }
        let mut layer = Layer::new();
        for (variable, value) in env {
            if let Some(key) = keys.key_of(&variable) {
                let origin = Origin::Variable(variable);
                insert(keys, &mut layer, key, Value::String(value), &origin)?;
            }
        }
        layers.push(layer);
        Ok(Self(layers))
    }

    /// The value that counts.
    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.0.iter().rev().find_map(|layer| layer.get(key))
    }

    /// As [`Layers::get`], with the number of its layer, and only if it is set.
    fn set_in(&self, key: &str) -> Option<(usize, &Entry)> {
        let layers = self.0.iter().enumerate().rev();
        let (level, entry) = layers.filter_map(|(level, layer)| Some((level, layer.get(key)?))).next()?;
        entry.is_set().then_some((level, entry))
    }

    /// Members of open tables that are set, sorted.
    pub(super) fn members_of(&self, table: &str) -> Vec<&str> {
        let prefix = format!("{table}.");
        let mut members: Vec<&str> = self.0.iter().flat_map(Layer::keys).map(String::as_str).collect();
        members.retain(|key| key.starts_with(&prefix));
        members.sort_unstable();
        members.dedup();
        members
    }

    /// Replaces every `x_file` of a secret `x` by the secret. One beats the other only
    /// if that is a default; otherwise it would be a guess which one is meant.
    pub(super) fn resolve_secrets(&mut self, keys: &Keys) -> Result<(), ConfigError> {
        let mut contents = Layer::new();
        for secret in keys.secrets() {
            let file_key = format!("{secret}_file");
            let file = match (self.set_in(secret), self.set_in(&file_key)) {
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

    pub(super) fn deserialize<T: DeserializeOwned>(&self, keys: &Keys) -> Result<T, ConfigError> {
        let result = self.merged(keys).and_then(Config::try_deserialize);
        result.map_err(|error| self.explain(keys, "", error))
    }

    pub(super) fn deserialize_section<T: DeserializeOwned>(
        &self,
        keys: &Keys,
        section: &str,
    ) -> Result<T, ConfigError> {
        let result = self.merged(keys).and_then(|merged| {
            let section = merged.cache.into_table()?.remove(section);
            section.unwrap_or_default().try_deserialize()
        });
        result.map_err(|error| self.explain(keys, section, error))
    }

    /// Known keys that `T` does not read.
    pub(super) fn unread<T: DeserializeOwned>(&self, keys: &Keys) -> Result<Vec<String>, ConfigError> {
        let mut unread = Vec::new();
        let result = self.merged(keys).and_then(|merged| {
            serde_ignored::deserialize::<_, _, T>(merged.cache, |path| unread.push(path.to_string()))
        });
        result.map_err(|error| self.explain(keys, "", error))?;
        Ok(unread)
    }

    /// Every secret as if it were set to nothing.
    pub(super) fn without_secrets(mut self, keys: &Keys) -> Self {
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

    fn merged(&self, keys: &Keys) -> Result<Config, config::ConfigError> {
        // Every table is there, even if nothing is set in it.
        let mut tables = Map::new();
        for table in keys.tables() {
            put(&mut tables, &table.split('.').collect::<Vec<_>>(), Map::<String, Merged>::new().into());
        }
        let mut builder = Config::builder().add_source(Tables(tables));
        for layer in &self.0 {
            let mut root = Map::new();
            for (key, entry) in layer {
                put(&mut root, &keys.path(key), to_merged(&entry.value));
            }
            builder = builder.add_source(Tables(root));
        }
        builder.build()
    }

    /// The `config` crate's error with our key and origin, and without secrets.
    fn explain(&self, keys: &Keys, section: &str, error: config::ConfigError) -> ConfigError {
        let (path, reason, safe_reason) = take_apart(error);
        let path = match (section, path) {
            ("", path) => path.unwrap_or_default(),
            (section, None) => section.to_owned(),
            (section, Some(path)) => format!("{section}.{path}"),
        };
        // `smtp.url[1]` is in `smtp.url`.
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

/// Parses TOML; an error tells the line's number, not its contents.
pub(super) fn parse(text: &str, origin: &Origin) -> Result<Table, ConfigError> {
    text.parse::<Table>().map_err(|error| {
        let position = error.span().map_or(0, |span| span.start.min(text.len()));
        ConfigError::Syntax {
            origin: origin.clone(),
            line: text.as_bytes()[..position].iter().filter(|b| **b == b'\n').count() + 1,
            reason: error.message().to_owned(),
        }
    })
}

fn layer_of(keys: &Keys, table: &Table, origin: &Origin) -> Result<Layer, ConfigError> {
    let mut layer = Layer::new();
    flatten(keys, table, "", origin, &mut layer)?;
    Ok(layer)
}

fn flatten(keys: &Keys, table: &Table, prefix: &str, origin: &Origin, layer: &mut Layer) -> Result<(), ConfigError> {
    for (name, value) in table {
        let key = format!("{prefix}{name}");
        match value {
            // An empty table sets nothing, but its name may be a mistake.
            Value::Table(inner) if inner.is_empty() && keys.wants(&key) && !keys.is_table(&key) => {
                return Err(keys.unknown(&key, origin.clone()));
            }
            Value::Table(inner) => {
                flatten(keys, inner, &format!("{key}."), origin, layer)?;
            }
            leaf => insert(keys, layer, key, leaf.clone(), origin)?,
        }
    }
    Ok(())
}

fn insert(keys: &Keys, layer: &mut Layer, key: String, value: Value, origin: &Origin) -> Result<(), ConfigError> {
    if !keys.wants(&key) {
        return Ok(());
    }
    let Some(kind) = keys.kind(&key) else {
        return Err(keys.unknown(&key, origin.clone()));
    };
    let open = keys.open_table_of(&key).is_some();
    let value = coerce(kind, open, value).map_err(|(expected, value)| ConfigError::WrongType {
        found: describe(&value, keys.is_secret(&key)),
        key: key.clone(),
        origin: origin.clone(),
        expected,
    })?;
    let origin = origin.clone();
    layer.insert(key, Entry { value, origin });
    Ok(())
}

/// The value as its kind; text is parsed, for variables are text. Text stays what it
/// is where a list is given: the service's type decides.
fn coerce(kind: Kind, open: bool, value: Value) -> Result<Value, (&'static str, Value)> {
    match (kind, value) {
        (Kind::Integer, value @ Value::Integer(_))
        | (Kind::Float, value @ Value::Float(_))
        | (Kind::Boolean, value @ Value::Boolean(_))
        | (Kind::List, value @ Value::Array(_))
        | (Kind::Text, value @ (Value::String(_) | Value::Array(_))) => Ok(value),
        (Kind::Float, Value::Integer(number)) => Ok(Value::Float(number as f64)),
        (Kind::Integer, Value::String(text)) => match text.trim().parse() {
            Ok(number) => Ok(Value::Integer(number)),
            Err(_) => Err(("an integer", Value::String(text))),
        },
        (Kind::Float, Value::String(text)) => match text.trim().parse() {
            Ok(number) => Ok(Value::Float(number)),
            Err(_) => Err(("a number", Value::String(text))),
        },
        (Kind::Boolean, Value::String(text)) => match text.trim().parse() {
            Ok(yes) => Ok(Value::Boolean(yes)),
            Err(_) => Err(("true or false", Value::String(text))),
        },
        (Kind::List, Value::String(text)) => {
            Ok(Value::Array(super::values::items(&text).map(|item| Value::String(item.to_owned())).collect()))
        }
        (Kind::Text, Value::Integer(number)) if open => Ok(Value::String(number.to_string())),
        (Kind::Text, Value::Float(number)) if open => Ok(Value::String(number.to_string())),
        (Kind::Text, Value::Boolean(yes)) if open => Ok(Value::String(yes.to_string())),
        (Kind::Integer, value) => Err(("an integer", value)),
        (Kind::Float, value) => Err(("a number", value)),
        (Kind::Boolean, value) => Err(("true or false", value)),
        (Kind::List, value) => Err(("a list", value)),
        (Kind::Text, value) => Err(("a string in quotes", value)),
    }
}

fn describe(value: &Value, secret: bool) -> String {
    let kind = value.type_str();
    match value {
        _ if secret => format!("a value of type {kind} (not shown: it is a secret)"),
        Value::String(text) => format!("{text:?}"),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => format!("{value}"),
        _ => format!("a value of type {kind}"),
    }
}

fn read_secret(keys: &Keys, secret: &str, file_key: &str, file: &Entry) -> Result<Entry, ConfigError> {
    let several = keys.kind(file_key) == Some(Kind::List) || keys.kind(secret) == Some(Kind::List);
    let paths: Vec<PathBuf> = match &file.value {
        Value::Array(items) => items.iter().filter_map(Value::as_str).map(PathBuf::from).collect(),
        Value::String(text) if several => super::values::items(text).map(PathBuf::from).collect(),
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
        let texts = contents.iter().flat_map(|text| super::values::items(text));
        Value::Array(texts.map(|text| Value::String(text.to_owned())).collect())
    } else {
        Value::String(contents.concat())
    };
    Ok(Entry { value, origin: Origin::SecretFile(paths.into_iter().next().unwrap_or_default()) })
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

/// Puts a value at the end of a path, making the tables on the way.
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

/// A layer as the `config` crate takes it.
#[derive(Clone, Debug)]
struct Tables(Map<String, Merged>);

impl Source for Tables {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Merged>, config::ConfigError> {
        Ok(self.0.clone())
    }
}

/// The key, the reason, and the reason without the value.
fn take_apart(error: config::ConfigError) -> (Option<String>, String, String) {
    use config::ConfigError::{At, NotFound, Type};
    const HIDDEN: &str = "not valid (not shown: it is a secret)";
    match error {
        NotFound(key) => (Some(key), "not set".into(), HIDDEN.into()),
        Type { unexpected, expected, key, .. } => {
            (key, format!("expected {expected}, got {unexpected}"), format!("expected {expected}"))
        }
        At { error, key, .. } => {
            let (_, reason, safe) = take_apart(*error);
            (key, reason, safe)
        }
        other => (None, other.to_string(), HIDDEN.into()),
    }
}
