//! Validates a body against the OpenAPI schema that documents it, and reports all violations at once.

use std::{
    any::{TypeId, type_name},
    collections::{BTreeMap, HashMap},
    sync::LazyLock,
};

use jsonschema::Validator;
use parking_lot::RwLock;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    domain::{
        json_pointer,
        schema_violation::{SchemaViolation, find_violations},
    },
    problem::{FieldError, Problem},
};

/// The compiled validators, one for each body type, kept for the life of the process.
static VALIDATORS: LazyLock<RwLock<HashMap<TypeId, &'static Validator>>> = LazyLock::new(RwLock::default);

/// Validates `value` against the schema of `T`. Members that the schema does not name are violations, even if the derived
/// schema allows them.
///
/// # Errors
/// Returns `validation-failed` with all violations, ordered by path; `internal` if the schema of `T` cannot be
/// compiled.
pub fn check<T: ToSchema + 'static>(value: &Value) -> Result<(), Problem> {
    let violations = find_violations(validator_for::<T>()?, value);
    if violations.is_empty() {
        return Ok(());
    }
    Err(violations_problem(violations))
}

/// Returns the problem that reports these violations.
pub(in crate::http) fn violations_problem(violations: Vec<SchemaViolation>) -> Problem {
    let error = |it: SchemaViolation| FieldError::at(json_pointer(&it.path), it.invalid.code, it.invalid.detail);
    Problem::ValidationFailed(violations.into_iter().map(error).collect())
}

fn validator_for<T: ToSchema + 'static>() -> Result<&'static Validator, Problem> {
    let id = TypeId::of::<T>();
    let known = VALIDATORS.read().get(&id).copied();
    if let Some(validator) = known {
        return Ok(validator);
    }
    let compiled = compile::<T>().map_err(|error| {
        Problem::internal(error.context(format!("the schema of {} cannot be used", type_name::<T>())))
    })?;
    // Leaked on purpose: there is one validator for each body type, and it lives as long as the process.
    Ok(VALIDATORS.write().entry(id).or_insert_with(|| Box::leak(Box::new(compiled))))
}

