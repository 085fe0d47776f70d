//! The application of `examples/spa` in a real Chromium, from an origin of its own. Without Chromium, Node.js or the
//! TypeScript compiler of `scripts/contract`, the test is skipped.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use e2e::{
    accounts::{age_sessions, verify_email, with_cheap_hashes},
    totp::Authenticator,
};
use local_stack::{
    network::ports::Port,
    process::child::{Child, ChildSpec, Output},
};
use serde_json::json;
use tempfile::TempDir;
use test_support::{Browser, DEADLINE, Stack, World, remember_secret, report_skipped, wait_for};

/// Longer than a session is recently authenticated.
const NO_LONGER_RECENT: Duration = Duration::from_secs(11 * 60);
const STATUS: &str = "document.querySelector('[role=status]').textContent";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_on_another_origin_leads_through_the_whole_life_of_an_account() {
    let Some(compiler) = compiler() else {
        report_skipped("spa", "the TypeScript compiler is not installed: run scripts/contract");
        return;
    };
    let Some(mut browser) = Browser::start().await else {
        report_skipped("spa", "Chromium is not installed");
        return;
    };
    let world = World::new(&Stack::from_env(), "spa").await;
    let port = Port::free().expect("a port is free");
    let origin = format!("http://localhost:{}", port.number());
    let spec = with_cheap_hashes(world.user_service()).set("HTTP__CORS_ALLOWED_ORIGINS", &origin);
    // The cookie is sent to the same site only.
    let user_service = spec.base_url().replace("127.0.0.1", "localhost");
    let (_user_service, _email_service, api) = world.start_both_with(spec).await;
    let (_files, _server) = serve(&compiler, &port, &user_service).await;
    browser.record_policy_violations().await;
    let ada = world.test_user("ada");
    let page = &mut browser;

    // Registration: a problem is beside its field, what was typed stays, and the focus is there.
    page.open(&origin).await;
    wait_for_page(page, "Sign in").await;
    press(page, "Create an account").await;
    wait_for_page(page, "Create an account").await;
    page.fill("username", &ada.username).await;
    page.fill("email", "nonsense").await;
    page.fill("password", &ada.password).await;
    press(page, "Create the account").await;
    page.wait_until("document.activeElement.name === 'email'").await;
    assert!(page.field_error("email").await.is_some_and(|error| !error.is_empty()));
    assert_eq!(page.field_value("username").await, ada.username);
    page.fill("email", &ada.email).await;
    press(page, "Create the account").await;
    wait_for_page(page, "Check your mail").await;
    let token = world.mailbox(&ada.email).wait_for_token("/verify-email", 1).await;
    let _ = verify_email(&api, &token).await.expect(204);

    // Sign-in: the refresh token is in a cookie that no script reads, and nothing is stored.
    press(page, "Sign in").await;
    wait_for_page(page, "Sign in").await;
    page.fill("identifier", &ada.email).await;
    page.fill("password", "this is wrong").await;
    press(page, "Sign in").await;
    page.wait_until("document.querySelector('[role=alert]').textContent !== ''").await;
    page.fill("password", &ada.password).await;
    press(page, "Sign in").await;
    wait_for_page(page, "Your account").await;
    assert!(page.page_text().await.contains(&format!("You are signed in as {}", ada.username)));
    let cookie = page.cookies().await.into_iter().find(|cookie| cookie.name == "refresh-token").expect("it is set");
    remember_secret("refresh token", &cookie.value);
    assert!(cookie.http_only);
    assert_eq!(page.evaluate("document.cookie + localStorage.length + sessionStorage.length").await, "00");

    // A reloaded page goes on with the session of the cookie.
    assert_no_policy_violations(page).await;
    page.open(&format!("{origin}/")).await;
    wait_for_page(page, "Your account").await;

    // Profile.
    press(page, "Profile").await;
    wait_for_page(page, "Profile").await;
    page.fill("displayName", "Ada Lovelace").await;
    page.fill("timezone", "Mars/Olympus").await;
    press(page, "Save").await;
    page.wait_until("document.activeElement.name === 'timezone'").await;
    assert!(page.field_error("timezone").await.is_some());
    page.fill("timezone", "Europe/London").await;
    press(page, "Save").await;
    wait_for_status(page, "Your profile is saved.").await;

    // Sessions: the list has the other one too, and one button ends it.
    let _ = api.login(&ada).await;
    press(page, "Sessions").await;
    page.wait_until("document.querySelectorAll('li').length === 2").await;
    press(page, "End all other sessions").await;
    wait_for_status(page, "All other sessions have ended.").await;
    page.wait_until("document.querySelectorAll('li').length === 1").await;

    // Email address: a session that is no longer recent confirms the identity, and the request is sent again.
    age_sessions(&world, NO_LONGER_RECENT).await;
    let new_email = world.test_user("countess").email;
    press(page, "Email address").await;
    wait_for_page(page, "Email address").await;
    page.fill("newEmail", &new_email).await;
    press(page, "Change").await;
    page.wait_until("document.activeElement.name === 'password'").await;
    page.fill("password", "this is wrong").await;
    press(page, "Confirm").await;
    page.wait_until("document.activeElement.ariaInvalid === 'true'").await;
    page.fill("password", &ada.password).await;
    press(page, "Confirm").await;
    wait_for_status(page, &format!("Open the link in the mail to {new_email} to confirm it.")).await;

    // Second factor.
    press(page, "Two-factor authentication").await;
    wait_for_page(page, "Two-factor authentication").await;
    press(page, "Set up").await;
    page.wait_until("document.querySelector('main img')?.naturalWidth > 0").await;
    let secret = page.text("main code").await.expect("the page shows the secret");
    let authenticator = Authenticator::from_secret(&secret);
    page.fill("code", &authenticator.wrong_code()).await;
    press(page, "Confirm").await;
    page.wait_until("document.activeElement.ariaInvalid === 'true'").await;
    page.fill("code", &authenticator.code()).await;
    press(page, "Confirm").await;
    wait_for_status(page, "Two-factor authentication is on. Keep your recovery codes.").await;
    let codes = page.evaluate("[...document.querySelectorAll('main li')].map(each => each.textContent)").await;
    let mut codes: Vec<String> = serde_json::from_value(codes).expect("they are texts");
    for code in &codes {
        remember_secret("recovery code", code);
    }

    // Sign-out, and the sign-in with a recovery code.
    press(page, "Sign out").await;
    wait_for_status(page, "You are signed out.").await;
    wait_for_page(page, "Sign in").await;
    assert!(page.cookies().await.iter().all(|cookie| cookie.name != "refresh-token"));
    page.fill("identifier", &ada.username).await;
    page.fill("password", &ada.password).await;
    press(page, "Sign in").await;
    wait_for_page(page, "Enter a code").await;
    page.fill("code", &codes.pop().expect("there are recovery codes")).await;
    press(page, "Sign in").await;
    wait_for_page(page, "Your account").await;

    // Export: the dialog asks for both factors; who gives up changes nothing.
    age_sessions(&world, NO_LONGER_RECENT).await;
    press(page, "Your data").await;
    wait_for_page(page, "Your data").await;
    press(page, "Download my data").await;
    press(page, "Cancel").await;
    page.wait_until("document.querySelector('main [role=alert]').textContent === 'Nothing was changed.'").await;
    press(page, "Download my data").await;
    page.wait_until("document.querySelector('dialog[open]') !== null").await;
    page.fill("password", &ada.password).await;
    page.fill("code", &codes.pop().expect("there are recovery codes")).await;
    press(page, "Confirm").await;
    wait_for_status(page, "Your data is downloaded.").await;

    // Password.
    let new_password = "a different horse battery";
    remember_secret("password", new_password);
    press(page, "Password").await;
    wait_for_page(page, "Password").await;
    page.fill("currentPassword", &ada.password).await;
    page.fill("newPassword", "short").await;
    press(page, "Change").await;
    page.wait_until("document.activeElement.name === 'newPassword'").await;
    page.fill("newPassword", new_password).await;
    press(page, "Change").await;
    wait_for_status(page, "Your password is changed. Your other sessions have ended.").await;

    // History.
    press(page, "History").await;
    wait_for_page(page, "History").await;
    let history = page.page_text().await;
    for entry in ["user.registered.v1", "user.password_changed.v1"] {
        assert!(history.contains(entry), "{history}");
    }

    // Deletion.
    press(page, "Your data").await;
    wait_for_page(page, "Your data").await;
    press(page, "Delete the account").await;
    press(page, "Delete everything for ever").await;
    wait_for_status(page, "Your account is deleted.").await;
    wait_for_page(page, "Sign in").await;
    let credentials = json!({ "identifier": ada.email, "password": new_password });
    let _ = api.post("/api/auth/login", &credentials).await.expect_problem(401, "invalid-credentials");
    assert_no_policy_violations(page).await;
}

