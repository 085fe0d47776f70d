//! Hostile text in every field that a user fills in, through the API where it accepts it and in events otherwise:
//! each mail must have one recipient, only the expected headers, and an escaped body.

use std::collections::BTreeSet;

use events::Recipient;
use reqwest::Method;
use serde_json::json;
use test_support::{Delivery, HOSTILE_NAMES};

use crate::{
    mail_fixture::{IDLE_DEADLINE, MailFixture},
    setup,
};

/// Returns hostile texts for names.
fn hostile_names() -> Vec<String> {
    let long = ["a".repeat(320), "😀".repeat(80), "<\"&'>".repeat(64)];
    let smtp = ["\r\n.\r\nMAIL FROM:<eve@evil.example>"];
    HOSTILE_NAMES.into_iter().chain(smtp).map(str::to_owned).chain(long).collect()
}

/// Returns hostile texts for email addresses.
fn hostile_addresses() -> Vec<String> {
    vec![
        format!("{}@example.org", "a".repeat(308)),
        format!("{}@{}.example", "a".repeat(64), "b".repeat(247)),
        "ada@example.org\r\nBcc: eve@evil.example".to_owned(),
        "ada@example.org>\r\nRCPT TO:<eve@evil.example".to_owned(),
        "ada@example.org, eve@evil.example".to_owned(),
        "\"ada\r\n\"@example.org".to_owned(),
        "\0@example.org".to_owned(),
        "\u{202E}ada@example.org".to_owned(),
        "<b>ada</b>@example.org".to_owned(),
        "ada@evil.example\u{85}".to_owned(),
        String::new(),
    ]
}

/// The headers that a mail may have.
const EXPECTED_HEADERS: [&str; 12] = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "MIME-Version",
    "Content-Type",
    "Content-Language",
    "Auto-Submitted",
    "X-Auto-Response-Suppress",
    "Reply-To",
    "Content-Transfer-Encoding",
];

