//! The second factor from its setup to its removal by its user.

use bson::{RawDocumentBuf, doc};
use e2e::{
    accounts::{register_verified, user_document},
    start::start_both_services,
    totp::{Authenticator, confirm_setup, recovery_codes, start_setup},
};
use serde_json::{Value, json};
use test_support::{Api, DEADLINE, TestUser, Tokens, World, count, wait_for};

use crate::requests::{
    OFF_SUBJECT, log_in_with_both_factors, mfa_token, password_login, reset_last_step, submit_code, totp_status,
};

#[tokio::test]
async fn a_second_factor_from_its_setup_to_its_removal() {
    let (world, users, _emails, api) = start_both_services("totp").await;
    let (ada, me) = register_verified(&world, &api, "ada").await;
    let mut topic = world.topic_reader();

    assert_eq!(totp_status(&me).await, json!({ "enabled": false, "enabledAt": null, "recoveryCodesLeft": null }));
    let _ = confirm_setup(&me, "123456").await.expect_problem(409, "conflict");
    let both = json!({ "password": ada.password, "code": "123456" });
    let _ = me.delete("/api/users/me/totp", Some(&both)).await.expect_problem(409, "conflict");
    let _ = me.post("/api/users/me/totp/recovery-codes", &both).await.expect_problem(409, "conflict");
    let wrong = json!({ "password": "not the one" });
    let _ = me.post("/api/users/me/totp", &wrong).await.expect_problem(403, "wrong-password");

    // After a second setup the first secret no longer works.
    let given_up = start_setup(&me, &ada).await;
    let body = json!({ "password": ada.password });
    let started = me.post("/api/users/me/totp", &body).await.expect(200);
    assert_eq!(started.header("cache-control"), "no-store");
    let authenticator = Authenticator::from_setup(&started);
    assert_ne!(authenticator.secret, given_up.secret);
    assert_eq!(authenticator.secret.len(), 32, "160 bits in base32");
    assert_eq!((authenticator.totp.issuer(), authenticator.totp.account_name()), (Some("localhost"), &*ada.email));
    assert_is_safe_svg(&started.string("qrCodeSvg"));
    // A login needs no code before the setup is confirmed.
    assert_eq!(totp_status(&me).await["enabled"], false);
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
    let on = totp_status(&me).await;
    assert_eq!((&on["enabled"], &on["recoveryCodesLeft"]), (&json!(true), &json!(10)));
    assert!(on["enabledAt"].as_str().is_some_and(|at| at.parse::<jiff::Timestamp>().is_ok()), "{on}");
    topic.read_type("user.totp_enabled.v1", 1).await;
    let mailbox = world.mailbox(&ada.email);
    mailbox.wait_for_subject("Two-factor authentication is on").await;
    assert_stored_sealed_and_hashed(&world, &ada, &[&given_up, &authenticator], &codes).await;

    // The code that confirmed the setup is used.
    let first_step = password_login(&api, &ada).await.expect_problem(401, "mfa-required");
    assert!(first_step.header("www-authenticate").starts_with("Bearer"), "{:?}", first_step.headers);
    assert!(first_step.json().get("accessToken").is_none());
    let _ = log_in_with_both_factors(&api, &ada, &used).await.expect_problem(401, "invalid-credentials");
    reset_last_step(&world, &ada).await;
    let token = mfa_token(&api, &ada).await;
    let wrong_code = submit_code(&api, &token, &authenticator.wrong_code()).await;
    let _ = wrong_code.expect_problem(401, "invalid-credentials");
    // A wrong code does not use the token, and a code may be grouped.
    let code = authenticator.code();
    let signed_in = submit_code(&api, &token, &format!("{} {}", &code[..3], &code[3..])).await.expect(200);
    let session = Tokens::from_response(&signed_in);
    assert_eq!(signed_in.json()["user"]["email"], ada.email);
    let _ = api.with_token(&session.access).get("/api/users/me").await.expect(200);
    let logins = topic.read_type("user.logged_in.v1", 3).await;
    assert_eq!(logins[2].json()["methods"], json!(["password", "totp"]));

    assert_recovery_codes_work_once(&world, &api, &ada, &codes).await;
    let renewed = renew_recovery_codes(&world, &api, &me, &ada, &authenticator, &codes).await;
    remove_with_password_and_code(&world, &me, &ada, &authenticator).await;

    topic.read_type("user.totp_disabled.v1", 1).await;
    assert_eq!(totp_status(&me).await["enabled"], false);
    api.login(&ada).await;
    let stored = user_document(&world, &ada.email).await;
    assert!(stored.get("totp").is_none() && stored.get("totpSetup").is_none(), "{stored}");
    mailbox.wait_for_subject(OFF_SUBJECT).await;
    let subjects: Vec<String> = mailbox.mails().await.into_iter().map(|mail| mail.subject).collect();
    assert_eq!(subjects.iter().filter(|it| *it == "A recovery code was used to sign in").count(), 2, "{subjects:?}");
    assert_eq!(subjects.iter().filter(|it| *it == OFF_SUBJECT).count(), 1, "{subjects:?}");

    let mut secrets = vec![authenticator.secret.as_str(), &given_up.secret, &token];
    secrets.extend(codes.iter().chain(&renewed).map(String::as_str));
    for record in topic.read_all().await {
        assert!(!secrets.iter().any(|secret| record.contains(secret.as_bytes())), "{}", record.event_type());
    }
    assert!(!secrets.iter().any(|secret| users.log().contains(secret)), "a secret is in the log");
}

