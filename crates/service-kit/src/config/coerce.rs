//! Checks that a value has the type of its default, and converts text to that type.

use toml::Value;

use super::deserialize::items;

/// Converts a value to the type of `default`. Text is parsed, because environment variables are text.
/// A list is accepted where text is required: the service's own type decides.
///
/// # Errors
/// Returns the expected type and the value if it cannot be converted.
pub(super) fn coerce(default: &Value, in_open_table: bool, value: Value) -> Result<Value, (&'static str, Value)> {
    let parsed = match (default, &value) {
        (Value::Integer(_), Value::Integer(_))
        | (Value::Float(_), Value::Float(_))
        | (Value::Boolean(_), Value::Boolean(_))
        | (Value::String(_) | Value::Array(_), Value::Array(_))
        | (Value::String(_), Value::String(_)) => return Ok(value),
        (Value::Float(_), Value::Integer(number)) => Some(Value::Float(*number as f64)),
        (Value::Integer(_), Value::String(text)) => text.trim().parse().ok().map(Value::Integer),
        (Value::Float(_), Value::String(text)) => text.trim().parse().ok().map(Value::Float),
        (Value::Boolean(_), Value::String(text)) => text.trim().parse().ok().map(Value::Boolean),
        (Value::Array(_), Value::String(text)) => Some(Value::Array(items(text).map(Value::from).collect())),
        (Value::String(_), Value::Integer(_) | Value::Float(_) | Value::Boolean(_)) if in_open_table => {
            Some(Value::String(value.to_string()))
        }
        _ => None,
    };
    parsed.ok_or_else(|| (type_of(default), value))
}

/// Returns the type of a default as an error message names it.
fn type_of(default: &Value) -> &'static str {
    match default {
        Value::Integer(_) => "an integer",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Array(_) => "a list",
        Value::String(_) | Value::Datetime(_) | Value::Table(_) => "a string in quotes",
    }
}

/// Returns a value as an error message shows it. The value of a secret is not shown.
pub(super) fn describe(value: &Value, secret: bool) -> String {
    let type_name = value.type_str();
    match value {
        _ if secret => format!("a value of type {type_name} (not shown: it is a secret)"),
        Value::String(text) => format!("{text:?}"),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => format!("{value}"),
        _ => format!("a value of type {type_name}"),
    }
}
