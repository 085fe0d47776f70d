//! What a reader sees in a page, and what the browser keeps of it.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Browser,
    input::{field, quote},
};

/// A cookie of the browser.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cookie {
    /// The name, with its prefix.
    pub name: String,
    /// The value.
    pub value: String,
    /// The path below which it is sent.
    pub path: String,
    /// Whether scripts cannot read it.
    pub http_only: bool,
    /// Whether it is sent over TLS only.
    pub secure: bool,
    /// `Strict`, `Lax` or `None`. Absent if the server has not set it.
    #[serde(default)]
    pub same_site: String,
    /// Whether it ends with the browser.
    pub session: bool,
}

impl Browser {
    /// Returns path and query of the page.
    pub async fn path(&mut self) -> String {
        self.string("location.pathname + location.search").await.unwrap_or_default()
    }

    /// Returns the status of the response that the page is from.
    pub async fn response_status(&mut self) -> u16 {
        let status = self.evaluate("performance.getEntriesByType('navigation')[0].responseStatus").await;
        status.as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or_default()
    }

    /// Returns the visible text of the page.
    pub async fn page_text(&mut self) -> String {
        self.string("document.body.innerText").await.unwrap_or_default()
    }

    /// Returns the visible text of the element that a CSS selector finds, if there is one.
    pub async fn text(&mut self, selector: &str) -> Option<String> {
        self.string(&format!("document.querySelector({})?.innerText.trim()", quote(selector))).await
    }

    /// Returns the heading of the page.
    ///
    /// # Panics
    /// Panics if it has none.
    pub async fn heading(&mut self) -> String {
        self.text("h1").await.expect("the page has a heading")
    }

    /// Returns the result that the page reports (`role="status"`), if there is one.
    pub async fn status(&mut self) -> Option<String> {
        self.text("[role=status]").await
    }

    /// Returns why the page shows a form again (`role="alert"`), if it says so above the form.
    pub async fn alert(&mut self) -> Option<String> {
        self.text("[role=alert]").await
    }

    /// Returns what is in the field of this name; for a box, `yes` or an empty text.
    ///
    /// # Panics
    /// Panics if the page has not exactly one visible field of this name.
    pub async fn field_value(&mut self, name: &str) -> String {
        let value =
            format!("(field => field.type === 'checkbox' && !field.checked ? '' : field.value)({})", field(name));
        self.string(&value).await.unwrap_or_default()
    }

    /// Returns the problem beside the field of this name, as a screen reader finds it: by `aria-invalid` and
    /// `aria-describedby`.
    ///
    /// # Panics
    /// Panics if the page has not exactly one visible field of this name.
    pub async fn field_error(&mut self, name: &str) -> Option<String> {
        self.string(&format!(
            "(field => field.getAttribute('aria-invalid') !== 'true' ? null : \
             field.getAttribute('aria-describedby').split(' ').map(id => document.getElementById(id)).filter(\
             part => part.classList.contains('error')).map(part => part.innerText.trim()).join('\\n'))({})",
            field(name)
        ))
        .await
    }

    /// Returns the texts of the links and buttons that are visible, in the order of the page.
    pub async fn actions(&mut self) -> Vec<String> {
        let texts = self
            .evaluate(
                "[...document.querySelectorAll('a, button')].filter(element => element.checkVisibility())\
                 .map(element => element.innerText.trim())",
            )
            .await;
        texts.as_array().into_iter().flatten().filter_map(|text| Some(text.as_str()?.to_owned())).collect()
    }

    /// Returns by how many CSS pixels the page is wider than the window: 0 if it fits. Also what is cut off on the side to
    /// which the page cannot be scrolled counts, but not what scrolls or is cut off in a part of the page.
    pub async fn overflow(&mut self) -> i64 {
        let beyond = "(width => Math.ceil(Math.max(document.documentElement.scrollWidth - width, \
            ...[...document.body.querySelectorAll('*')].filter(element => { \
                for (let part = element; part !== document.body; part = part.parentElement) \
                    if (getComputedStyle(part).overflowX !== 'visible') return false; \
                return element.checkVisibility(); \
            }).map(element => element.getBoundingClientRect()).map(box => Math.max(box.right - width, -box.left)), 0)))\
            (document.documentElement.clientWidth)";
        self.evaluate(beyond).await.as_i64().unwrap_or(i64::MAX)
    }

    /// Returns the addresses of the frames of the page, each with whether the browser shows what is there.
    pub async fn frames(&mut self) -> Vec<(String, bool)> {
        let tree = self.call("Page.getFrameTree", json!({})).await;
        let frames = tree["frameTree"]["childFrames"].as_array().cloned().unwrap_or_default();
        let frame = |frame: &Value| {
            let refused = frame["frame"]["unreachableUrl"].as_str();
            let address = refused.or_else(|| frame["frame"]["url"].as_str()).unwrap_or_default();
            (address.to_owned(), refused.is_none())
        };
        frames.iter().map(frame).collect()
    }

    /// Returns the cookies that are sent to the page.
    ///
    /// # Panics
    /// Panics if Chromium describes them otherwise than expected.
    pub async fn cookies(&mut self) -> Vec<Cookie> {
        let mut cookies = self.call("Network.getCookies", json!({})).await;
        serde_json::from_value(cookies["cookies"].take()).expect("Chromium lists its cookies")
    }

    /// Sets a cookie of the origin of a URL, as a program with access to the browser could.
    ///
    /// # Panics
    /// Panics if the browser refuses it.
    pub async fn set_cookie(&mut self, url: &str, name: &str, value: &str) {
        let cookie = json!({ "url": url, "name": name, "value": value, "path": "/" });
        let set = self.call("Network.setCookie", cookie).await;
        assert_eq!(set["success"], true, "the cookie {name} is refused");
    }

    /// Deletes all cookies.
    pub async fn clear_cookies(&mut self) {
        self.call("Network.clearBrowserCookies", json!({})).await;
    }

    /// Returns a description of the page for the report of a failed test.
    pub(super) async fn describe(&mut self) -> String {
        format!("{}:\n{}", self.path().await, self.page_text().await)
    }

    async fn string(&mut self, expression: &str) -> Option<String> {
        match self.evaluate(expression).await {
            Value::String(text) => Some(text),
            _ => None,
        }
    }
}
