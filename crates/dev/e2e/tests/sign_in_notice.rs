//! The notice of a login from a device and a network that the account was not signed in from in the last 30 days.

use std::collections::BTreeSet;

use bson::{Document, doc};
use e2e::{
    accounts::{
        change_password, confirm_email_change, confirm_reset, mark_email_verified, register_with_id, request_reset,
        try_login, update_user, user_document, user_document_by_id, wait_until_all_published, with_cheap_hashes,
        with_new_password,
    },
    administrators::create_admin,
    sealed_tokens::SealedTokens,
    totp::enable_totp,
};
use futures_util::future::join_all;
use reqwest::{Method, header::USER_AGENT};
use serde_json::{Value, json};
use test_support::{Api, ApiResponse, Record, Service, Stack, TestUser, Tokens, World};

/// A user agent, and a client address.
type Place = (&'static str, &'static str);

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
const LATER_FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0";
const CHROME: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36";
const HOME: Place = (FIREFOX, "203.0.113.7");
const OTHER_DEVICE: Place = (CHROME, "203.0.113.7");
const OTHER_NETWORK: Place = (FIREFOX, "2001:db8:12:3456::1");
/// The place of an attacker: nothing is known of its device.
const ELSEWHERE: Place = ("attack/1.0", "198.51.100.9");

const SIGN_IN: &str = "user.new_sign_in.v1";
const SUBJECT: &str = "New sign-in to your account";
const PAGE: &str = "/undo-change";
const DAY: i64 = 24 * 60 * 60;

/// Starts a user service behind a proxy, with these settings.
async fn start_behind_proxy(name: &str, settings: &[(&str, &str)]) -> (World, Service, Api) {
    let world = World::new(&Stack::from_env(), name).await;
    let spec = with_cheap_hashes(world.user_service()).set("HTTP__TRUSTED_PROXIES", "127.0.0.1");
    let service = spec.set_all(settings).start().await;
    let api = service.api();
    (world, service, api)
}

/// Starts both services, the user service behind a proxy.
async fn start_both_behind_proxy(name: &str) -> (World, Service, Service, Api) {
    let world = World::new(&Stack::from_env(), name).await;
    let spec = with_cheap_hashes(world.user_service()).set("HTTP__TRUSTED_PROXIES", "127.0.0.1");
    let (users, emails, api) = world.start_both_with(spec).await;
    (world, users, emails, api)
}

async fn post_from(api: &Api, (agent, address): Place, path: &str, body: &Value) -> ApiResponse {
    let request = api.request(Method::POST, path).header(USER_AGENT, agent).header("x-forwarded-for", address);
    api.send(request.json(body)).await
}

async fn try_login_from(api: &Api, place: Place, user: &TestUser) -> ApiResponse {
    let credentials = json!({ "identifier": user.email, "password": user.password });
    post_from(api, place, "/api/auth/login", &credentials).await
}

async fn log_in(api: &Api, place: Place, user: &TestUser) -> Tokens {
    Tokens::from_response(&try_login_from(api, place, user).await.expect(200))
}

/// Returns the notices of an account so far, once all events are published.
async fn notices(world: &World, id: &str) -> Vec<Record> {
    wait_until_all_published(world).await;
    let records = world.topic_reader().read_all_of_type(SIGN_IN).await;
    records.into_iter().filter(|record| record.key_text() == id).collect()
}

async fn stored_places(world: &World, id: &str) -> Vec<Document> {
    let user = user_document_by_id(world, id).await;
    let places = user.get_array("signInPlaces").cloned().unwrap_or_default();
    places.iter().filter_map(bson::Bson::as_document).cloned().collect()
}

/// Returns the number of links that disown a sign-in.
async fn stored_links(world: &World, id: &str) -> usize {
    let user = user_document_by_id(world, id).await;
    let links = user.get_array("undoTokens").cloned().unwrap_or_default();
    links
        .iter()
        .filter_map(bson::Bson::as_document)
        .filter(|it| it.get_str("purpose").is_ok_and(|it| it == "sign-in-undo"))
        .count()
}

