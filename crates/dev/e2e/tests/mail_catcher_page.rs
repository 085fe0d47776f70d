//! Tests of the mail catcher's page in a real Chromium. They need no running stack.

use e2e::foreign_site::ForeignSite;
use local_stack::dependencies::mail_catcher::{Envelope, MailCatcher};
use serde_json::Value;
use test_support::{Browser, DEADLINE, Port, report_skipped, wait_for};

/// A mail catcher and a browser.
struct Page {
    catcher: MailCatcher,
    browser: Browser,
    _ports: [Port; 2],
}

impl Page {
    /// Starts both. Without Chromium it reports the test as skipped and returns `None`.
    async fn start(test: &str) -> Option<Self> {
        let Some(mut browser) = Browser::start().await else {
            report_skipped(test, "Chromium is not installed");
            return None;
        };
        browser.set_size(1280, 800).await;
        let ports = [Port::free().expect("a free port"), Port::free().expect("a free port")];
        let catcher = MailCatcher::start(ports[0].number(), ports[1].number()).await.expect("the ports are free");
        Some(Self { catcher, browser, _ports: ports })
    }

    /// Adds a mail as if it had arrived by SMTP, and returns its id.
    fn receive(&self, to: &str, mail: &str) -> String {
        let envelope =
            Envelope { helo: "client".to_owned(), from: "no-reply@example.org".to_owned(), to: vec![to.to_owned()] };
        self.catcher.store().add(envelope, mail.replace('\n', "\r\n").into_bytes())
    }

    fn receive_alternative(&self, to: &str, subject: &str, html: &str) -> String {
        let mail = format!(
            "From: Accounts <no-reply@example.org>\nTo: {to}\nSubject: {subject}\nMIME-Version: 1.0\n\
             Content-Type: multipart/alternative; boundary=b\n\n\
             --b\nContent-Type: text/plain; charset=utf-8\n\nText for {to}\n\
             --b\nContent-Type: text/html; charset=utf-8\n\n{html}\n--b--\n"
        );
        self.receive(to, &mail)
    }

    async fn open(&mut self, path: &str) {
        let url = format!("{}{path}", self.catcher.url());
        self.browser.open(&url).await;
    }

    /// Returns the subjects of the list.
    async fn subjects(&mut self) -> Value {
        self.browser.evaluate("[...document.querySelectorAll('.subject')].map((subject) => subject.textContent)").await
    }

    async fn text(&mut self, selector: &str) -> String {
        let text = self.browser.evaluate(&format!("document.querySelector({selector:?})?.innerText ?? null")).await;
        text.as_str().unwrap_or_else(|| panic!("there is no {selector}")).to_owned()
    }

    async fn wait_until_live(&mut self) {
        self.browser.wait_until("document.querySelector('#live').classList.contains('is-live')").await;
    }
}

