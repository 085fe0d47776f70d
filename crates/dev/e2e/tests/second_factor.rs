//! The second factor from its set-up to its removal: codes computed as an authenticator
//! computes them, recovery codes, and what two at once may not do.

use bson::{Document, RawDocumentBuf, Uuid, doc};
use e2e::{
    accounts::{mark_email_verified, update_user, user_document, with_cheap_hashes, with_new_password},
    administrators::{Admin, create_admin},
    topic_order::first_occurrences,
    totp::{Authenticator, STEP, confirm_setup, enable_totp, recovery_codes, start_setup, unix_seconds},
};
use futures_util::future::join_all;
use serde_json::{Value, json};
use test_support::{Api, ApiResponse, DEADLINE, Record, Stack, TestUser, Tokens, World, remember_secret, wait_for};

/// The subject of the notice that the second factor is off.
const OFF: &str = "Two-factor authentication is off";

/// Waits for the first half of a time step: a test that speaks of steps is done before
/// the next one begins.
async fn early_in_a_step() {
    wait_for(DEADLINE, "the first half of a time step", async || (unix_seconds() % STEP < STEP / 2).then_some(()))
        .await;
}

/// As if time had passed: a step that was used can be used again.
async fn forget_the_last_step(world: &World, person: &TestUser) {
    update_user(world, &person.email, doc! { "$set": { "totp.lastStep": 0_i64 } }).await;
}

/// Somebody whose second factor is on, and whose last step is forgotten.
async fn somebody(world: &World, api: &Api, name: &str) -> (TestUser, Api, Authenticator, Vec<String>) {
    let person = world.test_user(name);
    let _ = api.register(&person).await.expect(201);
    mark_email_verified(world, &person).await;
    let me = api.with_token(&api.login(&person).await.access);
    let (authenticator, codes) = enable_totp(&me, &person).await;
    forget_the_last_step(world, &person).await;
    (person, me, authenticator, codes)
}

async fn password_login(api: &Api, person: &TestUser) -> ApiResponse {
    let body = json!({ "identifier": person.email, "password": person.password });
    api.post("/api/auth/login", &body).await
}

/// The token that stands for the right password.
async fn mfa_token(api: &Api, person: &TestUser) -> String {
    let answer = password_login(api, person).await.expect_problem(401, "mfa-required");
    let token = answer.string("mfaToken");
    assert!(!token.is_empty(), "{}", answer.text);
    remember_secret("mfa token", &token);
    token
}

async fn second_step(api: &Api, token: &str, code: &str) -> ApiResponse {
    api.post("/api/auth/login/totp", &json!({ "mfaToken": token, "code": code })).await
}

async fn whole_login(api: &Api, person: &TestUser, code: &str) -> ApiResponse {
    second_step(api, &mfa_token(api, person).await, code).await
}

async fn status(me: &Api) -> Value {
    me.get("/api/users/me/totp").await.expect(200).json()
}

async fn events_of(world: &World, event_type: &str) -> Vec<Record> {
    let mut topic = world.topic_reader();
    let all = topic.read_all().await.iter().filter(|record| record.event_type() == event_type);
    all.cloned().collect()
}

