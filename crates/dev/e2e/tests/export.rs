//! The personal data export, compared field by field with the stored documents.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bson::{Binary, Bson, DateTime, Document, Uuid, doc, spec::BinarySubtype};
use e2e::{
    accounts::{
        fail_login, log_in_with_agent, parse_uuid, register_with_key, request_reset, update_user, user_document,
    },
    start::start_user_service,
};
use reqwest::{Method, header};
use serde_json::{Value, json};
use test_support::{Api, TestUser, find_all, wait_for_count};

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";

/// The treatment of a stored field in the export.
enum FieldRule {
    /// The field is exported at this pointer; `*` is every element of a list.
    Exported(&'static str),
    /// The field is not exported, for this reason.
    Withheld(&'static str),
}

use FieldRule::{Exported, Withheld};

const INTERNAL: &str = "says how the service keeps the document, and nothing of the person";
const SECRET: &str = "a secret, or what one can be tried against";

/// Every field that may be stored about a user. A stored field that is missing here fails the test: export it, or
/// give the reason for withholding it.
const FIELDS: &[(&str, &str, FieldRule)] = &[
    ("users", "_id", Exported("/account/id")),
    ("users", "schemaVersion", Withheld(INTERNAL)),
    ("users", "version", Exported("/account/version")),
    ("users", "username", Exported("/account/username")),
    ("users", "usernameKey", Exported("/usernameKey")),
    ("users", "usernameKeys.*", Withheld("repeats the key of the username and those of the reserved ones")),
    ("users", "reservedUsernames.*.key", Exported("/reservedUsernames/*/key")),
    ("users", "reservedUsernames.*.until", Exported("/reservedUsernames/*/until")),
    ("users", "unclaimed", Withheld("an account that can be signed in to has no such field")),
    ("users", "email", Exported("/account/email")),
    ("users", "emailKeys.*", Exported("/emailKeys/*")),
    ("users", "reserved.*.key", Exported("/reservedAddresses/*/key")),
    ("users", "reserved.*.until", Exported("/reservedAddresses/*/until")),
    ("users", "emailVerified", Exported("/account/emailVerified")),
    ("users", "displayName", Exported("/account/displayName")),
    ("users", "locale", Exported("/account/locale")),
    ("users", "timezone", Exported("/account/timezone")),
    ("users", "attributes", Exported("/account/attributes")),
    ("users", "roles.*", Exported("/account/roles/*")),
    ("users", "status", Exported("/account/status")),
    ("users", "passwordHash", Withheld(SECRET)),
    ("users", "sessions.epoch", Withheld(INTERNAL)),
    ("users", "sessions.keep", Withheld(INTERNAL)),
    ("users", "tokens.*.hash", Withheld(SECRET)),
    ("users", "tokens.*.purpose", Exported("/oneTimeTokens/*/purpose")),
    ("users", "tokens.*.to", Exported("/oneTimeTokens/*/addressKey")),
    ("users", "tokens.*.address", Exported("/oneTimeTokens/*/address")),
    ("users", "tokens.*.expiresAt", Exported("/oneTimeTokens/*/expiresAt")),
    ("users", "tokens.*.issuedAt", Withheld("when the address changed, which the audit log says")),
    ("users", "undoTokens.*.hash", Withheld(SECRET)),
    ("users", "undoTokens.*.purpose", Exported("/oneTimeTokens/*/purpose")),
    ("users", "undoTokens.*.to", Exported("/oneTimeTokens/*/addressKey")),
    ("users", "undoTokens.*.expiresAt", Exported("/oneTimeTokens/*/expiresAt")),
    ("users", "invitation.hash", Withheld(SECRET)),
    ("users", "invitation.to", Exported("/oneTimeTokens/*/addressKey")),
    ("users", "invitation.expiresAt", Exported("/oneTimeTokens/*/expiresAt")),
    ("users", "invitation.placeholder", Withheld("a username that the service made up, until the person chooses one")),
    ("users", "usedTokens.*.hash", Withheld(SECRET)),
    ("users", "usedTokens.*.purpose", Exported("/usedLinks/*/purpose")),
    ("users", "usedTokens.*.to", Exported("/usedLinks/*/addressKey")),
    ("users", "usedTokens.*.until", Exported("/usedLinks/*/until")),
    ("users", "idempotency.key", Withheld("a keyed hash, which says nothing without the key")),
    ("users", "idempotency.fingerprint", Withheld("a keyed hash of what is in the account")),
    ("users", "idempotency.until", Exported("/idempotencyKeyUntil")),
    ("users", "totp.secret", Withheld(SECRET)),
    ("users", "totp.enabledAt", Exported("/secondFactor/enabledAt")),
    ("users", "totp.lastStep", Withheld(SECRET)),
    ("users", "totp.recoveryCodes.*", Withheld(SECRET)),
    ("users", "totp.usedTokens.*.id", Withheld(INTERNAL)),
    ("users", "totp.usedTokens.*.until", Withheld(INTERNAL)),
    ("users", "totpSetup.secret", Withheld(SECRET)),
    ("users", "totpSetup.expiresAt", Exported("/secondFactorSetupUntil")),
    ("users", "secondFactorSince", Exported("/secondFactorSince")),
    ("users", "secondFactorOffAt", Exported("/secondFactorOffAt")),
    ("users", "knownNetworks.*.network", Withheld("a keyed hash, which says nothing without the key")),
    ("users", "knownNetworks.*.lastSeen", Exported("/knownNetworks/*/lastSeen")),
    ("users", "signInPlaces.*.place", Withheld("a keyed hash, which says nothing without the key")),
    ("users", "signInPlaces.*.lastSeen", Exported("/signInPlaces/*/lastSeen")),
    ("users", "lockedUntil", Exported("/lockedUntil")),
    ("users", "imported.at", Exported("/importedAt")),
    ("users", "imported.import", Withheld(INTERNAL)),
    ("users", "imported.line", Withheld(INTERNAL)),
    ("users", "createdAt", Exported("/account/createdAt")),
    ("users", "updatedAt", Exported("/account/updatedAt")),
    ("users", "lastLoginAt", Exported("/account/lastLoginAt")),
    ("users", "pendingEvents.*.id", Exported("/pendingEvents/*/id")),
    ("users", "pendingEvents.*.type", Exported("/pendingEvents/*/type")),
    ("users", "pendingEvents.*.at", Exported("/pendingEvents/*/at")),
    ("users", "pendingEvents.*.sequence", Withheld(INTERNAL)),
    ("users", "pendingEvents.*.data", Withheld("repeats what the account says; a sealed token in it is a secret")),
    ("users", "pendingEvents.*.traceParent", Withheld(INTERNAL)),
    ("users", "pendingEvents.*.replica", Withheld(INTERNAL)),
    ("users", "pendingEvents.*.audit.actor", Exported("/audit/*/actor")),
    ("users", "pendingEvents.*.audit.address", Exported("/audit/*/address")),
    ("users", "pendingEvents.*.audit.client", Exported("/audit/*/client")),
    ("users", "pendingEvents.*.audit.reason", Exported("/audit/*/reason")),
    ("users", "parked.until", Withheld(INTERNAL)),
    ("users", "parked.attempts", Withheld(INTERNAL)),
    ("users", "parked.error", Withheld(INTERNAL)),
    ("sessions", "_id", Exported("/sessions/*/id")),
    ("sessions", "schemaVersion", Withheld(INTERNAL)),
    ("sessions", "userId", Exported("/account/id")),
    ("sessions", "epoch", Withheld(INTERNAL)),
    ("sessions", "salt", Withheld(SECRET)),
    ("sessions", "n", Withheld(INTERNAL)),
    ("sessions", "retriedFrom", Withheld(INTERNAL)),
    ("sessions", "createdAt", Exported("/sessions/*/createdAt")),
    ("sessions", "lastUsedAt", Exported("/sessions/*/lastUsedAt")),
    ("sessions", "rotatedAt", Exported("/sessions/*/rotatedAt")),
    ("sessions", "expiresAt", Exported("/sessions/*/expiresAt")),
    ("sessions", "device", Exported("/sessions/*/userAgent")),
    ("sessions", "address", Exported("/sessions/*/address")),
    ("sessions", "authenticatedAt", Exported("/sessions/*/authenticatedAt")),
    ("sessions", "secondFactor", Exported("/sessions/*/secondFactor")),
    ("sessions", "cookieHash", Withheld(SECRET)),
    ("audit", "_id", Exported("/audit/*/id")),
    ("audit", "schemaVersion", Withheld(INTERNAL)),
    ("audit", "userId", Exported("/account/id")),
    ("audit", "at", Exported("/audit/*/at")),
    ("audit", "type", Exported("/audit/*/type")),
    ("audit", "actor", Exported("/audit/*/actor")),
    ("audit", "address", Exported("/audit/*/address")),
    ("audit", "client", Exported("/audit/*/client")),
    ("audit", "reason", Exported("/audit/*/reason")),
    ("audit", "target", Exported("/audit/*/targetId")),
];

async fn log_in(api: &Api, user: &TestUser) -> Api {
    api.with_token(&log_in_with_agent(api, user, FIREFOX).await.access)
}

/// Creates an account with as much stored data as possible.
async fn create_full_account(api: &Api, ada: &TestUser) -> Api {
    let mut body = ada.registration();
    body["displayName"] = json!("Ada Lovelace");
    body["locale"] = json!("en-GB");
    body["attributes"] = json!({ "team": "engine" });
    let _ = register_with_key(api, "ada-registers", &body).await.expect(201);
    fail_login(api, ada).await;
    log_in(api, ada).await;
    let me = log_in(api, ada).await;
    let _ = me.patch("/api/users/me", &json!({ "timezone": "Europe/London" })).await.expect(200);
    // After this the session rule has a kept session.
    let _ = me.delete("/api/users/me/sessions", None).await.expect(204);
    request_reset(api, &ada.email).await;
    log_in(api, ada).await;
    me
}

/// Collects every value of a document with its path; elements of a list are `*`.
fn collect_leaves(path: &str, value: &Bson, found: &mut Vec<(String, Bson)>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Bson::Document(document) => {
            document.iter().for_each(|(name, value)| collect_leaves(&below(name), value, found));
        }
        Bson::Array(elements) => elements.iter().for_each(|element| collect_leaves(&below("*"), element, found)),
        value => found.push((path.to_owned(), value.clone())),
    }
}

/// Returns the exported values at a pointer; `*` is every element of a list.
fn values_at<'a>(value: &'a Value, pointer: &str) -> Vec<&'a Value> {
    match pointer.split_once("/*") {
        None => value.pointer(pointer).into_iter().collect(),
        Some((list, rest)) => {
            let elements = value.pointer(list).and_then(Value::as_array).into_iter().flatten();
            elements.flat_map(|element| values_at(element, rest)).collect()
        }
    }
}

