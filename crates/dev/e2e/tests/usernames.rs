//! Released usernames stay reserved for their owner for a while.

use bson::{DateTime, doc};
use e2e::{
    accounts::{delete_account, register_and_log_in, try_login, update_user, user_document},
    administrators::{Admin, create_admin},
    start::start_user_service,
};
use serde_json::{Value, json};
use test_support::{Api, ApiResponse, DEADLINE, Service, TestUser, World, wait_for};

async fn rename(me: &Api, username: &str) -> ApiResponse {
    me.patch("/api/users/me", &json!({ "username": username })).await
}

/// Returns the output of a dry-run import of one line with this username.
async fn dry_run_import(world: &World, service: &Service, username: &str) -> String {
    let line = json!({ "username": username, "email": world.address("imported") }).to_string();
    let done = service.spec().command_with_input(&["users", "import", "-", "--dry-run"], line.into_bytes()).await;
    format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr))
}

#[tokio::test]
async fn a_released_username_is_taken_for_everyone_but_its_owner() {
    let (world, service, api) = start_user_service("released").await;
    let (ada, me) = register_and_log_in(&world, &api, "ada").await;
    let (eve, eve_client) = register_and_log_in(&world, &api, "eve").await;
    let root = create_admin(&world, &service, "root").await;
    let renamed = format!("{}x", &ada.username[..ada.username.len().min(31)]);
    let _ = rename(&me, &renamed).await.expect(200);

    for taken in [ada.username.clone(), ada.username.to_uppercase()] {
        let newcomer = TestUser { username: taken.clone(), ..world.test_user("newcomer") };
        let _ = api.register(&newcomer).await.expect_problem(409, "username-taken");
        let _ = rename(&eve_client, &taken).await.expect_problem(409, "username-taken");
        let id = eve_client.get("/api/users/me").await.expect(200).string("id");
        let by_admin = root.api.patch(&Admin::user_path(&id, ""), &json!({ "username": taken })).await;
        let _ = by_admin.expect_problem(409, "username-taken");
        let output = dry_run_import(&world, &service, &taken).await;
        assert!(output.contains("#/username: Another account has it"), "{output}");
    }
    assert_eq!(eve_client.get("/api/users/me").await.expect(200).string("username"), eve.username);
    // The released username cannot log in.
    let _ = try_login(&api, &ada.username, &ada.password).await.expect_problem(401, "invalid-credentials");
    let export = me.get("/api/users/me/export").await.expect(200).json();
    assert_eq!(export["reservedUsernames"].as_array().map(Vec::len), Some(1), "{export}");

    // The owner can take it back at once, and then the other username is reserved.
    let _ = rename(&me, &ada.username).await.expect(200);
    let _ = try_login(&api, &ada.username, &ada.password).await.expect(200);
    let _ = rename(&eve_client, &renamed).await.expect_problem(409, "username-taken");
    // A change by an administrator also reserves the username.
    let id = me.get("/api/users/me").await.expect(200).string("id");
    let third = json!({ "username": "third-of-ada" });
    let _ = root.api.patch(&Admin::user_path(&id, ""), &third).await.expect(200);
    let _ = rename(&eve_client, &ada.username).await.expect_problem(409, "username-taken");
    // Deleting the account releases all usernames.
    delete_account(&me, &ada).await;
    for free in [&ada.username, &renamed, "third-of-ada"] {
        let _ = rename(&eve_client, free).await.expect(200);
    }
}

#[tokio::test]
async fn a_fourth_name_frees_the_oldest_reservation() {
    let (world, _service, api) = start_user_service("threenames").await;
    let (_, me) = register_and_log_in(&world, &api, "ada").await;
    let (_, eve_client) = register_and_log_in(&world, &api, "eve").await;
    for name in ["name-one", "name-two", "name-three"] {
        let _ = rename(&me, name).await.expect(200);
    }
    for taken in ["name-one", "name-two", "name-three"] {
        let _ = rename(&eve_client, taken).await.expect_problem(409, "username-taken");
    }
    let _ = rename(&me, "name-four").await.expect(200);
    let _ = rename(&eve_client, "name-two").await.expect_problem(409, "username-taken");
    let _ = rename(&eve_client, "name-one").await.expect(200);
    // Another spelling of the same username is no release.
    let _ = rename(&me, "NAME-FOUR").await.expect(200);
    let _ = rename(&eve_client, "name-two").await.expect_problem(409, "username-taken");
}

