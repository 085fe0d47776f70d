//! The fields of a form for the attributes, read from their schema; and the merge patch for what was entered in them.
//!
//! A form shows what people can enter: texts, numbers, choices, boxes, lists of short texts, and objects of them. Every
//! other member, and what only administrators may write, is shown and cannot be changed there. No value is validated
//! here: the patch is validated where every change of attributes is.

use serde_json::{Map, Value};

use super::{AttributeRules, MarkedMembers, escape_segment};
use crate::domain::strict_json;

/// The maximum nesting depth of objects whose members are fields.
const MAX_DEPTH: usize = 3;
/// The maximum number of references that are followed to a schema. A longer chain may be a circle.
const MAX_REFERENCES: usize = 8;
/// The maximum number of values of a choice. More are entered as a text.
const MAX_CHOICES: usize = 500;
/// A text that may be longer has several lines.
const MAX_LINE_CHARS: u64 = 200;

/// A member of the attributes in a form.
#[derive(Debug, Clone, PartialEq)]
pub struct AttributeField {
    /// The names that lead to the member.
    pub path: Vec<String>,
    /// The titles of the objects around the member, and its own: `title` of the schema, or the name.
    pub titles: Vec<String>,
    /// `description` of the schema.
    pub description: Option<String>,
    pub input: AttributeInput,
    /// The stored value.
    pub value: Option<Value>,
    /// Whether each name of the path is required in its object.
    required: Vec<bool>,
}

/// What can be entered.
#[derive(Debug, Clone, PartialEq)]
pub enum AttributeInput {
    Line(LineFormat),
    Multiline,
    /// A list of texts, one on each line.
    Lines,
    Number,
    Checkbox,
    Choice(Vec<AttributeChoice>),
    /// The member is shown, and cannot be changed.
    ReadOnly,
}

/// The format of a text on one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineFormat {
    Any,
    Email,
    Uri,
    Date,
}

/// One of the values of a choice.
#[derive(Debug, Clone, PartialEq)]
pub struct AttributeChoice {
    pub value: Value,
    /// `title` of the schema, or the value.
    pub title: String,
}

/// What was entered in one field, compared with the stored value.
enum Entered {
    Unchanged,
    Value(Value),
    /// The value of a box that is not ticked, if its object is there or will be.
    ValueOfPresentObject(Value),
    Removed,
}

/// A schema, after its references were followed.
struct Resolved<'a> {
    schema: &'a Value,
    /// The JSON Pointer of `schema`.
    pointer: String,
    /// The nearest title and description on the way.
    title: Option<&'a str>,
    description: Option<&'a str>,
    is_read_only: bool,
}

impl AttributeRules {
    /// Returns the fields of a form for these attributes, in the order of the schema. Members that cannot be changed are
    /// among them if they have a value.
    #[must_use]
    pub fn fields(&self, attributes: &Map<String, Value>) -> Vec<AttributeField> {
        let mut reader =
            FieldReader { rules: self, fields: Vec::new(), path: Vec::new(), titles: Vec::new(), required: Vec::new() };
        let root = reader.resolve(&self.schema, String::new());
        reader.read_members(&root, Some(&self.admin_only), Some(attributes));
        reader.fields
    }
}

/// Collects the fields of a schema.
struct FieldReader<'a> {
    rules: &'a AttributeRules,
    fields: Vec<AttributeField>,
    path: Vec<String>,
    titles: Vec<String>,
    required: Vec<bool>,
}

