//! What an operator demands of every user's attributes: a JSON Schema (draft 2020-12), in
//! which `"x-admin-only": true` marks the members that only admins write.
//!
//! The schema stands for itself: no reference leaves it, nothing is fetched. Patterns run on
//! an engine whose time grows with the text and not beyond, so look-around and
//! back-references are errors.

use std::collections::{BTreeMap, BTreeSet};

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::{Map, Value};

use super::{
    Attributes, Invalid,
    schema_violation::{SchemaViolation, find_violations},
};

/// The annotation; it may stand on members reached from the root by `properties` alone.
const MARK: &str = "x-admin-only";
const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";
/// Of a compiled pattern, in bytes.
const PATTERN_SIZE: usize = 1 << 20;

/// Who writes attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    /// The one whose attributes they are.
    User,
    /// An admin, or an operator who imports.
    Admin,
}

/// The rules; without a schema everything within the bounds of [`Attributes`] is allowed.
#[derive(Debug, Default)]
pub struct AttributeRules {
    validator: Option<Validator>,
    admin_only: Marked,
}

/// Why a file is no schema of attributes.
#[derive(Debug, thiserror::Error)]
pub enum InvalidSchema {
    #[error("it is not JSON: {0}")]
    NotJson(#[source] serde_json::Error),
    #[error("its $schema is not {DRAFT}")]
    OtherDraft,
    #[error("it cannot be used: {0}")]
    Refused(String),
    #[error("{MARK} at {0} is neither true nor false")]
    NotBoolean(String),
    #[error("{MARK} at {0} has no effect: only members reached from the root by `properties` can be marked")]
    Unreachable(String),
    #[error("`{0}` is required, and only admins may write it: nobody could register")]
    RequiredOfPersons(String),
}

/// The members that only admins write, as a tree.
#[derive(Debug, Default)]
struct Marked {
    itself: bool,
    members: BTreeMap<String, Marked>,
}

impl AttributeRules {
    /// From the schema's JSON text.
    ///
    /// # Errors
    /// [`InvalidSchema`].
    pub fn parse(text: &str) -> Result<Self, InvalidSchema> {
        let schema: Value = serde_json::from_str(text).map_err(InvalidSchema::NotJson)?;
        if schema.get("$schema").is_some_and(|draft| draft != DRAFT) {
            return Err(InvalidSchema::OtherDraft);
        }
        let validator = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .offline()
            .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_SIZE).dfa_size_limit(PATTERN_SIZE))
            .should_validate_formats(true)
            .should_ignore_unknown_formats(false)
            .build(&schema)
            .map_err(|error| InvalidSchema::Refused(format!("{error} (at {} of the schema)", error.instance_path())))?;
        let mut reached = BTreeSet::new();
        let admin_only = Marked::read(&schema, "", &mut reached);
        check_marks(&schema, "", &reached)?;
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        let forbidden = required.filter_map(Value::as_str).find(|name| admin_only.marks(name));
        match forbidden {
            Some(name) => Err(InvalidSchema::RequiredOfPersons(name.to_owned())),
            None => Ok(Self { validator: Some(validator), admin_only }),
        }
    }

    /// The attributes of a new account. None at all are judged as `{}`.
    ///
    /// # Errors
    /// Every mistake with its place.
    pub fn validate_new(&self, given: Option<Value>, by: Writer) -> Result<Option<Attributes>, Vec<SchemaViolation>> {
        self.validate_new_attributes(given.map(Attributes::parse).transpose().map_err(whole)?, by)
    }

    /// As [`validate_new`](Self::validate_new), for attributes that are known to be within their bounds: the part that is work.
    ///
    /// # Errors
    /// Every mistake with its place.
    pub fn validate_new_attributes(
        &self,
        given: Option<Attributes>,
        by: Writer,
    ) -> Result<Option<Attributes>, Vec<SchemaViolation>> {
        if by == Writer::User
            && let Some(given) = &given
        {
            refuse(self.admin_only.touched(given.as_map()))?;
        }
        self.judged(given)
    }

    /// `stored` changed by a merge patch; `None` takes everything away, and what is left is
    /// judged as `{}`. What only admins write stays when a person takes away all, or all
    /// around it.
    ///
    /// # Errors
    /// Every mistake with its place.
    pub fn validate_change(
        &self,
        stored: &Attributes,
        patch: Option<&Map<String, Value>>,
        by: Writer,
    ) -> Result<Option<Attributes>, Vec<SchemaViolation>> {
        if by == Writer::User
            && let Some(patch) = patch
        {
            refuse(self.admin_only.touched(patch))?;
        }
        let mut new = patch.map(|patch| stored.merged(patch)).transpose().map_err(whole)?;
        if by == Writer::User {
            let mut members = new.as_ref().map(|new| new.as_map().clone()).unwrap_or_default();
            let mut in_the_way = Vec::new();
            if self.admin_only.keep(stored.as_map(), &mut members, &mut Vec::new(), &mut in_the_way) {
                refuse(in_the_way)?;
                new = Some(Attributes::parse(Value::Object(members)).map_err(whole)?);
            }
        }
        self.judged(new)
    }

    fn judged(&self, attributes: Option<Attributes>) -> Result<Option<Attributes>, Vec<SchemaViolation>> {
        let Some(validator) = &self.validator else { return Ok(attributes) };
        let value = Value::Object(attributes.as_ref().map(|it| it.as_map().clone()).unwrap_or_default());
        let violations = find_violations(validator, &value);
        if violations.is_empty() { Ok(attributes) } else { Err(violations) }
    }
}

