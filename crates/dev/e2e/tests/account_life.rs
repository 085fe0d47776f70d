//! An account from its registration to its goodbye, through both services as real processes.

use std::{fs, time::Duration};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use bson::{Document, Uuid, doc};
use e2e::accounts::with_new_password;
use ed25519_dalek::{Signature, VerifyingKey};
use reqwest::{Method, header};
use serde_json::{Value, json};
use test_support::{Api, ApiResponse, DEADLINE, Record, Stack, TestUser, Tokens, World, remember_secret, wait_for};

#[tokio::test]
async fn an_account_lives_from_its_registration_to_its_goodbye() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "life").await;
    let (_users, _emails, api) = world.start_both().await;
    let ada = world.test_user("ada");
    let mut topic = world.topic_reader();

    let registered = api.register(&ada).await.expect(201);
    let user = registered.json();
    let id = registered.string("id");
    assert_eq!(registered.header("location"), "/api/users/me");
    assert_eq!(registered.header("etag"), "\"1\"");
    assert_eq!(registered.header("cache-control"), "no-store");
    assert_is_a_new_user(&user, &ada);

    let record = topic.read_type("user.registered.v1", 1).await.remove(0);
    assert_is_in_the_contract(&record, &id, 1);
    assert_eq!(record.json()["username"], ada.username);
    assert_eq!(record.json()["recipient"]["email"], ada.email);

    let mailbox = world.mailbox(&ada.email);
    let welcome = mailbox.wait_for_mails(1).await.remove(0);
    assert_eq!(welcome.to, std::slice::from_ref(&ada.email));
    assert!(welcome.subject.starts_with("Welcome to "), "{}", welcome.subject);
    assert_eq!(welcome.header("auto-submitted"), "auto-generated");
    let job = ledger_row(&world, &record.id()).await;
    assert_eq!(welcome.header("message-id"), job.get_str("messageId").expect("a row has its message id"));
    assert!(welcome.header("message-id").starts_with(&format!("<{}.welcome@", record.id())));

    verify_by_the_link(&api, &welcome.links(), &welcome.token("/verify-email")).await;
    topic.read_type("user.email_verified.v1", 1).await;

    let mut laptop = api.login(&ada).await;
    let by_name = json!({ "identifier": ada.username, "password": ada.password });
    let answer = api.post("/api/auth/login", &by_name).await.expect(200);
    assert_eq!(answer.json()["tokenType"], "Bearer");
    assert_eq!(answer.json()["expiresIn"], 900);
    assert_eq!(answer.json()["user"]["emailVerified"], true);
    let phone = Tokens::of(&answer);
    let logins = topic.read_type("user.logged_in.v1", 2).await;
    assert!(logins.iter().all(|login| login.json()["methods"] == json!(["password"])));

    the_profile_is_changed_under_its_etag(&api.with_token(&laptop.access)).await;
    let update = topic.read_type("user.profile_updated.v1", 1).await.remove(0);
    assert_eq!(update.json()["changed"], json!(["displayName", "locale", "timezone", "attributes"]));

    reuse_of_a_refresh_token_ends_its_session(&api, &ada).await;

    laptop = refresh(&api, &laptop.refresh).await;
    let renewed = change_password(&api, &ada, &laptop, &phone).await;
    assert_eq!(mailbox.wait_for_mails(2).await[1].subject, "Your password was changed");

    let me = api.with_token(&laptop.access);
    let wrong = json!({ "password": ada.password });
    let _ = me.delete("/api/users/me", Some(&wrong)).await.expect_problem(403, "wrong-password");
    let right = json!({ "password": renewed.password });
    let _ = me.delete("/api/users/me", Some(&right)).await.expect(204);
    let _ = me.get("/api/users/me").await.expect_problem(401, "unauthorized");
    refused_refresh(&api, &laptop.refresh).await;
    // The goodbye need not be out for name and address to be free.
    let again = api.register(&ada).await.expect(201);
    assert_ne!(again.string("id"), id);

    let goodbye = topic.read_type("user.deleted.v1", 1).await.remove(0);
    assert_eq!(goodbye.json()["by"], "self");
    assert_is_in_the_contract(&goodbye, &id, goodbye.sequence());
    nothing_is_left_of(&world, &id).await;
    // Welcome, password changed, goodbye, and the welcome of the one who came after.
    let mails = mailbox.wait_for_mails(4).await;
    let subjects: Vec<&str> = mails.iter().map(|mail| mail.subject.as_str()).collect();
    assert_eq!(subjects.iter().filter(|subject| subject.starts_with("Welcome to ")).count(), 2, "{subjects:?}");
    assert_eq!(subjects.iter().filter(|subject| **subject == "Your account was deleted").count(), 1, "{subjects:?}");
    every_mail_is_sent_once(&world, 4).await;
    assert_eq!(mailbox.mails().await.len(), 4);

    let of_ada: Vec<u64> =
        topic.read_all().await.iter().filter(|record| record.key_text() == id).map(Record::sequence).collect();
    assert!(of_ada.is_sorted_by(|one, next| one < next), "{of_ada:?}");
}