impl<'a> FieldReader<'a> {
    /// Adds the fields of an object: those of its schema, and those of its other members.
    fn read_members(
        &mut self,
        object: &Resolved<'a>,
        marks: Option<&'a MarkedMembers>,
        stored: Option<&Map<String, Value>>,
    ) {
        let pointer = format!("{}/properties", object.pointer);
        let names = self.rules.order.names(&pointer);
        let properties = &object.schema["properties"];
        let required = object.schema["required"].as_array();
        for name in names {
            let is_required = required.is_some_and(|required| required.iter().any(|it| it == name));
            let member = self.resolve(&properties[name], format!("{pointer}/{}", escape_segment(name)));
            let marks = marks.and_then(|marks| marks.members.get(name));
            self.path.push(name.clone());
            self.titles.push(member.title.unwrap_or(name).to_owned());
            self.required.push(is_required);
            self.read_member(&member, marks, stored.and_then(|stored| stored.get(name)));
            self.path.pop();
            self.titles.pop();
            self.required.pop();
        }
        for (name, value) in stored.into_iter().flatten().filter(|(name, _)| !names.contains(name)) {
            let path = [self.path.as_slice(), std::slice::from_ref(name)].concat();
            let titles = [self.titles.as_slice(), std::slice::from_ref(name)].concat();
            let required = [self.required.as_slice(), &[false]].concat();
            let value = Some(value.clone());
            let input = AttributeInput::ReadOnly;
            self.fields.push(AttributeField { path, titles, description: None, input, value, required });
        }
    }

    /// Adds the fields of the member at the present path.
    fn read_member(&mut self, member: &Resolved<'a>, marks: Option<&'a MarkedMembers>, stored: Option<&Value>) {
        let is_read_only = member.is_read_only || marks.is_some_and(|marks| marks.is_marked);
        let is_object = member.schema["properties"].is_object() && stored.is_none_or(Value::is_object);
        if is_object && !is_read_only && self.path.len() < MAX_DEPTH {
            return self.read_members(member, marks, stored.and_then(Value::as_object));
        }
        let input = if is_read_only { AttributeInput::ReadOnly } else { self.input(member, stored) };
        if input == AttributeInput::ReadOnly && stored.is_none() {
            return;
        }
        self.fields.push(AttributeField {
            path: self.path.clone(),
            titles: self.titles.clone(),
            description: member.description.map(str::to_owned),
            input,
            value: stored.cloned(),
            required: self.required.clone(),
        });
    }

    /// Returns what can be entered for a member.
    fn input(&self, member: &Resolved<'a>, stored: Option<&Value>) -> AttributeInput {
        let schema = member.schema;
        if let Some(choices) = choices(schema) {
            return AttributeInput::Choice(choices);
        }
        let has_lines = |stored: &Value| stored.as_str().is_some_and(|text| text.contains(['\n', '\r']));
        let is_line =
            |value: &Value| value.as_str().is_some_and(|text| !text.is_empty() && !text.contains(['\n', '\r']));
        match type_name(schema) {
            Some("string") if schema["maxLength"].as_u64().is_some_and(|max| max > MAX_LINE_CHARS) => {
                AttributeInput::Multiline
            }
            Some("string") if stored.is_some_and(has_lines) => AttributeInput::Multiline,
            Some("string") => AttributeInput::Line(match schema["format"].as_str() {
                Some("email" | "idn-email") => LineFormat::Email,
                Some("uri" | "iri") => LineFormat::Uri,
                Some("date") => LineFormat::Date,
                _ => LineFormat::Any,
            }),
            Some("integer" | "number") => AttributeInput::Number,
            Some("boolean") => AttributeInput::Checkbox,
            Some("array") if schema["prefixItems"].is_null() => {
                let items = self.resolve(&schema["items"], format!("{}/items", member.pointer));
                let is_list = |stored: &Value| stored.as_array().is_some_and(|items| items.iter().all(is_line));
                match type_name(items.schema) {
                    Some("string") if stored.is_none_or(is_list) => AttributeInput::Lines,
                    _ => AttributeInput::ReadOnly,
                }
            }
            _ => AttributeInput::ReadOnly,
        }
    }

