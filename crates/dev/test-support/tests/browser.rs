//! The functions of the browser, with pages in files. They need no running stack.

use std::fs;

use test_support::{Browser, report_skipped};

const FORM: &str = "<!doctype html><meta charset=utf-8><title>Form</title><h1>Form</h1>
<form action='result.html'>
<label>Name <input name='name' value='old' aria-invalid='true' aria-describedby='hint problem'></label>
<p id='hint'>Any name.</p><p id='problem' class='error'>This name is taken.</p>
<input type='hidden' name='name' value='hidden'>
<label>Kind <select name='kind'><option value='a'>A</option><option value='b'>B</option></select></label>
<label><input type='checkbox' name='agree' value='yes'> Agree</label>
<button>Send</button></form>
<p><a href='result.html'>Elsewhere</a> <a href='result.html' hidden>Elsewhere</a></p>
<p role='alert'>Please look again.</p>";
const RESULT: &str = "<!doctype html><title>Result</title><h1>Result</h1><p role='status'>Done.</p>";

#[tokio::test]
async fn a_form_is_filled_sent_and_left_with_the_mouse_and_with_keys() {
    let Some(mut browser) = Browser::start().await else {
        let test = "a_form_is_filled_sent_and_left_with_the_mouse_and_with_keys";
        return report_skipped(test, "Chromium is not installed");
    };
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| directory.path().join(name);
    fs::write(path("form.html"), FORM).expect("the directory is writable");
    fs::write(path("result.html"), RESULT).expect("the directory is writable");
    let form = format!("file://{}", path("form.html").display());
    for has_scripts in [true, false] {
        if has_scripts {
            browser.enable_scripts().await;
        } else {
            browser.disable_scripts().await;
        }
        browser.open(&form).await;
        assert_eq!(browser.alert().await.as_deref(), Some("Please look again."));
        assert_eq!(browser.status().await, None);
        assert_eq!(browser.actions().await, ["Send", "Elsewhere"]);
        assert_eq!(browser.focus_order().await, ["name", "kind", "agree", "Send", "Elsewhere"]);
        assert_eq!(browser.field_error("name").await.as_deref(), Some("This name is taken."));
        assert_eq!(browser.field_error("agree").await, None);
        assert_eq!(browser.field_value("name").await, "old");
        browser.fill("name", "").await;
        assert_eq!(browser.field_value("name").await, "");
        browser.fill("name", "Zoë \"x\" 名").await;
        browser.choose("kind", "b").await;
        assert_eq!(browser.field_value("agree").await, "");
        browser.toggle("agree").await;
        assert_eq!(browser.field_value("agree").await, "yes");
        browser.submit("result.html").await;
        assert_eq!(browser.status().await.as_deref(), Some("Done."));
        let query = browser.evaluate("location.search").await;
        assert_eq!(query, "?name=Zo%C3%AB+%22x%22+%E5%90%8D&name=hidden&kind=b&agree=yes");

        browser.go_back().await;
        assert_eq!(browser.heading().await, "Form");
        browser.follow("Elsewhere").await;
        assert_eq!(browser.heading().await, "Result");

        // The same without a mouse.
        browser.open(&form).await;
        browser.tab_to("name").await;
        browser.enter("Ada").await;
        browser.tab_to("agree").await;
        browser.press(" ").await;
        browser.press("Tab").await;
        assert_eq!(browser.focused().await.as_deref(), Some("Send"));
        browser.press("Shift+Tab").await;
        assert_eq!(browser.focused().await.as_deref(), Some("agree"));
        browser.press_and_follow("Enter").await;
        assert_eq!(browser.evaluate("location.search").await, "?name=Ada&name=hidden&kind=a&agree=yes");
    }
    browser.set_size(100, 400).await;
    browser.open(&form).await;
    assert!(browser.overflow().await > 0);
}