fn assert_is_a_new_user(user: &Value, person: &TestUser) {
    let members: Vec<&str> = user.as_object().expect("a user is an object").keys().map(String::as_str).collect();
    let mut expected = [
        "id",
        "username",
        "email",
        "emailVerified",
        "displayName",
        "locale",
        "timezone",
        "attributes",
        "roles",
        "status",
        "createdAt",
        "updatedAt",
        "lastLoginAt",
        "version",
    ];
    expected.sort_unstable();
    let mut members = members;
    members.sort_unstable();
    assert_eq!(members, expected);
    assert_eq!(user["username"], person.username);
    assert_eq!(user["email"], person.email);
    assert_eq!(user["emailVerified"], false);
    assert_eq!(user["status"], "active");
    assert_eq!(user["roles"], json!([]));
    assert_eq!(user["version"], 1);
    for unset in ["displayName", "locale", "timezone", "attributes", "lastLoginAt"] {
        assert!(user[unset].is_null(), "{unset} of {user}");
    }
    let id = user["id"].as_str().and_then(|id| Uuid::parse_str(id).ok()).expect("the id is a UUID");
    assert_eq!(id.bytes()[6] >> 4, 7, "{id}");
}

/// Headers, key, partition and schema of a record, as section 4.4 of the contract has them.
fn assert_is_in_the_contract(record: &Record, user: &str, sequence: u64) {
    let event_type = record.event_type();
    assert_eq!(record.key_text(), user);
    assert_eq!(record.partition, events::topic::partition_of(user.as_bytes(), 12));
    assert_eq!(record.header("ce_specversion"), "1.0");
    assert_eq!(record.header("ce_source"), "/user-service");
    assert_eq!(record.header("ce_subject"), user);
    assert_eq!(record.header("ce_sequence"), format!("{sequence:010}"));
    assert_eq!(record.header("ce_dataschema"), format!("urn:user-service:events:{event_type}"));
    assert_eq!(record.header("content-type"), "application/json");
    assert!(record.header("ce_time").parse::<jiff::Timestamp>().is_ok(), "{}", record.header("ce_time"));
    assert_eq!(record.header("traceparent").len(), 55);
    let id = Uuid::parse_str(record.id()).expect("ce_id is a UUID");
    assert_eq!(id.bytes()[6] >> 4, 7, "{id}");

    let schema = fs::read_to_string(format!("{}/../../events/schemas/{event_type}.json", env!("CARGO_MANIFEST_DIR")));
    let schema: Value = serde_json::from_str(&schema.expect("the type has a schema")).expect("a schema is JSON");
    let validator = jsonschema::validator_for(&schema).expect("the schema is one");
    let data = record.json();
    let mistakes: Vec<String> = validator.iter_errors(&data).map(|error| error.to_string()).collect();
    assert!(mistakes.is_empty(), "{event_type}: {mistakes:?}");
    let headers = record.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref()));
    let decoded = events::decode(headers, record.key.as_deref(), record.value.as_deref());
    assert!(matches!(decoded, Ok(events::Decoded::Event(_))), "{decoded:?}");
}

async fn ledger_row(world: &World, event_id: &str) -> Document {
    let jobs = world.email_database().await.collection::<Document>("mailJobs");
    wait_for(DEADLINE, "a row in the ledger", async || {
        jobs.find_one(doc! { "eventId": event_id }).await.expect("the ledger can be read")
    })
    .await
}

