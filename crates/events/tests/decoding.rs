//! How a consumer decodes invalid records.

use events::{DecodeError, Decoded, Event, MAX_VALUE_BYTES, TraceParent, decode};
use serde_json::{Value, json};

const USER: &str = "019f2b4c-7a10-7c3e-9b1d-5f2a8e6d4c31";
const SECRET: &str = "must-not-be-quoted";

/// A valid record, which tests modify.
struct Record {
    headers: Vec<(String, Option<Vec<u8>>)>,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
}

impl Record {
    fn locked() -> Record {
        let value = json!({
            "userId": USER,
            "until": "2026-07-06T06:15:00Z",
            "recipient": {"email": "ada@example.com", "displayName": "Ada"},
        });
        let headers = [
            ("ce_specversion", "1.0"),
            ("ce_id", "019f2b4c-7a11-7c3e-9b1d-5f2a8e6d4c31"),
            ("ce_type", "user.locked.v1"),
            ("ce_source", "/user-service"),
            ("ce_subject", USER),
            ("ce_time", "2026-07-06T06:00:00Z"),
            ("ce_sequence", "0000000017"),
            ("ce_dataschema", "urn:user-service:events:user.locked.v1"),
            ("content-type", "application/json"),
            ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ];
        let owned = |(name, value): (&str, &str)| (name.to_owned(), Some(value.as_bytes().to_vec()));
        Record {
            headers: headers.into_iter().map(owned).collect(),
            key: Some(USER.into()),
            value: Some(value.to_string().into()),
        }
    }

    fn without(mut self, name: &str) -> Record {
        self.headers.retain(|(header, _)| header != name);
        self
    }

    fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Record {
        self = self.without(name);
        self.headers.push((name.to_owned(), Some(value.as_ref().to_vec())));
        self
    }

    fn data(mut self, change: impl FnOnce(&mut Value)) -> Record {
        let mut value = serde_json::from_slice(&self.value.expect("the record has a value")).expect("valid JSON");
        change(&mut value);
        self.value = Some(value.to_string().into());
        self
    }

    fn value(mut self, value: impl AsRef<[u8]>) -> Record {
        self.value = Some(value.as_ref().to_vec());
        self
    }

    fn decode(&self) -> Result<Decoded, DecodeError> {
        let headers = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref()));
        decode(headers, self.key.as_deref(), self.value.as_deref())
    }

    fn event(&self) -> Event {
        match self.decode() {
            Ok(Decoded::Event(event)) => *event,
            other => panic!("{other:?}"),
        }
    }

    /// Returns the reason of the error, and checks that the error shows no data.
    fn reason(&self) -> &'static str {
        let error = self.decode().expect_err("not a valid record");
        for shown in [error.to_string(), format!("{error:?}")] {
            for content in [SECRET, "ada@example.com", USER] {
                assert!(!shown.contains(content), "{shown}");
            }
        }
        error.reason()
    }
}

#[test]
fn the_record_that_the_other_tests_break_is_valid() {
    let event = Record::locked().event();
    assert_eq!(event.envelope.sequence, 17);
    assert_eq!(event.envelope.subject.to_string(), USER);
    assert_eq!(event.payload.recipient().map(|to| to.email.as_str()), Some("ada@example.com"));
}

#[test]
fn an_unknown_type_is_recognised_whatever_else_is_wrong() {
    let mut record = Record::locked().with("ce_type", "user.telepathy_enabled.v1").without("ce_sequence");
    record.key = None;
    record.value = None;
    assert_eq!(record.decode(), Ok(Decoded::UnknownType("user.telepathy_enabled.v1".to_owned())));
}

#[test]
fn a_known_name_with_an_unknown_version_is_a_dead_letter() {
    for name in ["user.locked.v7", "user.locked.v0", "user.locked"] {
        let record = Record::locked().with("ce_type", name);
        assert_eq!(record.decode(), Err(DecodeError::UnsupportedVersion(name.to_owned())));
        assert_eq!(record.reason(), "unsupported-version");
    }
}