    /// Follows the references of a schema within its document.
    fn resolve(&self, schema: &'a Value, pointer: String) -> Resolved<'a> {
        let mut resolved = Resolved { schema, pointer, title: None, description: None, is_read_only: false };
        for _ in 0..=MAX_REFERENCES {
            let schema = resolved.schema;
            resolved.title = resolved.title.or_else(|| schema["title"].as_str());
            resolved.description = resolved.description.or_else(|| schema["description"].as_str());
            resolved.is_read_only |= schema["readOnly"] == true;
            let referred = schema["$ref"].as_str().and_then(|target| target.strip_prefix('#'));
            match referred.and_then(|pointer| Some((pointer, self.rules.schema.pointer(pointer)?))) {
                Some((pointer, target)) => {
                    resolved.schema = target;
                    pointer.clone_into(&mut resolved.pointer);
                }
                None => return resolved,
            }
        }
        // A circle: nothing can be entered.
        Resolved { schema: &Value::Null, ..resolved }
    }
}

impl AttributeChoice {
    /// Returns the value as it is sent by the form.
    #[must_use]
    pub fn text(&self) -> String {
        text_of(&self.value)
    }
}

/// Returns the values of a choice, if the schema has a list of texts, numbers or booleans.
fn choices(schema: &Value) -> Option<Vec<AttributeChoice>> {
    let values: Vec<(&Value, Option<&str>)> = match schema["enum"].as_array() {
        Some(values) => values.iter().map(|value| (value, None)).collect(),
        None => {
            let alternatives = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array())?;
            let constant = |it: &'_ Value| it.get("const").is_some() || type_name(it) == Some("null");
            if !alternatives.iter().all(constant) {
                return None;
            }
            alternatives.iter().map(|it| (&it["const"], it["title"].as_str())).collect()
        }
    };
    if values.len() > MAX_CHOICES || values.iter().any(|(value, _)| value.is_array() || value.is_object()) {
        return None;
    }
    let choice = |(value, title): (&Value, Option<&str>)| AttributeChoice {
        value: value.clone(),
        title: title.map_or_else(|| text_of(value), str::to_owned),
    };
    // To choose nothing removes the member.
    Some(values.into_iter().filter(|(value, _)| !value.is_null() && **value != "").map(choice).collect())
}

/// Returns the type of a schema; the other type if it also allows null.
fn type_name(schema: &Value) -> Option<&str> {
    match &schema["type"] {
        Value::String(name) => Some(name),
        Value::Array(names) => {
            let mut others = names.iter().filter_map(Value::as_str).filter(|name| *name != "null");
            let first = others.next();
            others.next().is_none().then_some(first).flatten()
        }
        _ => None,
    }
}

/// Returns a value as it is shown in a field.
fn text_of(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

impl AttributeField {
    /// Returns whether the member must be there. A member of an optional object is not required.
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.required.iter().all(|required| *required)
    }

    /// Returns whether the box is ticked.
    #[must_use]
    pub fn is_ticked(&self) -> bool {
        self.value == Some(Value::Bool(true))
    }

    /// Returns the stored value as the form shows it.
    #[must_use]
    pub fn text(&self) -> String {
        match (&self.input, &self.value) {
            (AttributeInput::Lines, Some(Value::Array(items))) => {
                items.iter().map(text_of).collect::<Vec<_>>().join("\n")
            }
            (_, value) => value.as_ref().map(text_of).unwrap_or_default(),
        }
    }

    /// Compares what was entered with the stored value. `None` is a field that was not sent, as it is for a box that is
    /// not ticked.
    fn entered(&self, entered: Option<&str>) -> Entered {
        if self.input == AttributeInput::Checkbox {
            return match (entered.is_some(), &self.value) {
                (is_ticked, Some(Value::Bool(was_ticked))) if is_ticked == *was_ticked => Entered::Unchanged,
                (true, _) => Entered::Value(Value::Bool(true)),
                (false, Some(_)) => Entered::Value(Value::Bool(false)),
                (false, None) if self.required.last() == Some(&true) => {
                    Entered::ValueOfPresentObject(Value::Bool(false))
                }
                (false, None) => Entered::Unchanged,
            };
        }
        // Browsers send every line break as CRLF.
        let Some(text) = entered.map(|text| text.replace("\r\n", "\n")) else { return Entered::Unchanged };
        if text == self.text() || self.input == AttributeInput::ReadOnly {
            return Entered::Unchanged;
        }
        let trimmed = text.trim();
        let is_empty = trimmed.is_empty();
        let value = match &self.input {
            _ if is_empty => return if self.value.is_some() { Entered::Removed } else { Entered::Unchanged },
            AttributeInput::Number => number(trimmed),
            AttributeInput::Choice(choices) => {
                let chosen = choices.iter().find(|choice| choice.text() == trimmed);
                chosen.map_or_else(|| Value::from(trimmed), |choice| choice.value.clone())
            }
            AttributeInput::Lines => trimmed.lines().map(str::trim).filter(|line| !line.is_empty()).collect(),
            _ => Value::from(trimmed),
        };
        if Some(&value) == self.value.as_ref() { Entered::Unchanged } else { Entered::Value(value) }
    }
}