fn compile<T: ToSchema>() -> anyhow::Result<Validator> {
    let mut schema = serde_json::to_value(T::schema())?;
    let mut referenced = Vec::new();
    T::schemas(&mut referenced);
    let referenced: BTreeMap<_, _> = referenced.into_iter().collect();
    let root = schema.as_object_mut().ok_or_else(|| anyhow::anyhow!("it is not an object"))?;
    // `additionalProperties` does not consider the members that `allOf` names.
    let keyword = if root.contains_key("allOf") { "unevaluatedProperties" } else { "additionalProperties" };
    root.insert(keyword.into(), json!(false));
    root.insert("components".into(), json!({ "schemas": referenced }));
    Ok(jsonschema::draft202012::new(&schema)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{domain::schema_violation::MAX_VIOLATIONS, problem::Location};

    #[derive(ToSchema)]
    #[schema(rename_all = "camelCase")]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Register {
        #[schema(min_length = 3, max_length = 5)]
        username: String,
        password: String,
        display_name: Option<String>,
        #[schema(minimum = 1, maximum = 100)]
        limit: Option<u8>,
        colour: Option<Colour>,
        address: Option<Address>,
        #[schema(max_items = 2)]
        tags: Option<Vec<String>>,
        attributes: Option<serde_json::Map<String, Value>>,
    }

    #[derive(ToSchema)]
    #[schema(rename_all = "lowercase")]
    #[expect(dead_code, reason = "only its schema is used")]
    enum Colour {
        Red,
        Blue,
    }

    #[derive(ToSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Address {
        city: String,
    }

    fn violations_in(value: &Value) -> Vec<(String, &'static str)> {
        match check::<Register>(value) {
            Ok(()) => Vec::new(),
            Err(Problem::ValidationFailed(errors)) => errors
                .into_iter()
                .map(|error| match error.location {
                    Location::Pointer(pointer) => (pointer, error.code),
                    other => panic!("{other:?}"),
                })
                .collect(),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_valid_body_has_no_violations() {
        for value in [
            json!({"username": "ada", "password": "x"}),
            json!({"username": "ada", "password": "x", "displayName": null, "limit": 7, "colour": "red",
                   "address": {"city": "Ulm"}, "tags": ["a"], "attributes": {"any": [1, {"b": null}]}}),
            json!({"username": "äöü😀x", "password": "x", "colour": null, "address": null}),
        ] {
            assert_eq!(violations_in(&value), [], "{value}");
        }
    }

    #[test]
    fn each_violation_has_its_pointer_and_code() {
        let valid = json!({"username": "ada", "password": "x"});
        for (change, pointer, code) in [
            (json!({"username": 7}), "#/username", "wrong-type"),
            (json!({"username": null}), "#/username", "wrong-type"),
            (json!({"username": "ab"}), "#/username", "out-of-range"),
            (json!({"username": "abcdef"}), "#/username", "out-of-range"),
            (json!({"displayName": ["x"]}), "#/displayName", "wrong-type"),
            (json!({"display_name": "x"}), "#/display_name", "unknown"),
            (json!({"a/b c": 1}), "#/a~1b%20c", "unknown"),
            (json!({"limit": 0}), "#/limit", "out-of-range"),
            (json!({"limit": 101}), "#/limit", "out-of-range"),
            (json!({"limit": 1.5}), "#/limit", "wrong-type"),
            (json!({"colour": "green"}), "#/colour", "invalid"),
            (json!({"address": {}}), "#/address/city", "missing"),
            (json!({"address": {"city": 1}}), "#/address/city", "wrong-type"),
            (json!({"address": "Ulm"}), "#/address", "wrong-type"),
            (json!({"tags": ["a", "b", "c"]}), "#/tags", "out-of-range"),
            (json!({"tags": ["a", 2]}), "#/tags/1", "wrong-type"),
            (json!({"attributes": "x"}), "#/attributes", "wrong-type"),
            (json!({"k".repeat(1000): 1}), "#", "unknown"),
        ] {
            let mut value = valid.clone();
            for (name, member) in change.as_object().unwrap() {
                value[name] = member.clone();
            }
            assert_eq!(violations_in(&value), [(pointer.to_owned(), code)], "{change}");
        }
    }

    #[test]
    fn a_body_that_is_not_an_object_has_the_wrong_type() {
        for value in [json!([]), json!("x"), json!(null), json!(1)] {
            assert_eq!(violations_in(&value), [("#".to_owned(), "wrong-type")], "{value}");
        }
    }

    #[test]
    fn all_violations_are_reported_in_order() {
        assert_eq!(
            violations_in(&json!({"username": 1, "limit": 0, "zzz": 1, "aaa": 2})),
            [
                ("#/aaa".to_owned(), "unknown"),
                ("#/limit".to_owned(), "out-of-range"),
                ("#/password".to_owned(), "missing"),
                ("#/username".to_owned(), "wrong-type"),
                ("#/zzz".to_owned(), "unknown"),
            ]
        );
    }

    #[test]
    fn no_detail_repeats_a_value() {
        let secret = "hunter2-hunter2";
        let value = json!({"username": secret, "password": [secret], "displayName": {"a": secret}, "limit": secret,
                           "colour": secret, "address": secret, "tags": secret, "attributes": secret});
        let Err(Problem::ValidationFailed(errors)) = check::<Register>(&value) else { panic!("accepted") };
        assert_eq!(errors.len(), 8);
        assert!(!format!("{errors:?}").contains("hunter2"), "{errors:?}");
    }

    #[test]
    fn the_number_of_reported_violations_is_bounded() {
        let value: serde_json::Map<_, _> = (0..5000).map(|n| (format!("m{n}"), json!(1))).collect();
        assert_eq!(violations_in(&value.into()).len(), MAX_VIOLATIONS);
    }
}