#[tokio::test]
async fn the_page_lists_opens_searches_and_deletes_mails() {
    let Some(mut page) = Page::start("the_page_lists_opens_searches_and_deletes_mails").await else { return };
    let welcome = page.receive_alternative("ada@example.org", "Welcome", "<h1>Hello Ada</h1>");
    let reset = page.receive_alternative("bob@example.org", "Reset your password", "<h1>Hello Bob</h1>");
    page.open("/").await;
    page.wait_until_live().await;
    assert_eq!(page.subjects().await, serde_json::json!(["Reset your password", "Welcome"]));
    assert_eq!(page.text("#count").await, "2 mails, 2 unread");

    // Opening a mail marks it as read, and does not load the page again.
    page.browser.evaluate("window.isSamePage = true").await;
    page.browser.click(&format!("[id='row-{reset}'] a")).await;
    page.browser.wait_until("document.querySelector('h1')?.textContent === 'Reset your password'").await;
    page.browser.wait_until("document.querySelector('#count').textContent.trim() === '2 mails, 1 unread'").await;
    page.browser.wait_until(&format!("location.pathname === '/mails/{reset}'")).await;
    assert_eq!(page.browser.evaluate("document.querySelectorAll('.unread').length").await, 1);
    assert_eq!(page.browser.evaluate("document.activeElement.closest('li')?.id").await, format!("row-{reset}"));

    // Each view is a tab.
    for (view, expected) in
        [("text", "Text for bob@example.org"), ("headers", "multipart/alternative"), ("source", "--b\nContent-Type")]
    {
        page.browser.click(&format!(".tabs [href*='view={view}']")).await;
        page.browser.wait_until(&format!("document.querySelector('.view')?.innerText.includes({expected:?})")).await;
    }
    page.browser.click(".tabs [href*='view=html']").await;
    page.browser.wait_until("document.querySelector('iframe') !== null").await;

    // The preview follows the width of the window, unless it is to look as on a phone.
    let width = "document.querySelector('iframe').clientWidth";
    let wide = page.browser.evaluate(width).await.as_u64().unwrap_or_default();
    page.browser.set_size(1600, 800).await;
    page.browser.wait_until(&format!("{width} === {}", wide + 320)).await;
    page.browser.click("[value=phone] + span").await;
    page.browser.wait_until(&format!("{width} <= 390")).await;
    // The choice stays for the next mail.
    page.browser.press("j").await;
    page.browser.wait_until("document.querySelector('h1')?.textContent === 'Welcome'").await;
    page.browser.wait_until(&format!("{width} <= 390")).await;

    // The search follows the input.
    page.browser.press("/").await;
    for letter in "HELLO bob".chars() {
        page.browser.press(&letter.to_string()).await;
    }
    page.browser.wait_until("document.querySelectorAll('#rows li').length === 0").await;
    assert_eq!(
        page.text("#empty").await,
        "No mail contains all of these words.",
        "the HTML is not searched if there is a text"
    );
    page.browser.evaluate("document.querySelector('#search').select()").await;
    for letter in "TEXT bob".chars() {
        page.browser.press(&letter.to_string()).await;
    }
    page.browser.wait_until("document.querySelectorAll('#rows li').length === 1").await;
    assert_eq!(page.subjects().await, serde_json::json!(["Reset your password"]));
    assert_eq!(page.text("#count").await, "1 of 2 mails");
    assert_eq!(page.browser.evaluate("location.search").await, "?q=TEXT+bob");

    // One mail is deleted with the key, the other ones with the button.
    page.browser.press("ArrowDown").await;
    page.browser.press("Enter").await;
    page.browser.wait_until("document.querySelector('h1')?.textContent === 'Reset your password'").await;
    page.browser.press("Delete").await;
    wait_for(DEADLINE, "the mail to be deleted", async || page.catcher.store().get(&reset).is_none().then_some(()))
        .await;
    assert!(page.catcher.store().get(&welcome).is_some());
    page.browser.click(".brand").await;
    page.browser.wait_until("document.querySelector('#count').textContent.trim() === '1 mail'").await;
    page.browser.click("#delete-all").await;
    assert_eq!(page.text("#confirm-text").await, "Delete the only mail?");
    page.browser.click("#confirm [value=cancel]").await;
    page.browser.click("#delete-all").await;
    page.browser.click("#confirm [value=delete]").await;
    page.browser.wait_until("document.querySelector('#empty').innerText.startsWith('No mails yet.')").await;
    assert!(page.catcher.store().all().is_empty());
    page.browser.wait_until("document.querySelector('#delete-all').disabled").await;
    assert_eq!(page.browser.evaluate("window.isSamePage").await, true);
}

#[tokio::test]
async fn a_mail_appears_as_it_arrives_and_the_open_mail_stays() {
    let Some(mut page) = Page::start("a_mail_appears_as_it_arrives_and_the_open_mail_stays").await else { return };
    page.open("/").await;
    page.wait_until_live().await;
    assert!(page.text("#empty").await.starts_with("No mails yet."));
    let first = page.receive_alternative("ada@example.org", "First", "<p>first</p>");
    page.browser.wait_until("document.querySelector('.subject')?.textContent === 'First'").await;
    page.browser.click("#rows a").await;
    page.browser.wait_until("document.querySelector('h1')?.textContent === 'First'").await;
    page.browser.evaluate("document.querySelector('iframe').isSameFrame = true").await;
    let second = page.receive_alternative("bob@example.org", "Second", "<p>second</p>");
    page.browser.wait_until("document.querySelectorAll('#rows li').length === 2").await;
    assert_eq!(page.subjects().await, serde_json::json!(["Second", "First"]));
    assert_eq!(page.browser.evaluate("document.querySelector('iframe').isSameFrame").await, true);
    assert_eq!(page.browser.evaluate("document.activeElement.closest('li')?.id").await, format!("row-{first}"));
    // What another client deletes disappears.
    assert!(page.catcher.store().remove(Some(&second)));
    page.browser.wait_until("document.querySelectorAll('#rows li').length === 1").await;
    assert!(page.catcher.store().remove(Some(&first)));
    page.browser.wait_until("document.querySelector('#mail').innerText.includes('does not exist any more')").await;
}