/// Parses a number as in the API's bodies, or an integer with leading zeros. Another text stays a text, which the
/// validation refuses.
fn number(text: &str) -> Value {
    match strict_json::parse(text.as_bytes()) {
        Ok(number @ Value::Number(_)) => number,
        _ => text.parse::<i64>().map_or_else(|_| Value::from(text), Value::from),
    }
}

/// Returns the merge patch for what was entered in the fields of the form for `stored`; empty if nothing has changed. An
/// optional object is removed when all of its members are.
#[must_use]
pub fn attribute_patch<'a>(
    stored: &Map<String, Value>,
    fields: &[AttributeField],
    entered: impl Fn(&AttributeField) -> Option<&'a str>,
) -> Map<String, Value> {
    let mut patch = Map::new();
    let mut of_present_objects = Vec::new();
    for field in fields {
        match field.entered(entered(field)) {
            Entered::Unchanged => {}
            Entered::Value(value) => set(&mut patch, &field.path, value),
            Entered::Removed => set(&mut patch, &field.path, Value::Null),
            Entered::ValueOfPresentObject(value) => of_present_objects.push((field, value)),
        }
    }
    for (field, value) in of_present_objects {
        let around = &field.path[..field.path.len() - 1];
        if field.is_required() || has_members(object_at(Some(stored), around), object_at(Some(&patch), around)) {
            set(&mut patch, &field.path, value);
        }
    }
    // A required object is sent even if it is empty, so that its members are reported as missing, each at its field.
    for field in fields.iter().filter(|field| field.path.len() > 1 && field.input != AttributeInput::ReadOnly) {
        let depth = field.required.iter().take_while(|required| **required).count().min(field.path.len() - 1);
        let around = &field.path[..depth];
        if object_at(Some(stored), around).is_none() && object_at(Some(&patch), around).is_none() {
            set(&mut patch, around, Value::Object(Map::new()));
        }
    }
    let is_required = |path: &[String]| {
        fields
            .iter()
            .any(|field| field.path.starts_with(path) && field.required[..path.len()].iter().all(|required| *required))
    };
    remove_empty_objects(&mut patch, Some(stored), &is_required, &mut Vec::new());
    patch
}

/// Sets a member of a patch, and creates the objects around it.
fn set(patch: &mut Map<String, Value>, path: &[String], value: Value) {
    let Some((first, rest)) = path.split_first() else { return };
    if rest.is_empty() {
        patch.insert(first.clone(), value);
        return;
    }
    let member = patch.entry(first.clone()).or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(member) = member {
        set(member, rest, value);
    }
}

/// Returns the object at a path.
fn object_at<'a>(object: Option<&'a Map<String, Value>>, path: &[String]) -> Option<&'a Map<String, Value>> {
    path.iter().try_fold(object?, |object, name| object.get(name)?.as_object())
}

