//! The rules for a published type of either topic, and the comparison that says which of them a change breaks.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde_json::{Map, Value};

/// What may not change about a published type. Anything that breaks a rule is a new version of the type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    TypeStays,
    MemberStays,
    MemberKeepsItsType,
    RequiredMemberStaysRequired,
    NoMemberBecomesRequired,
    ValueStays,
    ClosedSetStaysClosed,
}

impl Rule {
    /// All rules. The test of the rules checks that a change breaks each of them.
    pub(crate) const ALL: [Rule; 7] = [
        Rule::TypeStays,
        Rule::MemberStays,
        Rule::MemberKeepsItsType,
        Rule::RequiredMemberStaysRequired,
        Rule::NoMemberBecomesRequired,
        Rule::ValueStays,
        Rule::ClosedSetStaysClosed,
    ];

    fn sentence(self) -> &'static str {
        match self {
            Rule::TypeStays => "a published type does not disappear",
            Rule::MemberStays => "a member is not removed or renamed",
            Rule::MemberKeepsItsType => "a member keeps its type, format and bounds",
            Rule::RequiredMemberStaysRequired => "a required member does not become optional: older consumers need it",
            Rule::NoMemberBecomesRequired => {
                "only optional members are added, and none becomes required: older events do not have it"
            }
            Rule::ValueStays => "a value of a closed set is not removed: older events have it",
            Rule::ClosedSetStaysClosed => "a closed set gets no new value: older consumers refuse it",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

/// A rule that a change breaks, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Breach {
    pub(crate) rule: Rule,
    /// The type, followed by the member: `user.locked.v1/recipient/email`.
    pub(crate) location: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.location, self.rule)
    }
}

/// Compares the schema of a released type with today's, which is `None` if the type does not exist any more.
pub(crate) fn breaches(name: &str, released: &Value, today: Option<&Value>) -> Vec<Breach> {
    let mut found = Vec::new();
    match today {
        Some(today) => compare(name, &Shape::of_schema(released), &Shape::of_schema(today), &mut found),
        None => found.push(Breach { rule: Rule::TypeStays, location: name.to_owned() }),
    }
    found
}

/// What a schema promises about a value, without its texts.
#[derive(Debug, PartialEq, Eq)]
enum Shape {
    /// The members, and the other keywords, such as `additionalProperties`.
    Object(BTreeMap<String, Member>, Map<String, Value>),
    /// The elements, and the other keywords, such as `maxItems`.
    Array(Box<Shape>, Map<String, Value>),
    /// One of these texts: a closed set.
    OneOf(BTreeSet<String>),
    /// `null`, or a value of this shape.
    Nullable(Box<Shape>),
    /// The keywords of any other schema: type, format and bounds.
    Other(Map<String, Value>),
}

#[derive(Debug, PartialEq, Eq)]
struct Member {
    required: bool,
    shape: Shape,
}

impl Shape {
    fn of_schema(schema: &Value) -> Shape {
        Shape::parse(schema, schema)
    }

    fn parse(schema: &Value, root: &Value) -> Shape {
        let schema = resolve(schema, root);
        let mut keywords = schema.as_object().cloned().expect("a schema is an object");
        keywords.retain(|name, _| !["title", "description", "$id", "$schema", "$defs"].contains(&name.as_str()));
        if let Some(inner) = nullable(&keywords) {
            return Shape::Nullable(Box::new(Shape::parse(&inner, root)));
        }
        if let Some(values) = closed_set(&keywords) {
            return Shape::OneOf(values);
        }
        if let Some(Value::Object(members)) = keywords.remove("properties") {
            let required = strings(keywords.remove("required").as_ref());
            let member = |(name, schema): (&String, &Value)| {
                let member = Member { required: required.contains(name), shape: Shape::parse(schema, root) };
                (name.clone(), member)
            };
            return Shape::Object(members.iter().map(member).collect(), keywords);
        }
        match keywords.remove("items") {
            Some(items) => Shape::Array(Box::new(Shape::parse(&items, root)), keywords),
            None => Shape::Other(keywords),
        }
    }
}

