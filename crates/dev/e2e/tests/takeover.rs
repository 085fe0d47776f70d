//! The owner of the mailbox owns the account: a thief changes what they like, and the links in
//! the notices bring the account back.

use bson::{Binary, DateTime, doc, spec::BinarySubtype};
use e2e::{
    accounts::{
        mark_email_verified, try_login, update_user, user_document, with_cheap_hashes, with_email, with_new_password,
    },
    sealed_tokens::SealedTokens,
    totp::{enable_totp, recovery_codes},
};
use futures_util::future::join_all;
use serde_json::{Value, json};
use test_support::{Api, ApiResponse, Stack, TestUser, Tokens, World, remember_secret};

const REGISTERED: &str = "user.registered.v1";
const PASSWORD_CHANGED: &str = "user.password_changed.v1";
const TOTP_ENABLED: &str = "user.totp_enabled.v1";
const CODES_RENEWED: &str = "user.recovery_codes_renewed.v1";
const CHANGE_REQUESTED: &str = "user.email_change_requested.v1";
const ADDRESS_CHANGED: &str = "user.email_changed.v1";
const RESET_REQUESTED: &str = "user.password_reset_requested.v1";

/// What a thief changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Theft {
    Password,
    Factor,
    Address,
}

/// Every order of three.
const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

/// An account with a verified address, and its owner signed in.
async fn owner(world: &World, api: &Api, name: &str) -> (TestUser, Tokens) {
    let person = world.test_user(name);
    let _ = api.register(&person).await.expect(201);
    mark_email_verified(world, &person).await;
    let tokens = api.login(&person).await;
    (person, tokens)
}

/// A second factor that was turned on before the address was verified, as earlier releases allowed.
async fn plant_factor(world: &World, email: &str) {
    let secret = Binary { subtype: BinarySubtype::Generic, bytes: vec![7; 60] };
    let planted = doc! {
        "secret": secret, "enabledAt": DateTime::now(), "lastStep": 0_i64, "recoveryCodes": [], "usedTokens": [],
    };
    update_user(world, email, doc! { "$set": { "totp": planted } }).await;
}

async fn change_password(me: &Api, person: &TestUser, how: &str) -> TestUser {
    let renewed = with_new_password(person, how);
    let body = json!({ "currentPassword": person.password, "newPassword": renewed.password });
    let _ = me.put("/api/users/me/password", &body).await.expect(204);
    renewed
}

async fn turn_off(me: &Api, person: &TestUser, code: &str) {
    let both = json!({ "password": person.password, "code": code });
    let _ = me.delete("/api/users/me/totp", Some(&both)).await.expect(204);
}

/// Asks for another address and confirms it from its mailbox.
async fn change_address(api: &Api, me: &Api, mails: &mut SealedTokens, person: &TestUser, new: &str) {
    let _ = me.put("/api/users/me/email", &json!({ "newEmail": new, "password": person.password })).await.expect(202);
    let token = mails.wait_for_nth(CHANGE_REQUESTED, "confirmation", new, 1).await;
    let _ = api.post("/api/auth/email-change/confirm", &json!({ "token": token })).await.expect(204);
}

/// Follows the link in the notice of this event.
async fn undo(api: &Api, event_type: &str, token: &str) -> ApiResponse {
    let path = if event_type == ADDRESS_CHANGED { "/api/auth/email-change/undo" } else { "/api/auth/undo" };
    api.post(path, &json!({ "token": token })).await
}

async fn reset(api: &Api, token: &str, person: &TestUser) -> ApiResponse {
    let body = json!({ "token": token, "newPassword": person.password });
    api.post("/api/auth/password-reset/confirm", &body).await
}

/// Asks for a reset and uses it, with nothing but the mailbox.
async fn reset_by_mail(api: &Api, mails: &mut SealedTokens, person: &TestUser) -> TestUser {
    let before = mails.all(&person.email).await.iter().filter(|mail| mail.0 == RESET_REQUESTED).count();
    let _ = api.post("/api/auth/password-reset", &json!({ "email": person.email })).await.expect(202);
    let token = mails.wait_for_nth(RESET_REQUESTED, "reset", &person.email, before + 1).await;
    let renewed = with_new_password(person, "regained");
    let _ = reset(api, &token, &renewed).await.expect(204);
    renewed
}

