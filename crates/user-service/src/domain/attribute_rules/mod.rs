//! The operator's rules for user attributes: a JSON Schema (draft 2020-12), in which `"x-admin-only": true` marks the
//! members that only administrators may write, and `"x-public": true` those that other services may see.
//!
//! The schema is self-contained: it must not refer to other documents, and nothing is fetched. Patterns run on an
//! engine with linear time, so look-around and back-references are errors.

mod fields;
mod member_order;

use std::collections::{BTreeMap, BTreeSet};

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::{Map, Value};

pub use self::fields::{AttributeChoice, AttributeField, AttributeInput, LineFormat, attribute_patch};
use self::member_order::MemberOrder;
use super::{
    attributes::Attributes,
    invalid_value::Invalid,
    schema_violation::{SchemaViolation, find_violations},
};

// The annotations. They are allowed only on members that are reached from the root through `properties` alone.
const ADMIN_ONLY: &str = "x-admin-only";
const PUBLIC: &str = "x-public";
const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";
/// Maximum size of a compiled pattern.
const MAX_PATTERN_BYTES: usize = 1 << 20;

/// The kind of caller that writes attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    /// The user who owns the attributes.
    User,
    /// An administrator, or an operator who imports users.
    Admin,
}

/// The rules for attributes. Without a schema, everything within the limits of [`Attributes`] is allowed.
#[derive(Debug, Default)]
pub struct AttributeRules {
    validator: Option<Validator>,
    /// `null` without a schema.
    schema: Value,
    order: MemberOrder,
    admin_only: MarkedMembers,
    public: MarkedMembers,
}

