//! Checks that a value has the type of its default, and converts text to that type.

use toml::Value;

use super::deserialize::items;

/// The required type of a value: the type of its default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ValueType {
    Text,
    Integer,
    Float,
    Boolean,
    List,
}

impl ValueType {
    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::Integer(_) => Self::Integer,
            Value::Float(_) => Self::Float,
            Value::Boolean(_) => Self::Boolean,
            Value::Array(_) => Self::List,
            Value::String(_) | Value::Datetime(_) | Value::Table(_) => Self::Text,
        }
    }
}

/// Converts a value to its required type. Text is parsed, because environment variables are text.
/// A list is accepted where text is required: the service's own type decides.
///
/// # Errors
/// Returns the expected type and the value if it cannot be converted.
pub(super) fn coerce(value_type: ValueType, in_open_table: bool, value: Value) -> Result<Value, (&'static str, Value)> {
    match (value_type, value) {
        (ValueType::Integer, value @ Value::Integer(_))
        | (ValueType::Float, value @ Value::Float(_))
        | (ValueType::Boolean, value @ Value::Boolean(_))
        | (ValueType::List, value @ Value::Array(_))
        | (ValueType::Text, value @ (Value::String(_) | Value::Array(_))) => Ok(value),
        (ValueType::Float, Value::Integer(number)) => Ok(Value::Float(number as f64)),
        (ValueType::Integer, Value::String(text)) => match text.trim().parse() {
            Ok(number) => Ok(Value::Integer(number)),
            Err(_) => Err(("an integer", Value::String(text))),
        },
        (ValueType::Float, Value::String(text)) => match text.trim().parse() {
            Ok(number) => Ok(Value::Float(number)),
            Err(_) => Err(("a number", Value::String(text))),
        },
        (ValueType::Boolean, Value::String(text)) => match text.trim().parse() {
            Ok(yes) => Ok(Value::Boolean(yes)),
            Err(_) => Err(("true or false", Value::String(text))),
        },
        (ValueType::List, Value::String(text)) => {
            Ok(Value::Array(items(&text).map(|item| Value::String(item.to_owned())).collect()))
        }
        (ValueType::Text, Value::Integer(number)) if in_open_table => Ok(Value::String(number.to_string())),
        (ValueType::Text, Value::Float(number)) if in_open_table => Ok(Value::String(number.to_string())),
        (ValueType::Text, Value::Boolean(yes)) if in_open_table => Ok(Value::String(yes.to_string())),
        (ValueType::Integer, value) => Err(("an integer", value)),
        (ValueType::Float, value) => Err(("a number", value)),
        (ValueType::Boolean, value) => Err(("true or false", value)),
        (ValueType::List, value) => Err(("a list", value)),
        (ValueType::Text, value) => Err(("a string in quotes", value)),
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