async fn is_signed_out(api: &Api, tokens: &Tokens) {
    let _ = api.with_token(&tokens.access).get("/api/users/me").await.expect_problem(401, "unauthorized");
    let refreshed = api.post("/api/auth/refresh", &json!({ "refreshToken": tokens.refresh })).await;
    let _ = refreshed.expect_problem(401, "unauthorized");
}

/// What a thief with the password makes of the account.
async fn steal(world: &World, api: &Api, mails: &mut SealedTokens, owner: &TestUser, order: [Theft; 3]) -> Stolen {
    let tokens = api.login(owner).await;
    let me = api.with_token(&tokens.access);
    let mut thief = owner.clone();
    for theft in order {
        match theft {
            Theft::Password => thief = change_password(&me, &thief, "stolen").await,
            Theft::Factor => drop(enable_totp(&me, &thief).await),
            Theft::Address => {
                let name = owner.email.split('@').next().unwrap_or_default();
                let new = format!("mallory-of-{name}@example.org");
                change_address(api, &me, mails, &thief, &new).await;
                thief = with_email(&thief, &new);
            }
        }
    }
    // Owners cannot get in by themselves: that is what the links are for.
    let _ = try_login(api, &owner.email, &owner.password).await.expect(401);
    assert!(user_document(world, &thief.email).await.get("totp").is_some());
    Stolen { tokens, thief }
}

struct Stolen {
    tokens: Tokens,
    thief: TestUser,
}

#[tokio::test]
async fn in_every_order_of_a_thiefs_changes_and_of_the_links_the_owner_gets_the_account_back() {
    let world = World::new(&Stack::from_env(), "orders").await;
    let service = with_cheap_hashes(world.user_service()).start().await;
    let api = service.api();
    let thefts = [Theft::Password, Theft::Factor, Theft::Address];
    let lives = ORDERS.iter().enumerate().map(|(number, order)| {
        let (world, api) = (&world, &api);
        async move {
            let order = order.map(|index| thefts[index]);
            for (clicks, click_order) in ORDERS.iter().enumerate() {
                let name = format!("ada{number}{clicks}");
                gets_the_account_back(world, api, &name, order, click_order).await;
            }
        }
    });
    join_all(lives).await;
}

async fn gets_the_account_back(world: &World, api: &Api, name: &str, order: [Theft; 3], click_order: &[usize; 3]) {
    let mut mails = SealedTokens::new(world);
    let (ada, own) = owner(world, api, name).await;
    let Stolen { tokens, thief } = steal(world, api, &mut mails, &ada, order).await;

    // What is in the owner's mailbox: the links of all changes but those after the address was another.
    let told = order.iter().position(|theft| *theft == Theft::Address).expect("it is one of the three");
    mails.wait_for_nth(ADDRESS_CHANGED, "undo", &ada.email, 1).await;
    let links: Vec<(String, String)> =
        mails.all(&ada.email).await.into_iter().filter(|mail| mail.0 != REGISTERED).collect();
    assert_eq!(links.len(), told + 1, "{order:?}: {links:?}");
    let mut done = 0;
    for index in click_order {
        let Some((event_type, token)) = links.get(*index) else { continue };
        let answer = undo(api, event_type, token).await;
        // A password's link restores the address too, and with it the address's is used.
        assert!([204, 400].contains(&answer.status), "{order:?}, {click_order:?}: {}", answer.text);
        assert!(done > 0 || answer.status == 204, "{order:?}, {click_order:?}: {}", answer.text);
        done += 1;
        is_signed_out(api, &tokens).await;
        is_signed_out(api, &own).await;
        let _ = undo(api, event_type, token).await.expect_problem(400, "token-invalid");
    }

    // Neither password opens it, at neither address.
    for address in [&ada.email, &thief.email] {
        for password in [&ada.password, &thief.password] {
            let _ = try_login(api, address, password).await.expect_problem(401, "invalid-credentials");
        }
    }
    let user = user_document(world, &ada.email).await;
    for gone in ["totp", "totpSetup", "secondFactorSince", "secondFactorOffAt", "reserved"] {
        assert!(user.get(gone).is_none(), "{order:?}, {click_order:?}: {gone} in {user}");
    }
    let ada = reset_by_mail(api, &mut mails, &ada).await;
    let me = api.with_token(&api.login(&ada).await.access);
    let account = me.get("/api/users/me").await.expect(200).json();
    assert_eq!((&account["email"], &account["emailVerified"]), (&json!(ada.email), &json!(true)));
    assert_eq!(me.get("/api/users/me/totp").await.expect(200).json()["enabled"], false);
    let _ = try_login(api, &ada.email, &thief.password).await.expect_problem(401, "invalid-credentials");
}

