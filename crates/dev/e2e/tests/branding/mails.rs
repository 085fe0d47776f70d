//! The brand in the mails of the email service.

use e2e::{commands::assert_start_refused, mail_scene::MailScene};
use events::Recipient;
use rustix::process::Signal;
use test_support::{DEADLINE, Delivery, Service, wait_for};

use crate::BrandFolder;

const FAILED: &str = "email_branding_failed";

/// Publishes a registration, and returns its welcome mail.
async fn welcome_mail(scene: &MailScene, name: &str) -> Delivery {
    let address = scene.world.address(name);
    scene.publisher.publish(&scene.publisher.welcome(&address)).await;
    scene.smtp.wait_for_deliveries_to(&address, 1).await.remove(0)
}

/// Sends SIGHUP, and waits until the gauge has this value and the log has one more line with `text`.
async fn reload(service: &mut Service, text: &str, gauge: f64) {
    let before = service.log().matches(text).count();
    service.signal(Signal::HUP);
    wait_for(DEADLINE, text, async || {
        let is_logged = service.log().matches(text).count() > before;
        (is_logged && service.metric(FAILED, "").await == gauge).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_has_the_brand_and_its_logo_within_it() {
    let scene = MailScene::new("branded-mail").await;
    let folder = BrandFolder::example();
    let service = folder.on(scene.world.email_service()).start().await;
    let mail = welcome_mail(&scene, "ada").await.mail;
    assert_eq!(mail.subject, "Welcome aboard: your Acme Cloud account is ready");
    for part in [&mail.text, &mail.html] {
        for shown in
            ["Acme Cloud", "help@acme.example", "Help centre", "https://acme.example/privacy", "1 Example Road, London"]
        {
            assert!(part.contains(shown), "{shown} is not in {part}");
        }
    }
    assert!(mail.html.contains("#0a7d4b") && mail.html.contains("#4fd19a"), "{}", mail.html);
    let (id, _) = mail.html.split_once("src=\"cid:").and_then(|(_, rest)| rest.split_once('"')).expect("a logo");
    assert!(mail.raw.contains(&format!("Content-ID: <{id}>")), "{}", mail.raw);
    assert!(mail.raw.contains("Content-Type: multipart/related") && mail.raw.contains("Content-Type: image/png"));
    // No request to a server when the mail is opened.
    assert!(!mail.html.contains("src=\"http") && !mail.html.contains("url("), "{}", mail.html);

    // A language of the brand.
    let address = scene.world.address("astrid");
    let recipient = Recipient { email: address.clone(), display_name: None, locale: Some("sv-SE".to_owned()) };
    scene.publisher.publish(&scene.publisher.welcome_for_recipient("astrid", recipient)).await;
    let swedish = scene.smtp.wait_for_deliveries_to(&address, 1).await.remove(0).mail;
    assert_eq!(swedish.subject, "Välkommen till Acme Cloud");
    assert_eq!(swedish.header("Content-Language"), "sv");
    assert!(service.log().contains("sv.toml"), "the texts that Swedish does not have are logged");
    assert_eq!(service.metric(FAILED, "").await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_is_in_the_next_mail_after_sighup_and_a_broken_one_stops_no_mail() {
    let scene = MailScene::new("reloaded-brand").await;
    let folder = BrandFolder::empty();
    folder.write("brand.toml", "product = \"First\"");
    let mut service = folder.on(scene.world.email_service()).start().await;
    assert_eq!(welcome_mail(&scene, "first").await.mail.subject, "Welcome to First");

    folder.write("brand.toml", "product = \"Second\"");
    assert_eq!(welcome_mail(&scene, "unchanged").await.mail.subject, "Welcome to First");
    reload(&mut service, "the branding was reloaded", 0.0).await;
    assert_eq!(welcome_mail(&scene, "second").await.mail.subject, "Welcome to Second");

    for (name, broken, line) in [
        ("brand.toml", "product = \"Third\"\n\ncolour = 1\n", 3),
        ("mail.html", "<p>\n{{ mail.nothing }}\n", 2),
        ("mail.txt", "{{ mail.subject }}\n{% if %}\n", 2),
        ("catalogues/de.toml", "[mails.welcome]\nsubject = \"{produkt}\"\n", 2),
    ] {
        let before = (name == "brand.toml").then(|| folder.read(name));
        folder.write(name, broken);
        reload(&mut service, "the branding was not reloaded", 1.0).await;
        let expected = format!("`{}` is invalid: line {line}: ", folder.path(name));
        assert!(service.log().contains(&expected), "{expected} is not in {}", service.log());
        let mail = welcome_mail(&scene, &format!("broken-{}", name.replace(['/', '.'], "-"))).await.mail;
        assert_eq!(mail.subject, "Welcome to Second", "{name}");
        match before {
            Some(before) => drop(folder.write(name, before)),
            None => folder.remove(name),
        }
        reload(&mut service, "the branding was reloaded", 0.0).await;
    }
    assert_eq!(welcome_mail(&scene, "repaired").await.mail.subject, "Welcome to Second");
    assert!(service.is_running());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layout_that_fails_for_one_mail_is_replaced_by_the_built_in_one() {
    let scene = MailScene::new("failing-layout").await;
    let folder = BrandFolder::empty();
    let layout = "Own layout {% if mail.link %}{{ mail.link.url }}{% endif %}\n\
                  {% if 'x-ray' in mail.reason.plain %}{{ mail.nothing }}{% endif %}";
    folder.write("mail.html", layout).write("brand.toml", "product = \"Acme Cloud\"");
    let mut service = folder.on(scene.world.email_service()).start().await;
    assert!(welcome_mail(&scene, "ada").await.mail.html.starts_with("Own layout"));
    assert_eq!(service.metric(FAILED, "").await, 0.0);

    // No example of the check has this address.
    let mail = welcome_mail(&scene, "x-ray").await.mail;
    assert!(mail.html.starts_with("<!DOCTYPE html>") && mail.html.contains("Acme Cloud"), "{}", mail.html);
    assert_eq!(service.metric(FAILED, "").await, 1.0);
    let log = service.log();
    assert!(log.contains("the layout of the brand failed for a mail"), "{log}");
    assert!(log.contains("mail.html` is invalid: line 2: undefined value"), "{log}");
    assert!(!log.contains(&scene.world.address("x-ray")), "the log has no value of the mail");
    // Other mails still have the layout.
    assert!(welcome_mail(&scene, "grace").await.mail.html.starts_with("Own layout"));
    reload(&mut service, "the branding was reloaded", 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_brand_refuses_the_start_and_check_config_with_file_and_line() {
    let scene = MailScene::new("broken-brand").await;
    let folder = BrandFolder::empty();
    folder.write("mail.html", "{% if mail.link %}{{ mail.link.url }}{% endif %}\n{{ brand.none }}");
    let spec = folder.on(scene.world.email_service());
    let path = folder.path("mail.html");
    assert_start_refused(&spec, &["branding.directory", &path, "line 2"]).await;
    folder.remove("mail.html");
    let checked = spec.command(&["check-config"]).await;
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}
