use std::time::{Duration, Instant};

use serde_json::json;

use super::*;

fn rules() -> AttributeRules {
    let schema = json!({
        "$schema": DRAFT,
        "type": "object",
        "properties": {
            "nickname": { "type": "string", "maxLength": 10 },
            "site": { "type": "string", "format": "uri" },
            "plan": { "enum": ["free", "pro"], "x-admin-only": true },
            "billing": {
                "type": "object",
                "properties": {
                    "country": { "type": "string", "pattern": "^[A-Z]{2}$" },
                    "limit": { "type": "integer", "minimum": 0, "x-admin-only": true }
                }
            }
        },
        "additionalProperties": false
    });
    AttributeRules::parse(&schema.to_string()).unwrap()
}

fn attributes(value: Value) -> Attributes {
    Attributes::parse(value).unwrap()
}

fn simplify(result: Result<Option<Attributes>, Vec<SchemaViolation>>) -> Result<Value, Vec<(String, &'static str)>> {
    match result {
        Ok(attributes) => Ok(attributes.map_or(Value::Null, |it| Value::Object(it.as_map().clone()))),
        Err(violations) => Err(violations.into_iter().map(|it| (it.path.join("/"), it.invalid.code)).collect()),
    }
}

fn validate_new(given: Value, by: Writer) -> Result<Value, Vec<(String, &'static str)>> {
    simplify(rules().validate_new(Some(given), by))
}

fn validate_change(stored: Value, patch: &Value, by: Writer) -> Result<Value, Vec<(String, &'static str)>> {
    simplify(rules().validate_change(&attributes(stored), patch.as_object(), by))
}

