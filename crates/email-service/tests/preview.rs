//! Black-box tests of `email-service preview`: in the browser, and as a mail. They need no running stack.

use std::{
    fs,
    path::Path,
    process::{Output, Stdio},
    time::Duration,
};

use reqwest::{Client, Response, StatusCode};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use test_support::{Behavior, Browser, DEADLINE, Phase, ScriptedSmtp, SmtpRule, report_skipped, wait_for};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::timeout,
};

const TOKEN: &str = "EXAMPLE-NOT-A-REAL-TOKEN";
const END_DEADLINE: Duration = Duration::from_secs(10);

/// A folder of a brand.
struct Folder(TempDir);

impl Folder {
    fn new(brand: &str) -> Self {
        let folder = Self(tempfile::tempdir().expect("a temporary directory"));
        folder.write("brand.toml", brand);
        folder
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).expect("the folder is writable");
    }
}

fn preview(folder: Option<&Folder>, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_email-service"));
    command.args(["--json", "preview"]).args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    if let Some(folder) = folder {
        command.env("EMAIL_SERVICE__BRANDING__DIRECTORY", folder.path());
    }
    command
}

/// A running preview server.
struct Served {
    process: Child,
    url: String,
    client: Client,
}

impl Served {
    async fn start(folder: Option<&Folder>) -> Self {
        let mut process =
            preview(folder, &["--serve", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().expect("the binary starts");
        let mut lines = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        let line = timeout(DEADLINE, lines.next_line()).await.expect("it starts in time").expect("text");
        let line: Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
        let url = line["url"].as_str().expect("the URL").trim_end_matches('/').to_owned();
        Self { process, url, client: Client::new() }
    }

    async fn get(&self, path: &str) -> Response {
        self.client.get(format!("{}{path}", self.url)).send().await.expect("a response")
    }

    async fn text(&self, path: &str) -> String {
        self.get(path).await.text().await.expect("text")
    }

    async fn with_host(&self, host: &str) -> StatusCode {
        self.client.get(&self.url).header("host", host).send().await.expect("a response").status()
    }

    async fn wait_for_page_with(&self, text: &str) -> String {
        wait_for(DEADLINE, text, async || Some(self.text("/").await).filter(|page| page.contains(text))).await
    }
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

#[tokio::test]
async fn the_page_shows_every_mail_with_subject_text_html_and_sizes_under_a_strict_policy() {
    let folder = Folder::new("product = \"Acme Cloud\"\nsupport = \"help@acme.example\"");
    let served = Served::start(Some(&folder)).await;
    let response = served.get("/").await;
    let policy = header(&response, "content-security-policy").to_owned();
    for part in
        ["default-src 'none'", "script-src 'self'", "style-src 'self'", "base-uri 'none'", "frame-ancestors 'none'"]
    {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains("data:"), "{policy}");
    assert_eq!(header(&response, "x-content-type-options"), "nosniff");
    assert_eq!(header(&response, "cache-control"), "no-store");
    let page = response.text().await.expect("text");
    assert!(page.contains("<title>Mails of Acme Cloud</title>") && !page.contains("<style"), "{page}");
    for (mail, language, subject) in
        [("welcome", "en", "Welcome to Acme Cloud"), ("totp-disabled.by-mailbox", "de", "Zwei")]
    {
        let path = format!("/mails/{mail}/{language}");
        assert!(page.contains(&format!("src=\"{path}\"")) && page.contains(subject), "{mail}");
        let response = served.get(&path).await;
        let policy = header(&response, "content-security-policy").to_owned();
        assert!(policy.starts_with("sandbox;") && policy.contains("default-src 'none'"), "{policy}");
        let html = response.text().await.expect("text");
        assert!(html.starts_with("<!DOCTYPE html>") && html.contains("mailto:help@acme.example"), "{mail}");
        let sizes = format!("HTML {}, text ", html.len());
        assert!(page.contains(&sizes), "{mail}: {sizes}");
    }
    assert!(page.contains(TOKEN) && page.contains("as sent"));
    for path in ["/mails/welcome/tlh", "/mails/none/en", "/mails/welcome", "/brand.toml"] {
        assert_eq!(served.get(path).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
    assert!(header(&served.get("/page.css").await, "content-type").starts_with("text/css"));
    assert!(header(&served.get("/page.js").await, "content-type").starts_with("text/javascript"));
}

#[tokio::test]
async fn a_server_on_a_loopback_address_responds_only_to_requests_for_this_machine() {
    let served = Served::start(None).await;
    for host in ["127.0.0.1", "127.0.0.1:8026", "localhost", "LOCALHOST:8026", "[::1]:8026", "127.0.0.2"] {
        assert_eq!(served.with_host(host).await, StatusCode::OK, "{host}");
    }
    for host in [
        "rebound.example",
        "rebound.example:8026",
        "localhost.rebound.example",
        "127.0.0.1.rebound.example",
        "192.0.2.1",
        "0.0.0.0",
    ] {
        assert_eq!(served.with_host(host).await, StatusCode::FORBIDDEN, "{host}");
    }
}

#[tokio::test]
async fn hostile_values_of_a_brand_are_escaped_on_the_page_and_in_its_errors() {
    let folder = Folder::new("product = \"</title><script>alert(1)</script>\"");
    let served = Served::start(Some(&folder)).await;
    let page = served.text("/").await;
    assert!(page.contains("&lt;/title&gt;&lt;script&gt;alert(1)") && page.matches("<script").count() == 1, "{page}");
    folder.write("brand.toml", "product = \"x\"\n\"<script>alert(2)</script>\" = 1");
    let page = served.wait_for_page_with("brand.toml").await;
    assert!(page.contains("&lt;script&gt;alert(2)") && page.matches("<script").count() == 1, "{page}");
}

#[tokio::test]
async fn a_change_of_a_file_is_shown_and_an_error_with_file_and_line_until_it_is_repaired() {
    let folder = Folder::new("product = \"First\"");
    let served = Served::start(Some(&folder)).await;
    let first = served.text("/version").await;
    assert!(served.text("/").await.contains(&format!("data-version=\"{first}\"")));
    folder.write("brand.toml", "product = \"Second\"");
    served.wait_for_page_with("Mails of Second").await;
    let second = served.text("/version").await;
    assert_ne!(first, second);

    // The page itself has the name of a language, and no mail has it.
    let catalogues = folder.path().join("catalogues");
    fs::create_dir(&catalogues).expect("it does not exist");
    folder.write("catalogues/de.toml", "[language]\nname = \"Hochdeutsch\"");
    served.wait_for_page_with("Hochdeutsch").await;
    assert_ne!(served.text("/version").await, second);
    fs::remove_dir_all(catalogues).expect("it exists");

    folder.write("mail.html", "<p>\n{{ nothing }}\n{% if mail.link %}{{ mail.link.url }}{% endif %}");
    let page = served.wait_for_page_with("<h1>The brand cannot be used").await;
    let file = folder.path().join("mail.html");
    assert!(page.contains(&format!("the file `{}` is invalid: line 2: undefined value", file.display())), "{page}");
    assert_ne!(served.text("/version").await, second);
    assert_eq!(served.get("/mails/welcome/en").await.status(), StatusCode::NOT_FOUND);

    folder.write("mail.html", "<p>Own</p>\n{% if mail.link %}{{ mail.link.url }}{% endif %}");
    served.wait_for_page_with("Mails of Second").await;
    assert!(served.text("/mails/welcome/en").await.starts_with("<p>Own</p>"));
    fs::remove_file(file).expect("it exists");
    wait_for(DEADLINE, "the first version of this brand", async || {
        (served.text("/version").await == second).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_server_starts_with_an_invalid_or_missing_folder_and_ctrl_c_ends_it() {
    let folder = Folder::new("produkt = \"x\"");
    let mut served = Served::start(Some(&folder)).await;
    assert!(served.text("/").await.contains("produkt"));
    fs::remove_dir_all(folder.path()).expect("it exists");
    served.wait_for_page_with("No such file or directory").await;
    fs::create_dir(folder.path()).expect("it was removed");
    folder.write("brand.toml", "product = \"Back\"");
    served.wait_for_page_with("Mails of Back").await;

    let id = served.process.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw).expect("it runs");
    kill_process(id, Signal::INT).expect("it runs");
    let status = timeout(END_DEADLINE, served.process.wait()).await.expect("it ends").expect("a status");
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn the_page_in_a_browser_follows_the_files_and_keeps_the_choices() {
    let test = "the_page_in_a_browser_follows_the_files_and_keeps_the_choices";
    let Some(mut browser) = Browser::start().await else { return report_skipped(test, "Chromium is not installed") };
    browser.set_size(1400, 900).await;
    let folder = Folder::new("product = \"First\"");
    let served = Served::start(Some(&folder)).await;
    browser.open(&format!("{}/", served.url)).await;
    assert_eq!(browser.evaluate("document.querySelector('h1').textContent").await, "Mails of First");

    let width = "document.querySelector('article:not([style]) iframe').clientWidth";
    let wide = browser.evaluate(width).await.as_u64().unwrap_or_default();
    browser.evaluate("['phone', 'dark', 'only-de'].forEach((id) => document.getElementById(id).click())").await;
    assert!(browser.evaluate(width).await.as_u64().unwrap_or_default() < wide);
    let shown =
        "[...document.querySelectorAll('article')].filter((mail) => mail.offsetParent).map((mail) => mail.className)";
    let only_german =
        |shown: Value| shown.as_array().is_some_and(|all| !all.is_empty() && all.iter().all(|one| one == "is-de"));
    assert!(only_german(browser.evaluate(shown).await));
    // Each mail is in a frame of its own, without an origin that it could share with the page.
    let frames = "[...document.querySelectorAll('iframe')].every((frame) => frame.sandbox.length === 0 && frame.contentDocument === null)";
    assert_eq!(browser.evaluate(frames).await, true);

    folder.write("brand.toml", "product = \"Second\"");
    browser.wait_until("document.querySelector('h1')?.textContent === 'Mails of Second'").await;
    browser.wait_until("document.getElementById('phone').checked && document.getElementById('dark').checked").await;
    assert!(only_german(browser.evaluate(shown).await));

    folder.write("brand.toml", "product = Second");
    browser.wait_until("document.querySelector('[role=alert]')?.textContent.includes('brand.toml')").await;
    let alert = browser.evaluate("document.querySelector('[role=alert]').textContent").await;
    assert!(alert.as_str().is_some_and(|alert| alert.contains("line 1")), "{alert}");
    folder.write("brand.toml", "product = \"Third\"");
    browser.wait_until("document.querySelector('h1')?.textContent === 'Mails of Third'").await;
    browser.wait_until("document.getElementById('only-de').checked").await;
}

async fn send(folder: Option<&Folder>, urls: &str, arguments: &[&str]) -> Output {
    let mut command = preview(folder, arguments);
    command.env("EMAIL_SERVICE__SMTP__URL", urls).env("EMAIL_SERVICE__SMTP__STEP_TIMEOUT", "5s");
    timeout(DEADLINE, command.output()).await.expect("it ends in time").expect("the binary runs")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn a_test_mail_has_the_brand_and_an_invalid_token_and_the_reply_is_printed() {
    let smtp = ScriptedSmtp::start().await;
    smtp.add_rule(SmtpRule::always(Phase::Dot, Behavior::reply("250 2.0.0 queued as 4711")));
    let folder = Folder::new("product = \"Acme Cloud\"\npostal_address = [\"1 Example Road\"]");
    let sent = send(Some(&folder), &smtp.url(), &["--to", "ada@example.org"]).await;
    assert!(sent.status.success(), "{}", stderr(&sent));
    let printed: Value = serde_json::from_slice(&sent.stdout).expect("JSON");
    let expected = json!({
        "to": "ada@example.org", "mail": "welcome", "language": "en", "server": smtp.url(), "reply": "250 2.0.0 queued as 4711",
    });
    assert_eq!(printed, expected);

    let case = ["--to", "ada@example.org", "--mail", "totp-disabled.by-admin", "--language", "DE"];
    assert!(send(None, &smtp.url(), &case).await.status.success());
    let mails = smtp.deliveries_to("ada@example.org");
    let [welcome, disabled] = mails.as_slice() else { panic!("two mails") };
    assert_eq!(welcome.mail.subject, "Welcome to Acme Cloud");
    assert!(welcome.mail.text.contains(TOKEN) && welcome.mail.text.contains("1 Example Road"));
    assert_eq!(disabled.mail.header("Content-Language"), "de");
    assert_ne!(welcome.mail.header("Message-ID"), disabled.mail.header("Message-ID"));
}

#[tokio::test]
async fn a_test_mail_that_is_refused_is_an_error_with_the_reply() {
    let smtp = ScriptedSmtp::start().await;
    for (phase, reply) in [
        (Phase::Rcpt, "550 5.1.1 no such user"),
        (Phase::Dot, "554 5.7.1 looks like spam"),
        (Phase::Dot, "451 4.7.1 later"),
    ] {
        smtp.clear_rules();
        smtp.add_rule(SmtpRule::always(phase, Behavior::reply(reply)));
        let refused = send(None, &smtp.url(), &["--to", "ada@example.org"]).await;
        assert_eq!(refused.status.code(), Some(1));
        assert!(stderr(&refused).contains(reply) && refused.stdout.is_empty(), "{}", stderr(&refused));
    }
}

#[tokio::test]
async fn a_test_mail_goes_to_the_first_server_that_can_be_reached() {
    let (down, smtp) = ("smtp://127.0.0.1:1", ScriptedSmtp::start().await);
    let sent = send(None, &format!("{down},{}", smtp.url()), &["--to", "ada@example.org"]).await;
    assert!(sent.status.success(), "{}", stderr(&sent));
    assert_eq!(smtp.deliveries_to("ada@example.org").len(), 1);
    let failed = send(None, down, &["--to", "ada@example.org"]).await;
    assert_eq!(failed.status.code(), Some(1));
    assert!(stderr(&failed).contains("no mail server can be used: smtp://127.0.0.1:1: connect"), "{}", stderr(&failed));
}

#[tokio::test]
async fn an_invalid_brand_address_mail_or_option_sends_nothing() {
    let smtp = ScriptedSmtp::start().await;
    let folder = Folder::new("produkt = \"x\"");
    for (folder, arguments, code, expected) in [
        (Some(&folder), &["--to", "ada@example.org"][..], 1, "produkt"),
        (None, &["--to", "ada@example.org, eve@example.org"], 1, "the recipient is not an email address"),
        (
            None,
            &["--to", "ada@example.org", "--mail", "wellcome"],
            2,
            "there is no mail `wellcome`; there are welcome, ",
        ),
        (None, &["--to", "ada@example.org", "--language", "tlh"], 2, "there is no language `tlh`; there are ar, "),
        (None, &["--mail", "welcome"], 2, "--to"),
        (None, &["--to", "ada@example.org", "--out", "x"], 2, "cannot be used with"),
        (None, &[], 2, "--serve"),
    ] {
        let refused = send(folder, &smtp.url(), arguments).await;
        assert_eq!(refused.status.code(), Some(code), "{arguments:?}: {}", stderr(&refused));
        assert!(stderr(&refused).contains(expected), "{arguments:?}: {}", stderr(&refused));
    }
    assert!(smtp.sessions().is_empty());
}
