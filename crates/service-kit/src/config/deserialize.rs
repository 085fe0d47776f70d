//! The notation of values: functions for `#[serde(deserialize_with = "…")]`.

use std::{fmt::Display, str::FromStr, time::Duration};

use secrecy::SecretString;
use serde::{Deserialize, Deserializer, de::Error as _};

/// Reads a duration such as `250ms`, `30s`, `1h 30m` or `7d`.
///
/// # Errors
/// Returns an error if the value is not a duration.
pub fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parse_duration(&String::deserialize(deserializer)?)
}

/// Reads a duration, or `None` from `off` or an empty value. Use it with `#[serde(default)]`.
///
/// # Errors
/// Returns an error if the value is neither.
pub fn optional_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    match text.trim() {
        "" | "off" => Ok(None),
        text => parse_duration(text).map(Some),
    }
}

fn parse_duration<E: serde::de::Error>(text: &str) -> Result<Duration, E> {
    humantime::parse_duration(text.trim())
        .map_err(|_| E::custom(format!("expected a duration such as 30s or 7d, got {text:?}")))
}

/// Reads a list from an array or from comma-separated text.
///
/// # Errors
/// Returns an error if an item cannot be parsed.
pub fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    let parse = |item: &str| parse_item(item);
    texts(deserializer)?.iter().map(|item| parse(item)).collect()
}

/// Reads a list of secrets, in the notation of [`list`].
///
/// # Errors
/// Returns an error if the value is neither an array of strings nor a string.
pub fn secret_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<SecretString>, D::Error> {
    Ok(texts(deserializer)?.into_iter().map(SecretString::from).collect())
}

/// Reads a value, or `None` from an empty value. Use it with `#[serde(default)]`.
///
/// # Errors
/// Returns an error if the value cannot be parsed.
pub fn optional<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    match String::deserialize(deserializer)?.trim() {
        "" => Ok(None),
        text => parse_item(text).map(Some),
    }
}

/// Reads an optional secret, in the notation of [`optional`].
///
/// # Errors
/// Returns an error if the value is not a string.
pub fn optional_secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok((!text.is_empty()).then(|| text.into()))
}

/// Returns the items of comma-separated text, without surrounding spaces and empty items.
pub(super) fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

fn parse_item<T: FromStr<Err: Display>, E: serde::de::Error>(text: &str) -> Result<T, E> {
    text.parse().map_err(|error| E::custom(format!("{text:?}: {error}")))
}

fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Text(String),
        Items(Vec<String>),
    }
    match Written::deserialize(deserializer) {
        Ok(Written::Text(text)) => Ok(items(&text).map(str::to_owned).collect()),
        Ok(Written::Items(items)) => Ok(items),
        Err(_) => Err(D::Error::custom("expected a list of strings")),
    }
}