#[tokio::test]
async fn a_second_factor_from_its_set_up_to_its_removal() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "totp").await;
    let (users, _emails, api) = world.start_both().await;
    let ada = world.test_user("ada");
    let mut topic = world.topic_reader();
    let _ = api.register(&ada).await.expect(201);
    mark_email_verified(&world, &ada).await;
    let me = api.with_token(&api.login(&ada).await.access);

    assert_eq!(status(&me).await, json!({ "enabled": false, "enabledAt": null, "recoveryCodesLeft": null }));
    let _ = confirm_setup(&me, "123456").await.expect_problem(409, "conflict");
    let both = json!({ "password": ada.password, "code": "123456" });
    let _ = me.delete("/api/users/me/totp", Some(&both)).await.expect_problem(409, "conflict");
    let _ = me.post("/api/users/me/totp/recovery-codes", &both).await.expect_problem(409, "conflict");
    let wrong = json!({ "password": "not the one" });
    let _ = me.post("/api/users/me/totp", &wrong).await.expect_problem(403, "wrong-password");

    // Set up twice: the first secret is worth nothing then.
    let given_up = start_setup(&me, &ada).await;
    let body = json!({ "password": ada.password });
    let started = me.post("/api/users/me/totp", &body).await.expect(200);
    assert_eq!(started.header("cache-control"), "no-store");
    let authenticator = Authenticator::from_setup(&started);
    assert_ne!(authenticator.secret, given_up.secret);
    assert_eq!(authenticator.secret.len(), 32, "160 bits in base32");
    assert_eq!((authenticator.totp.issuer(), authenticator.totp.account_name()), (Some("localhost"), &*ada.email));
    is_a_drawing(&started.string("qrCodeSvg"));
    // Nothing is asked for before it is confirmed.
    assert_eq!(status(&me).await["enabled"], false);
    api.login(&ada).await;
    let _ = confirm_setup(&me, &given_up.code()).await.expect_problem(403, "wrong-code");
    let _ = confirm_setup(&me, &authenticator.wrong_code()).await.expect_problem(403, "wrong-code");
    let _ = confirm_setup(&me, "not a code").await.expect_problem(403, "wrong-code");

    let used = authenticator.code();
    let confirmed = confirm_setup(&me, &used).await.expect(200);
    let codes = recovery_codes(&confirmed);
    assert!(codes.iter().all(|code| code.len() == 27 && code.split('-').count() == 4), "four groups of six");
    let _ = confirm_setup(&me, &authenticator.code_at(1)).await.expect_problem(409, "conflict");
    let _ = me.post("/api/users/me/totp", &body).await.expect_problem(409, "conflict");
    let on = status(&me).await;
    assert_eq!((&on["enabled"], &on["recoveryCodesLeft"]), (&json!(true), &json!(10)));
    assert!(on["enabledAt"].as_str().is_some_and(|at| at.parse::<jiff::Timestamp>().is_ok()), "{on}");
    topic.read_type("user.totp_enabled.v1", 1).await;
    let mailbox = world.mailbox(&ada.email);
    assert_eq!(mailbox.wait_for_mails(2).await[1].subject, "Two-factor authentication is on");
    it_is_stored_only_sealed_and_hashed(&world, &ada, &[&given_up, &authenticator], &codes).await;

    // The code that confirmed it is used.
    let asked = password_login(&api, &ada).await.expect_problem(401, "mfa-required");
    assert!(asked.header("www-authenticate").starts_with("Bearer"), "{:?}", asked.headers);
    assert!(asked.json().get("accessToken").is_none());
    let _ = whole_login(&api, &ada, &used).await.expect_problem(401, "invalid-credentials");
    forget_the_last_step(&world, &ada).await;
    let token = mfa_token(&api, &ada).await;
    let wrong_code = second_step(&api, &token, &authenticator.wrong_code()).await;
    let _ = wrong_code.expect_problem(401, "invalid-credentials");
    // A wrong code does not use the token up; one grouped as people read it is right.
    let code = authenticator.code();
    let signed_in = second_step(&api, &token, &format!("{} {}", &code[..3], &code[3..])).await.expect(200);
    let session = Tokens::of(&signed_in);
    assert_eq!(signed_in.json()["user"]["email"], ada.email);
    let _ = api.with_token(&session.access).get("/api/users/me").await.expect(200);
    let logins = topic.read_type("user.logged_in.v1", 3).await;
    assert_eq!(logins[2].json()["methods"], json!(["password", "totp"]));

    recovery_codes_get_in_once_each(&world, &api, &ada, &codes).await;
    let renewed = recovery_codes_are_renewed(&world, &api, &me, &ada, &authenticator, &codes).await;
    removal_wants_password_and_code(&world, &me, &ada, &authenticator).await;

    topic.read_type("user.totp_disabled.v1", 1).await;
    assert_eq!(status(&me).await["enabled"], false);
    api.login(&ada).await;
    let stored = user_document(&world, &ada.email).await;
    assert!(stored.get("totp").is_none() && stored.get("totpSetup").is_none(), "{stored}");
    let subjects = wait_for(DEADLINE, "the notice that it is off", async || {
        let subjects: Vec<String> = mailbox.mails().await.into_iter().map(|mail| mail.subject).collect();
        subjects.iter().any(|it| it == OFF).then_some(subjects)
    })
    .await;
    assert_eq!(subjects.iter().filter(|it| *it == "A recovery code was used to sign in").count(), 2, "{subjects:?}");
    assert_eq!(subjects.iter().filter(|it| *it == OFF).count(), 1, "{subjects:?}");

    let mut shown = vec![authenticator.secret.as_str(), &given_up.secret, &token];
    shown.extend(codes.iter().chain(&renewed).map(String::as_str));
    for record in topic.read_all().await {
        assert!(!shown.iter().any(|secret| record.contains(secret.as_bytes())), "{}", record.event_type());
    }
    assert!(!shown.iter().any(|secret| users.log().contains(secret)), "a secret is in the log");
}

/// Well-formed XML with nothing that runs or loads.
fn is_a_drawing(svg: &str) {
    assert!(svg.starts_with("<?xml ") && svg.contains("<svg xmlns=\"http://www.w3.org/2000/svg\""), "{svg}");
    assert!(svg.ends_with("</svg>"));
    assert_eq!(svg.matches('<').count(), svg.matches('>').count());
    let elements: Vec<&str> =
        svg.split('<').skip(1).map(|it| it.split([' ', '>']).next().unwrap_or_default()).collect();
    assert_eq!(elements, ["?xml", "svg", "rect", "path", "/svg"]);
    assert!(svg.len() < 50_000, "{} bytes", svg.len());
}

