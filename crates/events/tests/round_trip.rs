//! Properties of all payload types and of states: an encoded record decodes to the same record, and is
//! valid according to the published schema, also to those of earlier releases.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use events::*;
use jiff::Timestamp;
use proptest::collection::{hash_map, vec};
use proptest::{option, prelude::*};
use serde_json::{Map, Number, Value};
use uuid::Uuid;

/// Generates times in the years 1970 to 2200, with nanoseconds.
fn time() -> impl Strategy<Value = Timestamp> {
    (0..7_258_118_400_i64, 0..1_000_000_000_i32)
        .prop_map(|(seconds, nanos)| Timestamp::new(seconds, nanos).expect("the time is in range"))
}

fn id() -> impl Strategy<Value = Uuid> {
    any::<u128>().prop_map(Uuid::from_u128)
}

fn text() -> impl Strategy<Value = String> {
    any::<String>()
}

fn recipient() -> impl Strategy<Value = Recipient> {
    (text(), option::of(text()), option::of(text())).prop_map(|(email, display_name, locale)| Recipient {
        email,
        display_name,
        locale,
    })
}

fn grant() -> impl Strategy<Value = TokenGrant> {
    ("[0-9a-f]{16}", "[A-Za-z0-9_-]{1,300}", time())
        .prop_map(|(kid, sealed_box, expires_at)| TokenGrant { sealed: SealedToken { kid, sealed_box }, expires_at })
}

fn methods() -> impl Strategy<Value = Vec<LoginMethod>> {
    let method = prop_oneof![Just(LoginMethod::Password), Just(LoginMethod::Totp), Just(LoginMethod::RecoveryCode)];
    vec(method, 0..4)
}

fn names() -> impl Strategy<Value = Vec<String>> {
    vec(text(), 0..5)
}

fn sessions_ended_reason() -> impl Strategy<Value = SessionsEndedReason> {
    use SessionsEndedReason::*;
    prop_oneof![Just(User), Just(Admin), Just(EmailChangeUndone), Just(Reuse)]
}

