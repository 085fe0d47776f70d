//! `branding export` of both services: a brand begins with the built-in files.

use e2e::{accounts::with_cheap_hashes, commands::stdout_of};
use test_support::{Stack, World};

use crate::BrandFolder;

#[tokio::test]
async fn both_services_write_their_files_to_one_folder_which_is_a_valid_brand_that_changes_nothing() {
    let world = World::new(&Stack::from_env(), "brandexport").await;
    let folder = BrandFolder::empty();
    let (users, emails) = (with_cheap_hashes(world.user_service()), world.email_service());
    let path = folder.path("");
    let arguments = ["branding", "export", "--out", &path, "--language", "en", "--language", "ja"];
    let written = stdout_of(&users.command(&arguments).await, 0);
    assert!(written.contains("pages/layout.html\n") && written.contains("catalogues/ja.toml"), "{written}");
    let written = stdout_of(&emails.command(&arguments).await, 0);
    assert!(written.contains("mail.txt\n") && written.contains("catalogues/ja.toml: tables were added"), "{written}");
    for spec in [&users, &emails] {
        // Nothing is written twice.
        let kept = stdout_of(&spec.command(&[&arguments[..], &["--json"]].concat()).await, 0);
        assert!(kept.starts_with("{\"written\":[],\"extended\":[],\"kept\":["), "{kept}");
        let checked = folder.on(spec.clone()).command(&["check-config"]).await;
        let _ = stdout_of(&checked, 0);
    }
    let unknown = users.command(&["branding", "export", "--out", &path, "--language", "xx"]).await;
    assert_eq!(unknown.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("\"xx\" is not built in"));

    let plain = users.clone().start().await;
    let branded = folder.on(users.replica()).start().await;
    for (page, language) in
        [("/verify-email?token=abc", "ja"), ("/reset-password?token=abc", "en"), ("/problems", "en")]
    {
        let body = async |api: test_support::Api| {
            api.send(api.request(reqwest::Method::GET, page).header("accept-language", language)).await.text
        };
        let (expected, own) = (body(plain.api()).await, body(branded.api()).await);
        // Only the style sheet has more: the rules of the parts of a brand.
        let without_style = |html: &str| {
            let (before, rest) = html.split_once("<style>").expect("a style sheet");
            before.to_owned() + rest.split_once("</style>").expect("its end").1
        };
        assert_eq!(without_style(&own), without_style(&expected), "{page}");
    }
}