/// Looking at the page uses nothing up, its form does, and no token works twice.
async fn verify_by_the_link(api: &Api, links: &[String], token: &str) {
    let path = format!("/verify-email?token={token}");
    assert!(links.iter().any(|link| link.ends_with(&path)), "{links:?}");
    for _ in 0..2 {
        let page = api.get(&path).await.expect(200);
        assert!(page.text.contains(token) && page.text.contains("<form method=\"post\""), "{}", page.text);
        assert_eq!(page.header("referrer-policy"), "no-referrer");
        assert_eq!(page.header("cache-control"), "no-store");
    }
    let _ = api.submit("/verify-email", &[("token", token)]).await.expect(200);
    // Used is done, for a reader; for the API it is a token that does not work.
    let again = api.submit("/verify-email", &[("token", token)]).await.expect(200);
    assert!(again.text.contains("It was confirmed before."), "{}", again.text);
    let used = json!({ "token": token });
    let _ = api.post("/api/auth/email-verification", &used).await.expect_problem(400, "token-invalid");
}

async fn the_profile_is_changed_under_its_etag(me: &Api) {
    let seen = me.get("/api/users/me").await.expect(200);
    let etag = seen.header("etag");
    assert_eq!(etag, format!("\"{}\"", seen.json()["version"]));
    let fresh = me.request(Method::GET, "/api/users/me").header("if-none-match", &etag);
    let not_modified = me.send(fresh).await.expect(304);
    assert_eq!(not_modified.header("etag"), etag);
    assert!(not_modified.text.is_empty());

    let patch = |etag: &str, body: Value| {
        let request = me.request(Method::PATCH, "/api/users/me").header("if-match", etag);
        request.header(header::CONTENT_TYPE, "application/merge-patch+json").body(body.to_string())
    };
    let change = json!({
        "displayName": "Ada Lovelace", "locale": "en-GB", "timezone": "Europe/London", "attributes": { "a": { "b": 1 } },
    });
    let changed = me.send(patch(&etag, change.clone())).await.expect(200);
    for member in ["displayName", "locale", "timezone", "attributes"] {
        assert_eq!(changed.json()[member], change[member]);
    }
    assert_ne!(changed.header("etag"), etag);
    let stale = me.send(patch(&etag, json!({ "displayName": "Charles" }))).await;
    let _ = stale.expect_problem(412, "precondition-failed");
    let now = me.send(me.request(Method::GET, "/api/users/me").header("if-none-match", &etag)).await.expect(200);
    assert_eq!(now.json()["displayName"], "Ada Lovelace");
    assert_eq!(now.header("etag"), changed.header("etag"));
}

async fn refresh_answer(api: &Api, token: &str) -> ApiResponse {
    api.post("/api/auth/refresh", &json!({ "refreshToken": token })).await
}

async fn refresh(api: &Api, token: &str) -> Tokens {
    Tokens::of(&refresh_answer(api, token).await.expect(200))
}

async fn refused_refresh(api: &Api, token: &str) {
    let _ = refresh_answer(api, token).await.expect_problem(401, "unauthorized");
}

async fn reuse_of_a_refresh_token_ends_its_session(api: &Api, person: &TestUser) {
    let first = api.login(person).await;
    let second = refresh(api, &first.refresh).await;
    let third = refresh(api, &second.refresh).await;
    assert_ne!(second.refresh, third.refresh);
    refused_refresh(api, &first.refresh).await;
    refused_refresh(api, &third.refresh).await;
}

/// The one who changes it stays signed in; everybody else is out at once.
async fn change_password(api: &Api, person: &TestUser, own: &Tokens, other: &Tokens) -> TestUser {
    let renewed = with_new_password(person, "once more");
    let me = api.with_token(&own.access);
    let change = |current: &str| json!({ "currentPassword": current, "newPassword": renewed.password });
    let _ = me.put("/api/users/me/password", &change("not the one")).await.expect_problem(403, "wrong-password");
    let _ = me.put("/api/users/me/password", &change(&person.password)).await.expect(204);

    let elsewhere = api.with_token(&other.access).get("/api/users/me").await;
    let _ = elsewhere.expect_problem(401, "unauthorized");
    refused_refresh(api, &other.refresh).await;
    let _ = me.get("/api/users/me").await.expect(200);
    refresh(api, &own.refresh).await;
    let old = json!({ "identifier": person.email, "password": person.password });
    let _ = api.post("/api/auth/login", &old).await.expect_problem(401, "invalid-credentials");
    api.login(&renewed).await;
    renewed
}

async fn nothing_is_left_of(world: &World, id: &str) {
    let id = Uuid::parse_str(id).expect("an id is a UUID");
    let database = world.user_database().await;
    for (collection, field) in [("users", "_id"), ("sessions", "userId"), ("audit", "userId")] {
        let rows = database.collection::<Document>(collection);
        wait_for(DEADLINE, &format!("{collection} without the deleted user"), async || {
            let left = rows.count_documents(doc! { field: id }).await.expect("a collection can be read");
            (left == 0).then_some(())
        })
        .await;
    }
}

