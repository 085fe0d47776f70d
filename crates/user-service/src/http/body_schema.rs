//! Checks a body against the OpenAPI schema that documents it, and reports all mistakes at once.

use std::{
    any::{TypeId, type_name},
    collections::{BTreeMap, HashMap},
    sync::LazyLock,
};

use jsonschema::{
    ValidationError, Validator,
    error::{TypeKind, ValidationErrorKind},
    paths::{Location, LocationSegment},
};
use parking_lot::RwLock;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    field_error::{FieldError, pointer},
    problem::Problem,
};

/// How many mistakes are reported; a body of nothing but unknown members has thousands.
const MAX_ERRORS: usize = 100;
/// An unknown member with a longer name is reported at its object, so that the answer stays small.
const MAX_NAME: usize = 128;

/// One compiled validator per body type, for the life of the process.
static VALIDATORS: LazyLock<RwLock<HashMap<TypeId, &'static Validator>>> = LazyLock::new(RwLock::default);

/// Checks `value` against `T`'s schema. Members that the schema does not name are mistakes,
/// whatever the derive says.
///
/// # Errors
/// `validation-failed` with all mistakes, ordered by place; `internal` if `T`'s schema is not one.
pub fn check<T: ToSchema + 'static>(value: &Value) -> Result<(), Problem> {
    let mut errors = Vec::new();
    for error in validator_of::<T>()?.iter_errors(value) {
        describe(&error, &mut errors);
    }
    if errors.is_empty() {
        return Ok(());
    }
    errors.sort_by(|a, b| (&a.location, a.code).cmp(&(&b.location, b.code)));
    errors.truncate(MAX_ERRORS);
    Err(Problem::ValidationFailed(errors))
}

fn validator_of<T: ToSchema + 'static>() -> Result<&'static Validator, Problem> {
    let id = TypeId::of::<T>();
    let known = VALIDATORS.read().get(&id).copied();
    if let Some(validator) = known {
        return Ok(validator);
    }
    let compiled = compile::<T>().map_err(|error| {
        Problem::internal(error.context(format!("the schema of {} cannot be used", type_name::<T>())))
    })?;
    // Leaked on purpose: there are as many as there are body types, and each lives as long as the process.
    Ok(VALIDATORS.write().entry(id).or_insert_with(|| Box::leak(Box::new(compiled))))
}

fn compile<T: ToSchema>() -> anyhow::Result<Validator> {
    let mut schema = serde_json::to_value(T::schema())?;
    let mut referenced = Vec::new();
    T::schemas(&mut referenced);
    let referenced: BTreeMap<_, _> = referenced.into_iter().collect();
    let root = schema.as_object_mut().ok_or_else(|| anyhow::anyhow!("it is no object"))?;
    // `additionalProperties` does not see what `allOf` names.
    let closing = if root.contains_key("allOf") { "unevaluatedProperties" } else { "additionalProperties" };
    root.insert(closing.into(), json!(false));
    root.insert("components".into(), json!({ "schemas": referenced }));
    Ok(jsonschema::draft202012::new(&schema)?)
}

/// Translates one error of the validator; none of the sentences contains the value.
fn describe(error: &ValidationError<'_>, errors: &mut Vec<FieldError>) {
    use ValidationErrorKind as Kind;

    let place = error.instance_path();
    let mut report = |code, detail: String| errors.push(FieldError::at(at(place, None), code, detail));
    match error.kind() {
        Kind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            errors.push(FieldError::at(at(place, Some(name)), "missing", "This member is required."));
        }
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            errors.extend(unexpected.iter().take(MAX_ERRORS).map(|name| unknown(place, name)));
        }
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => alternatives(place, context, errors),
        Kind::Type { kind } => report("wrong-type", format!("It must be {}.", type_names(kind))),
        Kind::MinLength { limit } => report("out-of-range", format!("It must have at least {limit} characters.")),
        Kind::MaxLength { limit } => report("out-of-range", format!("It must have at most {limit} characters.")),
        Kind::MinItems { limit } => report("out-of-range", format!("It must have at least {limit} items.")),
        Kind::MaxItems { limit } => report("out-of-range", format!("It must have at most {limit} items.")),
        Kind::MinProperties { limit } => report("out-of-range", format!("It must have at least {limit} members.")),
        Kind::MaxProperties { limit } => report("out-of-range", format!("It must have at most {limit} members.")),
        Kind::Minimum { limit } => report("out-of-range", format!("It must be {limit} or more.")),
        Kind::Maximum { limit } => report("out-of-range", format!("It must be {limit} or less.")),
        Kind::ExclusiveMinimum { limit } => report("out-of-range", format!("It must be more than {limit}.")),
        Kind::ExclusiveMaximum { limit } => report("out-of-range", format!("It must be less than {limit}.")),
        Kind::Enum { options } => report("invalid", format!("It must be one of {options}.")),
        Kind::Constant { expected_value } => report("invalid", format!("It must be {expected_value}.")),
        Kind::Pattern { pattern } => report("invalid", format!("It must match {pattern}.")),
        Kind::UniqueItems => report("invalid", "Its items must differ from each other.".into()),
        _ => report("invalid", "It does not fit the schema of this request.".into()),
    }
}