impl Marked {
    /// The marks below `schema`; `reached` takes the places of those that were seen.
    fn read(schema: &Value, place: &str, reached: &mut BTreeSet<String>) -> Self {
        let mut marked = Self { itself: false, members: BTreeMap::new() };
        for (name, member) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let place = format!("{place}/properties/{}", escaped(name));
            let mut below = Self::read(member, &place, reached);
            below.itself = member.get(MARK) == Some(&Value::Bool(true));
            if below.itself || !below.members.is_empty() {
                reached.insert(place);
                marked.members.insert(name.clone(), below);
            }
        }
        marked
    }

    fn marks(&self, name: &str) -> bool {
        self.members.get(name).is_some_and(|member| member.itself)
    }

    /// The marked members that a patch names, also to remove them.
    fn touched(&self, patch: &Map<String, Value>) -> Vec<Vec<String>> {
        let mut found = Vec::new();
        for (name, marked) in &self.members {
            match patch.get(name) {
                None => {}
                Some(_) if marked.itself => found.push(vec![name.clone()]),
                Some(Value::Object(inner)) => {
                    let below = marked.touched(inner).into_iter();
                    found.extend(below.map(|path| [vec![name.clone()], path].concat()));
                }
                Some(_) => {}
            }
        }
        found
    }

    /// Puts the marked members of `stored` back into `new`, from which a person's change
    /// took them with what is around them. True if there was any to put back; where
    /// something else stands in the way its place is noted.
    fn keep(
        &self,
        stored: &Map<String, Value>,
        new: &mut Map<String, Value>,
        at: &mut Vec<String>,
        in_the_way: &mut Vec<Vec<String>>,
    ) -> bool {
        let mut kept = false;
        for (name, marked) in &self.members {
            let Some(old) = stored.get(name) else { continue };
            at.push(name.clone());
            if marked.itself {
                if new.get(name) != Some(old) {
                    new.insert(name.clone(), old.clone());
                    kept = true;
                }
            } else if let Value::Object(old) = old {
                let mut inner = match new.get(name) {
                    Some(Value::Object(inner)) => inner.clone(),
                    _ => Map::new(),
                };
                if marked.keep(old, &mut inner, at, in_the_way) {
                    if new.get(name).is_some_and(|now| !now.is_object()) {
                        in_the_way.push(at.clone());
                    }
                    new.insert(name.clone(), Value::Object(inner));
                    kept = true;
                }
            }
            at.pop();
        }
        kept
    }
}

