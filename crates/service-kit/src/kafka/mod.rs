//! The librdkafka configuration: the operator chooses how to connect (TLS, SASL), but cannot
//! change the properties that the services' guarantees depend on.

use std::{
    collections::BTreeMap,
    fmt,
    ops::{Deref, DerefMut},
};

use rdkafka::{
    ClientConfig, ClientContext, config::RDKafkaLogLevel, consumer::ConsumerContext, error::KafkaError,
    statistics::Statistics,
};
use serde::Deserialize;

/// The properties that only code sets. They decide what is acknowledged, in which order, and
/// which consumer reads a record.
const FIXED_PROPERTIES: &[&str] = &[
    "acks",
    "allow.auto.create.topics",
    "auto.commit.enable",
    "auto.offset.reset",
    "bootstrap.servers",
    "delivery.report.only.error",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.gapless.guarantee",
    "enable.idempotence",
    "enable.partition.eof",
    "group.id",
    "group.protocol",
    "group.protocol.type",
    "group.remote.assignor",
    "isolation.level",
    "max.in.flight.requests.per.connection",
    "offset.store.method",
    "partition.assignment.strategy",
    "partitioner",
    "transactional.id",
];

/// Aliases and the property names they stand for, from librdkafka's own table.
const ALIASES: &[(&str, &str)] = &[
    ("compression.codec", "compression.type"),
    ("delivery.timeout.ms", "message.timeout.ms"),
    ("linger.ms", "queue.buffering.max.ms"),
    ("max.in.flight", "max.in.flight.requests.per.connection"),
    ("max.partition.fetch.bytes", "fetch.message.max.bytes"),
    ("metadata.broker.list", "bootstrap.servers"),
    ("request.required.acks", "acks"),
    ("retries", "message.send.max.retries"),
    ("sasl.mechanism", "sasl.mechanisms"),
];

/// The table `[kafka.properties]`, with librdkafka's property names. Its `Debug` shows no
/// values, because some are passwords.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Properties(pub BTreeMap<String, String>);

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Deref for Properties {
    type Target = BTreeMap<String, String>;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Properties {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

/// The configuration of a Kafka client is invalid. The error shows no secret values.
#[derive(Debug, thiserror::Error)]
pub enum KafkaConfigError {
    /// The property is set by code.
    #[error("kafka.properties: `{0}` is set by the service and cannot be configured")]
    SetByService(String),
    /// librdkafka does not know the property or refuses its value.
    #[error("kafka.properties: `{property}` is refused: {reason}")]
    Refused {
        /// The property's name as configured.
        property: String,
        /// librdkafka's reason, without the value of a secret.
        reason: String,
    },
}

/// Returns the configuration of a client: the operator's `properties`, then the `fixed` ones. TLS trusts the
/// system's certificate authorities if the operator names no others.
///
/// # Errors
/// Returns an error if `properties` contains one of `fixed` or of [`FIXED_PROPERTIES`], under
/// any alias, or a property that librdkafka refuses.
pub fn client_config(
    brokers: &str,
    properties: &BTreeMap<String, String>,
    fixed: &[(&str, &str)],
) -> Result<ClientConfig, KafkaConfigError> {
    for name in properties.keys() {
        let canonical = canonical(name);
        let set_by_code =
            FIXED_PROPERTIES.contains(&canonical) || fixed.iter().any(|(name, _)| self::canonical(name) == canonical);
        if set_by_code {
            return Err(KafkaConfigError::SetByService(name.clone()));
        }
    }
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers);
    // Otherwise OpenSSL looks for the authorities in the directory that it was compiled with, which exists on few
    // machines and in no image.
    config.set("ssl.ca.location", "probe");
    for (name, value) in properties {
        config.set(name, value);
    }
    for (name, value) in fixed {
        config.set(*name, *value);
    }
    config.create_native_config().map_err(|error| property_error(&error))?;
    Ok(config)
}

/// Returns the configuration of a client that asks for a topic and its settings, and never creates one.
///
/// # Errors
/// Returns the same errors as [`client_config`].
pub fn admin_config(brokers: &str, properties: &BTreeMap<String, String>) -> Result<ClientConfig, KafkaConfigError> {
    client_config(brokers, properties, &[("allow.auto.create.topics", "false")])
}

fn canonical(name: &str) -> &str {
    let alias = ALIASES.iter().find(|(alias, _)| *alias == name);
    alias.map_or(name, |(_, canonical)| canonical)
}

fn property_error(error: &KafkaError) -> KafkaConfigError {
    match error {
        KafkaError::ClientConfig(_, reason, property, value) => KafkaConfigError::Refused {
            property: property.clone(),
            reason: if !value.is_empty() && reason.contains(value.as_str()) && is_secret(property) {
                "its value is not valid".to_owned()
            } else {
                reason.clone()
            },
        },
        other => KafkaConfigError::Refused { property: String::new(), reason: other.to_string() },
    }
}

fn is_secret(property: &str) -> bool {
    ["password", "secret", "key", "pem", "oauthbearer", "jaas"].iter().any(|word| property.contains(word))
}

/// A client context that sends librdkafka's log to `tracing`, under the target `librdkafka`.
/// Other contexts can call [`log`] and [`log_error`].
#[derive(Clone, Copy, Debug, Default)]
pub struct LogContext;

impl ClientContext for LogContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log_error(&error, reason);
    }

    fn stats(&self, _statistics: Statistics) {}
}

impl ConsumerContext for LogContext {}

/// Writes a line of librdkafka's log to `tracing`.
pub fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    use RDKafkaLogLevel::{Alert, Critical, Debug, Emerg, Error, Info, Notice, Warning};
    match level {
        Emerg | Alert | Critical | Error => {
            tracing::error!(target: "librdkafka", facility, "{message}");
        }
        Warning => tracing::warn!(target: "librdkafka", facility, "{message}"),
        Notice | Info => tracing::info!(target: "librdkafka", facility, "{message}"),
        Debug => tracing::debug!(target: "librdkafka", facility, "{message}"),
    }
}

/// Writes a client-wide error to `tracing`, as a warning: librdkafka recovers by itself from
/// all of them except a fatal one.
pub fn log_error(error: &KafkaError, reason: &str) {
    tracing::warn!(target: "librdkafka", %error, "{reason}");
}

#[cfg(test)]
mod tests;