async fn every_mail_is_sent_once(world: &World, count: usize) {
    let jobs = world.email_database().await.collection::<Document>("mailJobs");
    wait_for(DEADLINE, "every mail to be sent", async || {
        let sent = jobs.count_documents(doc! { "state": "sent" }).await.expect("the ledger can be read");
        let all = jobs.count_documents(doc! {}).await.expect("the ledger can be read");
        (sent == all && usize::try_from(all) == Ok(count)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_registration_sent_twice_under_one_idempotency_key_makes_one_user() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "idem").await;
    let service = world.user_service().start().await;
    let api = service.api();
    let ada = world.test_user("ada");
    let register = async |key: &str, body: &Value| {
        api.send(api.request(Method::POST, "/api/users").header("idempotency-key", key).json(body)).await
    };

    let body = ada.registration();
    let first = register("\"first-attempt\"", &body).await.expect(201);
    // All three are duplicates now: address, name and key. The bare form is the same key.
    let again = register("first-attempt", &body).await.expect(201);
    assert_eq!(again.string("id"), first.string("id"));
    assert_eq!(again.header("location"), "/api/users/me");
    // The user as it is now, not as it was then.
    let tokens = api.login(&ada).await;
    let me = api.with_token(&tokens.access);
    let _ = me.patch("/api/users/me", &json!({ "displayName": "Ada" })).await.expect(200);
    let later = register("first-attempt", &body).await.expect(201);
    assert_eq!(later.json()["displayName"], "Ada");
    assert_eq!(later.header("etag"), format!("\"{}\"", later.json()["version"]));

    let with = |member: &str, value: &str| {
        let mut body = body.clone();
        body[member] = json!(value);
        body
    };
    // A key belongs to the address: with another one it is another key, and only the name is taken.
    let other_address = register("first-attempt", &with("email", &world.address("else"))).await;
    let _ = other_address.expect_problem(409, "username-taken");
    for other in
        [with("username", "somebody-else"), with("displayName", "Ada L."), with("password", "another password")]
    {
        let reused = register("first-attempt", &other).await;
        let _ = reused.expect_problem(422, "idempotency-key-reused");
    }
    // Members in another order, and an address in other letters, under a key of its own.
    let _ = register("second", &body).await.expect_problem(409, "email-taken");
    let _ = api.register(&ada).await.expect_problem(409, "email-taken");

    let users = world.user_database().await.collection::<Document>("users");
    assert_eq!(users.count_documents(doc! {}).await.expect("users can be counted"), 1);
    let _ = me.delete("/api/users/me", Some(&json!({ "password": ada.password }))).await.expect(204);
    let fresh = register("first-attempt", &with("displayName", "A new one")).await.expect(201);
    assert_ne!(fresh.string("id"), first.string("id"));

    let mut topic = world.topic_reader();
    let registered = topic.read_type("user.registered.v1", 2).await;
    topic.read_type("user.deleted.v1", 1).await;
    let of_first = registered.iter().filter(|record| record.key_text() == first.string("id")).count();
    assert_eq!((of_first, registered.len()), (1, 2));
}

#[tokio::test]
async fn mails_are_in_the_language_of_their_reader() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "lang").await;
    let (_users, _emails, api) = world.start_both().await;
    for (name, locale, language, subject) in [
        ("german", Some("de-AT"), "de", "Willkommen bei "),
        ("british", Some("en-GB"), "en", "Welcome to "),
        ("quebecer", Some("fr-CA"), "fr", "Bienvenue chez "),
        ("mexican", Some("es-MX"), "es", "Le damos la bienvenida a "),
        ("japanese", Some("ja-JP"), "ja", "へようこそ"),
        ("egyptian", Some("ar-EG"), "ar", "أهلًا بك في "),
        ("klingon", Some("tlh"), "en", "Welcome to "),
        ("nobody", None, "en", "Welcome to "),
    ] {
        let person = world.test_user(name);
        let mut body = person.registration();
        if let Some(locale) = locale {
            body["locale"] = json!(locale);
        }
        let _ = api.post("/api/users", &body).await.expect(201);
        let mail = world.mailbox(&person.email).wait_for_mails(1).await.remove(0);
        assert!(mail.subject.contains(subject), "{name}: {}", mail.subject);
        assert_eq!(mail.header("content-language"), language);
        // The link works in every language.
        let token = json!({ "token": mail.token("/verify-email") });
        let _ = api.post("/api/auth/email-verification", &token).await.expect(204);
    }
}