async fn it_is_stored_only_sealed_and_hashed(
    world: &World,
    person: &TestUser,
    authenticators: &[&Authenticator],
    codes: &[String],
) {
    let users = world.user_database().await.collection::<RawDocumentBuf>("users");
    let found = users.find_one(doc! { "email": &person.email }).await.expect("users can be read");
    let raw = found.expect("the user is there").as_bytes().to_vec();
    let contains = |secret: &[u8]| raw.windows(secret.len()).any(|window| window == secret);
    assert!(contains(person.email.as_bytes()), "nothing is searched");
    for authenticator in authenticators {
        assert!(!contains(authenticator.secret.as_bytes()) && !contains(authenticator.totp.secret().as_bytes()));
    }
    for code in codes {
        assert!(!contains(code.as_bytes()) && !contains(code.replace('-', "").as_bytes()));
    }
    let stored = user_document(world, &person.email).await;
    let totp = stored.get_document("totp").expect("the second factor is stored");
    // Nonce, 20 bytes, tag.
    assert!(totp.get_binary_generic("secret").is_ok_and(|sealed| sealed.len() == 24 + 20 + 16), "{totp}");
    assert!(totp.get_array("recoveryCodes").is_ok_and(|hashes| hashes.len() == 10), "{totp}");
    assert!(stored.get("totpSetup").is_none(), "{stored}");
}

async fn recovery_codes_get_in_once_each(world: &World, api: &Api, person: &TestUser, codes: &[String]) {
    let _ = Tokens::of(&whole_login(api, person, &codes[0]).await.expect(200));
    let again = whole_login(api, person, &codes[0]).await;
    let _ = again.expect_problem(401, "invalid-credentials");
    let typed = codes[7].replace('-', " ").to_lowercase();
    let signed_in = Tokens::of(&whole_login(api, person, &typed).await.expect(200));
    assert_eq!(status(&api.with_token(&signed_in.access)).await["recoveryCodesLeft"], 8);

    let used = world.topic_reader().read_type("user.recovery_code_used.v1", 2).await;
    assert_eq!(used.iter().map(|record| record.json()["remaining"].clone()).collect::<Vec<_>>(), [9, 8]);
    assert!(used.iter().all(|record| record.json()["recipient"]["email"] == person.email));
    let methods: Vec<Value> =
        events_of(world, "user.logged_in.v1").await.iter().map(|record| record.json()["methods"].clone()).collect();
    assert_eq!(methods.iter().filter(|it| **it == json!(["password", "recovery-code"])).count(), 2, "{methods:?}");
}

async fn recovery_codes_are_renewed(
    world: &World,
    api: &Api,
    me: &Api,
    person: &TestUser,
    authenticator: &Authenticator,
    old: &[String],
) -> Vec<String> {
    forget_the_last_step(world, person).await;
    let path = "/api/users/me/totp/recovery-codes";
    let body = |password: &str, code: &str| json!({ "password": password, "code": code });
    let code = authenticator.code();
    let _ = me.post(path, &body("not the one", &code)).await.expect_problem(403, "wrong-password");
    let wrong = authenticator.wrong_code();
    let _ = me.post(path, &body(&person.password, &wrong)).await.expect_problem(403, "wrong-code");
    let renewed = recovery_codes(&me.post(path, &body(&person.password, &code)).await.expect(200));
    let _ = me.post(path, &body(&person.password, &code)).await.expect_problem(403, "wrong-code");
    assert!(renewed.iter().all(|code| !old.contains(code)));
    assert_eq!(status(me).await["recoveryCodesLeft"], 10);
    let _ = whole_login(api, person, &old[1]).await.expect_problem(401, "invalid-credentials");
    let told = world.topic_reader().read_type("user.recovery_codes_renewed.v1", 1).await;
    assert_eq!(
        told.iter().map(|record| record.json()["recipient"]["email"].clone()).collect::<Vec<_>>(),
        [person.email.as_str()]
    );
    renewed
}