fn errors_at(errors: &[(&str, &'static str)]) -> Result<Value, Vec<(String, &'static str)>> {
    Err(errors.iter().map(|(path, code)| ((*path).to_owned(), *code)).collect())
}

#[test]
fn every_violation_is_reported_with_its_path() {
    let given = json!({ "nickname": "far too long for it", "billing": { "country": "Germany" }, "colour": 1 });
    let expected = [("billing/country", "invalid"), ("colour", "unknown"), ("nickname", "out-of-range")];
    assert_eq!(validate_new(given, Writer::User), errors_at(&expected));
    assert_eq!(validate_new(json!({ "site": "no uri" }), Writer::User), errors_at(&[("site", "invalid")]));
    assert_eq!(validate_new(json!([]), Writer::User), errors_at(&[("", "not-an-object")]));
    let fine = json!({ "nickname": "ada", "billing": { "country": "GB" } });
    assert_eq!(validate_new(fine.clone(), Writer::User), Ok(fine));
}

#[test]
fn no_violation_repeats_a_value() {
    let given = json!({ "nickname": "hunter2-hunter2", "billing": { "country": "hunter2" }, "site": "hunter2" });
    let violations = rules().validate_new(Some(given), Writer::User).unwrap_err();
    assert_eq!(violations.len(), 3);
    assert!(!format!("{violations:?}").contains("hunter2"), "{violations:?}");
}

#[test]
fn a_user_cannot_write_admin_only_members() {
    for value in [json!("pro"), json!(null), json!("free")] {
        let given = json!({ "plan": value, "billing": { "limit": 7 } });
        let expected = errors_at(&[("billing/limit", "admin-only"), ("plan", "admin-only")]);
        assert_eq!(validate_new(given.clone(), Writer::User), expected);
        assert_eq!(validate_change(json!({ "plan": "pro" }), &given, Writer::User), expected);
    }
    let given = json!({ "plan": "pro", "billing": { "limit": 7 } });
    assert_eq!(validate_new(given.clone(), Writer::Admin), Ok(given.clone()));
    assert_eq!(validate_change(json!({}), &given, Writer::Admin), Ok(given));
}

#[test]
fn admin_only_members_stay_when_a_user_removes_everything_around_them() {
    let stored = json!({ "nickname": "ada", "plan": "pro", "billing": { "country": "GB", "limit": 7 } });
    let left = json!({ "plan": "pro", "billing": { "limit": 7 } });
    assert_eq!(validate_change(stored.clone(), &Value::Null, Writer::User), Ok(left));
    assert_eq!(validate_change(stored.clone(), &Value::Null, Writer::Admin), Ok(Value::Null));
    let without = json!({ "nickname": "ada", "plan": "pro", "billing": { "limit": 7 } });
    assert_eq!(validate_change(stored.clone(), &json!({ "billing": null }), Writer::User), Ok(without));
    let other = json!({ "billing": "none" });
    assert_eq!(validate_change(stored.clone(), &other, Writer::User), errors_at(&[("billing", "admin-only")]));
    let country = json!({ "billing": { "country": null } });
    let kept = json!({ "nickname": "ada", "plan": "pro", "billing": { "limit": 7 } });
    assert_eq!(validate_change(stored, &country, Writer::User), Ok(kept));
    assert_eq!(validate_change(json!({ "nickname": "ada" }), &Value::Null, Writer::User), Ok(Value::Null));
}

#[test]
fn missing_attributes_are_validated_as_an_empty_object() {
    let rules = AttributeRules::parse(r#"{"required": ["team"]}"#).unwrap();
    assert_eq!(simplify(rules.validate_new(None, Writer::User)), errors_at(&[("team", "missing")]));
    let stored = attributes(json!({ "team": 1 }));
    assert_eq!(simplify(rules.validate_change(&stored, None, Writer::User)), errors_at(&[("team", "missing")]));
}

#[test]
fn without_a_schema_everything_is_allowed() {
    let rules = AttributeRules::default();
    assert_eq!(simplify(rules.validate_new(None, Writer::User)), Ok(Value::Null));
    assert_eq!(simplify(rules.validate_new(Some(json!({ "a": [1] })), Writer::User)), Ok(json!({ "a": [1] })));
    let stored = attributes(json!({ "a": [1] }));
    assert_eq!(simplify(rules.validate_change(&stored, None, Writer::User)), Ok(Value::Null));
}

#[test]
fn a_schema_that_could_not_be_enforced_is_refused() {
    for (schema, expected) in [
        ("{", "not JSON"),
        (r#"{"type": "objekt"}"#, "cannot be used"),
        (r#"{"$schema": "http://json-schema.org/draft-07/schema#"}"#, "$schema"),
        (r#"{"$ref": "https://example.org/schema.json"}"#, "cannot be used"),
        (r#"{"$ref": "file:///etc/passwd"}"#, "cannot be used"),
        (r#"{"properties": {"a": {"pattern": "(a)\\1"}}}"#, "cannot be used"),
        (r#"{"properties": {"a": {"pattern": "(?=x)"}}}"#, "cannot be used"),
        (r#"{"properties": {"a": {"pattern": "((a{1000}){1000}){1000}"}}}"#, "cannot be used"),
        (r#"{"properties": {"a": {"format": "colour"}}}"#, "cannot be used"),
        (r#"{"properties": {"a": {"x-admin-only": "yes"}}}"#, "neither true nor false"),
        (r#"{"x-admin-only": true}"#, "at # has no effect"),
        (r##"{"$defs": {"a": {"x-admin-only": true}}, "properties": {"a": {"$ref": "#/$defs/a"}}}"##, "at #/$defs/a"),
        (r#"{"patternProperties": {"^a": {"x-admin-only": true}}}"#, "has no effect"),
        (r#"{"properties": {"a": {"x-public": 1}}}"#, "x-public at #/properties/a is neither true nor false"),
        (r#"{"x-public": true}"#, "x-public at # has no effect"),
        (r##"{"$defs": {"a": {"x-public": true}}, "properties": {"a": {"$ref": "#/$defs/a"}}}"##, "at #/$defs/a"),
        (r#"{"patternProperties": {"^a": {"x-public": true}}}"#, "at #/patternProperties/^a has no effect"),
        (r#"{"properties": {"a": {"items": {"x-public": true}}}}"#, "at #/properties/a/items has no effect"),
        (r#"{"allOf": [{"properties": {"a": {"x-public": true}}}]}"#, "at #/allOf/0/properties/a has no effect"),
        (r#"{"properties": {"a": {"x-admin-only": true}}, "required": ["a"]}"#, "no user could register"),
    ] {
        let error = AttributeRules::parse(schema).expect_err(schema).to_string();
        assert!(error.contains(expected), "{schema}: {error}");
    }
    for schema in [
        "{}",
        "true",
        r#"{"properties": {"a/b": {"x-admin-only": true}, "x-admin-only": {"type": "string"}, "c": {"x-admin-only": false}}}"#,
        r##"{"$defs": {"a": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/a", "x-admin-only": true}}}"##,
        r##"{"$defs": {"a": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/a", "x-public": true}}}"##,
        r#"{"properties": {"a": {"x-public": true, "x-admin-only": true}, "x-public": {"x-public": false}}}"#,
        r#"{"properties": {"a": {"x-public": true}}, "required": ["a"]}"#,
    ] {
        AttributeRules::parse(schema).expect(schema);
    }
}

#[test]
fn a_hostile_text_cannot_slow_down_a_pattern() {
    let rules = AttributeRules::parse(r#"{"properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}}"#).unwrap();
    let started = Instant::now();
    let given = json!({ "a": format!("{}!", "a".repeat(16_000)) });
    assert_eq!(simplify(rules.validate_new(Some(given), Writer::User)), errors_at(&[("a", "invalid")]));
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}

#[test]
fn the_writer_of_a_member_follows_from_the_marks_on_its_path() {
    let schema = json!({
        "properties": {
            "plan": { "x-admin-only": true, "properties": { "name": {} } },
            "org": { "properties": { "id": { "x-admin-only": true } }, "additionalProperties": false },
            "tags": { "patternProperties": { "^t": {} }, "additionalProperties": false },
            "free": {},
        },
        "additionalProperties": false,
    });
    let rules = AttributeRules::parse(&schema.to_string()).unwrap();
    let writer = |path: &str| rules.writer_of(&path.split('.').map(str::to_owned).collect::<Vec<_>>());
    for (path, expected) in [
        ("plan", Some(Writer::Admin)),
        ("plan.name", Some(Writer::Admin)),
        ("plan.other", Some(Writer::Admin)),
        ("org", Some(Writer::User)),
        ("org.id", Some(Writer::Admin)),
        ("org.other", None),
        ("tags.t1", Some(Writer::User)),
        ("free.anything", Some(Writer::User)),
        ("other", None),
    ] {
        assert_eq!(writer(path), expected, "{path}");
    }
    assert_eq!(AttributeRules::default().writer_of(&["anything".to_owned()]), Some(Writer::User));
}

#[test]
fn only_marked_members_are_public() {
    let schema = json!({
        "properties": {
            "nickname": { "x-public": true },
            "team": { "x-public": true, "x-admin-only": true },
            "address": { "x-public": true, "properties": { "street": { "x-public": false } } },
            "billing": {
                "properties": {
                    "country": { "x-public": true },
                    "limit": { "x-admin-only": true },
                    "bank": { "properties": { "name": { "x-public": true } } },
                },
            },
            "secret": { "x-public": false },
        },
    });
    let rules = AttributeRules::parse(&schema.to_string()).unwrap();
    let public = |value: Value| rules.public_members(value.as_object().unwrap()).map(Value::Object);
    let all = json!({
        "nickname": "ada",
        "team": null,
        "address": { "street": "12 St James's Square", "unknown": [1] },
        "billing": { "country": "GB", "limit": 7, "bank": { "name": "Coutts", "account": 815 }, "unknown": 1 },
        "secret": "s",
        "unknown": { "nickname": "n" },
    });
    let expected = json!({
        "nickname": "ada",
        "team": null,
        "address": { "street": "12 St James's Square", "unknown": [1] },
        "billing": { "country": "GB", "bank": { "name": "Coutts" } },
    });
    assert_eq!(public(all), Some(expected));
    assert_eq!(public(json!({ "address": "none" })), Some(json!({ "address": "none" })));
    for without in [
        json!({}),
        json!({ "secret": "s", "unknown": 1 }),
        json!({ "billing": { "limit": 7 } }),
        json!({ "billing": { "bank": {} } }),
        json!({ "billing": "GB" }),
        json!({ "billing": [{ "country": "GB" }] }),
    ] {
        assert_eq!(public(without.clone()), None, "{without}");
    }
}

#[test]
fn nothing_is_public_without_a_mark() {
    let everything = json!({ "nickname": "ada", "plan": "pro", "billing": { "country": "GB" } });
    for rules in [AttributeRules::default(), rules(), AttributeRules::parse("true").unwrap()] {
        assert_eq!(rules.public_members(everything.as_object().unwrap()), None);
    }
}