/// Checks that an SVG is well-formed XML and neither runs nor loads anything.
fn assert_is_safe_svg(svg: &str) {
    assert!(svg.starts_with("<?xml ") && svg.contains("<svg xmlns=\"http://www.w3.org/2000/svg\""), "{svg}");
    assert!(svg.ends_with("</svg>"));
    assert_eq!(svg.matches('<').count(), svg.matches('>').count());
    let elements: Vec<&str> =
        svg.split('<').skip(1).map(|it| it.split([' ', '>']).next().unwrap_or_default()).collect();
    assert_eq!(elements, ["?xml", "svg", "rect", "path", "/svg"]);
    assert!(svg.len() < 50_000, "{} bytes", svg.len());
}

async fn assert_stored_sealed_and_hashed(
    world: &World,
    user: &TestUser,
    authenticators: &[&Authenticator],
    codes: &[String],
) {
    let users = world.user_database().await.collection::<RawDocumentBuf>("users");
    let found = users.find_one(doc! { "email": &user.email }).await.expect("users can be read");
    let raw = found.expect("the user exists").as_bytes().to_vec();
    let contains = |secret: &[u8]| raw.windows(secret.len()).any(|window| window == secret);
    assert!(contains(user.email.as_bytes()), "the document was not searched");
    for authenticator in authenticators {
        assert!(!contains(authenticator.secret.as_bytes()) && !contains(authenticator.totp.secret().as_bytes()));
    }
    for code in codes {
        assert!(!contains(code.as_bytes()) && !contains(code.replace('-', "").as_bytes()));
    }
    let stored = user_document(world, &user.email).await;
    let totp = stored.get_document("totp").expect("the second factor is stored");
    // The sealed secret has a nonce, 20 bytes and a tag.
    assert!(totp.get_binary_generic("secret").is_ok_and(|sealed| sealed.len() == 24 + 20 + 16), "{totp}");
    assert!(totp.get_array("recoveryCodes").is_ok_and(|hashes| hashes.len() == 10), "{totp}");
    assert!(stored.get("totpSetup").is_none(), "{stored}");
}