#[tokio::test]
async fn a_verification_mail_is_sent_again_to_the_unverified_only() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "resend").await;
    let (_users, _emails, api) = world.start_both().await;
    let (pending, verified) = (world.test_user("pending"), world.test_user("verified"));
    for person in [&pending, &verified] {
        let _ = api.register(person).await.expect(201);
    }
    let welcome = world.mailbox(&verified.email).wait_for_mails(1).await.remove(0);
    let token = json!({ "token": welcome.token("/verify-email") });
    let _ = api.post("/api/auth/email-verification", &token).await.expect(204);
    world.mailbox(&pending.email).wait_for_mails(1).await;

    let resend = async |email: &str| {
        let answer = api.post("/api/auth/email-verification/resend", &json!({ "email": email })).await.expect(202);
        assert!(answer.text.is_empty(), "{}", answer.text);
    };
    resend(&verified.email).await;
    resend(&world.address("unknown")).await;
    resend(&pending.email.to_uppercase()).await;
    let mails = world.mailbox(&pending.email).wait_for_mails(2).await;
    assert_eq!(mails[1].subject, "Confirm your email address");
    // The queue is worked off in order, so the other two have been looked at before.
    let mut topic = world.topic_reader();
    let requested = topic.read_type("user.email_verification_requested.v1", 1).await;
    let all = topic.read_all().await;
    let types = all.iter().filter(|record| record.event_type() == requested[0].event_type()).count();
    assert_eq!(types, 1);
    assert_eq!(world.mailbox(&verified.email).mails().await.len(), 1);
    assert_eq!(world.mailbox(&world.address("unknown")).mails().await.len(), 0);

    // The older link works still, and the newer one not after it.
    let older = world.mailbox(&pending.email).mails().await[0].token("/verify-email");
    let newer = mails[1].token("/verify-email");
    let _ = api.post("/api/auth/email-verification", &json!({ "token": older })).await.expect(204);
    let used = api.post("/api/auth/email-verification", &json!({ "token": newer })).await;
    let _ = used.expect_problem(400, "token-invalid");
}

#[tokio::test]
async fn an_access_token_can_be_verified_by_anybody_with_the_key_set() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "jwks").await;
    let service = world.user_service().start().await;
    let api = service.api();
    let ada = world.test_user("ada");
    let id = api.register(&ada).await.expect(201).string("id");
    let before = unix_seconds();
    let tokens = api.login(&ada).await;

    let parts: Vec<&str> = tokens.access.split('.').collect();
    let [head, claims, signature] = parts[..] else { panic!("three parts, not {}", parts.len()) };
    let (header, body) = (decoded(head), decoded(claims));
    assert_eq!(header["typ"], "at+jwt");
    assert_eq!(header["alg"], "EdDSA");

    let set = api.get("/.well-known/jwks.json").await.expect(200);
    assert_eq!(set.header("cache-control"), "public, max-age=300");
    let set = set.json();
    let keys = set["keys"].as_array().expect("a key set has keys");
    let key = keys.iter().find(|key| key["kid"] == header["kid"]).expect("the signing key is published");
    assert_eq!(json!([key["kty"], key["crv"], key["alg"], key["use"]]), json!(["OKP", "Ed25519", "EdDSA", "sig"]));
    assert!(key.get("d").is_none(), "no private half");
    let public = BASE64_URL_SAFE_NO_PAD.decode(key["x"].as_str().unwrap_or_default()).expect("x is base64url");
    let public = VerifyingKey::from_bytes(&public.try_into().expect("32 bytes")).expect("x is a point");
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).expect("a signature is base64url");
    let signature = Signature::from_slice(&signature).expect("64 bytes");
    public.verify_strict(format!("{head}.{claims}").as_bytes(), &signature).expect("the signature is genuine");

    assert_eq!(body["iss"], "http://localhost:3000");
    assert_eq!(body["aud"], "user-service");
    assert_eq!(body["client_id"], "user-service");
    assert_eq!(body["sub"], id);
    assert_eq!(body["roles"], json!([]));
    assert_eq!(body["epoch"], 1);
    for uuid in ["jti", "sid"] {
        assert!(Uuid::parse_str(body[uuid].as_str().unwrap_or_default()).is_ok(), "{uuid}");
    }
    let (issued, expires) = (body["iat"].as_i64().unwrap_or(0), body["exp"].as_i64().unwrap_or(0));
    assert_eq!(expires - issued, 15 * 60);
    assert!((before - 5..=before + 60).contains(&issued), "{issued}");
    let other = decoded(api.login(&ada).await.access.split('.').nth(1).unwrap_or_default());
    assert_ne!(other["jti"], body["jti"]);
    assert_ne!(other["sid"], body["sid"]);
}