/// Returns whether an object has members after its patch.
fn has_members(stored: Option<&Map<String, Value>>, patch: Option<&Map<String, Value>>) -> bool {
    let is_kept = |name: &String| patch.and_then(|patch| patch.get(name)).is_none_or(|change| !change.is_null());
    patch.is_some_and(|patch| patch.values().any(|change| !change.is_null()))
        || stored.is_some_and(|stored| stored.keys().any(is_kept))
}

/// Replaces the patch of each optional object that would become empty by its removal.
fn remove_empty_objects(
    patch: &mut Map<String, Value>,
    stored: Option<&Map<String, Value>>,
    is_required: &impl Fn(&[String]) -> bool,
    path: &mut Vec<String>,
) {
    let names: Vec<String> =
        patch.iter().filter(|(_, change)| change.is_object()).map(|(name, _)| name.clone()).collect();
    for name in names {
        path.push(name.clone());
        let before = stored.and_then(|stored| stored.get(&name));
        let members = before.and_then(Value::as_object);
        let Some(Value::Object(inner)) = patch.get_mut(&name) else { continue };
        remove_empty_objects(inner, members, is_required, path);
        if !has_members(members, Some(inner)) && !is_required(path) {
            match before {
                Some(_) => patch.insert(name, Value::Null),
                None => patch.remove(&name),
            };
        }
        path.pop();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::{Attributes, Writer};

    fn rules(schema: &str) -> AttributeRules {
        AttributeRules::parse(schema).unwrap()
    }

    fn map(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(map) => map,
            other => panic!("{other} is no object"),
        }
    }

    /// Every kind of member, not in the order of the alphabet.
    const SCHEMA: &str = r##"{
        "type": "object",
        "required": ["team", "terms", "contact"],
        "properties": {
            "team": { "type": "string", "title": "Your team", "description": "As it is on the door." },
            "about": { "type": "string", "maxLength": 500 },
            "age": { "type": ["integer", "null"], "minimum": 0 },
            "height": { "type": "number" },
            "colour": { "enum": ["red", "green", null, ""] },
            "size": { "oneOf": [{ "const": 1, "title": "Small" }, { "const": 2 }, { "type": "null" }] },
            "terms": { "type": "boolean", "const": true },
            "letters": { "type": "boolean" },
            "site": { "type": "string", "format": "uri" },
            "born": { "type": "string", "format": "date" },
            "mail": { "$ref": "#/$defs/mail", "title": "Second address" },
            "tags": { "type": "array", "items": { "$ref": "#/$defs/tag" } },
            "points": { "type": "array", "items": { "type": "number" } },
            "plan": { "type": "string", "x-admin-only": true },
            "score": { "type": "integer", "readOnly": true },
            "contact": {
                "title": "Contact",
                "required": ["city", "visible"],
                "properties": {
                    "city": { "type": "string" },
                    "visible": { "type": "boolean" }
                }
            },
            "company": {
                "type": "object",
                "required": ["name", "listed"],
                "properties": {
                    "name": { "type": "string" },
                    "listed": { "type": "boolean" },
                    "limit": { "type": "integer", "x-admin-only": true }
                }
            },
            "circle": { "$ref": "#/properties/circle" }
        },
        "$defs": {
            "mail": { "type": "string", "format": "email", "title": "Mail", "description": "Only for us." },
            "tag": { "type": "string", "minLength": 2 }
        }
    }"##;

    fn fields(stored: Value) -> Vec<AttributeField> {
        rules(SCHEMA).fields(&map(stored))
    }

    fn field(stored: Value, path: &str) -> AttributeField {
        let found = fields(stored).into_iter().find(|field| field.path.join("/") == path);
        found.unwrap_or_else(|| panic!("no field {path}"))
    }

    /// Returns the patch for what was entered in the fields with these paths; the others are sent as they were shown.
    fn patch(stored: Value, entered: &[(&str, Option<&'static str>)]) -> Value {
        let stored = map(stored);
        let fields = rules(SCHEMA).fields(&stored);
        for (path, _) in entered {
            assert!(fields.iter().any(|field| field.path.join("/") == *path), "no field {path}");
        }
        let shown: Vec<String> = fields.iter().map(AttributeField::text).collect();
        let patch = attribute_patch(&stored, &fields, |field| {
            let path = field.path.join("/");
            let index = fields.iter().position(|it| it == field).unwrap();
            let is_box = field.input == AttributeInput::Checkbox;
            let as_shown = if is_box { field.is_ticked().then_some("yes") } else { Some(shown[index].as_str()) };
            entered.iter().find(|(name, _)| *name == path).map_or(as_shown, |(_, text)| *text)
        });
        Value::Object(patch)
    }

    #[test]
    fn the_fields_have_the_order_the_texts_and_the_kinds_of_the_schema() {
        let shown: Vec<_> = fields(json!({})).into_iter().map(|field| (field.path.join("/"), field.input)).collect();
        let line = AttributeInput::Line;
        let choice = |value: Value, title: &str| AttributeChoice { value, title: title.to_owned() };
        let expected = [
            ("team", line(LineFormat::Any)),
            ("about", AttributeInput::Multiline),
            ("age", AttributeInput::Number),
            ("height", AttributeInput::Number),
            ("colour", AttributeInput::Choice(vec![choice(json!("red"), "red"), choice(json!("green"), "green")])),
            ("size", AttributeInput::Choice(vec![choice(json!(1), "Small"), choice(json!(2), "2")])),
            ("terms", AttributeInput::Checkbox),
            ("letters", AttributeInput::Checkbox),
            ("site", line(LineFormat::Uri)),
            ("born", line(LineFormat::Date)),
            ("mail", line(LineFormat::Email)),
            ("tags", AttributeInput::Lines),
            ("contact/city", line(LineFormat::Any)),
            ("contact/visible", AttributeInput::Checkbox),
            ("company/name", line(LineFormat::Any)),
            ("company/listed", AttributeInput::Checkbox),
        ];
        assert_eq!(shown, expected.map(|(path, input)| (path.to_owned(), input)));
        let team = field(json!({}), "team");
        assert_eq!(
            (team.titles, team.description.as_deref()),
            (vec!["Your team".to_owned()], Some("As it is on the door."))
        );
        let mail = field(json!({}), "mail");
        assert_eq!(
            (mail.titles, mail.description.as_deref()),
            (vec!["Second address".to_owned()], Some("Only for us."))
        );
        assert_eq!(field(json!({}), "contact/city").titles, ["Contact", "city"]);
    }

    #[test]
    fn a_member_of_an_optional_object_is_not_required() {
        let required = fields(json!({})).into_iter().filter(AttributeField::is_required);
        let required: Vec<String> = required.map(|field| field.path.join("/")).collect();
        assert_eq!(required, ["team", "terms", "contact/city", "contact/visible"]);
    }

    #[test]
    fn what_cannot_be_entered_is_shown_and_stays() {
        let stored = json!({
            "plan": "pro", "score": 7, "points": [1, 2], "other": {"a": 1}, "company": {"name": "x", "limit": 3, "more": true},
        });
        for (path, text) in [
            ("plan", "pro"),
            ("score", "7"),
            ("points", "[1,2]"),
            ("other", r#"{"a":1}"#),
            ("company/limit", "3"),
            ("company/more", "true"),
        ] {
            let field = field(stored.clone(), path);
            assert_eq!((field.input.clone(), field.text().as_str()), (AttributeInput::ReadOnly, text), "{path}");
            let changed = patch(stored.clone(), &[(path, Some("hacked")), ("contact/city", Some("London"))]);
            let contact = json!({"city": "London", "visible": false});
            assert_eq!(changed, json!({"terms": false, "contact": contact, "company": {"listed": false}}), "{path}");
        }
        // A list that has no place on lines, and an object that is another value.
        assert_eq!(field(json!({"tags": ["a\nb"]}), "tags").input, AttributeInput::ReadOnly);
        assert_eq!(field(json!({"tags": [1]}), "tags").input, AttributeInput::ReadOnly);
        assert_eq!(field(json!({"company": "x"}), "company").input, AttributeInput::ReadOnly);
        // A text that has several lines already.
        assert_eq!(field(json!({"team": "a\nb"}), "team").input, AttributeInput::Multiline);
    }

    #[test]
    fn without_a_schema_or_properties_everything_is_read_only() {
        for rules in [AttributeRules::default(), rules(r#"{"allOf": [{"type": "object"}]}"#)] {
            assert_eq!(rules.fields(&Map::new()), []);
            let fields = rules.fields(&map(json!({"a": "b"})));
            assert_eq!(fields.len(), 1);
            assert_eq!((&fields[0].input, fields[0].text().as_str()), (&AttributeInput::ReadOnly, "b"));
        }
    }

    /// Attributes that are as the schema wants them.
    fn complete() -> Value {
        json!({
            "team": "blue", "about": "two\nlines", "age": 7, "height": 1.5, "colour": "red", "size": 1, "terms": true,
            "letters": false, "site": "https://a.example", "born": "2000-01-02", "mail": "a@b.example",
            "tags": ["one", "two"], "contact": {"city": "Rome", "visible": true}, "company": {"name": "x", "listed": false},
        })
    }

    #[test]
    fn a_form_that_is_sent_as_it_was_shown_changes_nothing() {
        assert_eq!(patch(complete(), &[]), json!({}));
        assert_eq!(
            patch(complete(), &[("about", Some("two\r\nlines")), ("team", Some(" blue ")), ("age", Some("07"))]),
            json!({})
        );
        // Neither does a form without the fields, except that its boxes are not ticked.
        let stored = map(complete());
        let unticked = attribute_patch(&stored, &rules(SCHEMA).fields(&stored), |_| None);
        assert_eq!(Value::Object(unticked), json!({"terms": false, "contact": {"visible": false}}));
        // A value that the schema does not want stays, too, until it is changed.
        let odd = json!({"team": 5, "age": "old", "colour": "blue", "terms": "yes", "contact": {"city": "", "visible": true}});
        assert_eq!(patch(odd, &[("terms", Some("yes"))]), json!({"terms": true}));
    }

    #[test]
    fn each_kind_of_field_is_stored_as_its_type() {
        for (path, text, value) in [
            ("team", " red ", json!("red")),
            ("about", "a\r\nb", json!("a\nb")),
            ("age", "8", json!(8)),
            ("age", "18446744073709551615", json!(u64::MAX)),
            ("height", "1.75", json!(1.75)),
            ("height", "2.0", json!(2)),
            ("colour", "green", json!("green")),
            ("size", "2", json!(2)),
            ("letters", "yes", json!(true)),
            ("site", "https://b.example", json!("https://b.example")),
            ("tags", " one \r\n\r\n three\r\n", json!(["one", "three"])),
            // The validation refuses these, at the member.
            ("age", "old", json!("old")),
            ("height", "inf", json!("inf")),
            ("height", "1e400", json!("1e400")),
            ("age", "99999999999999999999", json!("99999999999999999999")),
            ("colour", "blue", json!("blue")),
            ("born", "tomorrow", json!("tomorrow")),
        ] {
            assert_eq!(patch(complete(), &[(path, Some(text))]), json!({ path: value }), "{path}: {text}");
        }
        assert_eq!(patch(complete(), &[("terms", None)]), json!({"terms": false}));
        assert_eq!(patch(complete(), &[("contact/city", Some("Oslo"))]), json!({"contact": {"city": "Oslo"}}));
    }

    #[test]
    fn an_emptied_field_removes_its_member() {
        for path in ["team", "about", "age", "height", "colour", "size", "site", "born", "mail", "tags"] {
            assert_eq!(patch(complete(), &[(path, Some(" "))]), json!({ path: null }), "{path}");
        }
        let without = json!({"contact": {"city": "Rome", "visible": true}, "terms": true});
        assert_eq!(patch(without, &[("age", Some("")), ("tags", Some("\r\n"))]), json!({}));
    }

    #[test]
    fn an_optional_object_comes_and_goes_with_its_members() {
        let mut without = complete();
        without.as_object_mut().unwrap().remove("company");
        assert_eq!(patch(without.clone(), &[]), json!({}));
        // Its boxes come with it, so that what is required is there.
        let created = json!({"company": {"name": "y", "listed": false}});
        assert_eq!(patch(without.clone(), &[("company/name", Some("y"))]), created);
        assert_eq!(patch(without, &[("company/listed", Some("yes"))]), json!({"company": {"listed": true}}));
        let mut only_name = complete();
        only_name["company"] = json!({"name": "x"});
        assert_eq!(patch(only_name.clone(), &[("company/name", Some(""))]), json!({"company": null}));
        // What only administrators may write stays, and so does the object.
        only_name["company"] = json!({"name": "x", "limit": 3});
        let kept = patch(only_name, &[("company/name", Some(""))]);
        assert_eq!(kept, json!({"company": {"listed": false, "name": null}}));
    }

    #[test]
    fn a_required_object_stays_so_that_each_missing_member_is_reported_at_its_field() {
        let rules = rules(SCHEMA);
        let violations = |stored: Value, patch: Value| {
            let stored = Attributes::parse(stored).unwrap();
            let refused = rules.validate_change(&stored, patch.as_object(), Writer::User).unwrap_err();
            refused.into_iter().map(|it| (it.path.join("/"), it.invalid.code)).collect::<Vec<_>>()
        };
        let empty = patch(json!({}), &[]);
        assert_eq!(empty, json!({"terms": false, "contact": {"visible": false}}));
        let expected = [("contact/city", "missing"), ("team", "missing"), ("terms", "invalid")];
        assert_eq!(violations(json!({}), empty), expected.map(|(path, code)| (path.to_owned(), code)));
        let emptied = patch(complete(), &[("contact/city", Some(""))]);
        assert_eq!(emptied, json!({"contact": {"city": null}}));
        assert_eq!(violations(complete(), emptied), [("contact/city".to_owned(), "missing")]);
    }

    #[test]
    fn hostile_names_stay_names() {
        let schema =
            json!({"properties": {"a/b~c": {"type": "string"}, "": {"type": "string"}, "%22": {"type": "string"}}});
        let rules = rules(&schema.to_string());
        let fields = rules.fields(&Map::new());
        assert_eq!(fields.len(), 3);
        let patch = attribute_patch(&Map::new(), &fields, |_| Some("x"));
        assert_eq!(Value::Object(patch), json!({"": "x", "%22": "x", "a/b~c": "x"}));
    }

    #[test]
    fn a_circle_or_a_deep_schema_ends() {
        assert!(fields(json!({"circle": 1})).iter().any(|field| field.path == ["circle"]));
        let mut schema = json!({"type": "string"});
        for _ in 0..10 {
            schema = json!({"type": "object", "properties": {"a": schema}});
        }
        let rules = rules(&schema.to_string());
        assert_eq!(rules.fields(&Map::new()), []);
        let stored = map(json!({"a": {"a": {"a": {"a": 1}}}}));
        let fields = rules.fields(&stored);
        assert_eq!((fields.len(), fields[0].path.len(), fields[0].text().as_str()), (1, 3, r#"{"a":1}"#));
        let recursive = AttributeRules::parse(r##"{"properties": {"a": {"$ref": "#"}}}"##).unwrap();
        assert_eq!(recursive.fields(&Map::new()), []);
    }
}