async fn removal_wants_password_and_code(world: &World, me: &Api, person: &TestUser, authenticator: &Authenticator) {
    forget_the_last_step(world, person).await;
    let body = |password: &str, code: &str| json!({ "password": password, "code": code });
    let (right, wrong) = (authenticator.code(), authenticator.wrong_code());
    let remove = async |body: Value| me.delete("/api/users/me/totp", Some(&body)).await;
    let _ = remove(body("not the one", &right)).await.expect_problem(403, "wrong-password");
    let _ = remove(body(&person.password, &wrong)).await.expect_problem(403, "wrong-code");
    // The same for clients whose proxy drops the body of a DELETE.
    let post = async |body: Value| me.post("/api/users/me/totp/remove", &body).await;
    let _ = post(body("not the one", &right)).await.expect_problem(403, "wrong-password");
    let _ = post(body(&person.password, &wrong)).await.expect_problem(403, "wrong-code");
    let _ = post(body(&person.password, &right)).await.expect(204);
    let _ = post(body(&person.password, &right)).await.expect_problem(409, "conflict");
    let _ = remove(body(&person.password, &right)).await.expect_problem(409, "conflict");

    // Who asked with which wrong code is in the audit; how often is bounded.
    let audit = world.user_database().await.collection::<Document>("audit");
    let user = user_document(world, &person.email).await;
    let refused = doc! { "userId": user.get("_id"), "type": "code_refused" };
    wait_for(DEADLINE, "the refused codes in the audit", async || {
        let rows = audit.count_documents(refused.clone()).await.expect("the audit can be read");
        (rows >= 5).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_code_is_read_in_the_digits_of_any_script_at_every_door() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "digits").await;
    let service = with_cheap_hashes(world.user_service()).start().await;
    let api = service.api();
    let ada = world.test_user("ada");
    let _ = api.register(&ada).await.expect(201);
    mark_email_verified(&world, &ada).await;
    let me = api.with_token(&api.login(&ada).await.access);
    let in_script = |code: &str, zero: char| -> String {
        let digit = |c: char| {
            let value = c.to_digit(10).map(|value| u32::from(zero) + value);
            value.and_then(char::from_u32).unwrap_or(c)
        };
        code.chars().map(digit).collect()
    };
    let grouped = |code: &str| format!("{}\u{2011}{}", &code[..3], &code[3..]);
    early_in_a_step().await;
    let authenticator = start_setup(&me, &ada).await;
    let codes = confirm_setup(&me, &in_script(&grouped(&authenticator.code()), '\u{660}')).await.expect(200);
    let codes = recovery_codes(&codes);
    forget_the_last_step(&world, &ada).await;

    let code = in_script(&grouped(&authenticator.code()), '\u{966}');
    let _ = whole_login(&api, &ada, &code).await.expect(200);
    let _ = whole_login(&api, &ada, &in_script(&codes[0], '\u{FF10}')).await.expect(200);
    let _ = whole_login(&api, &ada, &in_script(&codes[1], '\u{6F0}')).await.expect(200);
    forget_the_last_step(&world, &ada).await;
    let proof = json!({ "password": ada.password, "code": in_script(&authenticator.code(), '\u{1D7D8}') });
    let _ = me.post("/api/users/me/totp/remove", &proof).await.expect(204);
}

#[tokio::test]
async fn a_code_of_the_step_before_or_after_is_accepted_and_no_older_one() {
    let world = World::new(&Stack::from_env(), "drift").await;
    let service = with_cheap_hashes(world.user_service()).start().await;
    let api = service.api();
    let (ada, _me, authenticator, _codes) = somebody(&world, &api, "ada").await;
    for (steps, status) in [(-2, 401), (-1, 200), (0, 200), (1, 200), (2, 401)] {
        early_in_a_step().await;
        forget_the_last_step(&world, &ada).await;
        let answer = whole_login(&api, &ada, &authenticator.code_at(steps)).await;
        assert_eq!(answer.status, status, "{steps} steps away: {}", answer.text);
    }
    // In order only: after the next step's code, the present one's is old.
    early_in_a_step().await;
    forget_the_last_step(&world, &ada).await;
    let (present, next) = (authenticator.code(), authenticator.code_at(1));
    let _ = whole_login(&api, &ada, &next).await.expect(200);
    for code in [next, present] {
        let _ = whole_login(&api, &ada, &code).await.expect_problem(401, "invalid-credentials");
    }
}

#[tokio::test]
async fn of_two_at_once_who_use_one_code_one_gets_in() {
    let world = World::new(&Stack::from_env(), "twoatonce").await;
    let service = with_cheap_hashes(world.user_service()).start().await;
    let other = with_cheap_hashes(service.spec().replica()).start().await;
    let (api, elsewhere) = (service.api(), other.api());
    let (ada, me, authenticator, codes) = somebody(&world, &api, "ada").await;
    let statuses = |answers: [ApiResponse; 2]| {
        let mut statuses = answers.map(|answer| (answer.status, answer.problem()));
        statuses.sort();
        statuses
    };
    let refused = |status: u16, slug: &str| [(200, String::new()), (status, slug.to_owned())];

    for recovery_code in &codes[..5] {
        for code in [authenticator.code(), recovery_code.clone()] {
            let (one, two) = (mfa_token(&api, &ada).await, mfa_token(&api, &ada).await);
            let (a, b) = tokio::join!(second_step(&api, &one, &code), second_step(&elsewhere, &two, &code));
            assert_eq!(statuses([a, b]), refused(401, "invalid-credentials"));
        }
        // One token; after its use not even another good code helps.
        forget_the_last_step(&world, &ada).await;
        let token = mfa_token(&api, &ada).await;
        let (good, spare) = (authenticator.code(), &codes[9]);
        let (a, b) = tokio::join!(second_step(&api, &token, &good), second_step(&elsewhere, &token, &good));
        assert_eq!(statuses([a, b]), refused(400, "token-invalid"));
        let _ = second_step(&api, &token, spare).await.expect_problem(400, "token-invalid");
        forget_the_last_step(&world, &ada).await;
    }
    // The recovery codes that were tried twice were used once.
    assert_eq!(status(&me).await["recoveryCodesLeft"], 5);
    // Two replicas may publish the same event twice.
    let remaining = |records: &[Record]| -> Vec<Value> {
        let used = |record: &Record| record.event_type() == "user.recovery_code_used.v1";
        let first = first_occurrences(records).into_iter().filter(used);
        first.map(|record| record.json()["remaining"].clone()).collect()
    };
    let mut topic = world.topic_reader();
    let records = topic.read_until(DEADLINE, "5 used recovery codes", |records| remaining(records).len() >= 5).await;
    assert_eq!(remaining(records), [9, 8, 7, 6, 5]);
    // Every login has its session, every refused one has none: the first, and three a round.
    let sessions = world.user_database().await.collection::<Document>("sessions");
    assert_eq!(sessions.count_documents(doc! {}).await.expect("sessions can be counted"), 1 + 3 * 5);
}

#[tokio::test]
async fn the_token_between_the_factors_dies_with_its_use_the_password_the_factor_and_its_time() {
    let world = World::new(&Stack::from_env(), "mfatoken").await;
    let mut service = with_cheap_hashes(world.user_service()).start().await;
    let api = service.api();
    let (ada, me, authenticator, codes) = somebody(&world, &api, "ada").await;
    let (eve, ..) = somebody(&world, &api, "eve").await;
    let invalid = async |token: &str, code: &str| {
        let _ = second_step(&api, token, code).await.expect_problem(400, "token-invalid");
    };

    // Used: not even a good code helps.
    let token = mfa_token(&api, &ada).await;
    let _ = second_step(&api, &token, &codes[0]).await.expect(200);
    invalid(&token, &codes[1]).await;
    // Of somebody else: the code is not theirs.
    let of_eve = mfa_token(&api, &eve).await;
    let _ = second_step(&api, &of_eve, &codes[1]).await.expect_problem(401, "invalid-credentials");
    // Altered anywhere.
    let token = mfa_token(&api, &ada).await;
    for place in [0, 30, 50, 60, 95] {
        let mut altered: Vec<char> = token.chars().collect();
        altered[place] = if altered[place] == 'A' { 'B' } else { 'A' };
        invalid(&altered.into_iter().collect::<String>(), &codes[1]).await;
    }

    // The password is another.
    let renewed = with_new_password(&ada, "renewed");
    let body = json!({ "currentPassword": ada.password, "newPassword": renewed.password });
    let _ = me.put("/api/users/me/password", &body).await.expect(204);
    invalid(&token, &codes[1]).await;
    // It is still on, and asks the new password's owner.
    let token = mfa_token(&api, &renewed).await;

    // The second factor is off, and another one is on.
    let both = json!({ "password": renewed.password, "code": codes[1] });
    let _ = me.delete("/api/users/me/totp", Some(&both)).await.expect(204);
    invalid(&token, &codes[2]).await;
    let another = start_setup(&me, &renewed).await;
    let fresh = recovery_codes(&confirm_setup(&me, &another.code()).await.expect(200));
    for code in [&codes[2], &fresh[0], &authenticator.code()] {
        invalid(&token, code).await;
    }

    // Its time is over.
    service.kill9().await;
    service.restart_with(|spec| spec.set("AUTH__MFA_TOKEN_TTL", "1s")).await;
    let (token, issued) = (mfa_token(&api, &renewed).await, unix_seconds());
    wait_for(DEADLINE, "the end of a second", async || (unix_seconds() > issued + 1).then_some(())).await;
    invalid(&token, &fresh[0]).await;
}

#[tokio::test]
async fn the_token_of_a_login_bears_five_codes_whatever_the_limits_say() {
    let world = World::new(&Stack::from_env(), "fivecodes").await;
    // Limits are off, as in most tests; the count holds over replicas.
    let spec = with_cheap_hashes(world.user_service());
    let replica = spec.replica();
    let (service, other) = tokio::join!(spec.start(), replica.start());
    let apis = [service.api(), other.api()];
    let (ada, _me, authenticator, codes) = somebody(&world, &apis[0], "ada").await;
    let token = mfa_token(&apis[0], &ada).await;
    for attempt in 0..5 {
        let answer = second_step(&apis[attempt % 2], &token, &authenticator.wrong_code()).await;
        let _ = answer.expect_problem(401, "invalid-credentials");
    }
    for code in [authenticator.wrong_code(), authenticator.code(), codes[0].clone()] {
        for api in &apis {
            let _ = second_step(api, &token, &code).await.expect_problem(400, "token-invalid");
        }
    }
    // Also when they come at once.
    let token = mfa_token(&apis[0], &ada).await;
    let wrong = authenticator.wrong_code();
    let answers = join_all((0..20).map(|n| second_step(&apis[n % 2], &token, &wrong))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 401).count(), 5);
    // A new login gives a new token, and nothing was used up.
    let token = mfa_token(&apis[1], &ada).await;
    let _ = Tokens::of(&second_step(&apis[1], &token, &codes[0]).await.expect(200));
}

