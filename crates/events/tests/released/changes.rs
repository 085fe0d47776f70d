//! Tests of the rules: a made-up change of a published type is caught, and the rule that it breaks is named.

use events::StateRecord;
use serde_json::{Value, json};

use crate::{
    released_schema,
    rules::{Breach, Rule, breaches},
};

/// A change of a schema, and the rules that it breaks, with the place.
struct Change {
    name: &'static str,
    apply: fn(&mut Value),
    breaks: &'static [(Rule, &'static str)],
}

const CHANGES: [Change; 23] = [
    Change {
        name: "user.password_changed.v1",
        apply: |schema| drop(members(schema).remove("reason")),
        breaks: &[(Rule::MemberStays, "/reason")],
    },
    Change {
        name: "user.password_changed.v1",
        apply: |schema| {
            let reason = members(schema).remove("reason").expect("the member exists");
            members(schema).insert("cause".to_owned(), reason);
        },
        breaks: &[(Rule::MemberStays, "/reason")],
    },
    Change {
        name: "user.email_changed.v1",
        apply: |schema| drop(definition(schema, "Recipient").remove("locale")),
        breaks: &[(Rule::MemberStays, "/recipient/locale")],
    },
    Change {
        name: "user.imported.v1",
        apply: |schema| member(schema, "welcome", &json!({ "type": "string" })),
        breaks: &[(Rule::MemberKeepsItsType, "/welcome")],
    },
    Change {
        name: "user.locked.v1",
        apply: |schema| member(schema, "until", &json!({ "type": "string" })),
        breaks: &[(Rule::MemberKeepsItsType, "/until")],
    },
    Change {
        name: "user.logged_in.v1",
        apply: |schema| member(schema, "methods", &json!({ "type": "array", "items": { "type": "string" } })),
        breaks: &[(Rule::MemberKeepsItsType, "/methods")],
    },
    Change {
        name: "user.email_verified.v1",
        apply: |schema| member(schema, "email", &json!({ "type": ["string", "null"] })),
        breaks: &[(Rule::MemberKeepsItsType, "/email")],
    },
    Change {
        name: "user.roles_changed.v1",
        apply: |schema| members(schema)["roles"]["maxItems"] = 8.into(),
        breaks: &[(Rule::MemberKeepsItsType, "/roles")],
    },
    Change {
        name: "user.deleted.v1",
        apply: |schema| schema["$defs"]["Recipient"]["additionalProperties"] = false.into(),
        breaks: &[(Rule::MemberKeepsItsType, "/recipient")],
    },
    Change {
        name: "user.roles_changed.v1",
        apply: |schema| required(schema).retain(|name| name != "roles"),
        breaks: &[(Rule::RequiredMemberStaysRequired, "/roles")],
    },
    Change {
        name: "user.email_verified.v1",
        apply: |schema| {
            member(schema, "at", &json!({ "type": "string", "format": "date-time" }));
            required(schema).push("at".into());
        },
        breaks: &[(Rule::NoMemberBecomesRequired, "/at")],
    },
    Change {
        name: "user.deleted.v1",
        apply: |schema| {
            let names = schema["$defs"]["Recipient"]["required"].as_array_mut().expect("the type requires members");
            names.push("displayName".into());
        },
        breaks: &[(Rule::NoMemberBecomesRequired, "/recipient/displayName")],
    },
    Change {
        name: "user.sessions_ended.v1",
        apply: |schema| values(schema, "SessionsEndedReason").retain(|value| value["const"] != "reuse"),
        breaks: &[(Rule::ValueStays, "/reason")],
    },
    Change {
        name: "user.logged_in.v1",
        apply: |schema| values(schema, "LoginMethod").push(json!({ "type": "string", "const": "passkey" })),
        breaks: &[(Rule::ClosedSetStaysClosed, "/methods")],
    },
    Change {
        name: "user.deleted.v1",
        apply: |schema| {
            let values = values(schema, "DeletedBy");
            values.retain(|value| value["const"] != "admin");
            values.push(json!({ "type": "string", "const": "operator" }));
        },
        breaks: &[(Rule::ValueStays, "/by"), (Rule::ClosedSetStaysClosed, "/by")],
    },
    Change {
        name: StateRecord::TYPE,
        apply: |schema| drop(members(schema).remove("timezone")),
        breaks: &[(Rule::MemberStays, "/timezone")],
    },
    Change {
        name: StateRecord::TYPE,
        apply: |schema| member(schema, "version", &json!({ "type": "string" })),
        breaks: &[(Rule::MemberKeepsItsType, "/version")],
    },
    Change {
        name: StateRecord::TYPE,
        apply: |schema| members(schema)["attributes"]["additionalProperties"] = false.into(),
        breaks: &[(Rule::MemberKeepsItsType, "/attributes")],
    },
    Change {
        name: StateRecord::TYPE,
        apply: |schema| required(schema).retain(|name| name != "email"),
        breaks: &[(Rule::RequiredMemberStaysRequired, "/email")],
    },
    Change {
        name: StateRecord::TYPE,
        apply: |schema| required(schema).push("displayName".into()),
        breaks: &[(Rule::NoMemberBecomesRequired, "/displayName")],
    },
    Change {
        name: StateRecord::TYPE,
        apply: |schema| values(schema, "UserStatus").retain(|value| value["const"] != "disabled"),
        breaks: &[(Rule::ValueStays, "/status")],
    },
    Change {
        name: StateRecord::TYPE,
        apply: |schema| values(schema, "UserStatus").push(json!({ "type": "string", "const": "invited" })),
        breaks: &[(Rule::ClosedSetStaysClosed, "/status")],
    },
    Change {
        name: StateRecord::TYPE,
        apply: |schema| schema["additionalProperties"] = false.into(),
        breaks: &[(Rule::MemberKeepsItsType, "")],
    },
];

