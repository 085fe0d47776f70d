//! There is always at least one administrator, whatever administrators do to each other and wherever the service is
//! killed.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bson::doc;
use e2e::{
    accounts::{parse_uuid, try_login, with_cheap_hashes},
    administrators::{Admin, create_admin, grant_admin, listed_admins},
    pseudo_random::PseudoRandom,
    start::{start_two_replicas, start_user_service},
};
use futures_util::future::join_all;
use serde_json::json;
use test_support::{Api, DEADLINE, ServiceSpec, Stack, TestUser, Tokens, World, count};

#[tokio::test]
async fn the_last_administrator_cannot_be_removed_in_any_of_four_ways() {
    let (world, service, api) = start_user_service("lastadmin").await;
    let ada = create_admin(&world, &service, "ada").await;
    let own = |below: &str| Admin::user_path(&ada.id, below);
    let password = json!({ "password": ada.user.password });
    let etag = ada.api.get("/api/users/me").await.header("etag");

    let assert_every_way_is_refused = async || {
        let _ = ada.api.patch(&own(""), &json!({ "roles": ["x"] })).await.expect_problem(409, "conflict");
        let _ = ada
            .api
            .patch(&own(""), &json!({ "roles": null, "displayName": "A" }))
            .await
            .expect_problem(409, "conflict");
        let _ = ada.api.post(&own("/disable"), &json!({})).await.expect_problem(409, "conflict");
        let _ = ada.api.delete(&own(""), None).await.expect_problem(409, "conflict");
        let _ = ada.api.delete("/api/users/me", Some(&password)).await.expect_problem(409, "conflict");
    };
    assert_every_way_is_refused().await;
    assert_eq!(ada.api.get("/api/users/me").await.header("etag"), etag, "a refused request changes nothing");
    assert_eq!(listed_admins(&world).await, [parse_uuid(&ada.id)]);
    // Changes that remove no right are allowed.
    let _ = ada.api.patch(&own(""), &json!({ "roles": ["admin", "x"] })).await.expect(200);
    let _ = ada.api.post(&own("/enable"), &json!({})).await.expect(204);

    // An administrator whose account is disabled does not count.
    let eve = create_admin(&world, &service, "eve").await;
    let _ = ada.api.post(&Admin::user_path(&eve.id, "/disable"), &json!({})).await.expect(204);
    assert_every_way_is_refused().await;
    let _ = ada.api.patch(&Admin::user_path(&eve.id, ""), &json!({ "displayName": "Eve" })).await.expect(200);
    assert_eq!(listed_admins(&world).await, [parse_uuid(&ada.id)]);
    let _ = ada.api.post(&Admin::user_path(&eve.id, "/enable"), &json!({})).await.expect(204);
    assert_eq!(listed_admins(&world).await.len(), 2);

    // Each of two administrators can be removed in every way; then the other one cannot.
    let wrong = json!({ "password": "not the password" });
    let _ = ada.api.delete("/api/users/me", Some(&wrong)).await.expect_problem(403, "wrong-password");
    // The request is refused for another reason, so the administrator is still counted.
    let taken = json!({ "roles": [], "username": eve.user.username });
    let _ = ada.api.patch(&own(""), &taken).await.expect_problem(409, "username-taken");
    assert_eq!(listed_admins(&world).await.len(), 2);
    assert_eq!(ada.set_roles(&ada.id, &[]).await, 200);
    let _ = ada.api.get(&own("")).await.expect_problem(403, "forbidden");
    let eve_password = json!({ "password": eve.user.password });
    let eve_client = api.logged_in_as(&eve.user).await;
    let _ = eve_client.delete("/api/users/me", Some(&eve_password)).await.expect_problem(409, "conflict");
    let _ = eve_client.patch(&own(""), &json!({ "roles": ["admin"] })).await.expect(200);
    let _ = eve_client.delete("/api/users/me", Some(&eve_password)).await.expect(204);
    assert_eq!(listed_admins(&world).await, [parse_uuid(&ada.id)]);
    assert_every_way_is_refused().await;
}

#[tokio::test]
async fn one_administrator_is_left_when_many_leave_at_once() {
    const ADMINS: usize = 8;
    let (world, first, second) = start_two_replicas("exodus").await;
    let mut admins = Vec::new();
    for n in 0..ADMINS {
        admins.push(create_admin(&world, &first, &format!("admin{n}")).await);
    }
    assert_eq!(listed_admins(&world).await.len(), ADMINS);
    let leave = async |(n, admin): (usize, &Admin)| {
        let service = if n % 2 == 0 { &first } else { &second };
        let api = service.api().with_token(&admin.tokens.access);
        match n % 4 {
            0 => api.patch(&Admin::user_path(&admin.id, ""), &json!({ "roles": [] })).await,
            1 => api.post(&Admin::user_path(&admin.id, "/disable"), &json!({})).await,
            2 => api.delete(&Admin::user_path(&admin.id, ""), None).await,
            _ => api.delete("/api/users/me", Some(&json!({ "password": admin.user.password }))).await,
        }
    };
    let answers = join_all(admins.iter().enumerate().map(leave)).await;
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status / 100 != 2).collect();
    assert_eq!(refused.len(), 1, "{answers:#?}");
    assert_eq!((refused[0].status, refused[0].problem().as_str()), (409, "conflict"));
    assert_eq!(listed_admins(&world).await.len(), 1);
}

