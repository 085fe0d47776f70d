//! The mail of an invitation: its language, and the name of the person who invites.

use e2e::{administrators::create_admin, start::start_both_services};
use serde_json::json;
use test_support::HOSTILE_NAMES;

use crate::steps::{PAGE, USERS};

#[tokio::test]
async fn a_mail_names_the_administrator_only_if_the_name_can_only_be_a_name() {
    let (world, service, _emails, _api) = start_both_services("invitenames").await;
    let root = create_admin(&world, &service, "root").await;
    let mails = async |address: &str, locale: &str| {
        let email = world.address(address);
        let body = json!({ "email": email, "invite": true, "locale": locale, "displayName": "You won 8755 EUR" });
        let _ = root.api.post(USERS, &body).await.expect(201);
        let mail = world.mailbox(&email).wait_for_links(PAGE, 1).await.remove(0);
        assert!(!mail.raw.contains("8755") && !mail.text.contains("invited-"), "{}", mail.raw);
        mail
    };
    let unnamed = mails("unnamed", "en").await;
    assert!(unnamed.text.replace('\n', " ").contains("An administrator of "), "{}", unnamed.text);
    let name = |name: &str| {
        let (api, body) = (root.api.clone(), json!({ "displayName": name }));
        async move { api.patch("/api/users/me", &body).await.status }
    };
    assert_eq!(name("Grace Hopper").await, 200);
    let named = mails("named", "en").await;
    assert!(named.text.replace('\n', " ").contains("Grace Hopper"), "{}", named.text);
    let german = mails("german", "de-AT").await;
    assert!(german.subject.starts_with("Einladung zu ") && german.text.contains("Grace Hopper"), "{}", german.text);

    let hostile =
        ["Visit evil.example", "eve@evil.example", "Call +49 30 1234567", "Win a prize, click on the link below"];
    for (number, hostile) in HOSTILE_NAMES.into_iter().chain(hostile).enumerate() {
        // The API accepts only some of them; the others never reach the event.
        if name(hostile).await != 200 {
            continue;
        }
        let mail = mails(&format!("hostile{number}"), "en").await;
        let text = mail.text.replace('\n', " ");
        assert!(text.contains("An administrator of "), "{hostile:?}: {text}");
        assert_eq!(mail.links(), mail.links().iter().filter(|it| it.contains(PAGE)).cloned().collect::<Vec<_>>());
        assert!(!mail.html.contains("evil.example"), "{}", mail.html);
    }
}
