//! Violations of a JSON Schema, each with its path in the JSON value. Their messages contain no value of the input.

use jsonschema::{
    ValidationError, Validator,
    error::{TypeKind, ValidationErrorKind},
    paths::{Location, LocationSegment},
};
use serde_json::Value;

use super::invalid_value::Invalid;

/// The maximum number of reported violations. A body with many unknown members can have thousands.
pub const MAX_VIOLATIONS: usize = 100;
/// Maximum length of a reported name in bytes. An unknown member with a longer name is reported at its object, so that
/// the response stays small.
const MAX_NAME_BYTES: usize = 128;
/// Maximum length of a list of allowed values in bytes. A longer list is left out of the message.
const MAX_LISTED_BYTES: usize = 200;

/// A violation, with its path: the names and indices that lead to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaViolation {
    pub path: Vec<String>,
    pub invalid: Invalid,
}

impl SchemaViolation {
    pub(super) fn new(path: Vec<String>, code: &'static str, detail: impl Into<String>) -> Self {
        Self { path, invalid: Invalid::new(code, detail) }
    }
}

/// Returns at most [`MAX_VIOLATIONS`] violations of `value`, ordered by path.
#[must_use]
pub fn find_violations(validator: &Validator, value: &Value) -> Vec<SchemaViolation> {
    let mut found = Vec::new();
    for error in validator.iter_errors(value) {
        describe(&error, &mut found);
    }
    found.sort_by(|a, b| (&a.path, a.invalid.code).cmp(&(&b.path, b.invalid.code)));
    found.truncate(MAX_VIOLATIONS);
    found
}

fn describe(error: &ValidationError<'_>, found: &mut Vec<SchemaViolation>) {
    use ValidationErrorKind as Kind;

    let location = error.instance_path();
    let mut report = |code, detail: String| found.push(SchemaViolation::new(path_of(location, None), code, detail));
    match error.kind() {
        Kind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            found.push(SchemaViolation::new(path_of(location, Some(name)), "missing", "This member is required."));
        }
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            found.extend(unexpected.iter().take(MAX_VIOLATIONS).map(|name| unknown_member(location, name)));
        }
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => describe_alternatives(location, context, found),
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
        Kind::Enum { options } => report("invalid", expectation("It must be one of", &options.to_string())),
        Kind::Constant { expected_value } => report("invalid", expectation("It must be", &expected_value.to_string())),
        Kind::Pattern { pattern } => report("invalid", expectation("It must match", pattern)),
        Kind::Format { format } => report("invalid", expectation("It must have the format", format)),
        Kind::UniqueItems => report("invalid", "Its items must differ from each other.".into()),
        Kind::FalseSchema => report("unknown", "This member is not known.".into()),
        _ => report("invalid", "It does not match the schema.".into()),
    }
}

fn expectation(sentence: &str, allowed: &str) -> String {
    if allowed.len() > MAX_LISTED_BYTES {
        format!("{sentence} what the schema allows.")
    } else {
        format!("{sentence} {allowed}.")
    }
}

/// Describes the violations of the intended alternative (of `null` or an object, for example): the only one whose type
/// matches.
fn describe_alternatives(
    location: &Location,
    branches: &[Vec<ValidationError<'static>>],
    found: &mut Vec<SchemaViolation>,
) {
    let wrong_type = |error: &ValidationError<'_>| {
        error.instance_path() == location && matches!(error.kind(), ValidationErrorKind::Type { .. })
    };
    let mut matching = branches.iter().filter(|branch| !branch.iter().any(wrong_type));
    match (matching.next(), matching.next()) {
        (Some(meant), None) => meant.iter().for_each(|error| describe(error, found)),
        (None, _) => found.push(SchemaViolation::new(path_of(location, None), "wrong-type", "It has the wrong type.")),
        (Some(_), Some(_)) => {
            found.push(SchemaViolation::new(
                path_of(location, None),
                "invalid",
                "It matches none of the allowed forms.",
            ));
        }
    }
}

fn unknown_member(location: &Location, name: &str) -> SchemaViolation {
    if name.len() > MAX_NAME_BYTES {
        let detail = "It has an unknown member with a very long name.";
        return SchemaViolation::new(path_of(location, None), "unknown", detail);
    }
    SchemaViolation::new(path_of(location, Some(name)), "unknown", "This member is not known.")
}

fn path_of(location: &Location, member: Option<&str>) -> Vec<String> {
    let segments = location.segments().map(|segment| match segment {
        LocationSegment::Property(name) => name.into_owned(),
        LocationSegment::Index(index) => index.to_string(),
    });
    segments.chain(member.map(ToOwned::to_owned)).collect()
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
        // `null` sorts first but reads best at the end.
        TypeKind::Multiple(set) => {
            let mut names: Vec<_> = set.iter().map(name).collect();
            if names.first() == Some(&"null") {
                names.rotate_left(1);
            }
            names.join(" or ")
        }
    }
}