#[tokio::test]
async fn a_set_up_bears_five_codes_whatever_the_limits_say() {
    let world = World::new(&Stack::from_env(), "fivesetup").await;
    let service = with_cheap_hashes(world.user_service()).start().await;
    let api = service.api();
    let ada = world.test_user("ada");
    let _ = api.register(&ada).await.expect(201);
    mark_email_verified(&world, &ada).await;
    let me = api.with_token(&api.login(&ada).await.access);
    let authenticator = start_setup(&me, &ada).await;
    for _ in 0..5 {
        let _ = confirm_setup(&me, &authenticator.wrong_code()).await.expect_problem(403, "wrong-code");
    }
    let _ = confirm_setup(&me, &authenticator.code()).await.expect_problem(409, "conflict");
    let again = start_setup(&me, &ada).await;
    recovery_codes(&confirm_setup(&me, &again.code()).await.expect(200));
}

#[tokio::test]
async fn a_reset_of_the_password_does_not_get_around_the_second_factor() {
    let world = World::new(&Stack::from_env(), "totpreset").await;
    let (_users, _emails, api) = world.start_both().await;
    let (ada, _me, authenticator, _codes) = somebody(&world, &api, "ada").await;
    let before = mfa_token(&api, &ada).await;
    let _ = api.post("/api/auth/password-reset", &json!({ "email": ada.email })).await.expect(202);
    let mailbox = world.mailbox(&ada.email);
    let link = wait_for(DEADLINE, "the mail with the link", async || {
        let mails = mailbox.mails().await;
        mails.iter().find(|mail| mail.subject == "Reset your password").map(|mail| mail.token("/reset-password"))
    })
    .await;
    let renewed = with_new_password(&ada, "forgotten");
    let body = json!({ "token": link, "newPassword": renewed.password });
    let _ = api.post("/api/auth/password-reset/confirm", &body).await.expect(204);
    let _ = second_step(&api, &before, &authenticator.code()).await.expect_problem(400, "token-invalid");
    let _ = whole_login(&api, &renewed, &authenticator.wrong_code()).await.expect_problem(401, "invalid-credentials");
    let _ = whole_login(&api, &renewed, &authenticator.code()).await.expect(200);
}