#[tokio::test]
async fn a_thief_who_turns_the_factor_on_again_after_its_undo_is_told_of_again() {
    let world = World::new(&Stack::from_env(), "again").await;
    let service = with_cheap_hashes(world.user_service()).start().await;
    let api = service.api();
    let mut mails = SealedTokens::new(&world);
    let (ada, _) = owner(&world, &api, "ada").await;
    let thief = api.with_token(&api.login(&ada).await.access);
    enable_totp(&thief, &ada).await;
    let first = mails.wait_for_nth(TOTP_ENABLED, "undo", &ada.email, 1).await;
    let _ = undo(&api, TOTP_ENABLED, &first).await.expect(204);
    // The password is still the one that the thief knows.
    let thief = api.with_token(&api.login(&ada).await.access);
    let codes = enable_totp(&thief, &ada).await.1;
    let second = mails.wait_for_nth(TOTP_ENABLED, "undo", &ada.email, 2).await;
    // Off and on again is the same factor: no other link, and the one there is holds.
    turn_off(&thief, &ada, &codes[0]).await;
    enable_totp(&thief, &ada).await;
    let enabled = world.topic_reader().read_type(TOTP_ENABLED, 3).await;
    assert_eq!(enabled[2].json().get("undo"), None);
    let ada = reset_by_mail(&api, &mut mails, &ada).await;
    let _ = try_login(&api, &ada.email, &ada.password).await.expect_problem(401, "mfa-required");
    let _ = undo(&api, TOTP_ENABLED, &second).await.expect(204);
    api.login(&ada).await;
}

