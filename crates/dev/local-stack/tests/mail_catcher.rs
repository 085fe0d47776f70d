//! Tests of the mail catcher: a mail that arrives by SMTP is shown by MailHog's API and by the web page. The page in a
//! browser is tested in `crates/dev/e2e/tests/mail_catcher_page.rs`.

use std::time::Duration;

use local_stack::{
    dependencies::mail_catcher::{Envelope, MailCatcher},
    network::{
        http::{self, Response},
        ports::Port,
    },
    wait_for::wait_for,
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const SOON: Duration = Duration::from_secs(10);
const MAIL: &str = "From: Accounts <no-reply@example.org>\r\nTo: ada@example.org\r\nSubject: <b>Hello</b>\r\n\
    Content-Type: multipart/alternative; boundary=x\r\n\r\n\
    --x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nplain words\r\n\
    --x\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>rich <script>alert(1)</script> words</p>\r\n--x--\r\n";

struct Catcher {
    catcher: MailCatcher,
    smtp: Port,
    http: Port,
}

impl Catcher {
    async fn start() -> Self {
        let (smtp, http) = (Port::free().expect("a free port"), Port::free().expect("a free port"));
        let catcher = MailCatcher::start(smtp.number(), http.number()).await.expect("the ports are free");
        Self { catcher, smtp, http }
    }

    async fn send(&self, to: &str) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.smtp.number())).await.expect("the server listens");
        let session =
            format!("EHLO test\r\nMAIL FROM:<no-reply@example.org>\r\nRCPT TO:<{to}>\r\nDATA\r\n{MAIL}.\r\nQUIT\r\n");
        stream.write_all(session.as_bytes()).await.expect("the SMTP server reads");
        let mut replies = String::new();
        let read = stream.read_to_string(&mut replies);
        tokio::time::timeout(SOON, read).await.expect("the server replies").expect("the server closes");
        assert!(replies.ends_with("221 2.0.0 bye\r\n"), "{replies}");
    }

    async fn request(&self, method: &str, path: &str) -> Response {
        http::request(method, self.http.number(), path, SOON).await.expect("the catcher responds")
    }

    async fn get(&self, path: &str) -> Response {
        self.request("GET", path).await
    }

    async fn json(&self, path: &str) -> Value {
        let response = self.get(path).await;
        assert_eq!(response.status, 200, "{}", response.body);
        serde_json::from_str(&response.body).expect("the API responds with JSON")
    }

    /// Returns the ids of the mails that a path of the API lists.
    async fn ids(&self, path: &str) -> Vec<String> {
        let list = self.json(path).await;
        let items = list["items"].as_array().expect("a list").iter();
        items.map(|item| item["ID"].as_str().expect("an id").to_owned()).collect()
    }

    /// Sends a request and returns the connection, on which the response can be read.
    async fn connect(&self, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", self.http.number())).await.expect("the server listens");
        let head = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
        stream.write_all(head.as_bytes()).await.expect("the server reads");
        stream
    }
}

#[tokio::test]
async fn the_api_lists_mails_newest_first_with_mailhogs_json() {
    let catcher = Catcher::start().await;
    catcher.send("ada@example.org").await;
    catcher.send("bob@example.org").await;
    let list = catcher.json("/api/v2/messages?start=0&limit=1").await;
    assert_eq!((&list["total"], &list["count"], &list["start"]), (&2.into(), &1.into(), &0.into()));
    let newest = &list["items"][0];
    assert_eq!(newest["To"][0]["Mailbox"], "bob");
    assert_eq!(newest["To"][0]["Domain"], "example.org");
    assert_eq!(newest["From"]["Mailbox"], "no-reply");
    assert_eq!(newest["Content"]["Headers"]["Subject"][0], "<b>Hello</b>");
    assert_eq!(newest["Raw"]["To"][0], "bob@example.org");
    assert_eq!(newest["Raw"]["Data"], MAIL);
    assert_eq!(newest["MIME"]["Parts"][0]["Body"], "plain words");
    let older = catcher.json("/api/v2/messages?start=1&limit=10").await;
    assert_eq!(older["items"][0]["To"][0]["Mailbox"], "ada");
}