#[tokio::test]
async fn a_hostile_mail_runs_no_script_and_loads_nothing() {
    let Some(mut page) = Page::start("a_hostile_mail_runs_no_script_and_loads_nothing").await else { return };
    let elsewhere = ForeignSite::start().await;
    let (away, own) = (elsewhere.url(), page.catcher.url());
    let script = |name: &str| {
        format!(
            "fetch('{away}/{name}');new Image().src='{away}/{name}';fetch('{own}/api/v1/messages',{{method:'DELETE'}});parent.document.title='taken'"
        )
    };
    let beacon = |name: &str| format!("fetch('{away}/{name}')");
    let subject = format!(
        "\"></bdi><script>{}</script><img src=x onerror=\"{}\">{{{{ 7*7 }}}}",
        beacon("subject"),
        beacon("subject-image")
    );
    let sender = format!("<svg onload=\"{}\"><img src='{away}/sender'>", beacon("sender"));
    let html = format!(
        "</iframe></pre></article><script>{}</script><script src='{away}/script.js'></script>\
         <img src='{away}/image'><img src=x onerror=\"{}\"><svg onload=\"{}\"></svg>\
         <link rel=stylesheet href='{away}/sheet.css'><link rel=prefetch href='{away}/prefetch'><link rel=preload as=image href='{away}/preload'>\
         <style>@import url('{away}/import.css'); body {{ background: url('{away}/background') }} \
         @font-face {{ font-family: f; src: url('{away}/font') }} p {{ font-family: f }}</style>\
         <iframe src='{away}/frame'></iframe><iframe srcdoc=\"<script>{}</script>\"></iframe><object data='{away}/object'></object><embed src='{away}/embed'>\
         <video src='{away}/video' poster='{away}/poster' autoplay></video><audio src='{away}/audio' autoplay></audio>\
         <meta http-equiv=refresh content='0;url={away}/refresh'><base href='{away}/base/'><img src=relative>\
         <form action='{away}/form' id=f><input autofocus onfocus=\"{}\"></form>\
         <a href='{away}/link' target=_top>leave</a><p id=end>end</p>",
        script("inline"),
        script("error"),
        script("svg"),
        script("srcdoc"),
        script("focus"),
    );
    let mail = format!(
        "From: {sender}\nTo: ada@example.org\nSubject: {subject}\nX-Header: <script>{}</script>\nContent-Type: multipart/alternative; boundary=b\n\n\
         --b\nContent-Type: text/plain\n\n</pre><script>{}</script>\n--b\nContent-Type: text/html\n\n{html}\n--b--\n",
        script("header"),
        script("text"),
    );
    let id = page.receive("<script>@example.org", &mail);
    for path in [
        "/".to_owned(),
        format!("/mails/{id}/html"),
        format!("/mails/{id}?view=text"),
        format!("/mails/{id}?view=headers"),
        format!("/mails/{id}?view=source"),
        format!("/mails/{id}?q=%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E"),
        format!("/mails/{id}"),
    ] {
        page.open(&path).await;
    }
    page.wait_until_live().await;
    assert_eq!(page.text("h1").await, subject, "it is shown as it is, and no template");
    assert_eq!(page.subjects().await, serde_json::json!([subject]));
    assert_eq!(page.browser.evaluate("document.querySelectorAll('main script, main img, main svg').length").await, 0);
    assert_ne!(page.browser.evaluate("document.title").await, "taken");
    let frame = "document.querySelector('iframe')";
    assert_eq!(page.browser.evaluate(&format!("{frame}.contentDocument")).await, Value::Null, "it has its own origin");
    assert_eq!(page.browser.evaluate("document.querySelectorAll('iframe').length").await, 1);

    // The page may not load anything from elsewhere either.
    let fetched = page.browser.evaluate(&format!("fetch('{away}/page').then(() => true, () => false)")).await;
    assert_eq!(fetched, false);
    assert_eq!(page.catcher.store().all().len(), 1, "nothing was deleted");
    // The last request shows that requests are recorded.
    page.browser.open(&format!("{away}/control")).await;
    assert_eq!(elsewhere.requests(), ["/control"]);
}

#[tokio::test]
async fn a_link_of_a_mail_opens_in_another_tab() {
    let Some(mut page) = Page::start("a_link_of_a_mail_opens_in_another_tab").await else { return };
    let elsewhere = ForeignSite::start().await;
    let link = format!("<a style='position:fixed;inset:0' href='{}/verify?token=1'>Verify</a>", elsewhere.url());
    let id = page.receive_alternative("ada@example.org", "Verify", &link);
    page.open(&format!("/mails/{id}")).await;
    // The frame is another process. Until it is painted, a click goes to the page behind it, and nothing tells when it is.
    wait_for(DEADLINE, "the linked page to be opened", async || {
        page.browser.click("iframe").await;
        elsewhere.requests().contains(&"/verify?token=1".to_owned()).then_some(())
    })
    .await;
    assert_eq!(page.browser.evaluate("location.pathname").await, format!("/mails/{id}"));
    assert_eq!(page.text("h1").await, "Verify");
}