/// Four administrators, an operator and two replicas change each other's roles and accounts at random.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_changes_never_list_a_wrong_administrator_and_always_leave_one() {
    const DURATION: Duration = Duration::from_secs(12);
    let (world, first, second) = start_two_replicas("concurrent").await;
    let mut admins = Vec::new();
    for name in ["ada", "bea", "cyn", "dot"] {
        admins.push(create_admin(&world, &first, name).await);
    }
    let end = Instant::now() + DURATION;
    let people: Arc<Vec<(String, TestUser)>> =
        Arc::new(admins.iter().map(|admin| (admin.id.clone(), admin.user.clone())).collect());
    let mut tasks = Vec::new();
    for (n, admin) in admins.iter().cloned().enumerate() {
        let service = if n % 2 == 0 { first.api() } else { second.api() };
        tasks.push(tokio::spawn(change_roles_at_random(service, admin, Arc::clone(&people), n as u64, end)));
    }
    let operator = async {
        let mut done = 0;
        while Instant::now() < end {
            let (_, user) = &people[done % people.len()];
            grant_admin(&first, &user.email).await;
            done += 1;
        }
    };
    let watch = async {
        while Instant::now() < end {
            assert_list_is_correct(&world).await;
        }
    };
    tokio::join!(operator, watch);
    let mut done = [0; 2];
    for task in tasks {
        let counts = task.await.expect("the task does not panic");
        done = [done[0] + counts[0], done[1] + counts[1]];
    }
    println!("{} removals were done, {} refused", done[0], done[1]);
    assert!(done[0] > 20, "there were too few removals");
    // At the end there is an administrator, and all others can be appointed again.
    let left = listed_admins(&world).await;
    assert!(!left.is_empty());
    for (_, user) in people.iter() {
        grant_admin(&first, &user.email).await;
    }
    let active = count(&world.user_collection("users").await, doc! { "status": "active", "roles": "admin" }).await;
    assert_eq!(listed_admins(&world).await.len() as u64, active);
}

/// Changes roles and statuses at random, and returns how many removals were done and how many were refused.
async fn change_roles_at_random(
    service: Api,
    mut admin: Admin,
    people: Arc<Vec<(String, TestUser)>>,
    seed: u64,
    end: Instant,
) -> [usize; 2] {
    let mut random = PseudoRandom::new(seed);
    let mut counts = [0; 2];
    admin.api = service.with_token(&admin.tokens.access);
    while Instant::now() < end {
        let (id, _) = &people[random.below(people.len())];
        let what = random.below(6);
        let answer = match what {
            0 | 1 => admin.api.patch(&Admin::user_path(id, ""), &json!({ "roles": [] })).await,
            2 => admin.api.post(&Admin::user_path(id, "/disable"), &json!({})).await,
            3 | 4 => admin.api.patch(&Admin::user_path(id, ""), &json!({ "roles": ["admin"] })).await,
            _ => admin.api.post(&Admin::user_path(id, "/enable"), &json!({})).await,
        };
        match (answer.status, answer.problem().as_str()) {
            (200 | 204, _) if what < 3 => counts[0] += 1,
            (409, "conflict") if what < 3 => counts[1] += 1,
            // The caller is currently no administrator, or its account was disabled.
            (200 | 204, _) | (403, "forbidden") => {}
            (401, "unauthorized") => {
                let login = try_login(&service, &admin.user.email, &admin.user.password).await;
                if login.status == 200 {
                    admin.tokens = Tokens::from_response(&login);
                    admin.api = service.with_token(&admin.tokens.access);
                } else {
                    assert_eq!(login.problem(), "account-disabled", "{}", login.text);
                }
            }
            _ => panic!("{} {}", answer.status, answer.text),
        }
    }
    counts
}

/// Checks between two equal reads of the list that every listed user is an administrator.
async fn assert_list_is_correct(world: &World) {
    let admins = world.user_collection("admins").await;
    let read = async || admins.find_one(doc! {}).await.expect("admins can be read").expect("the list exists");
    let before = read().await;
    let ids = before.get_array("ids").expect("the list has ids").clone();
    assert!(!ids.is_empty(), "no administrator is left");
    let rightly = doc! { "_id": { "$in": &ids }, "status": "active", "roles": "admin" };
    let admins = count(&world.user_collection("users").await, rightly).await;
    if read().await == before {
        assert_eq!(ids.len() as u64, admins, "{before}");
    }
}

#[tokio::test]
async fn a_crash_during_a_removal_leaves_both_administrators_and_is_repaired() {
    let world = World::new(&Stack::from_env(), "admincrash").await;
    let spec = with_cheap_hashes(world.user_service()).fail_points("admins.after_pull=return");
    let mut service = spec.start().await;
    let (ada, eve) = (create_admin(&world, &service, "ada").await, create_admin(&world, &service, "eve").await);
    let request = ada.api.request(reqwest::Method::PATCH, &Admin::user_path(&eve.id, ""));
    let lost = ada.api.try_send(request.json(&json!({ "roles": [] }))).await;
    assert!(lost.is_err(), "{lost:?}");
    service.wait_for_exit(DEADLINE).await;

    // Both are still administrators. One is not counted until an operator or the housekeeping adds it again.
    assert_eq!(listed_admins(&world).await, [parse_uuid(&ada.id)]);
    service.restart_with(ServiceSpec::without_fail_points).await;
    let _ = eve.api.get("/api/admin/users").await.expect(200);
    grant_admin(&service, &eve.user.email).await;
    assert_eq!(listed_admins(&world).await.len(), 2);
    assert_eq!(eve.set_roles(&ada.id, &[]).await, 200);
    assert_eq!(listed_admins(&world).await, [parse_uuid(&eve.id)]);
    // The removal that the crash interrupted can now be done by an administrator.
    let _ = eve.api.patch(&Admin::user_path(&ada.id, ""), &json!({ "roles": ["admin"] })).await.expect(200);
    assert_eq!(ada.set_roles(&eve.id, &[]).await, 200);
    assert_eq!(listed_admins(&world).await, [parse_uuid(&ada.id)]);
}