#[test]
fn unknown_members_and_headers_are_ignored() {
    let expected = Record::locked().event();
    let record = Record::locked().with("ce_partitionkey", "x").with("x-anything", [0xff, 0xfe]).data(|data| {
        data["later"] = json!({"deep": [1, 2, {"er": null}]});
        data["recipient"]["salutation"] = json!("Countess");
    });
    assert_eq!(record.event(), expected);
}

#[test]
fn a_missing_required_header_is_reported() {
    for name in ["ce_specversion", "ce_id", "ce_type", "ce_source", "ce_subject", "ce_time", "ce_sequence"] {
        assert_eq!(Record::locked().without(name).reason(), "missing-header", "{name}");
        let mut without_value = Record::locked().without(name);
        without_value.headers.push((name.to_owned(), None));
        assert_eq!(without_value.decode(), Err(DecodeError::MissingHeader(header_name(name))));
        // Kafka's headers are case-sensitive.
        let value = Record::locked().headers.iter().find(|(header, _)| header == name).cloned();
        let value = value.expect("the header exists").1.expect("the header has a value");
        let other_case = Record::locked().without(name).with(&name.to_uppercase(), value);
        assert_eq!(other_case.reason(), "missing-header", "{name}");
    }
}

fn header_name(name: &str) -> &'static str {
    use events::header::*;
    let all = [SPEC_VERSION, ID, TYPE, SOURCE, SUBJECT, TIME, SEQUENCE];
    all.into_iter().find(|known| *known == name).expect("a known header")
}

#[test]
fn a_header_with_an_invalid_value_is_refused() {
    for (name, value) in [
        ("ce_specversion", "0.3"),
        ("ce_specversion", "2.0"),
        ("ce_id", ""),
        ("ce_id", "17"),
        ("ce_id", "019f2b4c7a117c3e9b1d5f2a8e6d4c31"),
        ("ce_source", "/email-service"),
        ("ce_subject", "ada"),
        ("ce_time", "yesterday"),
        ("ce_time", "2026-07-06T06:00:00"),
        ("ce_sequence", "17"),
        ("ce_sequence", "00000000017"),
        ("ce_sequence", "+000000017"),
        ("ce_sequence", "000000001x"),
        ("ce_dataschema", "urn:user-service:events:user.locked.v2"),
        ("content-type", "application/cloudevents+json"),
        ("content-type", "text/plain; charset=utf-8"),
        ("content-type", ""),
    ] {
        assert_eq!(Record::locked().with(name, value).reason(), "invalid-header", "{name}: {value}");
    }
    assert_eq!(Record::locked().with("ce_time", [0xff]).reason(), "invalid-header");
}

#[test]
fn a_header_given_twice_is_refused() {
    let mut record = Record::locked();
    let id = record.headers.iter().find(|(name, _)| name == "ce_id").cloned().expect("the header exists");
    record.headers.push(id);
    assert_eq!(record.reason(), "invalid-header");
}

#[test]
fn optional_headers_may_be_missing() {
    for name in ["ce_dataschema", "content-type"] {
        assert_eq!(Record::locked().without(name).event(), Record::locked().event(), "{name}");
    }
    for content_type in ["application/json; charset=utf-8", "Application/JSON", "application/json ;v=1"] {
        Record::locked().with("content-type", content_type).event();
    }
}

#[test]
fn a_trace_parent_that_is_invalid_counts_as_none() {
    assert_eq!(Record::locked().with("traceparent", "garbage").event().envelope.trace_parent, None);
    assert_eq!(Record::locked().with("traceparent", [0xff]).event().envelope.trace_parent, None);
    let kept = Record::locked().event().envelope.trace_parent.expect("the trace parent is kept");
    assert_eq!(kept, TraceParent::parse(kept.as_str()).expect("a valid trace parent"));
}

#[test]
fn a_record_without_a_value_is_a_null_value() {
    let mut record = Record::locked();
    record.value = None;
    assert_eq!(record.reason(), "null-value");
    record.headers.clear();
    assert_eq!(record.reason(), "null-value");
}

