//! Hostile text in every field that a user fills in, through the API where it takes it and
//! in events where it does not: one recipient, our headers only, escaped bodies.

use std::collections::BTreeSet;

use events::Recipient;
use faults::{Recorder, Run};
use reqwest::Method;
use serde_json::json;
use test_support::{Delivery, ScriptedSmtp, Stack, World};

use crate::mail_scene::{AT_REST, Scene};

/// What a stranger may try in a name.
fn hostile_names() -> Vec<String> {
    let texts = [
        "Ada\r\nBcc: eve@evil.example\r\n\r\nHello",
        "Ada\nSubject: You won",
        "\" <eve@evil.example>, \"Ada",
        "Ada <eve@evil.example>",
        "<script>alert(1)</script><img src=x onerror=alert(1)>",
        "</p></td></table><a href=\"https://evil.example\">Click</a>",
        "{{ mail.link.url }} {% raw %} {product}",
        "\u{202E}moc.live\u{202C} \u{2066}Ada\u{200F}",
        "👩‍👩‍👧‍👦🏳️‍🌈 Zoë \u{0301}\u{0301}",
        "=?utf-8?q?=0D=0ABcc:_eve@evil.example?=",
        "\0\u{7}\u{1b}[31m\u{85}\u{2028}\u{2029}",
        "\r\n.\r\nMAIL FROM:<eve@evil.example>",
        "Visit www.evil.example or https://evil.example/?a=b&c=d now",
    ];
    let long = ["a".repeat(320), "😀".repeat(80), "<\"&'>".repeat(64)];
    texts.into_iter().map(str::to_owned).chain(long).collect()
}

/// What a stranger may try as an address, were it to reach us.
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