#[tokio::test]
async fn a_set_up_is_forgotten_after_its_time() {
    let world = World::new(&Stack::from_env(), "latesetup").await;
    let service = with_cheap_hashes(world.user_service()).start().await;
    let api = service.api();
    let ada = world.test_user("ada");
    let _ = api.register(&ada).await.expect(201);
    mark_email_verified(&world, &ada).await;
    let me = api.with_token(&api.login(&ada).await.access);
    let authenticator = start_setup(&me, &ada).await;
    let setup = user_document(&world, &ada.email).await.get_document("totpSetup").expect("it is stored").clone();
    let until = setup.get_datetime("expiresAt").expect("it has an end").timestamp_millis() / 1_000;
    let left = until - i64::try_from(unix_seconds()).expect("a time of ours");
    assert!((3_500..=3_600).contains(&left), "{left} s");

    let users = world.user_database().await.collection::<Document>("users");
    let past = doc! { "$set": { "totpSetup.expiresAt": bson::DateTime::from_millis(0) } };
    users.update_one(doc! { "email": &ada.email }, past).await.expect("users can be written");
    let _ = confirm_setup(&me, &authenticator.code()).await.expect_problem(409, "conflict");
    api.login(&ada).await;
    let again = start_setup(&me, &ada).await;
    let _ = confirm_setup(&me, &again.code()).await.expect(200);
}

#[tokio::test]
async fn a_login_by_password_that_waits_while_the_second_factor_is_turned_on_gets_no_session() {
    let world = World::new(&Stack::from_env(), "latefactor").await;
    // This login stops between the verified hash and the write that begins the session: in a replica
    // of its own, whose threads nobody else waits for.
    let now = with_cheap_hashes(world.user_service());
    let later = now.replica().fail_points("login.before_commit=sleep(4000)");
    let (now, later) = tokio::join!(now.start(), later.start());
    let api = now.api();
    let ada = world.test_user("ada");
    let _ = api.register(&ada).await.expect(201);
    mark_email_verified(&world, &ada).await;
    let me = api.with_token(&api.login(&ada).await.access);
    let authenticator = start_setup(&me, &ada).await;

    let sessions = world.user_database().await.collection::<Document>("sessions");
    let until_sessions = async |count: u64| {
        wait_for(DEADLINE, &format!("{count} session rows"), async || {
            (sessions.count_documents(doc! {}).await.expect("sessions can be counted") == count).then_some(())
        })
        .await;
    };
    let (slow, person) = (later.api(), ada.clone());
    let waiting = tokio::spawn(async move { password_login(&slow, &person).await });
    until_sessions(2).await;
    let codes = recovery_codes(&confirm_setup(&me, &authenticator.code()).await.expect(200));
    assert!(!waiting.is_finished(), "the login was not slow enough for this test");
    let late = waiting.await.expect("a login does not panic").expect_problem(401, "mfa-required");
    until_sessions(1).await;
    let _ = second_step(&api, &late.string("mfaToken"), &codes[0]).await.expect(200);
}

