//! Typed configuration. The layers, from lowest to highest: built-in defaults, file, environment.
//! Each error names the key and its origin.
//!
//! The embedded defaults define the known keys; any other key is an error. An empty table in the
//! defaults is open: it accepts any key. The environment variable `USER_SERVICE__HTTP__PORT` sets
//! the key `http.port`; below an open table, `_` stands for `.`. Only variables with the prefix and
//! *two* underscores are read, because Kubernetes itself sets variables such as `USER_SERVICE_PORT`.
//!
//! A secret `x` may come from a file that `x_file` names. Lists are TOML arrays or comma-separated
//! text, durations are written as `30s` or `1h 30m`.

mod coerce;
mod deserialize;
mod error;
mod keys;
mod layers;
mod render;
mod secrets;
mod sections;
mod tables;
mod typed;

use std::{env, ffi::OsString, path::Path};

use serde::de::DeserializeOwned;

pub use deserialize::{duration, list, optional, optional_duration, optional_secret, secret_list};
pub use error::{ConfigError, Origin};
pub use sections::{LogConfig, LogFormat, MongoConfig, OpsConfig, ShutdownConfig};

use keys::KnownKeys;
use layers::Values;

/// The sources of a service's configuration.
#[derive(Clone, Copy, Debug)]
pub struct ConfigSource {
    /// The service's name, such as `user-service`. It determines the prefix of the environment
    /// variables: `USER_SERVICE__`.
    pub service: &'static str,
    /// The text of the commented TOML file with all keys and their defaults.
    pub defaults: &'static str,
    /// The dotted keys whose values are never shown and may come from a file. They need not be in
    /// the defaults. A secret is a list if the default of its key or of its `_file` key is a list;
    /// then several files may be named.
    pub secrets: &'static [&'static str],
    /// The tables that accept any key and whose keys have dots, which a variable writes as `_`: the
    /// names of librdkafka's properties. In every other table that accepts any key, `_` is `_`.
    pub dotted_tables: &'static [&'static str],
}

impl ConfigSource {
    /// Loads the configuration from the defaults, `file` and the process's environment.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn load<T: DeserializeOwned>(&self, file: Option<&Path>) -> Result<T, ConfigError> {
        self.load_from(file, self.process_env()?)
    }

    /// Loads the configuration like [`ConfigSource::load`], with the given variables.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn load_from<T: DeserializeOwned>(
        &self,
        file: Option<&Path>,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<T, ConfigError> {
        let (keys, values) = self.resolve(file, env)?;
        Ok(values.deserialize(&keys)?.0)
    }

    /// Loads only one section, such as `ops` for the command `healthcheck`. Errors in other sections
    /// do not matter, and no file of a secret is read.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn load_section<T: DeserializeOwned>(&self, section: &str, file: Option<&Path>) -> Result<T, ConfigError> {
        self.load_section_from(section, file, self.process_env()?)
    }

    /// Loads one section like [`ConfigSource::load_section`], with the given variables.
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
        Ok(Values::merge(&keys, file, env)?.deserialize(&keys)?.0)
    }

    /// Returns what `check-config` prints: the effective configuration as TOML, in the order of the
    /// defaults. Secrets are shown as `"<redacted>"`, or as `""` if they are not set.
    ///
    /// # Errors
    /// See [`ConfigError`]. Types that only the service knows are checked by
    /// [`ConfigSource::load_from`].
    pub fn effective(
        &self,
        file: Option<&Path>,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<String, ConfigError> {
        let (keys, values) = self.resolve(file, env)?;
        Ok(render::effective(&keys, &values))
    }

    /// Returns the keys of the defaults that `T` does not read. A test of each service uses it to
    /// find keys without effect. It needs no secrets.
    ///
    /// # Errors
    /// Returns an error if the defaults do not fit `T`.
    pub fn unread_keys<T: DeserializeOwned>(&self) -> Result<Vec<String>, ConfigError> {
        let keys = self.known_keys()?;
        let values = Values::merge(&keys, None, [])?.without_secrets(&keys);
        Ok(values.deserialize::<T>(&keys)?.1)
    }

    /// Returns the environment variables of the process that have this service's prefix.
    ///
    /// # Errors
    /// Returns an error if one of them is not UTF-8.
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

    /// Returns the known keys, and their values with the secrets from files.
    fn resolve(
        &self,
        file: Option<&Path>,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(KnownKeys, Values), ConfigError> {
        let keys = self.known_keys()?;
        let mut values = Values::merge(&keys, file, env)?;
        values.resolve_secrets(&keys)?;
        Ok((keys, values))
    }

    fn known_keys(&self) -> Result<KnownKeys, ConfigError> {
        let defaults = error::parse_toml(self.defaults, &Origin::Defaults)?;
        Ok(KnownKeys::new(self.prefix(), defaults, self.secrets, self.dotted_tables))
    }

    fn prefix(&self) -> String {
        format!("{}__", self.service.to_uppercase().replace('-', "_"))
    }
}

#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;
