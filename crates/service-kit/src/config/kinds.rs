//! Whether a value is of the kind that its default is, and text as that kind.

use toml::Value;

use super::{keys::Kind, values::items};

/// The value as its kind; text is parsed, for variables are text. Text stays what it
/// is where a list is given: the service's type decides.
pub(super) fn coerce(kind: Kind, open: bool, value: Value) -> Result<Value, (&'static str, Value)> {
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
            Ok(Value::Array(items(&text).map(|item| Value::String(item.to_owned())).collect()))
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

/// A value as an error shows it.
pub(super) fn describe(value: &Value, secret: bool) -> String {
    let kind = value.type_str();
    match value {
        _ if secret => format!("a value of type {kind} (not shown: it is a secret)"),
        Value::String(text) => format!("{text:?}"),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => format!("{value}"),
        _ => format!("a value of type {kind}"),
    }
}
