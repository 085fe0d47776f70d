//! Attributes: the data that an application stores with a user, a JSON object of bounded size and depth.

use std::fmt;

use serde_json::{Map, Value};

use super::invalid_value::Invalid;

/// Maximum length of the object as compact JSON.
pub const MAX_BYTES: usize = 16 * 1024;
/// Maximum nesting depth of objects and arrays, including the outermost object.
pub const MAX_DEPTH: usize = 16;

/// A JSON object within the limits. The default is the empty object.
#[derive(Clone, PartialEq, Default)]
pub struct Attributes(Map<String, Value>);

impl Attributes {
    /// Converts a JSON value.
    ///
    /// # Errors
    /// Returns an error with the code `not-an-object`, `too-large`, `too-deep`, or `invalid-character` for a member
    /// name with U+0000, which the database cannot store.
    pub fn parse(value: Value) -> Result<Self, Invalid> {
        let Value::Object(members) = value else {
            return Err(Invalid::new("not-an-object", "Attributes must be a JSON object."));
        };
        check(&members, 1)?;
        let attributes = Self(members);
        if attributes.to_json().len() > MAX_BYTES {
            return Err(Invalid::new("too-large", format!("Attributes have at most {MAX_BYTES} bytes of JSON.")));
        }
        Ok(attributes)
    }

    /// Applies a JSON Merge Patch (RFC 7396): `null` removes a member, an object is merged into the existing object,
    /// and any other value replaces the existing one.
    ///
    /// # Errors
    /// Returns the errors of [`Attributes::parse`], for the patch or the result.
    pub fn merged(&self, patch: &Map<String, Value>) -> Result<Self, Invalid> {
        // The depth of the patch is checked first, because the merge is recursive.
        check(patch, 1)?;
        let mut members = self.0.clone();
        merge(&mut members, patch);
        Self::parse(Value::Object(members))
    }

    #[must_use]
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }

    /// Returns the object as compact JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(&self.0).expect("a JSON value with string keys serialises")
    }
}

/// Attributes may contain personal data, and debug output ends up in logs.
impl fmt::Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Attributes([REDACTED], {} members)", self.0.len())
    }
}

fn check(members: &Map<String, Value>, depth: usize) -> Result<(), Invalid> {
    if members.keys().any(|name| name.contains('\0')) {
        return Err(Invalid::new("invalid-character", "The name of an attribute must not contain U+0000."));
    }
    check_all(members.values(), depth)
}

fn check_all<'a>(mut values: impl Iterator<Item = &'a Value>, depth: usize) -> Result<(), Invalid> {
    if depth > MAX_DEPTH {
        return Err(Invalid::new("too-deep", format!("Attributes are at most {MAX_DEPTH} levels deep.")));
    }
    values.try_for_each(|value| match value {
        Value::Object(members) => check(members, depth + 1),
        Value::Array(items) => check_all(items.iter(), depth + 1),
        _ => Ok(()),
    })
}

fn merge(target: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (name, change) in patch {
        match change {
            Value::Null => {
                target.remove(name);
            }
            Value::Object(change) => {
                let member = target.entry(name.clone()).or_insert(Value::Null);
                if !member.is_object() {
                    *member = Value::Object(Map::new());
                }
                if let Value::Object(member) = member {
                    merge(member, change);
                }
            }
            other => {
                target.insert(name.clone(), other.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn code(value: Value) -> &'static str {
        Attributes::parse(value).expect_err("it should be refused").code
    }

    fn nested(depth: usize) -> Value {
        (1..depth).fold(json!({}), |inner, _| json!({ "a": inner }))
    }

    #[test]
    fn an_object_is_stored_unchanged() {
        let value = json!({"plan": "pro", "$odd.name": [1, 2.5, null], "": {"x": true}});
        let attributes = Attributes::parse(value.clone()).unwrap();
        assert_eq!(Value::Object(attributes.as_map().clone()), value);
        assert_eq!(serde_json::from_str::<Value>(&attributes.to_json()).unwrap(), value);
    }

    #[test]
    fn any_other_value_is_refused() {
        for value in [json!(null), json!([]), json!("{}"), json!(1)] {
            assert_eq!(code(value), "not-an-object");
        }
        assert_eq!(code(json!({"a": {"b\0": 1}})), "invalid-character");
    }

    #[test]
    fn attributes_have_at_most_16_kib() {
        let overhead = r#"{"a":""}"#.len();
        assert!(Attributes::parse(json!({ "a": "x".repeat(MAX_BYTES - overhead) })).is_ok());
        assert_eq!(code(json!({ "a": "x".repeat(MAX_BYTES - overhead + 1) })), "too-large");
    }

    #[test]
    fn attributes_are_at_most_16_levels_deep() {
        assert!(Attributes::parse(nested(MAX_DEPTH)).is_ok());
        assert_eq!(code(nested(MAX_DEPTH + 1)), "too-deep");
        assert_eq!(code(json!({ "a": [[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]] })), "too-deep");
    }

    #[test]
    fn a_merge_patch_follows_rfc_7396() {
        // The cases of appendix A in which original and patch are objects.
        for (original, patch, result) in [
            (json!({"a":"b"}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"b"}), json!({"b":"c"}), json!({"a":"b","b":"c"})),
            (json!({"a":"b"}), json!({"a":null}), json!({})),
            (json!({"a":"b","b":"c"}), json!({"a":null}), json!({"b":"c"})),
            (json!({"a":["b"]}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"c"}), json!({"a":["b"]}), json!({"a":["b"]})),
            (json!({"a":{"b":"c"}}), json!({"a":{"b":"d","c":null}}), json!({"a":{"b":"d"}})),
            (json!({"a":[{"b":"c"}]}), json!({"a":[1]}), json!({"a":[1]})),
            (json!({"e":null}), json!({"a":1}), json!({"e":null,"a":1})),
            (json!({"a":"foo"}), json!({"a":{"b":{"c":null}}}), json!({"a":{"b":{}}})),
            (json!({}), json!({"a":{"bb":{"ccc":null}}}), json!({"a":{"bb":{}}})),
        ] {
            let merged = Attributes::parse(original).unwrap().merged(patch.as_object().unwrap()).unwrap();
            assert_eq!(Value::Object(merged.as_map().clone()), result);
        }
    }

    #[test]
    fn a_merge_that_grows_too_large_is_refused() {
        let half = json!({ "a": "x".repeat(9000) });
        let other = json!({ "b": "x".repeat(9000) });
        let merged = Attributes::parse(half).unwrap().merged(other.as_object().unwrap());
        assert_eq!(merged.unwrap_err().code, "too-large");
    }
}