/// Returns a stored value in the form that JSON shows.
fn as_json(value: &Bson) -> Value {
    match value {
        Bson::String(text) => json!(text),
        Bson::Boolean(yes) => json!(yes),
        Bson::Int32(number) => json!(number),
        Bson::Int64(number) => json!(number),
        Bson::DateTime(time) => json!(time.to_jiff().to_string()),
        Bson::Binary(binary) => json!(binary.to_uuid().map(|id| id.to_string()).unwrap_or_default()),
        other => panic!("this test does not know the type of the field: {other}"),
    }
}

#[tokio::test]
async fn every_stored_field_is_exported_or_withheld_for_a_reason() {
    let (world, mut service, api) = start_user_service("export").await;
    let (ada, eve) = (world.test_user("ada"), world.test_user("eve"));
    let _ = api.get("/api/users/me/export").await.expect_problem(401, "unauthorized");
    let _ = api.register(&eve).await.expect(201);
    let me = create_full_account(&api, &ada).await;
    // Waits for a reset token, and until no event is pending.
    let settled = doc! {
        "email": &ada.email, "tokens.purpose": "password-reset", "pendingEvents.0": { "$exists": false },
    };
    wait_for_count(&world.user_collection("users").await, settled, 1).await;
    // From here on events stay pending on the account.
    assert_eq!(service.terminate().await.code(), Some(0));
    service.restart_with(|spec| spec.set("KAFKA__BROKERS", "127.0.0.1:9")).await;
    let patch = me.request(Method::PATCH, "/api/users/me").header(header::USER_AGENT, FIREFOX);
    let _ = me.send(patch.json(&json!({ "displayName": "Ada King" }))).await.expect(200);
    // The database sets the fields that only an administrator, an attacker, an authenticator app or an address change
    // could set.
    let (now, bytes) = (DateTime::now(), |byte: u8| Binary { subtype: BinarySubtype::Generic, bytes: vec![byte; 32] });
    let more = doc! {
        "roles": ["auditor"],
        "lockedUntil": now,
        "imported": { "import": "0123456789abcdef0123456789abcdef", "line": 7_i64, "at": now },
        "reserved": [{ "key": "ada-before@example.org", "until": now }],
        "usedTokens": [
            { "hash": bytes(6), "purpose": "email-verification", "to": "ada-before@example.org", "until": now },
        ],
        "reservedUsernames": [{ "key": "ada-before", "until": now }],
        "pendingEvents.0.audit.reason": "a reason of an operator",
        "totp": {
            "secret": bytes(1), "enabledAt": now, "lastStep": 58_000_000_i64, "recoveryCodes": [bytes(2), bytes(3)],
            "usedTokens": [{ "id": Uuid::new(), "until": now }],
        },
        "totpSetup": { "secret": bytes(4), "expiresAt": now },
        "secondFactorSince": now,
        "secondFactorOffAt": now,
        "invitation": {
            "hash": bytes(7), "to": "ada-invited@example.org", "expiresAt": now, "placeholder": "invited-0123456789ab",
        },
        "undoTokens": [{
            "hash": bytes(6), "purpose": "totp-undo", "to": "ada-earlier@example.org", "expiresAt": now,
        }],
    };
    let token = doc! {
        "hash": bytes(5), "purpose": "email-change", "to": "ada-later@example.org", "address": "Ada-Later@example.org",
        "expiresAt": now,
    };
    let more = doc! { "$set": more, "$push": { "tokens": token } };
    update_user(&world, &ada.email, more).await;
    let stored_ada = user_document(&world, &ada.email).await;
    let act = doc! {
        "_id": Uuid::new(), "schemaVersion": 1, "userId": stored_ada["_id"].clone(), "at": now, "type": "user.disabled.v1",
        "actor": "self", "target": Uuid::new(), "reason": "a reason of an administrator",
    };
    let (sessions, audit) = (world.user_collection("sessions").await, world.user_collection("audit").await);
    let _ = audit.insert_one(act).await.expect("a row can be written");
    let proven = doc! { "$set": { "authenticatedAt": now, "secondFactor": true, "cookieHash": bytes(8) } };
    let _ =
        sessions.update_many(doc! { "userId": stored_ada["_id"].clone() }, proven).await.expect("it can be written");

    let answer = me.get("/api/users/me/export").await.expect(200);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("content-disposition"), "attachment; filename=\"my-account.json\"");
    assert_eq!(answer.header("cache-control"), "no-store");
    let export = answer.json();
    assert_eq!(export["secondFactor"]["recoveryCodesLeft"], 2);
    assert_eq!(export["account"], me.get("/api/users/me").await.json());
    assert_eq!(export["audit"], me.get("/api/users/me/audit?limit=100").await.json()["items"]);
    assert!(!answer.text.contains(&eve.email) && !answer.text.contains(&eve.username));

    let user = user_document(&world, &ada.email).await;
    let id = user.get("_id").cloned().expect("a user has an id");
    let stored = [
        ("users", vec![user.clone()]),
        ("sessions", find_all(&sessions, doc! { "userId": id.clone() }).await),
        ("audit", find_all(&audit, doc! { "userId": id }).await),
    ];
    let rules: BTreeMap<(&str, &str), &FieldRule> =
        FIELDS.iter().map(|(collection, path, rule)| ((*collection, *path), rule)).collect();
    let (mut problems, mut seen) = (Vec::new(), BTreeSet::new());
    for (collection, documents) in &stored {
        assert!(!documents.is_empty(), "{collection} has no document of the user");
        for document in documents {
            let mut found = Vec::new();
            collect_leaves("", &Bson::from(document.clone()), &mut found);
            for (path, value) in found {
                let _ = seen.insert((*collection, path.clone()));
                match rules.get(&(*collection, path.as_str())) {
                    None => problems.push(format!("{collection}.{path} is stored, neither exported nor withheld")),
                    Some(Withheld(reason)) => assert!(!reason.is_empty()),
                    Some(Exported(pointer)) => {
                        let expected = match path.as_str() {
                            "attributes" => {
                                serde_json::from_str(value.as_str().unwrap_or_default()).unwrap_or_default()
                            }
                            _ => as_json(&value),
                        };
                        if !values_at(&export, pointer).contains(&&expected) {
                            problems.push(format!("{collection}.{path} is not at {pointer}"));
                        }
                    }
                }
            }
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
    let unseen = |(collection, path): &(&str, &str)| !seen.contains(&(*collection, (*path).to_owned()));
    let exported = rules.iter().filter(|(_, rule)| matches!(rule, Exported(_)));
    let untested: Vec<_> = exported.map(|(field, _)| *field).filter(unseen).collect();
    assert!(untested.is_empty(), "the account has no value in {untested:?}");

    // The export contains no secret in any common encoding.
    let mut secrets = vec![user.get_str("passwordHash").expect("a user has a hash").to_owned()];
    let binaries = stored.iter().flat_map(|(_, documents)| documents).flat_map(|document| {
        let mut found = Vec::new();
        collect_leaves("", &Bson::from(document.clone()), &mut found);
        found
    });
    for (path, value) in binaries {
        let secret = ["hash", "cookieHash", "salt", "secret", "recoveryCodes.*", "network", "place"]
            .iter()
            .any(|name| path.ends_with(name));
        if let (Bson::Binary(binary), true) = (&value, secret) {
            secrets.push(BASE64_STANDARD.encode(&binary.bytes).trim_end_matches('=').to_owned());
            secrets.push(binary.bytes.iter().map(|byte| format!("{byte:02x}")).collect());
        }
    }
    assert!(secrets.len() >= 15, "{secrets:?}");
    for secret in secrets {
        assert!(!answer.text.contains(&secret), "{secret} is in the export");
    }
}

#[tokio::test]
async fn a_long_audit_log_is_exported_completely() {
    let (world, _service, api) = start_user_service("longexport").await;
    let ada = world.test_user("ada");
    let id = parse_uuid(&api.register(&ada).await.expect(201).string("id"));
    let me = log_in(&api, &ada).await;
    let (session_rows, audit_rows) = (world.user_collection("sessions").await, world.user_collection("audit").await);
    let at = |n: i64| DateTime::from_millis(1_700_000_000_000 + n / 3);
    // Many entries have the same millisecond, so the order continues by id.
    let audit = (0..3_001_i64).map(|n| {
        doc! { "_id": Uuid::new(), "schemaVersion": 1, "userId": id, "at": at(n), "type": "login_failed", "actor": "self" }
    });
    let audit: Vec<Document> = audit.collect();
    let _ = audit_rows.insert_many(&audit).await.expect("rows can be written");
    let mut session = find_all(&session_rows, doc! { "userId": id }).await.remove(0);
    let sessions: Vec<Document> = (0..450_i64)
        .map(|n| {
            session.insert("_id", Uuid::new());
            session.insert("epoch", 0_i64);
            session.insert("createdAt", at(n));
            session.clone()
        })
        .collect();
    let _ = session_rows.insert_many(&sessions).await.expect("rows can be written");

    let export = me.get("/api/users/me/export").await.expect(200).json();
    for (list, written) in [("audit", &audit), ("sessions", &sessions)] {
        let exported = export[list].as_array().cloned().unwrap_or_default();
        let ids: BTreeSet<&str> = exported.iter().filter_map(|row| row["id"].as_str()).collect();
        assert_eq!(ids.len(), exported.len(), "{list}");
        let all = written.iter().all(|row| ids.contains(as_json(&row["_id"]).as_str().unwrap_or_default()));
        assert!(all && exported.len() > written.len(), "{list}: {} of {}", exported.len(), written.len());
    }
    let ended = export["sessions"].as_array().into_iter().flatten().filter(|session| session["ended"] == true);
    assert_eq!(ended.count(), 450);
}
