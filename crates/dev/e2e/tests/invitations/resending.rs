//! Invitations that are sent again, that expire, and that are never accepted.

use bson::doc;
use e2e::{
    accounts::{update_user, user_document_by_id, wait_until_all_published, with_cheap_hashes},
    administrators::{Admin, create_admin},
    rate_limits::with_limits,
    sealed_tokens::SealedTokens,
    start::{start_both_services, start_user_service},
};
use serde_json::{Value, json};
use test_support::{DEADLINE, Stack, World, count, wait_for};

use crate::steps::{INVITED, PAGE, USERS, accept, expire_link, heading, invite, read, resend};

#[tokio::test]
async fn a_new_link_replaces_the_earlier_one_until_the_invitation_is_accepted() {
    let (world, service, _emails, api) = start_both_services("resend").await;
    let root = create_admin(&world, &service, "root").await;
    let email = world.address("ada");
    let id = invite(&root, &email, None).await;
    let first = world.mailbox(&email).wait_for_token(PAGE, 1).await;
    assert!(resend(&root, &id).await.expect(204).text.is_empty());
    let second = world.mailbox(&email).wait_for_token(PAGE, 2).await;
    assert_ne!(first, second);
    let void = api.get(&format!("{PAGE}?token={first}")).await.expect(400);
    assert_eq!(heading(&void), "This link does not work any more");
    let password = format!("a password of ada {}", world.tag());
    let _ = accept(&api, &first, Some("ada-one"), &password).await.expect_problem(400, "token-invalid");

    // The person still chooses the username.
    expire_link(&world, &email).await;
    let expired = api.get(&format!("{PAGE}?token={second}")).await.expect(400);
    assert_eq!(heading(&expired), "This link has expired");
    assert!(expired.text.contains("An administrator can send you the invitation again."), "{}", expired.text);
    let _ = accept(&api, &second, Some("ada-one"), &password).await.expect_problem(400, "token-invalid");
    let _ = resend(&root, &id).await.expect(204);
    let third = world.mailbox(&email).wait_for_token(PAGE, 3).await;
    let _ = accept(&api, &third, Some("ada-one"), &password).await.expect(204);
    let _ = resend(&root, &id).await.expect_problem(409, "conflict");
    let _ = resend(&root, &root.id).await.expect_problem(409, "conflict");
    let _ = resend(&root, "0190e1b0-0000-7000-8000-000000000000").await.expect_problem(404, "not-found");
    wait_until_all_published(&world).await;
    assert_eq!(world.topic_reader().read_all_of_type(INVITED).await.len(), 3);
}

#[tokio::test]
async fn disabling_the_account_ends_its_link_and_another_one_is_sent_when_it_is_enabled() {
    let (world, service, api) = start_user_service("resenddisabled").await;
    let root = create_admin(&world, &service, "root").await;
    let mut mails = SealedTokens::new(&world);
    let email = world.address("ada");
    let id = invite(&root, &email, Some("ada-waits")).await;
    let token = mails.wait_for_nth(INVITED, "invitation", &email, 1).await;
    let act = async |action: &str| root.api.post(&Admin::user_path(&id, action), &Value::Null).await.expect(204);
    let _ = act("/disable").await;
    let _ = resend(&root, &id).await.expect_problem(409, "conflict");
    let page = api.get(&format!("{PAGE}?token={token}")).await.expect(400);
    assert_eq!(heading(&page), "This link does not work any more");
    let _ = accept(&api, &token, None, "a good passphrase").await.expect_problem(400, "token-invalid");
    let _ = act("/enable").await;
    let page = api.get(&format!("{PAGE}?token={token}")).await.expect(400);
    assert_eq!(heading(&page), "This link has expired");
    assert_eq!(read(&root, &id).await["invited"], json!(true));
    let _ = resend(&root, &id).await.expect(204);
    let token = mails.wait_for_nth(INVITED, "invitation", &email, 2).await;
    let _ = accept(&api, &token, None, &format!("a passphrase of {}", world.tag())).await.expect(204);
}

#[tokio::test]
async fn invitations_use_the_quota_of_the_mailbox_and_only_if_a_mail_is_sent() {
    let world = World::new(&Stack::from_env(), "invitequota").await;
    let limits = [("MAILS_PER_ADDRESS", "2"), ("REGISTRATIONS_PER_NETWORK", "1"), ("REQUESTS_PER_NETWORK", "20")];
    let service = with_limits(&world, &limits).start().await;
    let api = service.api();
    let root = create_admin(&world, &service, "root").await;
    let email = world.address("ada");
    // The network of the administrator has no quota of registrations.
    let id = invite(&root, &email, None).await;
    invite(&root, &world.address("bob"), Some("bob-invited")).await;
    // Neither of these sends a mail.
    for _ in 0..3 {
        let again = json!({ "email": email, "invite": true });
        let _ = root.api.post(USERS, &again).await.expect_problem(409, "email-taken");
    }
    let _ = resend(&root, &id).await.expect(204);
    let refused = resend(&root, &id).await.expect_problem(429, "rate-limited");
    assert!(!refused.header("retry-after").is_empty());
    // The next one would be for the same mailbox.
    let tagged = email.replacen('@', "+tag@", 1);
    let _ = root.api.post(USERS, &json!({ "email": tagged, "invite": true })).await.expect_problem(429, "rate-limited");
    let user = world.test_user("carol");
    let _ = root.api.post(USERS, &user.registration()).await.expect(201);

    // The acceptance is an endpoint that guards a secret.
    let mut statuses = Vec::new();
    for _ in 0..25 {
        statuses.push(accept(&api, &"A".repeat(43), None, "a good passphrase").await.status);
    }
    assert_eq!(statuses.first(), Some(&400), "{statuses:?}");
    assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
}

#[tokio::test]
async fn an_invitation_that_is_not_accepted_stays_unless_unverified_accounts_expire_and_then_as_long_as_its_link() {
    let world = World::new(&Stack::from_env(), "inviteexpiry").await;
    let spec = with_cheap_hashes(world.user_service());
    let mut service = spec.start().await;
    let root = create_admin(&world, &service, "root").await;
    let (kept, gone) = (world.address("kept"), world.address("gone"));
    let kept_id = invite(&root, &kept, None).await;
    let gone_id = invite(&root, &gone, None).await;
    expire_link(&world, &gone).await;
    for email in [&kept, &gone] {
        update_user(&world, email, doc! { "$set": { "createdAt": bson::DateTime::from_millis(0) } }).await;
    }
    assert_eq!(read(&root, &gone_id).await["invited"], json!(true));
    assert_eq!(service.terminate().await.code(), Some(0));
    service.restart_with(|spec| spec.set("AUTH__UNVERIFIED_EXPIRY", "1h")).await;
    let users = world.user_collection("users").await;
    wait_for(DEADLINE, "the account without a valid link to expire", async || {
        (count(&users, doc! { "email": &gone }).await == 0).then_some(())
    })
    .await;
    assert!(user_document_by_id(&world, &kept_id).await.contains_key("invitation"));
    // An administrator deletes the other one, and the address is free.
    let api = service.api().with_token(&root.tokens.access);
    let _ = api.delete(&Admin::user_path(&kept_id, ""), None).await.expect(204);
    for email in [&kept, &gone] {
        let _ = api.post(USERS, &json!({ "email": email, "invite": true })).await.expect(201);
    }
}
