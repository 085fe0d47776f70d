//! Properties of all payload types: an encoded event decodes to the same event, and is valid
//! according to the published schema, also to those of earlier releases.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use events::*;
use jiff::Timestamp;
use proptest::{option, prelude::*};
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
    proptest::collection::vec(method, 0..4)
}

fn names() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec(text(), 0..5)
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
            let change =
                prop_oneof![Just(UndoneChange::Password), Just(UndoneChange::Totp), Just(UndoneChange::RecoveryCodes)];
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

static VALIDATORS: LazyLock<HashMap<EventType, jsonschema::Validator>> = LazyLock::new(|| {
    let validator = |event_type: &EventType| {
        let options = jsonschema::options().should_validate_formats(true);
        (*event_type, options.build(&event_type.schema()).expect("a schema"))
    };
    EventType::ALL.iter().map(validator).collect()
});

/// The schemas in `released/`, by the type and with the version of the release.
static RELEASED: LazyLock<HashMap<EventType, Vec<(String, jsonschema::Validator)>>> = LazyLock::new(|| {
    let mut released: HashMap<EventType, Vec<(String, jsonschema::Validator)>> = HashMap::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("released");
    let releases = fs::read_dir(root).expect("a directory").map(|entry| entry.expect("a directory entry").path());
    for release in releases.filter(|path| path.is_dir()) {
        for event_type in EventType::ALL {
            let Ok(text) = fs::read_to_string(release.join(format!("schemas/{event_type}.json"))) else { continue };
            let schema = serde_json::from_str(&text).expect("valid JSON");
            let options = jsonschema::options().should_validate_formats(true);
            let validator = options.build(&schema).expect("a schema");
            released.entry(*event_type).or_default().push((release.display().to_string(), validator));
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
        prop_assert!(VALIDATORS[&event.envelope.event_type].is_valid(&value), "{}", value);
    }

    #[test]
    fn an_encoded_event_is_valid_by_the_schemas_of_earlier_releases(event in event()) {
        let value = serde_json::from_str(&event.payload.to_json()).expect("valid JSON");
        for (release, validator) in RELEASED.get(&event.envelope.event_type).into_iter().flatten() {
            prop_assert!(validator.is_valid(&value), "{}: {}", release, value);
        }
    }

    #[test]
    fn no_record_makes_the_decoder_panic(
        type_index in 0..EventType::ALL.len(),
        value in proptest::collection::vec(any::<u8>(), 0..200),
        text in any::<String>(),
    ) {
        let _ = Payload::from_json(EventType::ALL[type_index], &value);
        let _ = EventType::parse(&text);
        let _ = TraceParent::parse(&text);
    }
}