fn refuse(places: Vec<Vec<String>>) -> Result<(), Vec<SchemaViolation>> {
    let refused = |path| SchemaViolation::new(path, "admin-only", "Only an administrator writes this.");
    if places.is_empty() { Ok(()) } else { Err(places.into_iter().map(refused).collect()) }
}

/// A mistake of the attributes as a whole.
fn whole(invalid: Invalid) -> Vec<SchemaViolation> {
    vec![SchemaViolation { path: Vec::new(), invalid }]
}

/// Every mark in the schema is a truth value, and where it has an effect.
fn check_marks(schema: &Value, place: &str, reached: &BTreeSet<String>) -> Result<(), InvalidSchema> {
    let shown = || if place.is_empty() { "#".to_owned() } else { format!("#{place}") };
    match schema {
        Value::Object(members) => {
            // Below `properties` it is the name of a member.
            let mark = members.get(MARK).filter(|_| !place.ends_with("/properties"));
            match mark {
                None | Some(Value::Bool(false)) => {}
                Some(Value::Bool(true)) if reached.contains(place) => {}
                Some(Value::Bool(true)) => return Err(InvalidSchema::Unreachable(shown())),
                Some(_) => return Err(InvalidSchema::NotBoolean(shown())),
            }
            let mut below = members.iter();
            below.try_for_each(|(name, member)| check_marks(member, &format!("{place}/{}", escaped(name)), reached))
        }
        Value::Array(items) => {
            items.iter().enumerate().try_for_each(|(n, item)| check_marks(item, &format!("{place}/{n}"), reached))
        }
        _ => Ok(()),
    }
}

