//! The expiry of accounts whose address was never verified, where it is configured.

use std::time::{Duration, Instant};

use bson::doc;
use e2e::{
    accounts::{register, update_user, verify_email, with_cheap_hashes},
    profiler,
};
use serde_json::json;
use test_support::{Api, DEADLINE, Stack, TestUser, World, count, find_all, wait_for};

async fn exists(world: &World, user: &TestUser) -> bool {
    count(&world.user_collection("users").await, doc! { "email": &user.email }).await == 1
}

async fn wait_until_expired(world: &World, user: &TestUser) {
    wait_for(DEADLINE, &format!("{} to expire", user.username), async || (!exists(world, user).await).then_some(()))
        .await;
}

async fn verify(world: &World, api: &Api, user: &TestUser) {
    let token = world.mailbox(&user.email).wait_for_token("/verify-email", 1).await;
    let _ = verify_email(api, &token).await.expect(204);
}

#[tokio::test]
async fn only_accounts_that_were_never_verified_expire() {
    let world = World::new(&Stack::from_env(), "expiry").await;
    let (mut service, _emails, api) = world.start_both_with(with_cheap_hashes(world.user_service())).await;
    let (ada, eve) = (world.test_user("ada"), world.test_user("eve"));
    let (root, shut_out) = (world.test_user("root"), world.test_user("shutout"));
    let id = api.register(&ada).await.expect(201).string("id");
    for user in [&eve, &root, &shut_out] {
        let _ = api.register(user).await.expect(201);
    }
    let me = api.logged_in_as(&ada).await;
    verify(&world, &api, &eve).await;
    update_user(&world, &root.email, doc! { "$set": { "roles": ["admin"] } }).await;
    update_user(&world, &shut_out.email, doc! { "$set": { "status": "disabled" } }).await;
    assert_eq!(service.metric("user_service_unverified_expired_total", "").await, 0.0);

    // Expiry is off by default. When it is turned on, all four accounts are old enough.
    assert_eq!(service.terminate().await.code(), Some(0));
    let database = world.user_database().await;
    profiler::start(&database).await;
    service.restart_with(|spec| spec.set("AUTH__UNVERIFIED_EXPIRY", "3s")).await;
    wait_until_expired(&world, &ada).await;
    let _ = me.get("/api/users/me").await.expect_problem(401, "unauthorized");

    let mut topic = world.topic_reader();
    let deleted = topic.read_type("user.deleted.v1", 1).await.remove(0);
    assert_eq!((deleted.key_text(), &deleted.json()["by"]), (id, &json!("admin")));
    let mails = world.mailbox(&ada.email).wait_for_mails(2).await;
    assert!(mails.iter().any(|mail| mail.subject == "Your account was deleted"), "{mails:?}");

    // An account that is registered later expires later. By then the others have been skipped.
    let late = register(&world, &api, "late").await;
    wait_until_expired(&world, &late).await;
    for user in [&eve, &root, &shut_out] {
        assert!(exists(&world, user).await, "{} is gone", user.username);
    }
    assert_eq!(service.metric("user_service_unverified_expired_total", "").await, 2.0);
    // Username and address are free.
    let _ = api.register(&ada).await.expect(201);

    let asked = doc! { "appName": "user-service", "command.filter.emailVerified": false };
    let plans = find_all(&database.collection("system.profile"), asked).await;
    assert!(!plans.is_empty());
    for plan in plans {
        assert_eq!(plan.get_str("planSummary").ok(), Some("IXSCAN { createdAt: 1 }"), "{plan}");
    }
}

#[tokio::test]
async fn a_verification_at_the_last_moment_wins() {
    let world = World::new(&Stack::from_env(), "lastmoment").await;
    let spec = with_cheap_hashes(world.user_service());
    // Stops once between reading the account and the write that deletes it.
    let keeper = spec.replica().set("AUTH__UNVERIFIED_EXPIRY", "2s").fail_points("expiry.before_commit=1*sleep(10000)");
    let (service, _keeper, _emails) = tokio::join!(spec.start(), keeper.start(), world.email_service().start());
    let api = service.api();
    let ada = register(&world, &api, "ada").await;
    let registered = Instant::now();
    world.mailbox(&ada.email).wait_for_mails(1).await;
    // The account was found two to three seconds after its registration; the write has been waiting since then.
    wait_for(DEADLINE, "the moment before the deletion", async || {
        (registered.elapsed() > Duration::from_secs(6)).then_some(())
    })
    .await;
    verify(&world, &api, &ada).await;
    let late = register(&world, &api, "late").await;
    wait_until_expired(&world, &late).await;
    assert!(exists(&world, &ada).await);
    api.login(&ada).await;
}