/// Returns the TypeScript compiler that `scripts/contract` has installed.
fn compiler() -> Option<PathBuf> {
    let installed = fs::read_dir(root().join(".local")).ok()?;
    let tools = installed.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with("contract-"));
    tools.map(|entry| entry.path().join("node_modules/.bin/tsc")).find(|compiler| compiler.is_file())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..")
}

/// Compiles the application into a directory of its own, and serves it.
async fn serve(compiler: &Path, port: &Port, user_service: &str) -> (TempDir, Child) {
    let files = tempfile::tempdir().expect("a temporary directory");
    let source = root().join("examples/spa");
    let mut compile = Command::new(compiler);
    let _ = compile.arg("--project").arg(&source).arg("--outDir").arg(files.path().join("dist"));
    assert!(compile.status().expect("the compiler starts").success(), "examples/spa does not compile");
    for file in ["index.html", "style.css"] {
        fs::copy(source.join(file), files.path().join(file)).expect("the file is copied");
    }
    let log = files.path().join("serve.log");
    let server = ChildSpec::new("serve.mjs", "node", Output::File(log.clone()))
        .arg(source.join("serve.mjs"))
        .env("PORT", port.number().to_string())
        .env("USER_SERVICE", user_service)
        .env("ROOT", files.path())
        .start()
        .expect("Node.js starts");
    wait_for(DEADLINE, "the server of the application", async || {
        fs::read_to_string(&log).is_ok_and(|log| log.contains("http://localhost")).then_some(())
    })
    .await;
    (files, server)
}

