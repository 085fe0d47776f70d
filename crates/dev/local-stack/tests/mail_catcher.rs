//! Tests of the mail catcher: a mail that arrives by SMTP is shown by MailHog's API and by the web page.

use std::time::Duration;

use local_stack::{
    dependencies::mail_catcher::MailCatcher,
    network::{http, ports::Port},
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

    async fn json(&self, path: &str) -> Value {
        let response = http::get(self.http.number(), path, SOON).await.expect("the API answers");
        assert_eq!(response.status, 200);
        serde_json::from_str(&response.body).expect("the API answers JSON")
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
async fn mails_are_found_by_recipient_and_can_be_deleted() {
    let catcher = Catcher::start().await;
    catcher.send("ada@example.org").await;
    catcher.send("bob@example.org").await;
    assert_eq!(catcher.json("/api/v2/search?kind=to&query=ADA@example.org").await["total"], 1);
    assert_eq!(catcher.json("/api/v2/search?kind=to&query=unknown").await["total"], 0);
    let deleted =
        http::request("DELETE", catcher.http.number(), "/api/v1/messages", SOON).await.expect("the API answers");
    assert_eq!(deleted.status, 200);
    assert_eq!(catcher.json("/api/v2/messages").await["total"], 0);
}

#[tokio::test]
async fn the_page_shows_a_mail_escaped_and_its_html_in_a_sandbox() {
    let catcher = Catcher::start().await;
    catcher.send("ada@example.org").await;
    let id = catcher.catcher.store().all()[0].id.clone();
    let get = async |path: String| http::get(catcher.http.number(), &path, SOON).await.expect("the page answers");
    let list = get("/".to_owned()).await;
    assert!(list.body.contains("&lt;b&gt;Hello&lt;/b&gt;") && list.body.contains("ada@example.org"));
    let mail = get(format!("/mails/{id}")).await;
    assert!(mail.body.contains("plain words") && mail.body.contains("sandbox="));
    assert!(!mail.body.contains("<script>"), "the HTML of the mail is only in its own frame");
    let html = get(format!("/mails/{id}/html")).await;
    assert!(html.body.contains("<p>rich"));
    assert_eq!(get("/mails/none".to_owned()).await.status, 404);
}

#[tokio::test]
async fn the_error_for_a_port_in_use_names_the_port() {
    let catcher = Catcher::start().await;
    let free = Port::free().expect("a free port");
    let error = MailCatcher::start(catcher.smtp.number(), free.number()).await.expect_err("the port is in use");
    assert!(error.to_string().contains(&catcher.smtp.number().to_string()), "{error}");
}
