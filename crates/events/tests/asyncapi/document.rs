//! The AsyncAPI document: both topics with their messages, made from the types and the examples.

use std::{fs, path::Path};

use events::{SOURCE, StateRecord, header, schemas, topic};
use serde_json::{Map, Value, json};

/// The name of the message for the record of a deleted user.
pub(crate) const TOMBSTONE: &str = "user.state.v1.tombstone";

/// A UUID as keys and headers have it.
const UUID: &str = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$";

/// Returns the sections of the document in the order in which they are read.
pub(crate) fn document() -> Vec<(&'static str, Value)> {
    let mut messages = Map::new();
    let mut components = Map::new();
    components.insert("UserId".to_owned(), user_id());
    components.insert("EventHeaders".to_owned(), event_headers());
    components.insert("StateHeaders".to_owned(), state_headers());
    components.insert("TombstoneHeaders".to_owned(), tombstone_headers());
    for (name, mut schema) in schemas() {
        let urn = schema["$id"].take();
        for (definition, schema) in schema["$defs"].take().as_object().into_iter().flatten() {
            let schema = as_component(schema);
            let before = components.insert(definition.clone(), schema.clone());
            assert!(before.is_none_or(|before| before == schema), "two types are named {definition}");
        }
        let title = schema["title"].as_str().expect("a schema has a title").to_owned();
        let payload = as_component(&schema);
        messages.insert(name.to_owned(), message(name, &title, &urn, &payload["description"]));
        let before = components.insert(title.clone(), payload);
        assert!(before.is_none(), "two types are named {title}");
    }
    messages.insert(TOMBSTONE.to_owned(), tombstone());
    let (states, events): (Vec<_>, Vec<_>) = messages.keys().cloned().partition(|name| name.starts_with("user.state."));
    vec![
        ("asyncapi", "3.0.0".into()),
        ("id", "urn:user-service:events".into()),
        ("info", info()),
        ("defaultContentType", "application/json".into()),
        ("channels", json!({ "user.events": events_channel(&events), "user.state": states_channel(&states) })),
        (
            "operations",
            json!({
                "publishEvent": operation("user.events", "Publishes an event."),
                "publishState": operation("user.state", "Publishes the state of a user after a change, or the tombstone of a deleted user."),
            }),
        ),
        (
            "components",
            json!({
                "messages": messages,
                "messageBindings": {
                    "userKey": { "kafka": { "key": reference("schemas", "UserId"), "bindingVersion": "0.5.0" } },
                },
                "schemas": components,
            }),
        ),
    ]
}

fn info() -> Value {
    json!({
        "title": "user-service",
        "version": env!("CARGO_PKG_VERSION"),
        "description": "The records that the user service publishes to Kafka: CloudEvents 1.0 in the binary content mode, \
            with JSON values. Published types only gain optional members: ignore members and types that you do not \
            know. The names of the topics are those of the default configuration.\n\nThis document has the point of \
            view of the user service, so its operations send. A consumer's own document receives from the same \
            channels, by reference.",
        "license": { "name": "Apache-2.0" },
    })
}

fn events_channel(messages: &[String]) -> Value {
    let description = "A record is published at least once. The first occurrences of one user's events are in the \
        order of `ce_sequence`, with gaps; there is no order between users. Skip an event whose `ce_sequence` is not \
        greater than the last one of its user.";
    channel("user.events", "The events of all users.", description, topic::EVENT_SETTINGS, messages)
}

fn states_channel(messages: &[String]) -> Value {
    let description = "The last record of a user becomes the newest state, or a tombstone if the user is deleted. \
        A record may be published again, and late: ignore one whose `ce_sequence` is lower than the last one of its \
        user, tombstones included; the same may be applied again. So keep the version of a deleted user as long as \
        the topic keeps tombstones (`delete.retention.ms`). Logins publish no state. The topic exists only if \
        `kafka.state_topic` of the user service names it.";
    channel(
        "user.state",
        "The present state of each user, for services that keep a copy.",
        description,
        topic::STATE_SETTINGS,
        messages,
    )
}