#[tokio::test]
async fn a_mailbox_alone_does_not_get_past_a_factor_that_is_older_than_the_links() {
    let world = World::new(&Stack::from_env(), "mailboxonly").await;
    let service = with_cheap_hashes(world.user_service()).start().await;
    let api = service.api();
    let mut mails = SealedTokens::new(&world);
    let (ada, tokens) = owner(&world, &api, "ada").await;
    let me = api.with_token(&tokens.access);
    let codes = enable_totp(&me, &ada).await.1;
    let factors = mails.wait_for_nth(TOTP_ENABLED, "undo", &ada.email, 1).await;
    // As if that had been a month ago.
    let then = DateTime::from_millis(DateTime::now().timestamp_millis() - 30 * 24 * 60 * 60 * 1_000);
    let past = doc! {
        "secondFactorSince": then, "totp.enabledAt": then, "totp.lastStep": 0_i64, "undoTokens.0.expiresAt": then,
    };
    update_user(&world, &ada.email, doc! { "$set": past }).await;
    let _ = undo(&api, TOTP_ENABLED, &factors).await.expect_problem(400, "token-invalid");

    // The owner changes everything, among it the authenticator for a new one.
    let ada = change_password(&me, &ada, "changed").await;
    turn_off(&me, &ada, &codes[0]).await;
    let codes = enable_totp(&me, &ada).await.1;
    let both = json!({ "password": ada.password, "code": codes[0] });
    let fresh = recovery_codes(&me.post("/api/users/me/totp/recovery-codes", &both).await.expect(200));
    let new = world.address("ada-new");
    change_address(&api, &me, &mut mails, &ada, &new).await;
    mails.wait_for_nth(ADDRESS_CHANGED, "undo", &ada.email, 1).await;
    let links = mails.all(&ada.email).await;
    let types: Vec<&str> = links.iter().map(|link| &*link.0).filter(|it| *it != REGISTERED).collect();
    assert_eq!(types, [TOTP_ENABLED, PASSWORD_CHANGED, CODES_RENEWED, ADDRESS_CHANGED]);

    // An attacker who reads the mailbox uses every link, and sets a password: it ends at the factor.
    let mut attacker = ada.clone();
    for (event_type, token) in links.iter().rev().filter(|link| link.0 != REGISTERED) {
        let expected = if event_type == TOTP_ENABLED { 400 } else { 204 };
        let _ = undo(&api, event_type, token).await.expect(expected);
        assert!(user_document(&world, &ada.email).await.get("totp").is_some(), "{event_type} removed the factor");
        attacker = reset_by_mail(&api, &mut mails, &attacker).await;
        let _ = try_login(&api, &attacker.email, &attacker.password).await.expect_problem(401, "mfa-required");
    }
    // Nothing of the owner's either: the codes that were renewed are void.
    let asked = try_login(&api, &attacker.email, &attacker.password).await;
    let mfa = asked.string("mfaToken");
    remember_secret("mfa token", &mfa);
    let second = api.post("/api/auth/login/totp", &json!({ "mfaToken": mfa, "code": fresh[0] })).await;
    let _ = second.expect_problem(401, "invalid-credentials");
    let totp = user_document(&world, &ada.email).await.get_document("totp").expect("it is on").clone();
    assert_eq!(totp.get_array("recoveryCodes").map(Vec::len).ok(), Some(0));
}

#[tokio::test]
async fn a_password_alone_gets_no_link_and_does_not_get_past_the_factor() {
    let world = World::new(&Stack::from_env(), "passwordonly").await;
    let service = with_cheap_hashes(world.user_service()).start().await;
    let api = service.api();
    let mut mails = SealedTokens::new(&world);
    let (ada, tokens) = owner(&world, &api, "ada").await;
    let me = api.with_token(&tokens.access);
    enable_totp(&me, &ada).await;
    let _ = try_login(&api, &ada.email, &ada.password).await.expect_problem(401, "mfa-required");
    // Links of an account of their own do nothing to another's, nor anything that they were not made for.
    let (mallory, mallorys) = owner(&world, &api, "mallory").await;
    let mallorys = api.with_token(&mallorys.access);
    enable_totp(&mallorys, &mallory).await;
    let mallory = change_password(&mallorys, &mallory, "changed").await;
    let own = mails.wait_for_nth(TOTP_ENABLED, "undo", &mallory.email, 1).await;
    let password = mails.wait_for_nth(PASSWORD_CHANGED, "undo", &mallory.email, 1).await;
    let verification = mails.wait_for_nth(REGISTERED, "verification", &mallory.email, 1).await;
    for wrong in [&verification, "no token at all"] {
        let _ = undo(&api, TOTP_ENABLED, wrong).await.expect_problem(400, "token-invalid");
    }
    for link in [&own, &password] {
        let _ = undo(&api, ADDRESS_CHANGED, link).await.expect_problem(400, "token-invalid");
        let _ = reset(&api, link, &mallory).await.expect_problem(400, "token-invalid");
        for path in ["/api/auth/email-verification", "/api/auth/email-change/confirm"] {
            let _ = api.post(path, &json!({ "token": link })).await.expect_problem(400, "token-invalid");
        }
    }
    // Of two who use one link at once, one does.
    let (one, two) = tokio::join!(undo(&api, TOTP_ENABLED, &own), undo(&api, TOTP_ENABLED, &own));
    let mut both = [one.status, two.status];
    both.sort_unstable();
    assert_eq!(both, [204, 400]);
    assert!(user_document(&world, &ada.email).await.get("totp").is_some());
    let _ = me.get("/api/users/me").await.expect(200);
}