/// The headers that a mail of ours has, and no others.
const OUR_HEADERS: [&str; 12] = [
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
    assert!(known.contains(&to.to_lowercase()), "a recipient that nobody asked for: {to:?}");
    let mut seen = BTreeSet::new();
    for (name, _) in &mail.headers {
        assert!(OUR_HEADERS.iter().any(|ours| ours.eq_ignore_ascii_case(name)), "a header {name} in\n{raw}");
        assert!(seen.insert(name.to_lowercase()), "{name} twice in\n{raw}");
    }
    let addressed = mail.header("To");
    assert!(addressed.to_lowercase().contains(&to.to_lowercase()), "to {addressed}, delivered to {to}");
    assert!(!raw.contains("\n\u{0}") && !raw.replace("\r\n", "").contains(['\r', '\n', '\0']), "bare CR, LF or NUL");
    for element in ["<script", "<img src=x", "onerror=alert(1)>", "<b>ada"] {
        assert!(!mail.html.contains(element), "{element} in\n{}", mail.html);
    }
    // The only links are ours.
    for link in mail.html.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(link.starts_with("http://127.0.0.1:") || link.starts_with("http://localhost:"), "{link}");
    }
    assert!(mail.links().iter().all(|link| !link.contains("evil.example")), "{:?}", mail.links());
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_22_hostile_text_through_the_api_stays_text() {
    let smtp = ScriptedSmtp::start().await;
    let world = World::new(&Stack::from_env(), "hostile-api").await.on_smtp(smtp.url());
    let (user_service, _email_service, api) = world.start_both().await;
    let run = Run { world: world.clone(), recorder: Recorder::new(), smtp, limits: faults::checker::Limits::default() };
    let mut known = BTreeSet::new();
    let mut taken = 0;
    for (number, name) in hostile_names().iter().enumerate() {
        let mut client = run.recorder.client(api.clone());
        let mut person = world.test_user(&format!("h{number}"));
        let mut registration = person.registration();
        // Into every field of the form; what is refused has no effect.
        for field in ["username", "email"] {
            let mut spoilt = registration.clone();
            spoilt[field] = json!(name);
            let refused = api.post("/api/users", &spoilt).await;
            assert_eq!(refused.status, 422, "{field} {name:?}: {}", refused.text);
        }
        registration["displayName"] = json!(name);
        let request = client.request(Method::POST, "/api/users").json(&registration);
        client.send(faults::checker::Action::Register, None, request).await;
        let answer = client.last().expect("an answer").clone();
        assert!([201, 422].contains(&answer.status), "{name:?}: {}", answer.text);
        if answer.status == 422 {
            client.register(&person, None).await;
        }
        taken += usize::from(answer.status == 201);
        client.login(&person).await;
        known.insert(person.email.to_lowercase());
        // Another one than at the registration: a change to what it is already is none.
        for (field, value) in
            [("displayName", format!("{name} II")), ("locale", name.clone()), ("timezone", name.clone())]
        {
            let request = client.request(Method::PATCH, "/api/users/me").json(&json!({ field: value }));
            client.send(faults::checker::Action::UpdateProfile, None, request).await;
            let answer = client.last().expect("an answer");
            assert!([200, 422].contains(&answer.status), "{field} {name:?}: {}", answer.text);
        }
        let new = format!("{} again", person.password);
        client.change_password(&mut person, &new).await;
        client.request_reset(&person.email).await;
    }
    assert!(taken > 5, "the API takes {taken} of the names: this shows nothing");
    let history = faults::judge(&run, AT_REST).await;
    assert!(history.mails.iter().all(|mail| mail.state == "sent"), "{:#?}", history.mails);
    assert!(run.smtp.deliveries().len() >= 3 * hostile_names().len());
    for delivery in run.smtp.deliveries() {
        assert_harmless(&delivery, &known);
    }
    drop(user_service);
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_22_hostile_text_in_events_stays_text_or_is_refused() {
    let scene = Scene::new("hostile").await;
    let _service = scene.service().start().await;
    let publisher = &scene.publisher;
    let (mut known, mut good) = (BTreeSet::new(), Vec::new());
    let hostile: Vec<String> = hostile_names().into_iter().chain(hostile_addresses()).collect();
    for (number, text) in hostile.iter().enumerate() {
        let address = scene.address(&format!("n{number}"));
        let recipient = |locale: Option<&String>| Recipient {
            email: address.clone(),
            display_name: Some(text.clone()),
            locale: locale.cloned(),
        };
        known.insert(address.clone());
        publisher.publish(&publisher.welcome_for_recipient(text, recipient(Some(text)))).await;
        // As an address that is only spoken of, and as one that a mail would go to.
        let new = if text.contains('@') && !text.contains("https://") { text.as_str() } else { "new@example.org" };
        publisher.publish(&publisher.email_changed(new, recipient(None))).await;
        publisher.publish(&publisher.email_change_requested(new, recipient(None))).await;
        publisher
            .publish(&publisher.welcome_for_recipient("ada", Recipient { email: text.clone(), ..recipient(None) }))
            .await;
        good.push(address);
    }
    let neighbour = scene.notice("neighbour").await;
    known.extend([neighbour.clone(), "new@example.org".to_owned()]);
    // The one of them that is an address, unusual as it is, gets its mail.
    known.extend(hostile.iter().map(|text| text.to_lowercase()).filter(|text| is_an_address(text)));
    let history = scene.judge().await;
    assert!(history.mails.iter().any(|mail| mail.to == neighbour && mail.state == "sent"));
    for address in &good {
        let sent = |mail: &&faults::checker::Mail| mail.to == *address && mail.state == "sent";
        assert!(history.mails.iter().filter(sent).count() >= 3, "{:#?}", scene.ledger.mails_to(address).await);
    }
    for delivery in scene.smtp().deliveries() {
        assert_harmless(&delivery, &known);
    }
    for session in scene.smtp().sessions() {
        for step in session.steps {
            assert!(!step.line.contains("evil.example"), "{step:?}");
        }
    }
}

/// One local part and one domain, of lengths that SMTP knows, and nothing that could end them.
fn is_an_address(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    !text.contains(|c: char| c.is_control() || c.is_whitespace() || "<>,\"()".contains(c))
        && (1..=64).contains(&local.chars().count())
        && (1..=253).contains(&domain.len())
}