/// Follows a reference to `$defs`. Texts beside the reference are not part of the promise.
fn resolve<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => {
            let pointer = reference.strip_prefix('#').expect("references stay in the schema");
            root.pointer(pointer).unwrap_or_else(|| panic!("{reference} leads nowhere"))
        }
        None => schema,
    }
}

/// Returns the schema of the value of an optional member: `type: [T, "null"]`, or `anyOf: [T, null]`.
fn nullable(keywords: &Map<String, Value>) -> Option<Value> {
    let is_null = |schema: &Value| schema["type"] == "null";
    if let Some(choices) = keywords.get("anyOf").and_then(Value::as_array) {
        let mut others = choices.iter().filter(|choice| !is_null(choice));
        let only = others.next()?;
        return (others.next().is_none() && choices.iter().any(is_null)).then(|| only.clone());
    }
    let types = keywords.get("type")?.as_array()?;
    let others: Vec<&Value> = types.iter().filter(|name| *name != "null").collect();
    let [only] = others.as_slice() else { return None };
    let mut inner = keywords.clone();
    inner.insert("type".to_owned(), (*only).clone());
    (types.len() == 2).then_some(Value::Object(inner))
}

/// Returns the texts of a closed set: `oneOf` constants, or `enum`.
fn closed_set(keywords: &Map<String, Value>) -> Option<BTreeSet<String>> {
    if let Some(choices) = keywords.get("oneOf").and_then(Value::as_array) {
        return choices.iter().map(|choice| choice["const"].as_str().map(str::to_owned)).collect();
    }
    match keywords.get("const") {
        Some(only) => only.as_str().map(|only| BTreeSet::from([only.to_owned()])),
        None => keywords.get("enum").map(|values| strings(Some(values))),
    }
}

fn strings(values: Option<&Value>) -> BTreeSet<String> {
    let values = values.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    values.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect()
}

fn compare(location: &str, released: &Shape, today: &Shape, found: &mut Vec<Breach>) {
    let breach = |rule, location: &str| Breach { rule, location: location.to_owned() };
    match (released, today) {
        (Shape::Object(released, bounds), Shape::Object(today, bounds_today)) => {
            if bounds != bounds_today {
                found.push(breach(Rule::MemberKeepsItsType, location));
            }
            compare_members(location, released, today, found);
        }
        (Shape::Array(released, bounds), Shape::Array(today, bounds_today)) => {
            if bounds != bounds_today {
                found.push(breach(Rule::MemberKeepsItsType, location));
            }
            compare(location, released, today, found);
        }
        (Shape::Nullable(released), Shape::Nullable(today)) => compare(location, released, today, found),
        (Shape::OneOf(released), Shape::OneOf(today)) => {
            if !released.is_subset(today) {
                found.push(breach(Rule::ValueStays, location));
            }
            if !today.is_subset(released) {
                found.push(breach(Rule::ClosedSetStaysClosed, location));
            }
        }
        (released, today) if released == today => {}
        _ => found.push(breach(Rule::MemberKeepsItsType, location)),
    }
}

fn compare_members(
    location: &str,
    released: &BTreeMap<String, Member>,
    today: &BTreeMap<String, Member>,
    found: &mut Vec<Breach>,
) {
    for (name, member) in released {
        let location = format!("{location}/{name}");
        let Some(now) = today.get(name) else {
            found.push(Breach { rule: Rule::MemberStays, location });
            continue;
        };
        compare(&location, &member.shape, &now.shape, found);
        match (member.required, now.required) {
            (true, false) => found.push(Breach { rule: Rule::RequiredMemberStaysRequired, location }),
            (false, true) => found.push(Breach { rule: Rule::NoMemberBecomesRequired, location }),
            _ => {}
        }
    }
    for (name, member) in today {
        if member.required && !released.contains_key(name) {
            found.push(Breach { rule: Rule::NoMemberBecomesRequired, location: format!("{location}/{name}") });
        }
    }
}