#[tokio::test]
async fn a_thief_who_changes_the_password_six_times_does_not_push_out_the_first_link() {
    let world = World::new(&Stack::from_env(), "sixtimes").await;
    let service = with_cheap_hashes(world.user_service()).start().await;
    let api = service.api();
    let mut mails = SealedTokens::new(&world);
    let (ada, _) = owner(&world, &api, "ada").await;
    let tokens = api.login(&ada).await;
    let thiefs = api.with_token(&tokens.access);
    let mut thief = ada.clone();
    for number in 0..6 {
        thief = change_password(&thiefs, &thief, &number.to_string()).await;
    }
    let changed = world.topic_reader().read_type(PASSWORD_CHANGED, 6).await;
    let granted: Vec<bool> = changed.iter().map(|record| record.json().get("undo").is_some()).collect();
    assert_eq!(granted, [true, true, true, true, true, false]);
    let first = mails.wait_for_nth(PASSWORD_CHANGED, "undo", &ada.email, 1).await;
    let _ = undo(&api, PASSWORD_CHANGED, &first).await.expect(204);
    is_signed_out(&api, &tokens).await;
    let _ = try_login(&api, &ada.email, &thief.password).await.expect_problem(401, "invalid-credentials");

    // One write, in order; the reset goes to the same mailbox.
    let mut topic = world.topic_reader();
    let undone = topic.read_type("user.change_undone.v1", 1).await.remove(0);
    let requested = topic.read_type(RESET_REQUESTED, 1).await.remove(0);
    assert_eq!(
        (&undone.json()["change"], &undone.json()["recipient"]["email"]),
        (&json!("password"), &json!(ada.email))
    );
    assert_eq!(requested.sequence(), undone.sequence() + 1);
    let token = mails.wait_for_nth(RESET_REQUESTED, "reset", &ada.email, 1).await;
    let renewed = with_new_password(&ada, "renewed");
    let _ = reset(&api, &token, &renewed).await.expect(204);
    let me = api.with_token(&api.login(&renewed).await.access);
    let log = me.get("/api/users/me/audit").await.expect(200).json();
    let kinds: Vec<&Value> = log["items"].as_array().into_iter().flatten().map(|entry| &entry["type"]).collect();
    assert!(kinds.contains(&&json!("user.change_undone.v1")), "{kinds:?}");
}

#[tokio::test]
async fn a_link_dies_with_its_address_and_with_its_time() {
    let world = World::new(&Stack::from_env(), "deadlinks").await;
    let service = with_cheap_hashes(world.user_service()).start().await;
    let api = service.api();
    let mut mails = SealedTokens::new(&world);
    let (ada, tokens) = owner(&world, &api, "ada").await;
    let me = api.with_token(&tokens.access);
    let b = world.address("b");
    change_address(&api, &me, &mut mails, &ada, &b).await;
    let moved = change_password(&me, &with_email(&ada, &b), "changed").await;
    let of_b = mails.wait_for_nth(PASSWORD_CHANGED, "undo", &b, 1).await;
    let back = mails.wait_for_nth(ADDRESS_CHANGED, "undo", &ada.email, 1).await;
    let _ = undo(&api, ADDRESS_CHANGED, &back).await.expect(204);
    let _ = undo(&api, PASSWORD_CHANGED, &of_b).await.expect_problem(400, "token-invalid");
    assert!(user_document(&world, &ada.email).await.get("undoTokens").is_none(), "it is not kept either");

    // Its time: the link is there, and good for nothing.
    let ada = reset_by_mail(&api, &mut mails, &with_email(&moved, &ada.email)).await;
    let me = api.with_token(&api.login(&ada).await.access);
    let ada = change_password(&me, &ada, "again").await;
    let late = mails.wait_for_nth(PASSWORD_CHANGED, "undo", &ada.email, 1).await;
    update_user(&world, &ada.email, doc! { "$set": doc! { "undoTokens.0.expiresAt": DateTime::now() } }).await;
    let _ = undo(&api, PASSWORD_CHANGED, &late).await.expect_problem(400, "token-invalid");
    // And with the account.
    let ada = change_password(&me, &ada, "last").await;
    let last = mails.wait_for_nth(PASSWORD_CHANGED, "undo", &ada.email, 2).await;
    let _ = me.delete("/api/users/me", Some(&json!({ "password": ada.password }))).await.expect(204);
    let _ = undo(&api, PASSWORD_CHANGED, &last).await.expect_problem(400, "token-invalid");
}