/// The reason why a file cannot be used as the schema of attributes.
#[derive(Debug, thiserror::Error)]
pub enum InvalidSchema {
    #[error("it is not JSON: {0}")]
    NotJson(#[source] serde_json::Error),
    #[error("its $schema is not {DRAFT}")]
    OtherDraft,
    #[error("it cannot be used: {0}")]
    Unusable(String),
    #[error("{0} at {1} is neither true nor false")]
    NotBoolean(&'static str, String),
    #[error("{0} at {1} has no effect: only members reached from the root by `properties` can be marked")]
    Unreachable(&'static str, String),
    #[error("`{0}` is required, and only administrators may write it: no user could register")]
    RequiredAdminOnly(String),
}

/// The members with one of the annotations, as a tree.
#[derive(Debug, Default)]
struct MarkedMembers {
    is_marked: bool,
    members: BTreeMap<String, MarkedMembers>,
}

impl AttributeRules {
    /// Parses the JSON text of a schema.
    ///
    /// # Errors
    /// Returns [`InvalidSchema`] if the text is not a usable schema.
    pub fn parse(text: &str) -> Result<Self, InvalidSchema> {
        let schema: Value = serde_json::from_str(text).map_err(InvalidSchema::NotJson)?;
        let order = MemberOrder::parse(text).map_err(InvalidSchema::NotJson)?;
        if schema.get("$schema").is_some_and(|draft| draft != DRAFT) {
            return Err(InvalidSchema::OtherDraft);
        }
        let validator = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .offline()
            .with_pattern_options(
                PatternOptions::regex().size_limit(MAX_PATTERN_BYTES).dfa_size_limit(MAX_PATTERN_BYTES),
            )
            .should_validate_formats(true)
            .should_ignore_unknown_formats(false)
            .build(&schema)
            .map_err(|error| {
                InvalidSchema::Unusable(format!("{error} (at {} of the schema)", error.instance_path()))
            })?;
        let admin_only = MarkedMembers::parse(&schema, ADMIN_ONLY)?;
        let public = MarkedMembers::parse(&schema, PUBLIC)?;
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        let unwritable = required.filter_map(Value::as_str).find(|name| admin_only.is_marked(name));
        match unwritable {
            Some(name) => Err(InvalidSchema::RequiredAdminOnly(name.to_owned())),
            None => Ok(Self { validator: Some(validator), schema, order, admin_only, public }),
        }
    }

    /// Returns whether only administrators may write this attribute.
    #[must_use]
    pub fn is_admin_only(&self, name: &str) -> bool {
        self.admin_only.is_marked(name)
    }

    /// Validates the attributes of a new account. Missing attributes are validated as `{}`.
    ///
    /// # Errors
    /// Returns every violation with its path.
    pub fn validate_new(&self, given: Option<Value>, by: Writer) -> Result<Option<Attributes>, Vec<SchemaViolation>> {
        self.validate_new_attributes(given.map(Attributes::parse).transpose().map_err(at_root)?, by)
    }

    /// Does the expensive part of [`validate_new`](Self::validate_new), for attributes that are already parsed.
    ///
    /// # Errors
    /// Returns every violation with its path.
    pub fn validate_new_attributes(
        &self,
        given: Option<Attributes>,
        by: Writer,
    ) -> Result<Option<Attributes>, Vec<SchemaViolation>> {
        if by == Writer::User
            && let Some(given) = &given
        {
            refuse_admin_only(self.admin_only.named_in(given.as_map()))?;
        }
        self.check_schema(given)
    }

    /// Applies a merge patch to `stored`, and validates the result. The patch `None` removes all attributes, and the
    /// result is validated as `{}`. Members that only administrators may write stay when a user removes all attributes,
    /// or an object that contains them.
    ///
    /// # Errors
    /// Returns every violation with its path.
    pub fn validate_change(
        &self,
        stored: &Attributes,
        patch: Option<&Map<String, Value>>,
        by: Writer,
    ) -> Result<Option<Attributes>, Vec<SchemaViolation>> {
        if by == Writer::User
            && let Some(patch) = patch
        {
            refuse_admin_only(self.admin_only.named_in(patch))?;
        }
        let mut new = patch.map(|patch| stored.merged(patch)).transpose().map_err(at_root)?;
        if by == Writer::User {
            let mut members = new.as_ref().map(|new| new.as_map().clone()).unwrap_or_default();
            let mut obstacles = Vec::new();
            if self.admin_only.restore_into(stored.as_map(), &mut members, &mut Vec::new(), &mut obstacles) {
                refuse_admin_only(obstacles)?;
                new = Some(Attributes::parse(Value::Object(members)).map_err(at_root)?);
            }
        }
        self.check_schema(new)
    }

    /// Returns who writes the member at this path, or `None` if the schema allows no such member.
    #[must_use]
    pub fn writer_of(&self, path: &[String]) -> Option<Writer> {
        let (mut schema, mut marks) = (&self.schema, Some(&self.admin_only));
        let mut writer = Writer::User;
        for name in path {
            let is_closed = schema["additionalProperties"] == false && schema["patternProperties"].is_null();
            schema = match &schema["properties"][name] {
                Value::Null if is_closed => return None,
                member => member,
            };
            marks = marks.and_then(|marks| marks.members.get(name));
            if marks.is_some_and(|marks| marks.is_marked) {
                writer = Writer::Admin;
            }
        }
        Some(writer)
    }

    /// Returns the members of `attributes` that other services may see: those that the schema marks with `x-public`.
    /// A marked object is public as a whole; an unmarked one has only its marked members. Returns `None` if nothing is
    /// public.
    #[must_use]
    pub fn public_members(&self, attributes: &Map<String, Value>) -> Option<Map<String, Value>> {
        Some(self.public.select(attributes)).filter(|members| !members.is_empty())
    }

    fn check_schema(&self, attributes: Option<Attributes>) -> Result<Option<Attributes>, Vec<SchemaViolation>> {
        let Some(validator) = &self.validator else { return Ok(attributes) };
        let value = Value::Object(attributes.as_ref().map(|it| it.as_map().clone()).unwrap_or_default());
        let violations = find_violations(validator, &value);
        if violations.is_empty() { Ok(attributes) } else { Err(violations) }
    }
}

impl MarkedMembers {
    /// Reads an annotation in the whole schema.
    fn parse(schema: &Value, annotation: &'static str) -> Result<Self, InvalidSchema> {
        let mut reached = BTreeSet::new();
        let marked = Self::read(schema, annotation, "", &mut reached);
        check_annotations(schema, annotation, "", &reached)?;
        Ok(marked)
    }

    /// Reads the annotations below `schema`. Adds the pointers of the members that have or contain one to `reached`.
    fn read(schema: &Value, annotation: &str, pointer: &str, reached: &mut BTreeSet<String>) -> Self {
        let mut marked = Self { is_marked: false, members: BTreeMap::new() };
        for (name, member) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let pointer = format!("{pointer}/properties/{}", escape_segment(name));
            let mut below = Self::read(member, annotation, &pointer, reached);
            below.is_marked = member.get(annotation) == Some(&Value::Bool(true));
            if below.is_marked || !below.members.is_empty() {
                reached.insert(pointer);
                marked.members.insert(name.clone(), below);
            }
        }
        marked
    }

    fn is_marked(&self, name: &str) -> bool {
        self.members.get(name).is_some_and(|member| member.is_marked)
    }

    /// Returns the marked members of an object. An object without any is left out.
    fn select(&self, object: &Map<String, Value>) -> Map<String, Value> {
        let selected = self.members.iter().filter_map(|(name, member)| {
            let value = object.get(name)?;
            if member.is_marked {
                return Some((name.clone(), value.clone()));
            }
            let inner = member.select(value.as_object()?);
            (!inner.is_empty()).then(|| (name.clone(), Value::Object(inner)))
        });
        selected.collect()
    }

    /// Returns the paths of the marked members that a patch sets or removes.
    fn named_in(&self, patch: &Map<String, Value>) -> Vec<Vec<String>> {
        let mut found = Vec::new();
        for (name, member) in &self.members {
            match patch.get(name) {
                None => {}
                Some(_) if member.is_marked => found.push(vec![name.clone()]),
                Some(Value::Object(inner)) => {
                    let below = member.named_in(inner).into_iter();
                    found.extend(below.map(|path| [vec![name.clone()], path].concat()));
                }
                Some(_) => {}
            }
        }
        found
    }

    /// Restores the marked members of `stored` in `new` after a user's change has removed them. Returns whether there
    /// was any to restore. Adds the path to `obstacles` where another value occupies the place of their object.
    fn restore_into(
        &self,
        stored: &Map<String, Value>,
        new: &mut Map<String, Value>,
        at: &mut Vec<String>,
        obstacles: &mut Vec<Vec<String>>,
    ) -> bool {
        let mut kept = false;
        for (name, member) in &self.members {
            let Some(old) = stored.get(name) else { continue };
            at.push(name.clone());
            if member.is_marked {
                if new.get(name) != Some(old) {
                    new.insert(name.clone(), old.clone());
                    kept = true;
                }
            } else if let Value::Object(old) = old {
                let mut inner = match new.get(name) {
                    Some(Value::Object(inner)) => inner.clone(),
                    _ => Map::new(),
                };
                if member.restore_into(old, &mut inner, at, obstacles) {
                    if new.get(name).is_some_and(|now| !now.is_object()) {
                        obstacles.push(at.clone());
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

fn refuse_admin_only(paths: Vec<Vec<String>>) -> Result<(), Vec<SchemaViolation>> {
    let refused = |path| SchemaViolation::new(path, "admin-only", "Only an administrator may write this member.");
    if paths.is_empty() { Ok(()) } else { Err(paths.into_iter().map(refused).collect()) }
}

/// Returns a violation at the root.
fn at_root(invalid: Invalid) -> Vec<SchemaViolation> {
    vec![SchemaViolation { path: Vec::new(), invalid }]
}

/// Checks that an annotation is a boolean wherever the schema has it, and is in a place where it has an effect.
fn check_annotations(
    schema: &Value,
    annotation: &'static str,
    pointer: &str,
    reached: &BTreeSet<String>,
) -> Result<(), InvalidSchema> {
    let shown = || if pointer.is_empty() { "#".to_owned() } else { format!("#{pointer}") };
    match schema {
        Value::Object(members) => {
            // Directly below `properties` it is the name of a member.
            let mark = members.get(annotation).filter(|_| !pointer.ends_with("/properties"));
            match mark {
                None | Some(Value::Bool(false)) => {}
                Some(Value::Bool(true)) if reached.contains(pointer) => {}
                Some(Value::Bool(true)) => return Err(InvalidSchema::Unreachable(annotation, shown())),
                Some(_) => return Err(InvalidSchema::NotBoolean(annotation, shown())),
            }
            let mut below = members.iter();
            below.try_for_each(|(name, member)| {
                check_annotations(member, annotation, &format!("{pointer}/{}", escape_segment(name)), reached)
            })
        }
        Value::Array(items) => items
            .iter()
            .enumerate()
            .try_for_each(|(n, item)| check_annotations(item, annotation, &format!("{pointer}/{n}"), reached)),
        _ => Ok(()),
    }
}

/// Escapes a segment of a JSON Pointer (RFC 6901).
fn escape_segment(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests;