fn channel(address: &str, summary: &str, description: &str, settings: &[(&str, &str)], messages: &[String]) -> Value {
    let partition =
        "The partition of a key is `(murmur2(key) & 0x7fffffff) mod partitions`, as in Kafka's Java client.";
    let setting = |(name, value): &(&str, &str)| {
        let value = value.parse::<u64>().map_or_else(|_| json!([value]), Value::from);
        ((*name).to_owned(), value)
    };
    let configuration: Map<String, Value> = settings.iter().map(setting).collect();
    json!({
        "address": address,
        "summary": summary,
        "description": format!("{description}\n\n{partition}"),
        "messages": messages
            .iter()
            .map(|name| (name.clone(), reference("messages", name)))
            .collect::<Map<String, Value>>(),
        "bindings": {
            "kafka": {
                "topic": address,
                "partitions": topic::DEFAULT_PARTITIONS,
                "topicConfiguration": configuration,
                "bindingVersion": "0.5.0",
            },
        },
    })
}

fn operation(channel: &str, summary: &str) -> Value {
    json!({
        "action": "send",
        "channel": { "$ref": format!("#/channels/{channel}") },
        "summary": summary,
    })
}

/// Returns the message of a type, whose payload is the component `title`.
fn message(name: &str, title: &str, urn: &Value, description: &Value) -> Value {
    let headers = if name == StateRecord::TYPE { "StateHeaders" } else { "EventHeaders" };
    json!({
        "name": name,
        "title": title,
        "description": description,
        "headers": {
            "type": "object",
            "allOf": [reference("schemas", headers)],
            "properties": { header::TYPE: { "const": name }, header::DATA_SCHEMA: { "const": urn } },
            "required": [header::TYPE, header::DATA_SCHEMA],
        },
        "payload": reference("schemas", title),
        "bindings": reference("messageBindings", "userKey"),
        "examples": examples(name, |value| !value.is_null()),
    })
}

fn tombstone() -> Value {
    json!({
        "name": StateRecord::TYPE,
        "title": "UserStateTombstone",
        "description": "The user is deleted. The record has a key and headers, and no value: not the JSON text `null`, \
            but Kafka's null. AsyncAPI has no term for that, so the payload is the type `null` here, which is what \
            Kafka clients return.",
        "headers": {
            "type": "object",
            "allOf": [reference("schemas", "TombstoneHeaders")],
            "properties": { header::TYPE: { "const": StateRecord::TYPE } },
            "required": [header::TYPE],
        },
        "payload": { "type": "null" },
        "bindings": reference("messageBindings", "userKey"),
        "examples": examples(StateRecord::TYPE, Value::is_null),
    })
}

/// Returns the schema of a record's key.
fn user_id() -> Value {
    json!({
        "type": "string",
        "format": "uuid",
        "pattern": UUID,
        "description": "The id of a user, hyphenated and in lower case.",
    })
}

fn event_headers() -> Value {
    let mut headers = headers(
        "The headers of an event.",
        &json!({
            "type": "string",
            "format": "uuid",
            "pattern": UUID,
            "description": "The id of the event, a UUIDv7. A duplicate has the same id.",
        }),
        "The position among the user's events: ten digits, padded with zeros, so that it sorts as text. Gaps are \
            normal. Skip an event whose position is not greater than the last one of its user.",
    );
    with_value(&mut headers);
    headers["properties"][header::TRACE_PARENT] = json!({
        "type": "string",
        "pattern": "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$",
        "description": "The W3C Trace Context of the request that caused the event; absent if there is none.",
    });
    headers
}

fn state_headers() -> Value {
    let mut headers = tombstone_headers();
    headers["description"] = "The headers of a state.".into();
    with_value(&mut headers);
    headers
}