#[tokio::test]
async fn a_disabled_account_is_not_changed_by_a_link_and_keeps_it() {
    let world = World::new(&Stack::from_env(), "disabled").await;
    let service = with_cheap_hashes(world.user_service()).start().await;
    let api = service.api();
    let root = e2e::administrators::create_admin(&world, &service, "root").await;
    let mut mails = SealedTokens::new(&world);
    let (ada, tokens) = owner(&world, &api, "ada").await;
    let me = api.with_token(&tokens.access);
    let id = me.get("/api/users/me").await.expect(200).string("id");
    change_password(&me, &ada, "changed").await;
    let link = mails.wait_for_nth(PASSWORD_CHANGED, "undo", &ada.email, 1).await;
    let _ = root.api.post(&format!("/api/admin/users/{id}/disable"), &json!({})).await.expect(204);
    let _ = undo(&api, PASSWORD_CHANGED, &link).await.expect_problem(400, "token-invalid");
    let _ = root.api.post(&format!("/api/admin/users/{id}/enable"), &json!({})).await.expect(204);
    let _ = undo(&api, PASSWORD_CHANGED, &link).await.expect(204);
}

#[tokio::test]
async fn an_account_registered_with_anothers_address_is_taken_over_by_a_reset() {
    let world = World::new(&Stack::from_env(), "squatter").await;
    let service = with_cheap_hashes(world.user_service()).start().await;
    let api = service.api();
    let mut mails = SealedTokens::new(&world);
    let victim = world.test_user("victim");
    let _ = api.register(&victim).await.expect(201);
    let tokens = api.login(&victim).await;
    let me = api.with_token(&tokens.access);
    let body = json!({ "password": victim.password });
    let _ = me.post("/api/users/me/totp", &body).await.expect_problem(403, "email-not-verified");
    let _ = me
        .post("/api/users/me/totp/confirm", &json!({ "code": "123456" }))
        .await
        .expect_problem(403, "email-not-verified");
    assert!(user_document(&world, &victim.email).await.get("totpSetup").is_none());

    // A factor of the time when that was possible.
    plant_factor(&world, &victim.email).await;
    let _ = try_login(&api, &victim.email, &victim.password).await.expect_problem(401, "mfa-required");
    let _ = api.register(&with_email(&world.test_user("late"), &victim.email)).await.expect_problem(409, "email-taken");
    let owner = reset_by_mail(&api, &mut mails, &victim).await;
    let mut topic = world.topic_reader();
    let disabled = topic.read_type("user.totp_disabled.v1", 1).await.remove(0);
    assert_eq!(disabled.json()["by"], "mailbox");
    is_signed_out(&api, &tokens).await;
    let me = api.with_token(&api.login(&owner).await.access);
    assert_eq!(me.get("/api/users/me").await.expect(200).json()["emailVerified"], true);
    let after = user_document(&world, &victim.email).await;
    assert!(after.get("totp").is_none() && after.get("totpSetup").is_none(), "{after}");

    // A reset that is not the first proof of the mailbox leaves the factor on.
    enable_totp(&me, &owner).await;
    let owner = reset_by_mail(&api, &mut mails, &owner).await;
    let _ = try_login(&api, &owner.email, &owner.password).await.expect_problem(401, "mfa-required");
}

