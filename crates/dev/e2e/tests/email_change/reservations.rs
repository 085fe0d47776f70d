//! Addresses that stay reserved after a change.

use bson::{DateTime, Document, doc};
use e2e::{
    accounts::{confirm_email_change, update_user, user_document_by_id, with_email},
    start::start_both_services,
};
use test_support::{Api, DEADLINE, Service, TestUser, World, wait_for};

use crate::requests::{CONFIRM, change_address, email_keys, request_change, undo};

#[tokio::test]
async fn an_address_is_free_once_the_change_can_no_longer_be_undone() {
    let (world, mut users, _emails, _) = start_both_services("undottl").await;
    assert_eq!(users.terminate().await.code(), Some(0));
    users.restart_with(|spec| spec.set("AUTH__UNDO_TTL", "10s")).await;
    let api = users.api();
    let (ada, grace) = (world.test_user("ada"), world.test_user("grace"));
    let id = api.register(&ada).await.expect(201).string("id");
    let _ = api.register(&grace).await.expect(201);
    let me = api.logged_in_as(&ada).await;
    let grace_client = api.logged_in_as(&grace).await;
    let b = world.address("b");
    let late = TestUser { username: "late-comer".to_owned(), ..ada.clone() };

    let undo_token = change_address(&world, &me, &ada, &b).await;
    let _ = api.register(&late).await.expect_problem(409, "email-taken");
    let came = wait_for(DEADLINE, "the address to be free", async || {
        let answer = api.register(&late).await;
        (answer.status == 201).then(|| answer.string("id"))
    })
    .await;
    assert_ne!(came, id);
    assert_eq!(email_keys(&user_document_by_id(&world, &id).await), [&*b]);
    assert!(user_document_by_id(&world, &id).await.get("reserved").is_none());
    let _ = undo(&api, &undo_token).await.expect_problem(400, "token-invalid");
    api.login(&late).await;
    assert_eq!(me.get("/api/users/me").await.expect(200).json()["email"], b);

    // The confirmation of another user's change also frees the address; its token has been waiting.
    let c = world.address("c");
    let undo_token = change_address(&world, &me, &with_email(&ada, &b), &c).await;
    let _ = request_change(&grace_client, &b, &grace.password).await.expect(202);
    // The first confirmation mail to b was Ada's.
    let waiting = world.mailbox(&b).wait_for_token(CONFIRM, 2).await;
    wait_for(DEADLINE, "the address to be free", async || {
        let answer = confirm_email_change(&api, &waiting).await;
        match answer.status {
            204 => Some(()),
            _ => (answer.problem() != "email-taken").then(|| panic!("{}", answer.text)),
        }
    })
    .await;
    assert_eq!(grace_client.get("/api/users/me").await.expect(200).json()["email"], b);
    assert_eq!(email_keys(&user_document_by_id(&world, &id).await), [&*c]);
    let _ = undo(&api, &undo_token).await.expect_problem(400, "token-invalid");

    assert_housekeeping_frees_address(&world, &mut users, &me, &with_email(&ada, &c), &id).await;
}

/// Checks that housekeeping, which runs soon after a start, frees an address that no user requests.
async fn assert_housekeeping_frees_address(world: &World, users: &mut Service, me: &Api, user: &TestUser, id: &str) {
    let d = world.address("d");
    change_address(world, me, user, &d).await;
    let before = user_document_by_id(world, id).await;
    assert_eq!(email_keys(&before), [&*d, &*user.email]);
    let until =
        before.get_array("reserved").expect("the user has reservations")[0].as_document().cloned().unwrap_or_default();
    let until = until.get_datetime("until").expect("the time is valid").to_jiff();
    wait_for(DEADLINE, "the end of the reservation", async || {
        let now = std::time::UNIX_EPOCH.elapsed().expect("the time is after 1970");
        (i128::try_from(now.as_millis()).expect("the time is valid") > i128::from(until.as_millisecond())).then_some(())
    })
    .await;
    assert_eq!(users.terminate().await.code(), Some(0));
    users.restart().await;
    let after = wait_for(DEADLINE, "the sweep", async || {
        let document = user_document_by_id(world, id).await;
        (email_keys(&document) == [&*d]).then_some(document)
    })
    .await;
    assert!(after.get("reserved").is_none(), "{after}");
    assert_eq!(after.get_i64("version").ok(), before.get_i64("version").ok().map(|version| version + 1));
    assert_eq!(after.get_datetime("updatedAt").ok(), before.get_datetime("updatedAt").ok());
}

pub(crate) async fn assert_at_most_ten_addresses_are_reserved(world: &World, api: &Api, user: &TestUser) {
    let me = api.logged_in_as(user).await;
    // This is in the year 2096.
    let far = DateTime::from_millis(4_000_000_000_000);
    let kept: Vec<Document> =
        (0..10).map(|n| doc! { "key": world.address(&format!("kept-{n}")), "until": far }).collect();
    let mut keys = vec![user.email.clone()];
    keys.extend((0..10).map(|n| world.address(&format!("kept-{n}"))));
    let update = doc! { "$set": { "reserved": kept, "emailKeys": keys }, "$inc": { "version": 1_i64 } };
    update_user(world, &user.email, update).await;
    let refused = request_change(&me, &world.address("eleventh"), &user.password).await;
    let _ = refused.expect_problem(409, "conflict");
    let late = TestUser { username: "collector".to_owned(), ..with_email(user, &world.address("kept-3")) };
    let _ = api.register(&late).await.expect_problem(409, "email-taken");
}
