//! All orders of changes with all orders of links.

use e2e::{
    accounts::{change_password, try_login, user_document, with_email},
    sealed_tokens::SealedTokens,
    start::start_user_service,
    totp::enable_totp,
};
use futures_util::future::join_all;
use serde_json::json;
use test_support::{Api, TestUser, Tokens, World};

use crate::steps::{
    ADDRESS_CHANGED, REGISTERED, assert_signed_out, change_address, register_owner, reset_by_mail, undo,
};

/// A change that a thief makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TheftStep {
    Password,
    Factor,
    Address,
}

/// All orders of three elements.
const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

/// Makes the changes of a thief who knows the password.
async fn steal_account(
    world: &World,
    api: &Api,
    sealed_tokens: &mut SealedTokens,
    owner: &TestUser,
    order: [TheftStep; 3],
) -> StolenAccount {
    let tokens = api.login(owner).await;
    let me = api.with_token(&tokens.access);
    let mut thief = owner.clone();
    for theft in order {
        match theft {
            TheftStep::Password => thief = change_password(&me, &thief, "stolen").await,
            TheftStep::Factor => drop(enable_totp(&me, &thief).await),
            TheftStep::Address => {
                let name = owner.email.split('@').next().unwrap_or_default();
                let new = format!("mallory-of-{name}@example.org");
                change_address(api, &me, sealed_tokens, &thief, &new).await;
                thief = with_email(&thief, &new);
            }
        }
    }
    // The owner can no longer log in, so only the links help.
    let _ = try_login(api, &owner.email, &owner.password).await.expect(401);
    assert!(user_document(world, &thief.email).await.get("totp").is_some());
    StolenAccount { tokens, thief }
}

struct StolenAccount {
    tokens: Tokens,
    thief: TestUser,
}

#[tokio::test]
async fn the_owner_gets_the_account_back_in_every_order_of_changes_and_links() {
    let (world, _service, api) = start_user_service("orders").await;
    let thefts = [TheftStep::Password, TheftStep::Factor, TheftStep::Address];
    let attempts = ORDERS.iter().enumerate().map(|(number, order)| {
        let (world, api) = (&world, &api);
        async move {
            let order = order.map(|index| thefts[index]);
            for (clicks, click_order) in ORDERS.iter().enumerate() {
                let name = format!("ada{number}{clicks}");
                assert_owner_recovers_account(world, api, &name, order, click_order).await;
            }
        }
    });
    join_all(attempts).await;
}

async fn assert_owner_recovers_account(
    world: &World,
    api: &Api,
    name: &str,
    order: [TheftStep; 3],
    click_order: &[usize; 3],
) {
    let mut sealed_tokens = SealedTokens::new(world);
    let (ada, own_tokens) = register_owner(world, api, name).await;
    let StolenAccount { tokens, thief } = steal_account(world, api, &mut sealed_tokens, &ada, order).await;

    // The owner's mailbox has the links of all changes except those after the address change.
    let address_step =
        order.iter().position(|theft| *theft == TheftStep::Address).expect("one of the three steps is the address");
    sealed_tokens.wait_for_nth(ADDRESS_CHANGED, "undo", &ada.email, 1).await;
    let links: Vec<(String, String)> =
        sealed_tokens.all(&ada.email).await.into_iter().filter(|mail| mail.0 != REGISTERED).collect();
    assert_eq!(links.len(), address_step + 1, "{order:?}: {links:?}");
    let mut done = 0;
    for index in click_order {
        let Some((event_type, token)) = links.get(*index) else { continue };
        let answer = undo(api, event_type, token).await;
        // The link of a password change also restores the address, which uses the link of the address change.
        assert!([204, 400].contains(&answer.status), "{order:?}, {click_order:?}: {}", answer.text);
        assert!(done > 0 || answer.status == 204, "{order:?}, {click_order:?}: {}", answer.text);
        done += 1;
        assert_signed_out(api, &tokens).await;
        assert_signed_out(api, &own_tokens).await;
        let _ = undo(api, event_type, token).await.expect_problem(400, "token-invalid");
    }

    // Neither password works at either address.
    for address in [&ada.email, &thief.email] {
        for password in [&ada.password, &thief.password] {
            let _ = try_login(api, address, password).await.expect_problem(401, "invalid-credentials");
        }
    }
    let user = user_document(world, &ada.email).await;
    for gone in ["totp", "totpSetup", "secondFactorSince", "secondFactorOffAt", "reserved"] {
        assert!(user.get(gone).is_none(), "{order:?}, {click_order:?}: {gone} in {user}");
    }
    let ada = reset_by_mail(api, &mut sealed_tokens, &ada).await;
    let me = api.with_token(&api.login(&ada).await.access);
    let account = me.get("/api/users/me").await.expect(200).json();
    assert_eq!((&account["email"], &account["emailVerified"]), (&json!(ada.email), &json!(true)));
    assert_eq!(me.get("/api/users/me/totp").await.expect(200).json()["enabled"], false);
    let _ = try_login(api, &ada.email, &thief.password).await.expect_problem(401, "invalid-credentials");
}