#[tokio::test]
async fn each_new_pair_of_device_and_network_causes_one_event_and_one_mail_and_a_known_one_none() {
    let (world, _users, _emails, api) = start_both_behind_proxy("newsignin").await;
    let (ada, id) = register_with_id(&world, &api, "ada").await;
    let first = log_in(&api, HOME, &ada).await;
    // A later version of the browser, and another address of the network, are the same place.
    log_in(&api, (LATER_FIREFOX, "203.0.113.200"), &ada).await;
    let updated_at = user_document(&world, &ada.email).await.get("updatedAt").cloned();
    assert_eq!(notices(&world, &id).await.len(), 0);

    let new = [OTHER_DEVICE, OTHER_NETWORK, ELSEWHERE];
    for place in new {
        log_in(&api, place, &ada).await;
    }
    for place in new.into_iter().chain([HOME]) {
        log_in(&api, place, &ada).await;
    }
    let events = notices(&world, &id).await;
    let shown: Vec<_> = events.iter().map(|it| (it.json()["device"].clone(), it.json()["network"].clone())).collect();
    let expected = [
        (json!("Chrome on Windows"), json!("203.0.113.0/24")),
        (json!("Firefox on Linux"), json!("2001:db8:12:3400::/56")),
        (Value::Null, json!("198.51.100.0/24")),
    ];
    assert_eq!(shown, expected);
    // Each notice directly precedes the event of its session.
    let logins = world.topic_reader().read_all_of_type("user.logged_in.v1").await;
    assert_eq!(logins.len(), 9);
    for event in &events {
        let login = logins.iter().find(|login| login.sequence() == event.sequence() + 1).expect("the login follows");
        assert_eq!(login.json()["sessionId"], event.json()["sessionId"]);
    }

    let mails = world.mailbox(&ada.email).wait_for_links(PAGE, 3).await;
    let details = [
        ["Device: Chrome on Windows", "Network: 203.0.113.x"],
        ["Device: Firefox on Linux", "Network: 2001:db8:12:34xx:…"],
        ["Device: unknown", "Network: 198.51.100.x"],
    ];
    for expected in details {
        let found = mails.iter().filter(|mail| expected.iter().all(|line| mail.text.contains(line))).count();
        assert_eq!(found, 1, "{expected:?}");
    }
    assert!(mails.iter().all(|mail| mail.subject == SUBJECT));
    assert_eq!(world.mailbox(&ada.email).mails().await.len(), 4, "and the welcome mail");

    // Only keyed hashes are stored, and a login is no update of the account.
    let user = user_document(&world, &ada.email).await;
    let places = stored_places(&world, &id).await;
    assert_eq!(places.len(), 4);
    assert!(places.iter().all(|place| place.keys().map(String::as_str).eq(["place", "lastSeen"])), "{places:?}");
    let hashes: BTreeSet<_> = places.iter().filter_map(|it| it.get_binary_generic("place").ok().cloned()).collect();
    assert!(hashes.len() == 4 && hashes.iter().all(|hash| hash.len() == 16), "{hashes:?}");
    assert_eq!(user.get("updatedAt").cloned(), updated_at);
    let _ = api.with_token(&first.access).get("/api/users/me").await.expect(200);
}

#[tokio::test]
async fn a_place_is_known_for_thirty_days_after_its_last_login() {
    let (world, mut service, api) = start_behind_proxy("thirtydays", &[]).await;
    let (ada, id) = register_with_id(&world, &api, "ada").await;
    let right = service.spec().clone();
    for (days_ago, place, expected) in [
        (60, HOME, 0),
        (60, OTHER_DEVICE, 1),
        // 29 days later both are known; the login makes one of them known for longer.
        (31, HOME, 1),
        (29, OTHER_DEVICE, 2),
        (2, HOME, 2),
        (0, OTHER_DEVICE, 2),
        (0, OTHER_NETWORK, 3),
    ] {
        let shifted = match right.clone().shift_clock(-days_ago * DAY) {
            Ok(shifted) => shifted,
            Err(reason) => return eprintln!("SKIPPED: {reason}"),
        };
        assert_eq!(service.terminate().await.code(), Some(0));
        service.restart_with(|_| shifted).await;
        log_in(&service.api(), place, &ada).await;
        assert_eq!(notices(&world, &id).await.len(), expected, "{days_ago} days ago");
    }
}