#[test]
fn a_value_that_is_not_json_is_refused() {
    let whole = String::from_utf8(Record::locked().value.expect("the record has a value")).expect("valid UTF-8");
    for value in [
        "".to_owned(),
        " ".to_owned(),
        SECRET.to_owned(),
        whole[..whole.len() - 1].to_owned(),
        format!("{whole}{whole}"),
        // Two errors: the invalid member must not hide that the text is truncated.
        format!(r#"{{"userId": 17, "x": "{SECRET}""#),
    ] {
        assert_eq!(Record::locked().value(&value).reason(), "not-json", "{value}");
    }
    assert_eq!(Record::locked().value([b'"', 0xc3, 0x28, b'"']).reason(), "not-json");
    assert_eq!(Record::locked().value([0x1f, 0x8b, 0x08, 0x00]).reason(), "not-json");
}

#[test]
fn a_value_above_the_size_limit_is_not_parsed() {
    let padded = |length: usize| {
        let mut value = Record::locked().value.expect("the record has a value");
        value.resize(length, b' ');
        Record::locked().value(value)
    };
    padded(MAX_VALUE_BYTES).event();
    assert_eq!(padded(MAX_VALUE_BYTES + 1).reason(), "record-too-large");
}

#[test]
fn invalid_data_names_the_member_and_quotes_nothing() {
    for (value, problem) in [
        (json!([SECRET]), "it is not an object"),
        (json!(SECRET), "it is not an object"),
        (json!(null), "it is not an object"),
        (json!({"userId": SECRET}), "userId is invalid"),
        (json!({"userId": USER, "until": SECRET}), "until is invalid"),
        (json!({"userId": USER, "until": "2026-07-06T06:15:00Z"}), "recipient is missing"),
        (json!({"userId": USER, "recipient": {"email": [SECRET]}}), "recipient.email is invalid"),
        (json!({"userId": USER, "recipient": {"displayName": SECRET}}), "recipient.email is missing"),
        (
            json!({"userId": USER, "recipient": {"email": "a@b", "locale": {"a": SECRET}}}),
            "recipient.locale is invalid",
        ),
    ] {
        let record = Record::locked().value(value.to_string());
        assert_eq!(record.reason(), "invalid-data", "{value}");
        let shown = record.decode().expect_err("invalid data").to_string();
        assert_eq!(shown, format!("the data is not a valid user.locked.v1: {problem}"));
    }
}

/// Returns a record of the given type.
fn record_of(event_type: &str, value: &Value) -> Record {
    let record = Record::locked().without("ce_dataschema").with("ce_type", event_type);
    record.value(value.to_string())
}

#[test]
fn values_that_serde_accepts_by_position_or_as_a_map_are_invalid_data() {
    let until = "2026-07-06T06:15:00Z";
    for (event_type, value, problem) in [
        ("user.locked.v1", json!([USER, until, {"email": SECRET}]), "it is not an object"),
        ("user.locked.v1", json!({"userId": USER, "until": until, "recipient": [SECRET]}), "recipient is invalid"),
        ("user.sessions_ended.v1", json!({"userId": USER, "reason": {"reuse": null}}), "reason is invalid"),
        (
            "user.logged_in.v1",
            json!({"userId": USER, "sessionId": USER, "methods": ["totp", {"password": null}]}),
            "methods[1] is invalid",
        ),
    ] {
        let record = record_of(event_type, &value);
        assert_eq!(record.reason(), "invalid-data", "{value}");
        let shown = record.decode().expect_err("invalid data").to_string();
        assert_eq!(shown, format!("the data is not a valid {event_type}: {problem}"));
    }
}

#[test]
fn an_optional_member_that_is_null_counts_as_absent() {
    let record = Record::locked().data(|data| data["recipient"]["locale"] = Value::Null);
    assert_eq!(record.event(), Record::locked().event());
}

#[test]
fn a_value_outside_of_a_closed_set_is_invalid_data() {
    let with_reason = |reason| record_of("user.sessions_ended.v1", &json!({"userId": USER, "reason": reason}));
    assert_eq!(with_reason(SECRET).reason(), "invalid-data");
    with_reason("reuse").event();
}

#[test]
fn a_member_given_twice_is_invalid_data() {
    let value = format!(r#"{{"userId":"{USER}","userId":"{USER}","reason":"reuse"}}"#);
    let record = record_of("user.sessions_ended.v1", &Value::Null).value(value);
    assert_eq!(record.reason(), "invalid-data");
    assert!(
        record.decode().expect_err("a member is given twice").to_string().ends_with("userId is given more than once")
    );
}

#[test]
fn a_key_that_is_not_the_subject_is_refused() {
    for key in [None, Some(""), Some("ada"), Some("019f2b4d-0e52-7f08-8a44-1c9be7a35d20"), Some(&*USER.to_uppercase())]
    {
        let mut record = Record::locked();
        record.key = key.map(Into::into);
        assert_eq!(record.reason(), "key-mismatch", "{key:?}");
    }
}

#[test]
fn data_about_another_user_is_refused() {
    let record = Record::locked().data(|data| data["userId"] = json!("019f2b4d-0e52-7f08-8a44-1c9be7a35d20"));
    assert_eq!(record.reason(), "user-id-mismatch");
}

mod states {
    use super::*;
    use events::{Record as _, StateRecord, decode_state};

    const USER: &str = "019f2b4c-7a10-7c3e-9b1d-5f2a8e6d4c31";

    fn example(name: &str) -> serde_json::Value {
        let path = format!("{}/examples/user.state.v1/{name}.json", env!("CARGO_MANIFEST_DIR"));
        serde_json::from_str(&std::fs::read_to_string(path).expect("the example can be read")).expect("valid JSON")
    }

    /// Decodes an example after `change`.
    fn decoded(name: &str, change: impl FnOnce(&mut serde_json::Value)) -> Result<Decoded<StateRecord>, DecodeError> {
        let mut record = example(name);
        change(&mut record);
        let headers = record["headers"].as_object().expect("headers");
        let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_str().map(str::as_bytes)));
        let value = (!record["value"].is_null()).then(|| record["value"].to_string());
        decode_state(headers, record["key"].as_str().map(str::as_bytes), value.as_deref().map(str::as_bytes))
    }

    fn reason(change: impl FnOnce(&mut serde_json::Value)) -> &'static str {
        decoded("full", change).expect_err("not a valid record").reason()
    }

    #[test]
    fn a_state_must_agree_with_its_headers_and_its_key() {
        assert_eq!(reason(|record| record["key"] = "ada".into()), "key-mismatch");
        assert_eq!(reason(|record| record["value"]["id"] = uuid::Uuid::nil().to_string().into()), "user-id-mismatch");
        assert_eq!(reason(|record| record["value"]["version"] = 8.into()), "version-mismatch");
        assert_eq!(reason(|record| record["value"]["status"] = "asleep".into()), "invalid-data");
        assert_eq!(reason(|record| record["headers"]["ce_type"] = "user.state.v2".into()), "unsupported-version");
        assert_eq!(reason(|record| drop(record["headers"]["ce_sequence"].take())), "missing-header");
    }

    #[test]
    fn other_types_and_unknown_members_are_ignored() {
        let other = decoded("full", |record| record["headers"]["ce_type"] = "user.locked.v1".into());
        assert_eq!(other, Ok(Decoded::UnknownType("user.locked.v1".to_owned())));
        let more = decoded("full", |record| record["value"]["shoeSize"] = 39.into());
        assert_eq!(more, decoded("full", |_| {}));
    }

    #[test]
    fn a_record_without_a_value_is_the_tombstone_of_its_user() {
        let Ok(Decoded::Event(record)) = decoded("deleted", |_| {}) else { panic!("it decodes") };
        assert_eq!((record.user.to_string().as_str(), record.version, record.state), (USER, 9, None));
    }

    #[test]
    fn a_lower_version_is_a_repeat_and_the_same_version_is_not() {
        let Ok(Decoded::Event(record)) = decoded("full", |_| {}) else { panic!("it decodes") };
        let repeats = [None, Some(6), Some(7), Some(8)].map(|last| record.is_repeat(last));
        assert_eq!(repeats, [false, false, false, true]);
    }
}