fn assert_harmless(delivery: &Delivery, known: &BTreeSet<String>) {
    let mail = &delivery.mail;
    let raw = &mail.raw;
    let [to] = mail.to.as_slice() else { panic!("not one recipient: {:?}", mail.to) };
    assert!(known.contains(&to.to_lowercase()), "an unexpected recipient: {to:?}");
    let mut seen = BTreeSet::new();
    for (name, _) in &mail.headers {
        assert!(EXPECTED_HEADERS.iter().any(|ours| ours.eq_ignore_ascii_case(name)), "a header {name} in\n{raw}");
        assert!(seen.insert(name.to_lowercase()), "{name} twice in\n{raw}");
    }
    let addressed = mail.header("To");
    assert!(addressed.to_lowercase().contains(&to.to_lowercase()), "to {addressed}, delivered to {to}");
    assert!(!raw.contains("\n\u{0}") && !raw.replace("\r\n", "").contains(['\r', '\n', '\0']), "bare CR, LF or NUL");
    for element in ["<script", "<img src=x", "onerror=alert(1)>", "<b>ada"] {
        assert!(!mail.html.contains(element), "{element} in\n{}", mail.html);
    }
    // All links lead to our pages.
    for link in mail.html.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(link.starts_with("http://127.0.0.1:") || link.starts_with("http://localhost:"), "{link}");
    }
    assert!(mail.links().iter().all(|link| !link.contains("evil.example")), "{:?}", mail.links());
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_22_hostile_text_through_the_api_stays_text() {
    let run = setup::run("hostile-api").await;
    let world = &run.world;
    let (user_service, _email_service, api) = world.start_both().await;
    let mut known = BTreeSet::new();
    let mut taken = 0;
    for (number, name) in hostile_names().iter().enumerate() {
        let mut client = run.recorder.client(api.clone());
        let mut person = world.test_user(&format!("h{number}"));
        let mut registration = person.registration();
        // The text in each field of the registration; a refused registration has no effect.
        for field in ["username", "email"] {
            let mut spoilt = registration.clone();
            spoilt[field] = json!(name);
            let refused = api.post("/api/users", &spoilt).await;
            assert_eq!(refused.status, 422, "{field} {name:?}: {}", refused.text);
        }
        registration["displayName"] = json!(name);
        let request = client.request(Method::POST, "/api/users").json(&registration);
        client.send(faults::checker::Action::Register, None, request).await;
        let response = client.last_response().expect("a response").clone();
        assert!([201, 422].contains(&response.status), "{name:?}: {}", response.text);
        if response.status == 422 {
            client.register(&person, None).await;
        }
        taken += usize::from(response.status == 201);
        client.login(&person).await;
        known.insert(person.email.to_lowercase());
        // The value differs from the registration's, because an update without a change has no effect.
        for (field, value) in
            [("displayName", format!("{name} II")), ("locale", name.clone()), ("timezone", name.clone())]
        {
            let request = client.request(Method::PATCH, "/api/users/me").json(&json!({ field: value }));
            client.send(faults::checker::Action::UpdateProfile, None, request).await;
            let response = client.last_response().expect("a response");
            assert!([200, 422].contains(&response.status), "{field} {name:?}: {}", response.text);
        }
        let new = format!("{} again", person.password);
        client.change_password(&mut person, &new).await;
        client.request_reset(&person.email).await;
    }
    assert!(taken > 5, "the API accepts only {taken} of the names, too few for this test");
    let history = faults::assert_promises_kept(&run, IDLE_DEADLINE).await;
    assert!(history.mails.iter().all(|mail| mail.state == "sent"), "{:#?}", history.mails);
    assert!(run.smtp.deliveries().len() >= 3 * hostile_names().len());
    for delivery in run.smtp.deliveries() {
        assert_harmless(&delivery, &known);
    }
    drop(user_service);
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_22_hostile_text_in_events_stays_text_or_is_refused() {
    let fixture = MailFixture::new("hostile").await;
    let _service = fixture.service().start().await;
    let publisher = &fixture.publisher;
    let (mut known, mut good) = (BTreeSet::new(), Vec::new());
    let hostile: Vec<String> = hostile_names().into_iter().chain(hostile_addresses()).collect();
    for (number, text) in hostile.iter().enumerate() {
        let address = fixture.address(&format!("n{number}"));
        let recipient = |locale: Option<&String>| Recipient {
            email: address.clone(),
            display_name: Some(text.clone()),
            locale: locale.cloned(),
        };
        known.insert(address.clone());
        publisher.publish(&publisher.welcome_for_recipient(text, recipient(Some(text)))).await;
        // The text as an address that the mail only mentions, and as the recipient's address.
        let new = if text.contains('@') && !text.contains("https://") { text.as_str() } else { "new@example.org" };
        publisher.publish(&publisher.email_changed(new, recipient(None))).await;
        publisher.publish(&publisher.email_change_requested(new, recipient(None))).await;
        publisher
            .publish(&publisher.welcome_for_recipient("ada", Recipient { email: text.clone(), ..recipient(None) }))
            .await;
        good.push(address);
    }
    let neighbour = fixture.notice("neighbour").await;
    known.extend([neighbour.clone(), "new@example.org".to_owned()]);
    // One of the texts is an unusual but valid address and gets its mail.
    known.extend(hostile.iter().map(|text| text.to_lowercase()).filter(|text| is_valid_address(text)));
    let history = fixture.assert_promises_kept().await;
    assert!(history.mails.iter().any(|mail| mail.to == neighbour && mail.state == "sent"));
    for address in &good {
        let sent = |mail: &&faults::checker::LedgerMail| mail.to == *address && mail.state == "sent";
        assert!(history.mails.iter().filter(sent).count() >= 3, "{:#?}", fixture.ledger.mails_to(address).await);
    }
    for delivery in fixture.smtp().deliveries() {
        assert_harmless(&delivery, &known);
    }
    for session in fixture.smtp().sessions() {
        for step in session.steps {
            assert!(!step.line.contains("evil.example"), "{step:?}");
        }
    }
}

/// Returns whether the text has one local part and one domain of lengths that SMTP permits, without delimiters.
fn is_valid_address(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    !text.contains(|c: char| c.is_control() || c.is_whitespace() || "<>,\"()".contains(c))
        && (1..=64).contains(&local.chars().count())
        && (1..=253).contains(&domain.len())
}