#[tokio::test]
async fn the_link_ends_all_sessions_voids_the_password_and_mails_a_reset_link() {
    let (world, _users, _emails, api) = start_both_behind_proxy("disownsignin").await;
    let (ada, id) = register_with_id(&world, &api, "ada").await;
    let owner = log_in(&api, HOME, &ada).await;
    let attacker = log_in(&api, ELSEWHERE, &ada).await;
    let mailbox = world.mailbox(&ada.email);
    let token = mailbox.wait_for_token(PAGE, 1).await;

    let page = api.get(&format!("{PAGE}?token={token}")).await.expect(200);
    for text in ["Secure your account", "This sign-in was not mine.", "Sign out every device"] {
        assert!(page.text.contains(text), "{text}: {}", page.text);
    }
    let _ = api.submit(PAGE, &[("token", &token)]).await.expect(422);
    let _ = api.with_token(&attacker.access).get("/api/users/me").await.expect(200);
    let done = api.submit(PAGE, &[("token", &token), ("confirmed", "yes")]).await.expect(200);
    assert!(done.text.contains("Every device is signed out"), "{}", done.text);

    for tokens in [&owner, &attacker] {
        let me = api.with_token(&tokens.access).get("/api/users/me").await;
        let _ = me.expect_problem(401, "unauthorized");
        let _ = api.refresh(&tokens.refresh).await.expect_problem(401, "unauthorized");
    }
    let _ = try_login(&api, &ada.email, &ada.password).await.expect_problem(401, "invalid-credentials");
    let again = api.submit(PAGE, &[("token", &token), ("confirmed", "yes")]).await.expect(400);
    assert!(again.text.contains("This link was used already"), "{}", again.text);
    mailbox.wait_for_subject("All devices were signed out of your account").await;
    let undone = world.topic_reader().read_type("user.change_undone.v1", 1).await.remove(0);
    assert_eq!(undone.json()["change"], "sign-in");

    // The owner chooses a new password. The attacker's place does not count as known any more.
    let renewed = with_new_password(&ada, "of the owner");
    let reset = mailbox.wait_for_token("/reset-password", 1).await;
    let body = json!({ "token": reset, "newPassword": renewed.password });
    let _ = post_from(&api, HOME, "/api/auth/password-reset/confirm", &body).await.expect(204);
    log_in(&api, HOME, &renewed).await;
    assert_eq!(notices(&world, &id).await.len(), 1);
    log_in(&api, ELSEWHERE, &renewed).await;
    assert_eq!(notices(&world, &id).await.len(), 2);
}

#[tokio::test]
async fn the_link_restores_an_address_that_was_changed_after_the_sign_in() {
    let (world, _service, api) = start_behind_proxy("signinaddress", &[]).await;
    let mut tokens = SealedTokens::new(&world);
    let (ada, id) = register_with_id(&world, &api, "ada").await;
    mark_email_verified(&world, &ada).await;
    log_in(&api, HOME, &ada).await;
    let attacker = api.with_token(&log_in(&api, ELSEWHERE, &ada).await.access);
    let link = tokens.wait_for_nth(SIGN_IN, "undo", &ada.email, 1).await;
    let stolen = world.address("eve");
    let body = json!({ "newEmail": stolen, "password": ada.password });
    let _ = attacker.put("/api/users/me/email", &body).await.expect(202);
    let token = tokens.wait_for_nth("user.email_change_requested.v1", "confirmation", &stolen, 1).await;
    let _ = confirm_email_change(&api, &token).await.expect(204);
    // A later notice goes to the attacker, whose link becomes void with the address.
    let moved = TestUser { email: stolen.clone(), ..ada.clone() };
    log_in(&api, OTHER_NETWORK, &moved).await;
    let of_attacker = tokens.wait_for_nth(SIGN_IN, "undo", &stolen, 1).await;
    enable_totp(&attacker, &moved).await;

    let _ = api.post("/api/auth/undo", &json!({ "token": link })).await.expect(204);
    let user = user_document_by_id(&world, &id).await;
    assert_eq!((user.get_str("email").ok(), user.get("totp")), (Some(ada.email.as_str()), None));
    let refused = api.post("/api/auth/undo", &json!({ "token": of_attacker })).await;
    let _ = refused.expect_problem(400, "token-invalid");
    let reset = tokens.wait_for_nth("user.password_reset_requested.v1", "reset", &ada.email, 1).await;
    let renewed = with_new_password(&ada, "regained");
    let _ = confirm_reset(&api, &reset, &renewed.password).await.expect(204);
    log_in(&api, HOME, &renewed).await;
}