/// Generates a payload of the given type. A new type is a compile error here.
fn payload_of(event_type: EventType) -> BoxedStrategy<Payload> {
    let user_id = id();
    match event_type {
        EventType::UserRegistered => (user_id, text(), recipient(), grant())
            .prop_map(|(user_id, username, recipient, verification)| {
                UserRegistered { user_id, username, recipient, verification }.into()
            })
            .boxed(),
        EventType::UserImported => (user_id, text(), any::<bool>(), recipient())
            .prop_map(|(user_id, username, welcome, recipient)| {
                UserImported { user_id, username, welcome, recipient }.into()
            })
            .boxed(),
        EventType::UserEmailVerificationRequested => (user_id, recipient(), grant())
            .prop_map(|(user_id, recipient, verification)| {
                UserEmailVerificationRequested { user_id, recipient, verification }.into()
            })
            .boxed(),
        EventType::UserEmailVerified => {
            (user_id, text()).prop_map(|(user_id, email)| UserEmailVerified { user_id, email }.into()).boxed()
        }
        EventType::UserLoggedIn => (user_id, id(), methods())
            .prop_map(|(user_id, session_id, methods)| UserLoggedIn { user_id, session_id, methods }.into())
            .boxed(),
        EventType::UserNewSignIn => {
            (user_id, id(), option::of(text()), option::of(text()), recipient(), option::of(grant()))
                .prop_map(|(user_id, session_id, device, network, recipient, undo)| {
                    UserNewSignIn { user_id, session_id, device, network, recipient, undo }.into()
                })
                .boxed()
        }
        EventType::UserProfileUpdated => {
            (user_id, names()).prop_map(|(user_id, changed)| UserProfileUpdated { user_id, changed }.into()).boxed()
        }
        EventType::UserPasswordChanged => {
            let reason = prop_oneof![Just(PasswordChangeReason::Change), Just(PasswordChangeReason::Reset)];
            (user_id, reason, recipient(), option::of(grant()))
                .prop_map(|(user_id, reason, recipient, undo)| {
                    UserPasswordChanged { user_id, reason, recipient, undo }.into()
                })
                .boxed()
        }
        EventType::UserPasswordResetRequested => (user_id, recipient(), grant())
            .prop_map(|(user_id, recipient, reset)| UserPasswordResetRequested { user_id, recipient, reset }.into())
            .boxed(),
        EventType::UserEmailChangeRequested => (user_id, text(), recipient(), grant(), option::of(text()))
            .prop_map(|(user_id, new_email, recipient, confirmation, username)| {
                UserEmailChangeRequested { user_id, new_email, recipient, confirmation, username }.into()
            })
            .boxed(),
        EventType::UserEmailChanged => (user_id, text(), text(), recipient(), grant())
            .prop_map(|(user_id, old_email, new_email, recipient, undo)| {
                UserEmailChanged { user_id, old_email, new_email, recipient, undo }.into()
            })
            .boxed(),
        EventType::UserEmailChangeUndone => (user_id, recipient())
            .prop_map(|(user_id, recipient)| UserEmailChangeUndone { user_id, recipient }.into())
            .boxed(),
        EventType::UserTotpEnabled => (user_id, recipient(), option::of(grant()))
            .prop_map(|(user_id, recipient, undo)| UserTotpEnabled { user_id, recipient, undo }.into())
            .boxed(),
        EventType::UserTotpDisabled => {
            let by =
                prop_oneof![Just(TotpDisabledBy::Admin), Just(TotpDisabledBy::Operator), Just(TotpDisabledBy::Mailbox)];
            (user_id, recipient(), option::of(by))
                .prop_map(|(user_id, recipient, by)| UserTotpDisabled { user_id, recipient, by }.into())
                .boxed()
        }
        EventType::UserRecoveryCodesRenewed => (user_id, recipient(), option::of(grant()))
            .prop_map(|(user_id, recipient, undo)| UserRecoveryCodesRenewed { user_id, recipient, undo }.into())
            .boxed(),
        EventType::UserChangeUndone => {
            let change = prop_oneof![
                Just(UndoneChange::Password),
                Just(UndoneChange::Totp),
                Just(UndoneChange::RecoveryCodes),
                Just(UndoneChange::SignIn),
            ];
            (user_id, change, recipient())
                .prop_map(|(user_id, change, recipient)| UserChangeUndone { user_id, change, recipient }.into())
                .boxed()
        }
        EventType::UserInvited => (user_id, option::of(text()), recipient(), option::of(text()), grant())
            .prop_map(|(user_id, username, recipient, inviter, invitation)| {
                UserInvited { user_id, username, recipient, inviter, invitation }.into()
            })
            .boxed(),
        EventType::UserInvitationAccepted => (user_id, text())
            .prop_map(|(user_id, username)| UserInvitationAccepted { user_id, username }.into())
            .boxed(),
        EventType::UserDisowned => user_id.prop_map(|user_id| UserDisowned { user_id }.into()).boxed(),
        EventType::UserRegistrationAttempted => (user_id, recipient(), grant())
            .prop_map(|(user_id, recipient, reset)| UserRegistrationAttempted { user_id, recipient, reset }.into())
            .boxed(),
        EventType::UserRecoveryCodeUsed => (user_id, any::<u32>(), recipient())
            .prop_map(|(user_id, remaining, recipient)| UserRecoveryCodeUsed { user_id, remaining, recipient }.into())
            .boxed(),
        EventType::UserLocked => (user_id, time(), recipient())
            .prop_map(|(user_id, until, recipient)| UserLocked { user_id, until, recipient }.into())
            .boxed(),
        EventType::UserUnlocked => user_id.prop_map(|user_id| UserUnlocked { user_id }.into()).boxed(),
        EventType::UserSessionsEnded => (user_id, sessions_ended_reason())
            .prop_map(|(user_id, reason)| UserSessionsEnded { user_id, reason }.into())
            .boxed(),
        EventType::UserRolesChanged => {
            let by = prop_oneof![Just(RolesChangedBy::Admin), Just(RolesChangedBy::Operator)];
            (user_id, names(), by)
                .prop_map(|(user_id, roles, by)| UserRolesChanged { user_id, roles, by }.into())
                .boxed()
        }
        EventType::UserDisabled => {
            user_id.prop_map(|user_id| UserDisabled { user_id, by: StatusChangedBy::Admin }.into()).boxed()
        }
        EventType::UserEnabled => {
            user_id.prop_map(|user_id| UserEnabled { user_id, by: StatusChangedBy::Admin }.into()).boxed()
        }
        EventType::UserDeleted => {
            let by = prop_oneof![Just(DeletedBy::SelfService), Just(DeletedBy::Admin)];
            (user_id, by, recipient())
                .prop_map(|(user_id, by, recipient)| UserDeleted { user_id, by, recipient }.into())
                .boxed()
        }
    }
}

fn event() -> impl Strategy<Value = Event> {
    let payload = proptest::sample::select(EventType::ALL).prop_flat_map(payload_of);
    let trace_parent = option::of(any::<[u8; 24]>().prop_map(TraceParent::generate));
    (id(), time(), 0..=MAX_SEQUENCE, trace_parent, payload)
        .prop_map(|(id, time, sequence, trace_parent, payload)| Event::new(id, time, sequence, trace_parent, payload))
}

/// Generates public attributes: any JSON object.
fn attributes() -> impl Strategy<Value = Map<String, Value>> {
    let number = any::<f64>().prop_filter_map("JSON has finite numbers only", Number::from_f64);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        number.prop_map(Value::Number),
        text().prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            hash_map(text(), inner, 0..4).prop_map(|members| members.into_iter().collect()),
        ]
    });
    hash_map(text(), value, 0..4).prop_map(|members| members.into_iter().collect())
}

