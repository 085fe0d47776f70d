//! Typed configuration: built-in defaults < file < environment, every mistake named
//! with its key and where it came from.
//!
//! The embedded defaults are the reference: a key that they do not name is unknown
//! (an empty table there is open: it takes any key). An environment variable
//! `USER_SERVICE__HTTP__PORT` is the key `http.port`; below an open table `_` stands
//! for `.`. Only variables with the prefix and *two* underscores are read:
//! Kubernetes sets others, as `USER_SERVICE_PORT`, by itself.
//!
//! A secret `x` may come from a file named by `x_file`. Lists are TOML arrays or
//! separated by commas, durations are written as `30s` or `1h 30m`.

mod coerce;
mod deserialize;
mod error;
mod keys;
mod layers;
mod merge;
mod render;
mod secrets;
mod sections;

use std::{env, ffi::OsString, path::Path};

use serde::de::DeserializeOwned;

pub use deserialize::{duration, list, optional, optional_duration, optional_secret, secret_list};
pub use error::{ConfigError, Origin};
pub use sections::{LogConfig, LogFormat, MongoConfig, OpsConfig, ShutdownConfig};

use keys::KnownKeys;
use layers::Layers;

/// Where a service's configuration comes from.
#[derive(Clone, Copy, Debug)]
pub struct ConfigSource {
    /// The service's name, as `user-service`; the prefix of its variables follows
    /// from it: `USER_SERVICE__`.
    pub service: &'static str,
    /// The text of the commented TOML file with every key and its default.
    pub defaults: &'static str,
    /// Dotted keys whose values are never shown and may come from a file; they need
    /// not be in the defaults. A list, where the default of the key or of its
    /// `_file` is one: then several files may be named.
    pub secrets: &'static [&'static str],
}

impl ConfigSource {
    /// The configuration from the defaults, `file` and the process's environment.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn load<T: DeserializeOwned>(&self, file: Option<&Path>) -> Result<T, ConfigError> {
        self.load_from(file, self.process_env()?)
    }

    /// As [`ConfigSource::load`], with variables given.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn load_from<T: DeserializeOwned>(
        &self,
        file: Option<&Path>,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<T, ConfigError> {
        let keys = self.known_keys()?;
        let mut layers = Layers::collect(&keys, file, env)?;
        layers.resolve_secrets(&keys)?;
        layers.deserialize(&keys)
    }

    /// One section alone, as `ops` for the command `healthcheck`: what is wrong in
    /// the others does not matter, and no secret's file is read.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn load_section<T: DeserializeOwned>(&self, section: &str, file: Option<&Path>) -> Result<T, ConfigError> {
        self.load_section_from(section, file, self.process_env()?)
    }

    /// As [`ConfigSource::load_section`], with variables given.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn load_section_from<T: DeserializeOwned>(
        &self,
        section: &str,
        file: Option<&Path>,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<T, ConfigError> {
        let keys = self.known_keys()?.restricted_to(section);
        Layers::collect(&keys, file, env)?.deserialize_section(&keys, section)
    }

    /// What `check-config` prints: the effective configuration as TOML, in the order
    /// of the defaults, secrets as `"<redacted>"`, or `""` where they are not set.
    ///
    /// # Errors
    /// See [`ConfigError`]; types that only the service knows are checked by
    /// [`ConfigSource::load_from`].
    pub fn effective(
        &self,
        file: Option<&Path>,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<String, ConfigError> {
        let keys = self.known_keys()?;
        let layers = Layers::collect(&keys, file, env)?;
        let mut resolved = layers.clone();
        resolved.resolve_secrets(&keys)?;
        render::effective(&keys, &layers, &resolved)
    }

    /// For a test of the service: the keys of the defaults that `T` does not read, so
    /// that the defaults promise nothing. Needs no secret.
    ///
    /// # Errors
    /// If the defaults do not fit `T`.
    pub fn unread_keys<T: DeserializeOwned>(&self) -> Result<Vec<String>, ConfigError> {
        let keys = self.known_keys()?;
        let layers = Layers::collect(&keys, None, [])?;
        layers.without_secrets(&keys).unread_keys::<T>(&keys)
    }

    /// The variables of the process with this service's prefix.
    ///
    /// # Errors
    /// If one of them is not UTF-8.
    pub fn process_env(&self) -> Result<Vec<(String, String)>, ConfigError> {
        let prefix = self.prefix();
        let ours = |(name, value): (OsString, OsString)| {
            let name = name.into_string().ok()?;
            name.starts_with(&prefix).then(|| {
                let value = value.into_string();
                match value {
                    Ok(value) => Ok((name, value)),
                    Err(_) => Err(ConfigError::NotUnicode { variable: name }),
                }
            })
        };
        env::vars_os().filter_map(ours).collect()
    }

    fn known_keys(&self) -> Result<KnownKeys, ConfigError> {
        let defaults = error::parse_toml(self.defaults, &Origin::Defaults)?;
        Ok(KnownKeys::new(self.prefix(), defaults, self.secrets))
    }

    fn prefix(&self) -> String {
        format!("{}__", self.service.to_uppercase().replace('-', "_"))
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