#[tokio::test]
async fn an_attacker_can_neither_use_up_the_links_of_the_owner_nor_fill_the_mailbox() {
    const AGENTS: [&str; 5] = ["curl/8", "Wget/1", "okhttp/4", "PostmanRuntime/7", "python-requests/2"];
    const NETWORKS: [&str; 4] = ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1"];
    let (world, _service, api) = start_behind_proxy("signinflood", &[]).await;
    let mut tokens = SealedTokens::new(&world);
    let (ada, id) = register_with_id(&world, &api, "ada").await;
    log_in(&api, HOME, &ada).await;
    for address in NETWORKS {
        for agent in AGENTS {
            log_in(&api, (agent, address), &ada).await;
        }
    }
    let events = notices(&world, &id).await;
    assert_eq!(events.len(), 15, "sixteen places within a day, and the first was that of the first login");
    let with_link = events.iter().filter(|event| event.json().get("undo").is_some()).count();
    assert_eq!((with_link, stored_links(&world, &id).await, stored_places(&world, &id).await.len()), (5, 5, 16));
    // Neither further notices nor other changes push out the first link.
    let me = api.with_token(&log_in(&api, (AGENTS[4], NETWORKS[3]), &ada).await.access);
    change_password(&me, &ada, "of the attacker").await;
    let first = tokens.wait_for_nth(SIGN_IN, "undo", &ada.email, 1).await;
    let _ = api.post("/api/auth/undo", &json!({ "token": first })).await.expect(204);
    let _ = me.get("/api/users/me").await.expect_problem(401, "unauthorized");
}

#[tokio::test]
async fn of_concurrent_logins_from_one_new_place_one_is_announced_and_no_link_is_lost() {
    let (world, _service, api) = start_behind_proxy("signinrace", &[]).await;
    let (ada, id) = register_with_id(&world, &api, "ada").await;
    log_in(&api, HOME, &ada).await;
    join_all((0..8).map(|_| log_in(&api, ELSEWHERE, &ada))).await;
    assert_eq!(notices(&world, &id).await.len(), 1);
    assert_eq!(stored_links(&world, &id).await, 1);
    join_all([OTHER_DEVICE, OTHER_NETWORK, (CHROME, "198.51.100.9")].map(|place| log_in(&api, place, &ada))).await;
    let events = notices(&world, &id).await;
    assert_eq!((events.len(), stored_links(&world, &id).await), (4, 4));
    assert_eq!(stored_places(&world, &id).await.len(), 5);
}

#[tokio::test]
async fn a_login_with_a_second_factor_is_announced_after_the_second_step() {
    let (world, _service, api) = start_behind_proxy("signintotp", &[]).await;
    let mut tokens = SealedTokens::new(&world);
    let (ada, id) = register_with_id(&world, &api, "ada").await;
    mark_email_verified(&world, &ada).await;
    let me = api.with_token(&log_in(&api, HOME, &ada).await.access);
    let (_, codes) = enable_totp(&me, &ada).await;

    let first_step = try_login_from(&api, ELSEWHERE, &ada).await.expect_problem(401, "mfa-required");
    assert_eq!((notices(&world, &id).await.len(), stored_places(&world, &id).await.len()), (0, 1));
    let body = json!({ "mfaToken": first_step.string("mfaToken"), "code": codes[0] });
    let _ = post_from(&api, ELSEWHERE, "/api/auth/login/totp", &body).await.expect(200);
    let events = notices(&world, &id).await;
    assert_eq!(events.len(), 1);
    // The order in one write: the recovery code, the notice, the session.
    let all = world.topic_reader().read_all().await.to_vec();
    let last: Vec<_> = all.iter().filter(|it| it.key_text() == id).map(Record::event_type).rev().take(3).collect();
    assert_eq!(last, ["user.logged_in.v1", SIGN_IN, "user.recovery_code_used.v1"]);

    // The link leaves the second factor on.
    let link = tokens.wait_for_nth(SIGN_IN, "undo", &ada.email, 1).await;
    let _ = api.post("/api/auth/undo", &json!({ "token": link })).await.expect(204);
    let _ = me.get("/api/users/me").await.expect_problem(401, "unauthorized");
    assert!(user_document_by_id(&world, &id).await.get("totp").is_some());
}

#[tokio::test]
async fn without_the_switch_nothing_is_recorded_and_turning_it_on_announces_no_known_place() {
    let (world, mut service, api) = start_behind_proxy("signinoff", &[]).await;
    let (ada, id) = register_with_id(&world, &api, "ada").await;
    log_in(&api, HOME, &ada).await;
    assert_eq!(stored_places(&world, &id).await.len(), 1);
    assert_eq!(service.terminate().await.code(), Some(0));
    service.restart_with(|spec| spec.set("AUTH__NEW_SIGN_IN_NOTICE", "false")).await;
    for place in [ELSEWHERE, OTHER_DEVICE] {
        log_in(&service.api(), place, &ada).await;
    }
    assert_eq!((notices(&world, &id).await.len(), stored_places(&world, &id).await.len()), (0, 1));
    assert_eq!(service.terminate().await.code(), Some(0));
    service.restart_with(|spec| spec.set("AUTH__NEW_SIGN_IN_NOTICE", "true")).await;
    log_in(&service.api(), OTHER_DEVICE, &ada).await;
    assert_eq!(notices(&world, &id).await.len(), 0, "it is not known where the last login came from");
    log_in(&service.api(), OTHER_NETWORK, &ada).await;
    assert_eq!(notices(&world, &id).await.len(), 1);
}