#[tokio::test]
async fn an_outdated_hash_is_renewed_though_the_login_is_not_complete() {
    let world = World::new(&Stack::from_env(), "rehash").await;
    let mut service = with_cheap_hashes(world.user_service()).start().await;
    let api = service.api();
    let (ada, _me, _authenticator, codes) = somebody(&world, &api, "ada").await;
    let hash = async || user_document(&world, &ada.email).await.get_str("passwordHash").expect("a hash").to_owned();
    let outdated = hash().await;
    service.kill9().await;
    service.restart_with(|spec| spec.set("HASHING__ITERATIONS", "2")).await;
    let before = user_document(&world, &ada.email).await;

    let token = mfa_token(&api, &ada).await;
    let renewed = hash().await;
    assert!(outdated.contains(",t=1,") && renewed.contains(",t=2,"), "{outdated} {renewed}");
    let after = user_document(&world, &ada.email).await;
    assert_eq!(before.get("updatedAt"), after.get("updatedAt"), "not an update of the account");
    let _ = second_step(&api, &token, &codes[0]).await.expect(200);
    let id = after.get("_id").and_then(|id| bson::deserialize_from_bson::<Uuid>(id.clone()).ok()).expect("an id");
    let logins = world.topic_reader().read_type("user.logged_in.v1", 2).await;
    assert!(logins.iter().all(|record| record.key_text() == id.to_string()));
}

/// The bound of the pending list is a login's as well, where it uses a recovery code up:
/// its notice is never left out.
#[tokio::test]
async fn a_recovery_code_is_never_used_without_its_event() {
    let world = World::new(&Stack::from_env(), "fullpending").await;
    let spec = with_cheap_hashes(world.user_service()).set("RELAY__MAX_PENDING_PER_USER", "6");
    let service = spec.start().await;
    let api = service.api();
    let (ada, _me, authenticator, codes) = somebody(&world, &api, "ada").await;
    let users = world.user_database().await.collection::<Document>("users");
    let pending = async || user_document(&world, &ada.email).await.get_array("pendingEvents").map_or(0, Vec::len);
    wait_for(DEADLINE, "an empty pending list", async || (pending().await == 0).then_some(())).await;
    // Parked: nothing of this person is published for now.
    let parked = doc! { "parked": {
        "until": bson::DateTime::from_millis(i64::try_from((unix_seconds() + 600) * 1_000).expect("a time of ours")),
        "attempts": 1, "error": "by the test",
    } };
    users.update_one(doc! { "email": &ada.email }, doc! { "$set": parked }).await.expect("users can be written");

    for (code, status, waiting) in
        [(&codes[0], 200, 2), (&codes[1], 200, 4), (&codes[2], 200, 6), (&codes[3], 503, 6), (&codes[3], 503, 6)]
    {
        let answer = whole_login(&api, &ada, code).await;
        assert_eq!((answer.status, pending().await), (status, waiting), "{}", answer.text);
    }
    // The authenticator still gets in, without the login's event.
    let _ = whole_login(&api, &ada, &authenticator.code()).await.expect(200);
    assert_eq!(pending().await, 6);
    let unpark = doc! { "$unset": { "parked": "" } };
    users.update_one(doc! { "email": &ada.email }, unpark).await.expect("users can be written");
    let used = world.topic_reader().read_type("user.recovery_code_used.v1", 3).await;
    assert_eq!(used.iter().map(|record| record.json()["remaining"].clone()).collect::<Vec<_>>(), [9, 8, 7]);
    wait_for(DEADLINE, "an empty pending list", async || (pending().await == 0).then_some(())).await;
    let _ = whole_login(&api, &ada, &codes[3]).await.expect(200);
}

/// The entries of this type in the log that is read at `path`.
async fn audit_entries(reader: &Api, path: &str, event_type: &str) -> Vec<Value> {
    let page = reader.get(&format!("{path}?limit=100")).await.expect(200).json();
    let all = page["items"].as_array().cloned().unwrap_or_default();
    all.into_iter().filter(|entry| entry["type"] == event_type).collect()
}

const REASON: &str = "lost phone and codes, identity checked, ticket 4711";