/// Of several alternatives (`null` or an object, say), the mistakes of the one that was meant: the
/// only one whose type fits.
fn alternatives(place: &Location, branches: &[Vec<ValidationError<'static>>], errors: &mut Vec<FieldError>) {
    let wrong_type = |error: &ValidationError<'_>| {
        error.instance_path() == place && matches!(error.kind(), ValidationErrorKind::Type { .. })
    };
    let mut fitting = branches.iter().filter(|branch| !branch.iter().any(wrong_type));
    match (fitting.next(), fitting.next()) {
        (Some(meant), None) => meant.iter().for_each(|error| describe(error, errors)),
        (None, _) => errors.push(FieldError::at(at(place, None), "wrong-type", "It has a wrong type.")),
        (Some(_), Some(_)) => {
            errors.push(FieldError::at(at(place, None), "invalid", "It fits none of the allowed forms."));
        }
    }
}

fn unknown(place: &Location, name: &str) -> FieldError {
    if name.len() > MAX_NAME {
        return FieldError::at(at(place, None), "unknown", "It has a member with a very long name that is not known.");
    }
    FieldError::at(at(place, Some(name)), "unknown", "This member is not known.")
}

fn at(place: &Location, member: Option<&str>) -> String {
    let segments = place.segments().map(|segment| match segment {
        LocationSegment::Property(name) => name.into_owned(),
        LocationSegment::Index(index) => index.to_string(),
    });
    pointer(segments.chain(member.map(ToOwned::to_owned)))
}

fn type_names(kind: &TypeKind) -> String {
    let name = |it: jsonschema::JsonType| match it {
        jsonschema::JsonType::Array => "an array",
        jsonschema::JsonType::Boolean => "true or false",
        jsonschema::JsonType::Integer => "an integer",
        jsonschema::JsonType::Null => "null",
        jsonschema::JsonType::Number => "a number",
        jsonschema::JsonType::Object => "an object",
        jsonschema::JsonType::String => "a string",
    };
    match kind {
        TypeKind::Single(it) => name(*it).to_owned(),
        // `null` reads best at the end, and sorts first.
        TypeKind::Multiple(set) => {
            let mut names: Vec<_> = set.iter().map(name).collect();
            if names.first() == Some(&"null") {
                names.rotate_left(1);
            }
            names.join(" or ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::field_error::Location as Place;

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

    fn mistakes(value: &Value) -> Vec<(String, &'static str)> {
        match check::<Register>(value) {
            Ok(()) => Vec::new(),
            Err(Problem::ValidationFailed(errors)) => errors
                .into_iter()
                .map(|error| match error.location {
                    Place::Pointer(pointer) => (pointer, error.code),
                    other => panic!("{other:?}"),
                })
                .collect(),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_body_that_fits_has_no_mistakes() {
        for value in [
            json!({"username": "ada", "password": "x"}),
            json!({"username": "ada", "password": "x", "displayName": null, "limit": 7, "colour": "red",
                   "address": {"city": "Ulm"}, "tags": ["a"], "attributes": {"any": [1, {"b": null}]}}),
            json!({"username": "äöü😀x", "password": "x", "colour": null, "address": null}),
        ] {
            assert_eq!(mistakes(&value), [], "{value}");
        }
    }

    #[test]
    fn each_mistake_has_its_pointer_and_code() {
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
            assert_eq!(mistakes(&value), [(pointer.to_owned(), code)], "{change}");
        }
    }

    #[test]
    fn a_body_that_is_no_object_has_the_wrong_type() {
        for value in [json!([]), json!("x"), json!(null), json!(1)] {
            assert_eq!(mistakes(&value), [("#".to_owned(), "wrong-type")], "{value}");
        }
    }

    #[test]
    fn all_mistakes_are_reported_in_order() {
        assert_eq!(
            mistakes(&json!({"username": 1, "limit": 0, "zzz": 1, "aaa": 2})),
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
    fn the_number_of_reported_mistakes_is_bounded() {
        let value: serde_json::Map<_, _> = (0..5000).map(|n| (format!("m{n}"), json!(1))).collect();
        assert_eq!(mistakes(&value.into()).len(), MAX_ERRORS);
    }
}