fn user_state() -> impl Strategy<Value = UserState> {
    let profile = (text(), text(), any::<bool>(), option::of(text()), option::of(text()), option::of(text()));
    let status = prop_oneof![Just(UserStatus::Active), Just(UserStatus::Disabled)];
    let account = (names(), status, option::of(attributes()), time(), time());
    (id(), 0..=MAX_SEQUENCE, profile, account).prop_map(|(id, version, profile, account)| {
        let (username, email, email_verified, display_name, locale, timezone) = profile;
        let (roles, status, attributes, created_at, updated_at) = account;
        UserState {
            id,
            version,
            username,
            email,
            email_verified,
            display_name,
            locale,
            timezone,
            roles,
            status,
            attributes,
            created_at,
            updated_at,
        }
    })
}

/// Generates states and tombstones.
fn state_record() -> impl Strategy<Value = StateRecord> {
    let state = user_state().prop_map(|state| (state.id, state.version, Some(state)));
    let tombstone = (id(), 0..=MAX_SEQUENCE).prop_map(|(user, version)| (user, version, None));
    let record = prop_oneof![3 => state, 1 => tombstone];
    (record, time()).prop_map(|((user, version, state), time)| StateRecord { user, version, time, state })
}

static VALIDATORS: LazyLock<HashMap<&str, jsonschema::Validator>> = LazyLock::new(|| {
    let options = jsonschema::options().should_validate_formats(true);
    schemas().iter().map(|(name, schema)| (*name, options.build(schema).expect("a schema"))).collect()
});

/// The schemas in `released/`, by the type and with the version of the release.
static RELEASED: LazyLock<HashMap<&str, Vec<(String, jsonschema::Validator)>>> = LazyLock::new(|| {
    let mut released: HashMap<&str, Vec<(String, jsonschema::Validator)>> = HashMap::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("released");
    let releases = fs::read_dir(root).expect("a directory").map(|entry| entry.expect("a directory entry").path());
    for release in releases.filter(|path| path.is_dir()) {
        for (name, _) in schemas() {
            let Ok(text) = fs::read_to_string(release.join(format!("schemas/{name}.json"))) else { continue };
            let schema = serde_json::from_str(&text).expect("valid JSON");
            let options = jsonschema::options().should_validate_formats(true);
            let validator = options.build(&schema).expect("a schema");
            released.entry(name).or_default().push((release.display().to_string(), validator));
        }
    }
    assert!(!released.is_empty(), "there is a released type");
    released
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn an_encoded_event_decodes_to_the_same(event in event()) {
        let headers = event.envelope.headers();
        let decoded = decode(
            headers.iter().map(|(name, value)| (*name, Some(value.as_bytes()))),
            Some(event.envelope.key().as_bytes()),
            Some(event.payload.to_json().as_bytes()),
        );
        prop_assert_eq!(decoded, Ok(Decoded::Event(Box::new(event))));
    }

    #[test]
    fn an_encoded_event_is_valid_by_its_schema(event in event()) {
        let value = serde_json::from_str(&event.payload.to_json()).expect("valid JSON");
        prop_assert!(VALIDATORS[event.envelope.event_type.as_str()].is_valid(&value), "{}", value);
    }

    #[test]
    fn an_encoded_event_is_valid_by_the_schemas_of_earlier_releases(event in event()) {
        let value = serde_json::from_str(&event.payload.to_json()).expect("valid JSON");
        for (release, validator) in RELEASED.get(event.envelope.event_type.as_str()).into_iter().flatten() {
            prop_assert!(validator.is_valid(&value), "{}: {}", release, value);
        }
    }

    #[test]
    fn an_encoded_state_decodes_to_the_same(record in state_record()) {
        let headers = record.headers();
        let value = record.state.as_ref().map(UserState::to_json);
        let decoded = decode_state(
            headers.iter().map(|(name, value)| (*name, Some(value.as_bytes()))),
            Some(record.user.to_string().as_bytes()),
            value.as_deref().map(str::as_bytes),
        );
        prop_assert_eq!(decoded, Ok(Decoded::Event(Box::new(record))));
    }

    #[test]
    fn an_encoded_state_is_valid_by_its_schema_and_those_of_earlier_releases(state in user_state()) {
        let value = serde_json::from_str(&state.to_json()).expect("valid JSON");
        prop_assert!(VALIDATORS[StateRecord::TYPE].is_valid(&value), "{}", value);
        for (release, validator) in RELEASED.get(StateRecord::TYPE).into_iter().flatten() {
            prop_assert!(validator.is_valid(&value), "{}: {}", release, value);
        }
    }

    #[test]
    fn no_record_makes_the_decoder_panic(
        record in state_record(),
        type_index in 0..EventType::ALL.len(),
        value in vec(any::<u8>(), 0..200),
        text in any::<String>(),
    ) {
        let _ = Payload::from_json(EventType::ALL[type_index], &value);
        let headers = record.headers();
        let headers = headers.iter().map(|(name, value)| (*name, Some(value.as_bytes())));
        let _ = decode_state(headers, Some(record.user.to_string().as_bytes()), Some(&value));
        let _ = EventType::parse(&text);
        let _ = TraceParent::parse(&text);
    }
}