#[tokio::test]
async fn mails_are_found_by_sender_recipient_or_text() {
    let catcher = Catcher::start().await;
    catcher.send("ada@example.org").await;
    catcher.send("bob@example.org").await;
    for (query, expected) in [
        ("kind=to&query=BOB@example.org", 1),
        ("kind=to&query=unknown", 0),
        // The header `To` names Ada in both.
        ("kind=to&query=ada@", 2),
        ("kind=from&query=No-Reply", 2),
        ("kind=from&query=accounts", 2),
        ("kind=from&query=ada", 0),
        ("kind=containing&query=plain%20WORDS", 2),
        ("kind=containing&query=boundary%3Dx", 2),
        ("kind=containing&query=missing", 0),
    ] {
        assert_eq!(catcher.json(&format!("/api/v2/search?{query}")).await["total"], expected, "{query}");
    }
    let second = catcher.json("/api/v2/search?kind=from&query=accounts&start=1&limit=1").await;
    assert_eq!((&second["total"], &second["count"], &second["start"]), (&2.into(), &1.into(), &1.into()));
    assert_eq!(second["items"][0]["To"][0]["Mailbox"], "ada");
}

#[tokio::test]
async fn one_mail_or_all_mails_can_be_read_and_deleted() {
    let catcher = Catcher::start().await;
    for to in ["ada@example.org", "bob@example.org", "cy@example.org"] {
        catcher.send(to).await;
    }
    let ids = catcher.ids("/api/v2/messages").await;
    let bob = format!("/api/v1/messages/{}", ids[1]);
    assert_eq!(catcher.json(&bob).await["To"][0]["Mailbox"], "bob");
    assert_eq!(catcher.get(&format!("{bob}/download")).await.body, MAIL);
    assert_eq!(catcher.request("DELETE", &bob).await.status, 200);
    for (method, path) in [("GET", bob.clone()), ("GET", format!("{bob}/download")), ("DELETE", bob)] {
        assert_eq!(catcher.request(method, &path).await.status, 404, "{method} {path}");
    }
    assert_eq!(catcher.ids("/api/v2/messages").await, [ids[0].clone(), ids[2].clone()]);
    assert_eq!(catcher.request("DELETE", "/api/v1/messages").await.status, 200);
    assert_eq!(catcher.json("/api/v2/messages").await["total"], 0);
}

#[tokio::test]
async fn the_error_for_a_bad_parameter_names_it() {
    let catcher = Catcher::start().await;
    for (path, expected) in [
        ("messages?start=x", "`start` must be a number, at least 0.\n"),
        ("messages?limit=-1", "`limit` must be a number, at least 0.\n"),
        ("search?kind=to&query=a&start=1.5", "`start` must be a number, at least 0.\n"),
        ("search?query=a", "`kind` must be from, to or containing.\n"),
        ("search?kind=subject&query=a", "`kind` must be from, to or containing.\n"),
        ("search?kind=to", "`query` must not be empty.\n"),
        ("search?kind=to&query=", "`query` must not be empty.\n"),
    ] {
        let response = catcher.get(&format!("/api/v2/{path}")).await;
        assert_eq!((response.status, response.body.as_str()), (400, expected), "{path}");
    }
}

#[tokio::test]
async fn the_page_shows_a_mail_escaped_and_its_html_in_a_sandbox() {
    let catcher = Catcher::start().await;
    catcher.send("ada@example.org").await;
    let id = catcher.catcher.store().all()[0].id.clone();
    let list = catcher.get("/").await;
    assert!(list.body.contains("&lt;b&gt;Hello&lt;&#x2f;b&gt;") && list.body.contains("ada@example.org"));
    assert!(list.body.contains("1 mail, 1 unread"), "{}", list.body);
    let text = catcher.get(&format!("/mails/{id}?view=text")).await;
    assert!(text.body.contains("plain words") && !text.body.contains("unread"), "{}", text.body);
    let mail = catcher.get(&format!("/mails/{id}")).await;
    assert!(mail.body.contains("sandbox=\"allow-popups allow-popups-to-escape-sandbox\""));
    assert!(!mail.body.contains("alert"), "the HTML of the mail is only in its own frame");
    assert!(catcher.get(&format!("/mails/{id}/html")).await.body.contains("<p>rich"));
    for path in ["/mails/none", "/mails/none/html"] {
        assert_eq!(catcher.get(path).await.status, 404);
    }
}

#[tokio::test]
async fn the_policies_forbid_scripts_of_mails_and_resources_from_elsewhere() {
    let catcher = Catcher::start().await;
    catcher.send("ada@example.org").await;
    let id = catcher.catcher.store().all()[0].id.clone();
    let policy = async |path: &str| {
        let mut stream = catcher.connect(path).await;
        let head = read_until(&mut stream, "\r\n\r\n").await;
        let policy = head.lines().find_map(|line| line.strip_prefix("content-security-policy: ")).map(str::to_owned);
        policy.unwrap_or_else(|| panic!("{path} has no policy: {head}"))
    };
    for path in ["/".to_owned(), format!("/mails/{id}")] {
        let page = policy(&path).await;
        assert!(page.starts_with("default-src 'none'; script-src 'self'; style-src 'self'; "), "{page}");
        assert!(!page.contains("unsafe") && page.contains("frame-ancestors 'none'"), "{page}");
    }
    let mail = policy(&format!("/mails/{id}/html")).await;
    assert!(mail.contains("default-src 'none'; style-src 'unsafe-inline'; img-src data:; "), "{mail}");
    let sandbox = mail.split(';').next().expect("a directive");
    assert_eq!(sandbox, "sandbox allow-popups allow-popups-to-escape-sandbox");
}