#[tokio::test]
async fn an_administrator_removes_the_second_factor_of_a_user_who_cannot() {
    let world = World::new(&Stack::from_env(), "adminfactor").await;
    let (users, _emails, api) = world.start_both().await;
    let (ada, me, ..) = somebody(&world, &api, "ada").await;
    let id = me.get("/api/users/me").await.expect(200).string("id");
    let root = create_admin(&world, &users, "root").await;
    let path = Admin::user_path(&id, "/remove-second-factor");
    let body = json!({ "reason": format!("  {REASON} ") });

    let _ = api.post(&path, &body).await.expect_problem(401, "unauthorized");
    let _ = me.post(&path, &body).await.expect_problem(403, "forbidden");
    for refused in
        [json!({}), json!({ "reason": " " }), json!({ "reason": "x".repeat(501) }), json!({ "reason": "a\nb" })]
    {
        let answer = root.api.post(&path, &refused).await.expect_problem(422, "validation-failed");
        assert_eq!(answer.json()["errors"][0]["pointer"], "#/reason", "{}", answer.text);
    }
    let of_root = Admin::user_path(&root.id, "/remove-second-factor");
    let _ = root.api.post(&of_root, &body).await.expect_problem(409, "conflict");
    let unknown = Admin::user_path(&Uuid::from_bytes([7; 16]).to_string(), "/remove-second-factor");
    let _ = root.api.post(&unknown, &body).await.expect_problem(404, "not-found");
    assert_eq!(status(&me).await["enabled"], true, "a refusal changes nothing");

    let _ = root.api.post(&path, &body).await.expect(204);
    let _ = root.api.post(&path, &body).await.expect_problem(409, "conflict");
    // The sessions have ended; the password alone signs in.
    let _ = me.get("/api/users/me").await.expect_problem(401, "unauthorized");
    let me = api.with_token(&api.login(&ada).await.access);
    assert_eq!(status(&me).await["enabled"], false);
    let stored = user_document(&world, &ada.email).await;
    assert!(stored.get("totp").is_none() && stored.get("totpSetup").is_none(), "{stored}");

    let mut topic = world.topic_reader();
    let off = topic.read_type("user.totp_disabled.v1", 1).await.remove(0).json();
    assert_eq!(
        (&off["userId"], &off["by"], &off["recipient"]["email"]),
        (&json!(id), &json!("admin"), &json!(ada.email))
    );
    let ended = topic.read_type("user.sessions_ended.v1", 1).await.remove(0).json();
    assert_eq!(ended, json!({ "userId": id, "reason": "admin" }));
    let mailbox = world.mailbox(&ada.email);
    wait_for(DEADLINE, "the notice", async || {
        mailbox.mails().await.iter().any(|mail| mail.subject == OFF).then_some(())
    })
    .await;
    // Both logs say who and why; the topic and the service's log do not say why.
    let own = audit_entries(&me, "/api/users/me/audit", "user.totp_disabled.v1").await.remove(0);
    assert_eq!((&own["actor"], &own["actorId"], &own["reason"]), (&json!("admin"), &json!(root.id), &json!(REASON)));
    assert_eq!(own["address"], Value::Null);
    let of_admin = wait_for(DEADLINE, "the entry of the administrator", async || {
        audit_entries(&root.api, "/api/users/me/audit", "user.totp_disabled.v1").await.pop()
    })
    .await;
    assert_eq!((&of_admin["targetId"], &of_admin["reason"]), (&json!(id), &json!(REASON)));
    assert!(topic.read_all().await.iter().all(|record| !record.contains(REASON.as_bytes())));
    assert!(!users.log().contains(REASON));
}

#[tokio::test]
async fn an_operator_removes_a_second_factor_by_a_command_that_asks_for_the_reason() {
    let world = World::new(&Stack::from_env(), "opfactor").await;
    let (users, _emails, api) = world.start_both().await;
    let (ada, me, ..) = somebody(&world, &api, "ada").await;
    let (eve, of_eve, ..) = somebody(&world, &api, "eve").await;
    let eve_id = of_eve.get("/api/users/me").await.expect(200).string("id");
    let id = me.get("/api/users/me").await.expect(200).string("id");
    let unknown = world.address("unknown");
    let shouted = ada.email.to_uppercase();
    let command = |account| ["users", "remove-second-factor", account, "--reason", REASON];
    for (arguments, code) in [
        (&["users", "remove-second-factor", ada.email.as_str()][..], 2),
        (&["users", "remove-second-factor", &ada.email, "--reason", " "], 2),
        (&command("not an address"), 2),
        (&command(&unknown), 1),
        (&command("018f2f3e-7c4b-4f5a-8d3e-000000000001"), 1),
        (&command(&shouted), 0),
        (&command(&ada.email), 1),
        (&command(&eve_id), 0),
    ] {
        let done = users.spec().command(arguments).await;
        let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert_eq!(done.status.code(), Some(code), "{arguments:?}: {out}{err}");
        assert!(!out.contains(&ada.email) && !out.contains(REASON), "{out}");
    }
    for (person, client) in [(&ada, &me), (&eve, &of_eve)] {
        let _ = client.get("/api/users/me").await.expect_problem(401, "unauthorized");
        api.login(person).await;
    }
    let off = world.topic_reader().read_type("user.totp_disabled.v1", 2).await;
    let off = off.iter().map(Record::json).find(|off| off["userId"] == id).expect("an event of ada");
    assert_eq!((&off["by"], &off["recipient"]["email"]), (&json!("operator"), &json!(ada.email)));
    let me = api.with_token(&api.login(&ada).await.access);
    let entry = audit_entries(&me, "/api/users/me/audit", "user.totp_disabled.v1").await.remove(0);
    assert_eq!(
        (&entry["actor"], &entry["actorId"], &entry["reason"]),
        (&json!("operator"), &Value::Null, &json!(REASON))
    );
}