#[tokio::test]
async fn an_expired_reservation_is_freed_on_request_and_by_housekeeping() {
    let (world, mut service, api) = start_user_service("freenames").await;
    let (ada, me) = register_and_log_in(&world, &api, "ada").await;
    let (_, eve_client) = register_and_log_in(&world, &api, "eve").await;
    let over = || doc! { "$set": { "reservedUsernames.$[].until": DateTime::from_millis(0) } };
    let _ = rename(&me, "ada-later").await.expect(200);
    let _ = rename(&eve_client, &ada.username).await.expect_problem(409, "username-taken");
    update_user(&world, &ada.email, over()).await;
    let _ = rename(&eve_client, &ada.username).await.expect(200);
    // A registration can take it, too.
    let _ = rename(&me, "ada-even-later").await.expect(200);
    update_user(&world, &ada.email, over()).await;
    let newcomer = TestUser { username: "ada-later".to_owned(), ..world.test_user("newcomer") };
    let _ = api.register(&newcomer).await.expect(201);

    let _ = rename(&me, "ada-last").await.expect(200);
    update_user(&world, &ada.email, over()).await;
    assert_eq!(service.terminate().await.code(), Some(0));
    service.restart().await;
    wait_for(DEADLINE, "the housekeeping", async || {
        let stored = user_document(&world, &ada.email).await;
        (!stored.contains_key("reservedUsernames")).then(|| {
            assert!(stored.get_array("usernameKeys").is_ok_and(|keys| keys.len() == 1), "{stored}");
        })
    })
    .await;
}

#[tokio::test]
async fn an_account_of_the_previous_release_is_protected_from_its_next_change_on() {
    let (world, _service, api) = start_user_service("oldnames").await;
    let (ada, me) = register_and_log_in(&world, &api, "ada").await;
    let (_, eve_client) = register_and_log_in(&world, &api, "eve").await;
    update_user(&world, &ada.email, doc! { "$unset": { "usernameKeys": "" } }).await;
    let _ = rename(&eve_client, &ada.username).await.expect_problem(409, "username-taken");
    let _ = rename(&me, "ada-later").await.expect(200);
    for taken in [ada.username.as_str(), "ada-later"] {
        let _ = rename(&eve_client, taken).await.expect_problem(409, "username-taken");
    }
    let kept = user_document(&world, &ada.email).await;
    let kept: Value = bson::deserialize_from_bson(kept.get("usernameKeys").cloned().expect("the user has keys"))
        .expect("the keys are texts");
    assert_eq!(kept.as_array().map(Vec::len), Some(2), "{kept}");
}

#[tokio::test]
async fn a_username_that_the_previous_release_has_changed_is_free_for_others() {
    let (world, _service, api) = start_user_service("leftnames").await;
    let (ada, me) = register_and_log_in(&world, &api, "ada").await;
    let (_, eve_client) = register_and_log_in(&world, &api, "eve").await;
    // Release 0.1.0 does not know `usernameKeys`.
    update_user(&world, &ada.email, doc! { "$set": { "username": "ada-there", "usernameKey": "ada-there" } }).await;
    let _ = rename(&eve_client, "ada-there").await.expect_problem(409, "username-taken");
    let _ = rename(&eve_client, &ada.username).await.expect(200);
    let stored = user_document(&world, &ada.email).await;
    assert_eq!(stored.get_array("usernameKeys").ok(), Some(&vec!["ada-there".into()]), "{stored}");
    let _ = rename(&me, &ada.username).await.expect_problem(409, "username-taken");
    let _ = rename(&me, "ada-back").await.expect(200);
}