/// Clicks on the visible link or button with this text, once it is there.
async fn press(page: &mut Browser, text: &str) {
    let mark = format!(
        "(() => {{
            document.querySelectorAll('[data-next-click]').forEach(each => each.removeAttribute('data-next-click'));
            const part = document.querySelector('dialog[open]') ?? document;
            const found = [...part.querySelectorAll('button, a, summary')]
                .filter(each => each.checkVisibility() && each.innerText.trim() === {text});
            const target = found.find(each => each.closest('main, dialog')) ?? found[0];
            target?.setAttribute('data-next-click', '');
            return target !== undefined;
        }})()",
        text = json!(text)
    );
    page.wait_until(&mark).await;
    page.click("[data-next-click]").await;
}

/// Waits until the page has this heading, which then has the focus.
async fn wait_for_page(page: &mut Browser, heading: &str) {
    page.wait_until(&format!("document.querySelector('h1')?.textContent === {}", json!(heading))).await;
    page.wait_until("document.activeElement === document.querySelector('h1')").await;
}

/// Waits until the application announces this result.
async fn wait_for_status(page: &mut Browser, text: &str) {
    page.wait_until(&format!("{STATUS} === {}", json!(text))).await;
}

async fn assert_no_policy_violations(page: &mut Browser) {
    assert_eq!(page.evaluate("policyViolations").await, json!([]));
}