#[tokio::test]
async fn a_list_of_more_than_a_hundred_mails_has_pages() {
    let catcher = Catcher::start().await;
    for n in 0..150 {
        let data = format!("Subject: number {n}.\r\n\r\n").into_bytes();
        catcher.catcher.store().add(Envelope::default(), data);
    }
    let first = catcher.get("/?q=number").await.body;
    assert!(first.contains("number 149.") && first.contains("number 50.") && !first.contains("number 49."));
    assert!(first.contains("150 of 150 mails") && first.contains(">Older<") && !first.contains(">Newer<"));
    let second = catcher.get("/?q=number&start=100").await.body;
    assert!(second.contains("number 49.") && second.contains("number 0.") && !second.contains("number 50."));
    assert!(second.contains(">Newer<") && !second.contains(">Older<"));
}

#[tokio::test]
async fn a_mail_with_thousands_of_nested_parts_is_shown_by_its_source_with_a_note() {
    let catcher = Catcher::start().await;
    let level = |n: usize| format!("Content-Type: multipart/mixed; boundary=\"b{n}.\"\r\n\r\n--b{n}.\r\n");
    let mail = format!("Subject: deep\r\n{}", (0..5_000).map(level).collect::<String>());
    let id = catcher.catcher.store().add(Envelope::default(), mail.into_bytes());
    let list = catcher.get("/?q=deep").await.body;
    assert!(list.contains("1 of 1 mail") && list.contains(">deep<"), "{list}");
    let page = catcher.get(&format!("/mails/{id}?view=headers")).await.body;
    assert!(page.contains("Only the source is shown, because the mail is malformed or has too many parts"));
    assert!(page.contains("boundary=&quot;b1.&quot;") && !page.contains(">Headers<"));
    let message = catcher.json("/api/v2/messages").await["items"][0].clone();
    assert_eq!(message["Content"]["Headers"]["Subject"][0], "deep");
    assert_eq!(message["MIME"], Value::Null);
    assert_eq!(catcher.json("/api/v2/search?kind=containing&query=b4999.").await["total"], 1);
}

/// Reads from a connection until a text appears, and returns what was read.
async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = Vec::new();
    let read = async {
        while !String::from_utf8_lossy(&text).contains(end) {
            let count = stream.read_buf(&mut text).await.expect("the server writes");
            assert!(count > 0, "the connection has ended");
        }
    };
    let in_time = tokio::time::timeout(SOON, read).await.is_ok();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(in_time, "no {end:?} in {text:?}");
    text
}

#[tokio::test]
async fn pages_are_told_about_changes_until_the_catcher_stops() {
    let catcher = Catcher::start().await;
    let mut stream = catcher.connect("/events").await;
    let head = read_until(&mut stream, "data: 0\n").await;
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("content-type: text/event-stream"), "{head}");
    catcher.send("ada@example.org").await;
    read_until(&mut stream, "data: 1\n").await;
    catcher.request("DELETE", "/api/v1/messages").await;
    read_until(&mut stream, "data: 2\n").await;
    drop(catcher);
    let mut rest = Vec::new();
    // The connection may be closed or reset.
    let _ = tokio::time::timeout(SOON, stream.read_to_end(&mut rest)).await.expect("the stream ends");
}

#[tokio::test]
async fn the_number_of_pages_that_are_told_about_changes_is_bounded() {
    let catcher = Catcher::start().await;
    let mut streams = Vec::new();
    for _ in 0..32 {
        let mut stream = catcher.connect("/events").await;
        read_until(&mut stream, "data: 0\n").await;
        streams.push(stream);
    }
    let refused = read_until(&mut catcher.connect("/events").await, "same time.").await;
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("retry-after: 5"), "{refused}");
    // A page that is closed makes room; the server notices it when it writes.
    streams.pop();
    wait_for(Duration::from_secs(60), "a free place", async || {
        catcher.catcher.store().add(Envelope::default(), Vec::new());
        let mut stream = catcher.connect("/events").await;
        read_until(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 200").then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_error_for_a_port_in_use_names_the_port() {
    let catcher = Catcher::start().await;
    let free = Port::free().expect("a free port");
    let error = MailCatcher::start(catcher.smtp.number(), free.number()).await.expect_err("the port is in use");
    assert!(error.to_string().contains(&catcher.smtp.number().to_string()), "{error}");
}