fn members(schema: &mut Value) -> &mut serde_json::Map<String, Value> {
    schema["properties"].as_object_mut().expect("the schema has members")
}

fn member(schema: &mut Value, name: &str, member: &Value) {
    members(schema).insert(name.to_owned(), member.clone());
}

fn required(schema: &mut Value) -> &mut Vec<Value> {
    schema["required"].as_array_mut().expect("the schema requires members")
}

fn definition<'a>(schema: &'a mut Value, name: &str) -> &'a mut serde_json::Map<String, Value> {
    schema["$defs"][name]["properties"].as_object_mut().expect("the type has members")
}

fn values<'a>(schema: &'a mut Value, name: &str) -> &'a mut Vec<Value> {
    schema["$defs"][name]["oneOf"].as_array_mut().expect("the type is a set of values")
}

/// Returns what the comparison says about a changed copy of a released schema.
fn found(change: &Change) -> Vec<Breach> {
    let released = released_schema(change.name);
    let mut today = released.clone();
    (change.apply)(&mut today);
    assert_ne!(released, today, "{}: the change changes nothing", change.name);
    breaches(change.name, &released, Some(&today))
}

#[test]
fn a_change_that_breaks_a_rule_is_caught_with_its_place_and_its_rule() {
    for change in &CHANGES {
        let expected: Vec<Breach> = change
            .breaks
            .iter()
            .map(|(rule, at)| Breach { rule: *rule, location: format!("{}{at}", change.name) })
            .collect();
        assert_eq!(found(change), expected);
    }
}

#[test]
fn a_type_that_disappears_is_caught() {
    for name in ["user.locked.v1", StateRecord::TYPE] {
        let found = breaches(name, &released_schema(name), None);
        assert_eq!(found, [Breach { rule: Rule::TypeStays, location: name.to_owned() }]);
        assert_eq!(found[0].to_string(), format!("{name}: a published type does not disappear"));
    }
}

#[test]
fn every_rule_is_broken_by_a_made_up_change_of_a_type_of_each_topic() {
    let (states, events): (Vec<&Change>, Vec<&Change>) =
        CHANGES.iter().partition(|change| change.name == StateRecord::TYPE);
    for (topic, changes) in [("events", events), ("states", states)] {
        let broken: Vec<Rule> = changes.iter().flat_map(|change| change.breaks).map(|(rule, _)| *rule).collect();
        for rule in Rule::ALL {
            assert!(rule == Rule::TypeStays || broken.contains(&rule), "no change of {topic} breaks {rule:?}");
        }
    }
}

#[test]
fn an_optional_member_and_other_texts_break_no_rule() {
    for name in ["user.registered.v1", StateRecord::TYPE] {
        let released = released_schema(name);
        let mut today = released.clone();
        member(&mut today, "invitedBy", &json!({ "type": ["string", "null"], "description": "New." }));
        today["description"] = "Another text.".into();
        today["properties"]["username"]["description"] = "Another text.".into();
        assert_eq!(breaches(name, &released, Some(&today)), []);
    }
}