#[tokio::test]
async fn a_disowned_account_stays_closed_until_a_reset_takes_it_over() {
    let world = World::new(&Stack::from_env(), "disown").await;
    let service = with_cheap_hashes(world.user_service()).start().await;
    let api = service.api();
    let mut mails = SealedTokens::new(&world);
    let victim = world.test_user("victim");
    let id = api.register(&victim).await.expect(201).string("id");
    let tokens = api.login(&victim).await;
    let squatter = change_password(&api.with_token(&tokens.access), &victim, "changed").await;
    plant_factor(&world, &victim.email).await;
    let verification = mails.wait_for_nth(REGISTERED, "verification", &victim.email, 1).await;
    let link = mails.wait_for_nth(PASSWORD_CHANGED, "undo", &victim.email, 1).await;
    let disown = async |token: &str| api.post("/api/auth/email-verification/disown", &json!({ "token": token })).await;
    // A change of the password voids links that prove the address: another is asked for.
    let _ = disown(&verification).await.expect_problem(400, "token-invalid");
    let _ = api.post("/api/auth/email-verification/resend", &json!({ "email": victim.email })).await.expect(202);
    let verification =
        mails.wait_for_nth("user.email_verification_requested.v1", "verification", &victim.email, 1).await;
    for wrong in [&*link, "no token at all"] {
        let _ = disown(wrong).await.expect_problem(400, "token-invalid");
    }
    let _ = disown(&verification).await.expect(204);

    is_signed_out(&api, &tokens).await;
    for password in [&victim.password, &squatter.password] {
        let _ = try_login(&api, &victim.email, password).await.expect_problem(401, "invalid-credentials");
    }
    let _ = disown(&verification).await.expect_problem(400, "token-invalid");
    let confirm = api.post("/api/auth/email-verification", &json!({ "token": verification })).await;
    let _ = confirm.expect_problem(400, "token-invalid");
    let _ = undo(&api, PASSWORD_CHANGED, &link).await.expect_problem(400, "token-invalid");
    let user = user_document(&world, &victim.email).await;
    assert_eq!(user.get_bool("emailVerified").ok(), Some(false));
    assert_eq!(user.get_array("tokens").map(Vec::len).ok(), Some(0));
    for gone in ["totp", "totpSetup", "undoTokens", "secondFactorSince"] {
        assert!(user.get(gone).is_none(), "{gone} in {user}");
    }
    let hash = user.get_str("passwordHash").expect("there is one");
    assert!(hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "it looks as any other: {hash}");
    let mut topic = world.topic_reader();
    let disowned = topic.read_type("user.disowned.v1", 1).await.remove(0);
    assert_eq!(disowned.json(), json!({ "userId": id }));
    let disabled = topic.read_type("user.totp_disabled.v1", 1).await.remove(0);
    assert_eq!((disabled.sequence(), &disabled.json()["by"]), (disowned.sequence() + 1, &json!("mailbox")));

    let owner = reset_by_mail(&api, &mut mails, &victim).await;
    let me = api.with_token(&api.login(&owner).await.access);
    let account = me.get("/api/users/me").await.expect(200).json();
    assert_eq!((&account["id"], &account["emailVerified"]), (&json!(id), &json!(true)));
}

#[tokio::test]
async fn an_undo_voids_a_change_of_address_that_waits_to_be_confirmed() {
    let world = World::new(&Stack::from_env(), "waiting").await;
    let service = with_cheap_hashes(world.user_service()).start().await;
    let api = service.api();
    let mut mails = SealedTokens::new(&world);
    let (ada, _) = owner(&world, &api, "ada").await;
    let thiefs = api.with_token(&api.login(&ada).await.access);
    enable_totp(&thiefs, &ada).await;
    let link = mails.wait_for_nth(TOTP_ENABLED, "undo", &ada.email, 1).await;
    let mallory = world.address("mallory");
    let body = json!({ "newEmail": mallory, "password": ada.password });
    let _ = thiefs.put("/api/users/me/email", &body).await.expect(202);
    let waiting = mails.wait_for_nth(CHANGE_REQUESTED, "confirmation", &mallory, 1).await;
    let _ = undo(&api, TOTP_ENABLED, &link).await.expect(204);
    let confirm = api.post("/api/auth/email-change/confirm", &json!({ "token": waiting })).await;
    let _ = confirm.expect_problem(400, "token-invalid");
}