#[tokio::test]
async fn an_account_of_an_earlier_release_gets_no_notice_of_its_first_login() {
    let (world, _service, api) = start_behind_proxy("signinupgrade", &[]).await;
    let (ada, id) = register_with_id(&world, &api, "ada").await;
    log_in(&api, HOME, &ada).await;
    update_user(&world, &ada.email, doc! { "$unset": { "signInPlaces": "" } }).await;
    log_in(&api, OTHER_NETWORK, &ada).await;
    assert_eq!(notices(&world, &id).await.len(), 0);
    log_in(&api, HOME, &ada).await;
    assert_eq!(notices(&world, &id).await.len(), 1);
}

#[tokio::test]
async fn the_place_of_an_accepted_invitation_or_a_password_reset_is_known() {
    let (world, service, api) = start_behind_proxy("signinreset", &[]).await;
    let mut tokens = SealedTokens::new(&world);
    let root = create_admin(&world, &service, "root").await;
    let guest = world.test_user("guest");
    let body = json!({ "email": guest.email, "username": guest.username, "invite": true });
    let id = root.api.post("/api/admin/users", &body).await.expect(201).string("id");
    let invitation = tokens.wait_for_nth("user.invited.v1", "invitation", &guest.email, 1).await;
    let body = json!({ "token": invitation, "password": guest.password });
    let _ = post_from(&api, HOME, "/api/auth/accept-invitation", &body).await.expect(204);
    assert_eq!(stored_places(&world, &id).await.len(), 1);
    // The first login is silent, also from another place.
    log_in(&api, OTHER_DEVICE, &guest).await;
    log_in(&api, HOME, &guest).await;
    assert_eq!(notices(&world, &id).await.len(), 0);

    request_reset(&api, &guest.email).await;
    let reset = tokens.wait_for_nth("user.password_reset_requested.v1", "reset", &guest.email, 1).await;
    let renewed = with_new_password(&guest, "renewed");
    let body = json!({ "token": reset, "newPassword": renewed.password });
    let _ = post_from(&api, OTHER_NETWORK, "/api/auth/password-reset/confirm", &body).await.expect(204);
    log_in(&api, OTHER_NETWORK, &renewed).await;
    assert_eq!(notices(&world, &id).await.len(), 0);
    log_in(&api, ELSEWHERE, &renewed).await;
    assert_eq!(notices(&world, &id).await.len(), 1);
}

#[tokio::test]
async fn a_notice_is_kept_when_half_of_the_pending_list_is_used_and_without_room_for_it_the_login_is_refused() {
    let settings = [("KAFKA__BROKERS", "127.0.0.1:9"), ("RELAY__MAX_PENDING_PER_USER", "8")];
    let (world, _service, api) = start_behind_proxy("signinpending", &settings).await;
    let (ada, id) = register_with_id(&world, &api, "ada").await;
    let pending = async || {
        let user = user_document_by_id(&world, &id).await;
        let events = user.get_array("pendingEvents").cloned().unwrap_or_default();
        let of_type = |it: &bson::Bson| it.as_document().and_then(|it| it.get_str("type").ok().map(str::to_owned));
        events.iter().filter_map(of_type).collect::<Vec<_>>()
    };
    for _ in 0..5 {
        log_in(&api, HOME, &ada).await;
    }
    assert_eq!(pending().await.len(), 4, "further logins have no event");
    log_in(&api, OTHER_DEVICE, &ada).await;
    log_in(&api, OTHER_NETWORK, &ada).await;
    assert_eq!(pending().await[4..], [SIGN_IN, "user.logged_in.v1", SIGN_IN, "user.logged_in.v1"]);
    let _ = try_login_from(&api, ELSEWHERE, &ada).await.expect_problem(503, "unavailable");
    assert_eq!((stored_places(&world, &id).await.len(), stored_links(&world, &id).await), (3, 2));
    // Known places are not affected.
    for place in [HOME, OTHER_DEVICE] {
        log_in(&api, place, &ada).await;
    }
    assert_eq!(pending().await.len(), 8);
}