fn decoded(part: &str) -> Value {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(part).expect("a part of a JWT is base64url");
    serde_json::from_slice(&bytes).expect("a part of a JWT is JSON")
}

#[tokio::test]
async fn logout_ends_the_session_and_never_says_whether_there_was_one() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "logout").await;
    let service = world.user_service().start().await;
    let api = service.api();
    let ada = world.test_user("ada");
    let _ = api.register(&ada).await.expect(201);
    let logout = async |token: &str| {
        let answer = api.post("/api/auth/logout", &json!({ "refreshToken": token })).await.expect(204);
        assert!(answer.text.is_empty(), "{}", answer.text);
    };
    let first = api.login(&ada).await;
    // Of the last character only two bits count: another one may stand for the same bytes.
    let before_last = first.refresh.len() - 2;
    let other = if first.refresh[before_last..].starts_with('A') { 'B' } else { 'A' };
    let forged = format!("{}{other}{}", &first.refresh[..before_last], &first.refresh[before_last + 1..]);
    for nonsense in ["", "x", "ä\u{0}", &"A".repeat(10_000), &forged, &first.access] {
        logout(nonsense).await;
    }
    let second = refresh(&api, &first.refresh).await;
    // Any genuine token of the session ends it, the one before the current too.
    logout(&first.refresh).await;
    refused_refresh(&api, &second.refresh).await;
    logout(&second.refresh).await;
    let sessions = world.user_database().await.collection::<Document>("sessions");
    assert_eq!(sessions.count_documents(doc! {}).await.expect("sessions can be counted"), 0);
    tokio::time::timeout(Duration::from_secs(5), api.login(&ada)).await.expect("a new session begins");
}

/// The service's clock is this machine's.
fn unix_seconds() -> i64 {
    let since = std::time::UNIX_EPOCH.elapsed().expect("after 1970");
    i64::try_from(since.as_secs()).expect("before the year 292 billion")
}

/// A text that an attacker wants to have mailed to an address of another person.
const BAIT: &str = "You won 8755 EUR, call 0900-1234567";

#[tokio::test]
async fn no_text_of_a_registration_is_mailed_before_the_address_is_verified() {
    let world = World::new(&Stack::from_env(), "bait").await;
    let (_users, _emails, api) = world.start_both().await;
    let mut ada = world.test_user("ada");
    ada.username = format!("won-8755-EUR-{}", &world.tag()[world.tag().len().saturating_sub(10)..]);
    let mut body = ada.registration();
    body["displayName"] = json!(BAIT);
    let _ = api.post("/api/users", &body).await.expect(201);
    let resend = json!({ "email": ada.email });
    let _ = api.post("/api/auth/email-verification/resend", &resend).await.expect(202);
    let _ = api.post("/api/auth/password-reset", &resend).await.expect(202);
    let mailbox = world.mailbox(&ada.email);
    let mails = mailbox.wait_for_mails(3).await;
    for mail in &mails {
        let all = format!("{:?}{}{}{}", mail.headers, mail.text, mail.html, mail.raw);
        assert!(!all.contains("8755") && !all.contains(&ada.username), "{all}");
    }
    let mut topic = world.topic_reader();
    topic.read_type("user.password_reset_requested.v1", 1).await;
    assert!(topic.read_all().await.iter().all(|record| !record.contains(b"8755 EUR")), "the text is in the topic");

    let welcome = mails.iter().find(|mail| mail.subject.starts_with("Welcome to ")).expect("the welcome");
    let token = json!({ "token": welcome.token("/verify-email") });
    let _ = api.post("/api/auth/email-verification", &token).await.expect(204);
    let me = api.with_token(&api.login(&ada).await.access);
    let new = json!({ "currentPassword": ada.password, "newPassword": format!("{} renewed", ada.password) });
    remember_secret("password", &format!("{} renewed", ada.password));
    let _ = me.put("/api/users/me/password", &new).await.expect(204);
    let notice = mailbox.wait_for_mails(4).await.pop().expect("the notice of the change");
    assert!(notice.text.contains(BAIT), "the owner is greeted by name: {}", notice.text);
}