#[tokio::test]
async fn texts_of_any_script_and_times_of_any_zone_are_shown_right() {
    let Some(mut page) = Page::start("texts_of_any_script_and_times_of_any_zone_are_shown_right").await else { return };
    page.receive(
        "ada@example.org",
        "From: =?iso-8859-1?Q?J=FCrgen?= <no-reply@example.org>\nTo: ada@example.org\n\
         Subject: =?utf-8?B?2KPZh9mE2KfZiw==?= =?utf-8?Q?_=D8=A8=D9=83?=\n\
         Content-Type: text/plain; charset=windows-1256\nContent-Transfer-Encoding: base64\n\nw+Xhx/AgyN8=\n",
    );
    page.browser.set_time_zone("Asia/Kathmandu").await;
    page.open("/").await;
    page.wait_until_live().await;
    assert_eq!(page.subjects().await, serde_json::json!(["أهلاً بك"]));
    assert!(page.text(".people").await.contains("Jürgen"));
    let shown = "document.querySelector('time').textContent === new Intl.DateTimeFormat(undefined, \
        { hour: '2-digit', minute: '2-digit', timeZone: 'Asia/Kathmandu' }).format(new Date(document.querySelector('time').dateTime))";
    page.browser.wait_until(shown).await;
    page.browser.click("#rows a").await;
    page.browser.wait_until("document.querySelector('pre')?.textContent === 'أهلاً بك'").await;
    assert_eq!(page.browser.evaluate("getComputedStyle(document.querySelector('pre')).direction").await, "rtl");
}

#[tokio::test]
async fn the_page_is_dark_if_the_reader_prefers_it() {
    let Some(mut page) = Page::start("the_page_is_dark_if_the_reader_prefers_it").await else { return };
    page.open("/").await;
    for (scheme, expected) in [("light", "rgb(243, 245, 248)"), ("dark", "rgb(14, 17, 22)")] {
        page.browser.set_color_scheme(scheme).await;
        let background = page.browser.evaluate("getComputedStyle(document.body).backgroundColor").await;
        assert_eq!(background, expected, "{scheme}");
    }
}

#[tokio::test]
async fn without_scripts_the_list_and_the_mails_can_be_read() {
    let Some(mut page) = Page::start("without_scripts_the_list_and_the_mails_can_be_read").await else { return };
    page.browser.disable_scripts().await;
    let id = page.receive_alternative("ada@example.org", "Welcome", "<h1>Hello</h1>");
    page.open("/?q=welcome").await;
    page.browser.click("#rows a").await;
    page.browser.wait_until(&format!("location.pathname === '/mails/{id}'")).await;
    page.browser.click(".tabs [href*='view=text']").await;
    page.browser.wait_until("document.querySelector('pre')?.innerText.includes('Text for ada')").await;
    // The style sheet, which hides what needs a script, may arrive after the text.
    page.browser.wait_until("!document.querySelector('#delete').checkVisibility()").await;
}

#[tokio::test]
async fn a_narrow_window_shows_either_the_list_or_the_mail() {
    let Some(mut page) = Page::start("a_narrow_window_shows_either_the_list_or_the_mail").await else { return };
    page.browser.set_size(390, 800).await;
    page.receive_alternative("ada@example.org", "Welcome", "<h1>Hello</h1>");
    page.open("/").await;
    page.wait_until_live().await;
    let visible = "['.list', '#mail'].map((part) => document.querySelector(part).checkVisibility())";
    assert_eq!(page.browser.evaluate(visible).await, serde_json::json!([true, false]));
    page.browser.click("#rows a").await;
    page.browser.wait_until("document.querySelector('iframe') !== null").await;
    assert_eq!(page.browser.evaluate(visible).await, serde_json::json!([false, true]));
    page.browser.wait_until("document.activeElement.id === 'mail'").await;
    let fits = "document.documentElement.scrollWidth <= innerWidth";
    assert_eq!(page.browser.evaluate(fits).await, true, "nothing is wider than the window");
    page.browser.click(".back").await;
    page.browser.wait_until("document.querySelector('.list').checkVisibility()").await;
    assert_eq!(page.browser.evaluate(fits).await, true);
}