/// A segment of a JSON Pointer (RFC 6901).
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
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

    fn shown(result: Result<Option<Attributes>, Vec<SchemaViolation>>) -> Result<Value, Vec<(String, &'static str)>> {
        match result {
            Ok(attributes) => Ok(attributes.map_or(Value::Null, |it| Value::Object(it.as_map().clone()))),
            Err(violations) => Err(violations.into_iter().map(|it| (it.path.join("/"), it.invalid.code)).collect()),
        }
    }

    fn first(given: Value, by: Writer) -> Result<Value, Vec<(String, &'static str)>> {
        shown(rules().validate_new(Some(given), by))
    }

    fn changed(stored: Value, patch: &Value, by: Writer) -> Result<Value, Vec<(String, &'static str)>> {
        shown(rules().validate_change(&attributes(stored), patch.as_object(), by))
    }

    fn at(places: &[(&str, &'static str)]) -> Result<Value, Vec<(String, &'static str)>> {
        Err(places.iter().map(|(place, code)| ((*place).to_owned(), *code)).collect())
    }

    #[test]
    fn every_mistake_is_told_with_its_place() {
        let given = json!({ "nickname": "far too long for it", "billing": { "country": "Germany" }, "colour": 1 });
        let expected = [("billing/country", "invalid"), ("colour", "unknown"), ("nickname", "out-of-range")];
        assert_eq!(first(given, Writer::User), at(&expected));
        assert_eq!(first(json!({ "site": "no uri" }), Writer::User), at(&[("site", "invalid")]));
        assert_eq!(first(json!([]), Writer::User), at(&[("", "not-an-object")]));
        let fine = json!({ "nickname": "ada", "billing": { "country": "GB" } });
        assert_eq!(first(fine.clone(), Writer::User), Ok(fine));
    }

    #[test]
    fn no_mistake_repeats_a_value() {
        let given = json!({ "nickname": "hunter2-hunter2", "billing": { "country": "hunter2" }, "site": "hunter2" });
        let violations = rules().validate_new(Some(given), Writer::User).unwrap_err();
        assert_eq!(violations.len(), 3);
        assert!(!format!("{violations:?}").contains("hunter2"), "{violations:?}");
    }

    #[test]
    fn a_person_does_not_write_what_is_for_admins() {
        for value in [json!("pro"), json!(null), json!("free")] {
            let given = json!({ "plan": value, "billing": { "limit": 7 } });
            let expected = at(&[("billing/limit", "admin-only"), ("plan", "admin-only")]);
            assert_eq!(first(given.clone(), Writer::User), expected);
            assert_eq!(changed(json!({ "plan": "pro" }), &given, Writer::User), expected);
        }
        let given = json!({ "plan": "pro", "billing": { "limit": 7 } });
        assert_eq!(first(given.clone(), Writer::Admin), Ok(given.clone()));
        assert_eq!(changed(json!({}), &given, Writer::Admin), Ok(given));
    }

    #[test]
    fn what_is_for_admins_stays_when_a_person_takes_away_all_around_it() {
        let stored = json!({ "nickname": "ada", "plan": "pro", "billing": { "country": "GB", "limit": 7 } });
        let left = json!({ "plan": "pro", "billing": { "limit": 7 } });
        assert_eq!(changed(stored.clone(), &Value::Null, Writer::User), Ok(left));
        assert_eq!(changed(stored.clone(), &Value::Null, Writer::Admin), Ok(Value::Null));
        let without = json!({ "nickname": "ada", "plan": "pro", "billing": { "limit": 7 } });
        assert_eq!(changed(stored.clone(), &json!({ "billing": null }), Writer::User), Ok(without));
        let other = json!({ "billing": "none" });
        assert_eq!(changed(stored.clone(), &other, Writer::User), at(&[("billing", "admin-only")]));
        let country = json!({ "billing": { "country": null } });
        let kept = json!({ "nickname": "ada", "plan": "pro", "billing": { "limit": 7 } });
        assert_eq!(changed(stored, &country, Writer::User), Ok(kept));
        assert_eq!(changed(json!({ "nickname": "ada" }), &Value::Null, Writer::User), Ok(Value::Null));
    }

    #[test]
    fn none_at_all_is_judged_as_an_empty_object() {
        let rules = AttributeRules::parse(r#"{"required": ["team"]}"#).unwrap();
        assert_eq!(shown(rules.validate_new(None, Writer::User)), at(&[("team", "missing")]));
        let stored = attributes(json!({ "team": 1 }));
        assert_eq!(shown(rules.validate_change(&stored, None, Writer::User)), at(&[("team", "missing")]));
    }

    #[test]
    fn without_a_schema_everything_is_allowed() {
        let rules = AttributeRules::default();
        assert_eq!(shown(rules.validate_new(None, Writer::User)), Ok(Value::Null));
        assert_eq!(shown(rules.validate_new(Some(json!({ "a": [1] })), Writer::User)), Ok(json!({ "a": [1] })));
        let stored = attributes(json!({ "a": [1] }));
        assert_eq!(shown(rules.validate_change(&stored, None, Writer::User)), Ok(Value::Null));
    }

    #[test]
    fn a_schema_that_would_not_do_what_it_says_is_refused() {
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
            (
                r##"{"$defs": {"a": {"x-admin-only": true}}, "properties": {"a": {"$ref": "#/$defs/a"}}}"##,
                "at #/$defs/a",
            ),
            (r#"{"patternProperties": {"^a": {"x-admin-only": true}}}"#, "has no effect"),
            (r#"{"properties": {"a": {"x-admin-only": true}}, "required": ["a"]}"#, "nobody could register"),
        ] {
            let error = AttributeRules::parse(schema).expect_err(schema).to_string();
            assert!(error.contains(expected), "{schema}: {error}");
        }
        for schema in [
            "{}",
            "true",
            r#"{"properties": {"a/b": {"x-admin-only": true}, "x-admin-only": {"type": "string"}, "c": {"x-admin-only": false}}}"#,
            r##"{"$defs": {"a": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/a", "x-admin-only": true}}}"##,
        ] {
            AttributeRules::parse(schema).expect(schema);
        }
    }

    #[test]
    fn a_hostile_text_does_not_keep_a_pattern_busy() {
        let rules =
            AttributeRules::parse(r#"{"properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}}"#).unwrap();
        let started = Instant::now();
        let given = json!({ "a": format!("{}!", "a".repeat(16_000)) });
        assert_eq!(shown(rules.validate_new(Some(given), Writer::User)), at(&[("a", "invalid")]));
        assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    }
}