fn tombstone_headers() -> Value {
    headers(
        "The headers of a tombstone.",
        &json!({
            "type": "string",
            "pattern": format!("{}/(0|[1-9][0-9]{{0,9}})$", UUID.trim_end_matches('$')),
            "description": "The user and the version. A duplicate has the same id.",
        }),
        "The version of the account: ten digits, padded with zeros, so that it sorts as text. Gaps are normal. \
            Ignore a version that is lower than the last one of its user.",
    )
}

/// Returns the headers that every record has.
fn headers(description: &str, id: &Value, sequence: &str) -> Value {
    json!({
        "type": "object",
        "description": description,
        "properties": {
            header::SPEC_VERSION: { "const": "1.0", "description": "The version of CloudEvents." },
            header::ID: id,
            header::TYPE: { "type": "string", "description": "The type of the record, with its version." },
            header::SOURCE: { "const": SOURCE, "description": "The publisher." },
            header::SUBJECT: reference("schemas", "UserId"),
            header::TIME: {
                "type": "string",
                "format": "date-time",
                "description": "The time of the change (RFC 3339, UTC).",
            },
            header::SEQUENCE: { "type": "string", "pattern": "^[0-9]{10}$", "description": sequence },
        },
        "required": [
            header::SPEC_VERSION, header::ID, header::TYPE, header::SOURCE, header::SUBJECT, header::TIME,
            header::SEQUENCE,
        ],
    })
}

/// Adds the headers that describe the value.
fn with_value(headers: &mut Value) {
    headers["properties"][header::DATA_SCHEMA] =
        json!({ "type": "string", "description": "The `$id` of the value's JSON Schema." });
    headers["properties"][header::CONTENT_TYPE] =
        json!({ "const": "application/json", "description": "The media type of the value." });
    let required = headers["required"].as_array_mut().expect("the headers have required members");
    required.extend([header::DATA_SCHEMA.into(), header::CONTENT_TYPE.into()]);
}

/// Returns the golden examples of a type whose value `is_wanted`.
fn examples(name: &str, is_wanted: fn(&Value) -> bool) -> Vec<Value> {
    let all = golden_examples(name).into_iter().filter(|(_, record)| is_wanted(&record["value"]));
    all.map(|(name, record)| json!({ "name": name, "headers": record["headers"], "payload": record["value"] }))
        .collect()
}

/// Returns the records of `examples/` of a type, with their names.
pub(crate) fn golden_examples(name: &str) -> Vec<(String, Value)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
    let entries = fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a directory entry").path()).collect();
    paths.sort();
    let read = |path: &Path| {
        let text = fs::read_to_string(path).expect("the example can be read");
        serde_json::from_str(&text).expect("valid JSON")
    };
    let name = |path: &Path| path.file_stem().and_then(|name| name.to_str()).expect("valid UTF-8").to_owned();
    paths.iter().map(|path| (name(path), read(path))).collect()
}

fn reference(kind: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{kind}/{name}") })
}

/// Returns a schema as AsyncAPI has it, a superset of JSON Schema draft 07: what stands beside a reference is ignored
/// there, and definitions are components of the document. Lines of texts are joined to paragraphs.
fn as_component(schema: &Value) -> Value {
    let Value::Object(keywords) = schema else {
        let Value::Array(items) = schema else { return schema.clone() };
        return items.iter().map(as_component).collect();
    };
    let mut component = Map::new();
    for (name, value) in keywords {
        match (name.as_str(), value) {
            ("$id" | "$schema" | "$defs", _) => {}
            ("$ref", Value::String(definition)) => {
                let name = definition.strip_prefix("#/$defs/").expect("references lead to definitions");
                component.insert("allOf".to_owned(), json!([reference("schemas", name)]));
            }
            ("description", Value::String(text)) => {
                let paragraphs: Vec<String> = text.split("\n\n").map(|lines| lines.replace('\n', " ")).collect();
                component.insert(name.clone(), paragraphs.join("\n\n").into());
            }
            _ => drop(component.insert(name.clone(), as_component(value))),
        }
    }
    // A reference that stands alone needs no `allOf`.
    if component.len() == 1 && keywords.contains_key("$ref") {
        return component["allOf"][0].take();
    }
    Value::Object(component)
}