async fn assert_recovery_codes_work_once(world: &World, api: &Api, user: &TestUser, codes: &[String]) {
    let _ = Tokens::from_response(&log_in_with_both_factors(api, user, &codes[0]).await.expect(200));
    let again = log_in_with_both_factors(api, user, &codes[0]).await;
    let _ = again.expect_problem(401, "invalid-credentials");
    let grouped_code = codes[7].replace('-', " ").to_lowercase();
    let signed_in = Tokens::from_response(&log_in_with_both_factors(api, user, &grouped_code).await.expect(200));
    assert_eq!(totp_status(&api.with_token(&signed_in.access)).await["recoveryCodesLeft"], 8);

    let used = world.topic_reader().read_type("user.recovery_code_used.v1", 2).await;
    assert_eq!(used.iter().map(|record| record.json()["remaining"].clone()).collect::<Vec<_>>(), [9, 8]);
    assert!(used.iter().all(|record| record.json()["recipient"]["email"] == user.email));
    let logins = world.topic_reader().read_all_of_type("user.logged_in.v1").await;
    let methods: Vec<Value> = logins.iter().map(|record| record.json()["methods"].clone()).collect();
    assert_eq!(methods.iter().filter(|it| **it == json!(["password", "recovery-code"])).count(), 2, "{methods:?}");
}

async fn renew_recovery_codes(
    world: &World,
    api: &Api,
    me: &Api,
    user: &TestUser,
    authenticator: &Authenticator,
    old: &[String],
) -> Vec<String> {
    reset_last_step(world, user).await;
    let path = "/api/users/me/totp/recovery-codes";
    let body = |password: &str, code: &str| json!({ "password": password, "code": code });
    let code = authenticator.code();
    let _ = me.post(path, &body("not the one", &code)).await.expect_problem(403, "wrong-password");
    let wrong = authenticator.wrong_code();
    let _ = me.post(path, &body(&user.password, &wrong)).await.expect_problem(403, "wrong-code");
    let renewed = recovery_codes(&me.post(path, &body(&user.password, &code)).await.expect(200));
    let _ = me.post(path, &body(&user.password, &code)).await.expect_problem(403, "wrong-code");
    assert!(renewed.iter().all(|code| !old.contains(code)));
    assert_eq!(totp_status(me).await["recoveryCodesLeft"], 10);
    let _ = log_in_with_both_factors(api, user, &old[1]).await.expect_problem(401, "invalid-credentials");
    let renewals = world.topic_reader().read_type("user.recovery_codes_renewed.v1", 1).await;
    assert_eq!(
        renewals.iter().map(|record| record.json()["recipient"]["email"].clone()).collect::<Vec<_>>(),
        [user.email.as_str()]
    );
    renewed
}

async fn remove_with_password_and_code(world: &World, me: &Api, user: &TestUser, authenticator: &Authenticator) {
    reset_last_step(world, user).await;
    let body = |password: &str, code: &str| json!({ "password": password, "code": code });
    let (right, wrong) = (authenticator.code(), authenticator.wrong_code());
    let remove = async |body: Value| me.delete("/api/users/me/totp", Some(&body)).await;
    let _ = remove(body("not the one", &right)).await.expect_problem(403, "wrong-password");
    let _ = remove(body(&user.password, &wrong)).await.expect_problem(403, "wrong-code");
    // There is also a POST, for clients whose proxy drops the body of a DELETE.
    let post = async |body: Value| me.post("/api/users/me/totp/remove", &body).await;
    let _ = post(body("not the one", &right)).await.expect_problem(403, "wrong-password");
    let _ = post(body(&user.password, &wrong)).await.expect_problem(403, "wrong-code");
    let _ = post(body(&user.password, &right)).await.expect(204);
    let _ = post(body(&user.password, &right)).await.expect_problem(409, "conflict");
    let _ = remove(body(&user.password, &right)).await.expect_problem(409, "conflict");

    // Each wrong code has an audit entry, up to a bound.
    let audit = world.user_collection("audit").await;
    let document = user_document(world, &user.email).await;
    let refused = doc! { "userId": document.get("_id"), "type": "code_refused" };
    wait_for(DEADLINE, "the refused codes in the audit", async || {
        (count(&audit, refused.clone()).await >= 5).then_some(())
    })
    .await;
}
