//! The known configuration keys, read from the embedded defaults.

use toml::{Table, Value};

use super::{ConfigError, Origin, tables::create_tables};

/// The default of a key that the defaults do not contain: a secret, the file of a secret, or a member of an open table.
const NO_DEFAULT: &Value = &Value::String(String::new());

/// The known keys of a service's configuration.
pub(super) struct KnownKeys {
    prefix: String,
    defaults: Table,
    /// The dotted keys with their defaults, in the order of the file.
    leaves: Vec<(String, Value)>,
    /// The dotted names of the tables that accept any key.
    open_tables: Vec<String>,
    /// The open tables whose keys have dots.
    dotted_tables: &'static [&'static str],
    secrets: Vec<String>,
    /// The section that is loaded; all sections if absent.
    section: Option<String>,
}

impl KnownKeys {
    pub(super) fn new(
        prefix: String,
        defaults: Table,
        secrets: &[&str],
        dotted_tables: &'static [&'static str],
    ) -> Self {
        let (mut leaves, mut open_tables) = (Vec::new(), Vec::new());
        collect_keys(&defaults, "", &mut leaves, &mut open_tables);
        let secrets = secrets.iter().map(ToString::to_string).collect();
        Self { prefix, defaults, leaves, open_tables, dotted_tables, secrets, section: None }
    }

    /// Restricts the keys to one section.
    pub(super) fn restricted_to(mut self, section: &str) -> Self {
        self.section = Some(section.to_owned());
        self
    }

    pub(super) fn section(&self) -> Option<&str> {
        self.section.as_deref()
    }

    /// Returns whether `key` is in the section that is loaded.
    pub(super) fn is_in_scope(&self, key: &str) -> bool {
        self.section().is_none_or(|section| key.strip_prefix(section).is_some_and(|rest| rest.starts_with('.')))
    }

    pub(super) fn defaults(&self) -> &Table {
        &self.defaults
    }

    pub(super) fn leaves(&self) -> impl Iterator<Item = &str> {
        self.leaves.iter().map(|(key, _)| key.as_str())
    }

    pub(super) fn open_tables(&self) -> &[String] {
        &self.open_tables
    }

    pub(super) fn secrets(&self) -> &[String] {
        &self.secrets
    }

    pub(super) fn is_secret(&self, key: &str) -> bool {
        self.secrets.iter().any(|secret| secret == key)
    }

    /// Returns the secret whose file `key` names, if it names one.
    pub(super) fn secret_of_file<'a>(&self, key: &'a str) -> Option<&'a str> {
        key.strip_suffix("_file").filter(|secret| self.is_secret(secret))
    }

    /// Returns the default of `key`, or `None` if the key is unknown.
    pub(super) fn default_of(&self, key: &str) -> Option<&Value> {
        if let Some((_, default)) = self.leaves.iter().find(|(leaf, _)| leaf == key) {
            return Some(default);
        }
        let known = self.is_secret(key) || self.secret_of_file(key).is_some() || self.open_table_of(key).is_some();
        known.then_some(NO_DEFAULT)
    }

    /// Returns the open table that contains `key`, and the member's name in it.
    pub(super) fn open_table_of<'a>(&self, key: &'a str) -> Option<(&str, &'a str)> {
        self.open_tables.iter().find_map(|table| {
            let member = key.strip_prefix(table.as_str())?.strip_prefix('.')?;
            Some((table.as_str(), member))
        })
    }

    /// Returns all tables of the configuration without values.
    pub(super) fn empty_tables(&self) -> Table {
        let mut root = Table::new();
        for key in self.leaves().chain(self.secrets.iter().map(String::as_str)) {
            if let Some((_, tables)) = self.path(key).split_last() {
                create_tables(&mut root, tables);
            }
        }
        for table in &self.open_tables {
            create_tables(&mut root, &table.split('.').collect::<Vec<_>>());
        }
        root
    }

    /// Returns whether `name` is a table of the defaults.
    pub(super) fn is_table(&self, name: &str) -> bool {
        let mut closed = self.leaves().chain(self.secrets.iter().map(String::as_str));
        self.open_tables.iter().any(|table| table == name)
            || self.open_table_of(name).is_some()
            || closed.any(|key| key.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')))
    }

    /// Returns the path of a key: its tables and its name, which may itself contain dots.
    pub(super) fn path<'a>(&'a self, key: &'a str) -> Vec<&'a str> {
        match self.open_table_of(key) {
            Some((table, member)) => table.split('.').chain([member]).collect(),
            None => key.split('.').collect(),
        }
    }

    /// Returns the key that an environment variable sets, or `None` if it lacks the prefix.
    pub(super) fn key_of_variable(&self, variable: &str) -> Option<String> {
        let rest = variable.strip_prefix(&self.prefix)?;
        let key = rest.to_lowercase().replace("__", ".");
        let Some((table, member)) = self.open_table_of(&key) else {
            return Some(key);
        };
        if !self.dotted_tables.contains(&table) {
            return Some(key);
        }
        let file = member.strip_suffix("_file").map(|name| name.replace('_', "."));
        if let Some(name) = file
            && self.is_secret(&format!("{table}.{name}"))
        {
            return Some(format!("{table}.{name}_file"));
        }
        Some(format!("{table}.{}", member.replace('_', ".")))
    }

    /// Returns the environment variable that sets `key`.
    pub(super) fn variable_of(&self, key: &str) -> String {
        let path: Vec<String> =
            self.path(key).iter().map(|part| part.replace(['.', '-'], "_").to_uppercase()).collect();
        format!("{}{}", self.prefix, path.join("__"))
    }

    /// Returns the error for an unknown key, with the most similar known key.
    pub(super) fn unknown_key(&self, key: &str, origin: Origin) -> ConfigError {
        let files = self.secrets.iter().map(|secret| format!("{secret}_file"));
        let known = self.leaves().map(str::to_owned);
        let known = known.chain(self.secrets.iter().cloned()).chain(files);
        // Every known key is shorter; the cost of a comparison is the product of both lengths.
        let start: String = key.chars().take(128).collect();
        let nearest = known
            .chain(self.open_tables.iter().cloned())
            .min_by_key(|candidate| strsim::damerau_levenshtein(candidate, &start))
            .unwrap_or_default();
        let nearest = match origin {
            Origin::Variable(_) => self.variable_of(&nearest),
            _ => format!("`{nearest}`"),
        };
        ConfigError::UnknownKey { key: key.to_owned(), origin, nearest }
    }
}

/// Adds the keys and the open tables of `table`.
fn collect_keys(table: &Table, prefix: &str, leaves: &mut Vec<(String, Value)>, open_tables: &mut Vec<String>) {
    for (name, value) in table {
        let key = format!("{prefix}{name}");
        match value {
            Value::Table(inner) if inner.is_empty() => open_tables.push(key),
            Value::Table(inner) => collect_keys(inner, &format!("{key}."), leaves, open_tables),
            leaf => leaves.push((key, leaf.clone())),
        }
    }
}
