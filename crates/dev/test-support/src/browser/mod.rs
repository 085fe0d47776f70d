//! A real browser: Chromium without a window, controlled by its DevTools protocol over two pipes. The page that a test
//! sees is the one of a reader: it clicks, types and presses keys, and scripts of a page may be off.

mod input;
mod reading;
mod settings;

use std::{env, path::PathBuf, process::Stdio, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use local_stack::wait_for::{DEADLINE, wait_for};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
};

pub use reading::Cookie;

const CALL_DEADLINE: Duration = Duration::from_secs(30);
const PROGRAMS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
/// The browser makes no request of its own. Its sandbox needs rights that a test does not have.
const ARGUMENTS: [&str; 10] = [
    "--headless",
    "--remote-debugging-pipe",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// A browser with one tab and an empty profile. Dropping it ends the browser.
#[derive(Debug)]
pub struct Browser {
    _process: Child,
    requests: ChildStdin,
    replies: BufReader<ChildStdout>,
    next_id: u64,
    /// The DevTools session of the tab.
    tab: Option<String>,
    /// The number of pages that [`Browser::leave_page`] has left.
    pages_left: u64,
    _profile: TempDir,
}

impl Browser {
    /// Starts Chromium. Returns `None` if it is not installed; the test is then skipped.
    ///
    /// # Panics
    /// Panics if Chromium does not start.
    pub async fn start() -> Option<Self> {
        let program = find_program()?;
        let profile = tempfile::tempdir().expect("a temporary directory");
        // The protocol uses the file descriptors 3 and 4. Chromium ends when they are closed.
        let mut process = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1"])
            .arg(program)
            .args(ARGUMENTS)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("a shell");
        let requests = process.stdin.take().expect("it is a pipe");
        let replies = BufReader::new(process.stdout.take().expect("it is a pipe"));
        let mut browser =
            Self { _process: process, requests, replies, next_id: 1, tab: None, pages_left: 0, _profile: profile };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" })).await;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = browser.call("Target.attachToTarget", attach).await;
        browser.tab = session["sessionId"].as_str().map(str::to_owned);
        browser.call("Page.enable", json!({})).await;
        Some(browser)
    }

    /// Makes every page that is opened from now on record what its content security policy has blocked, in the global array
    /// `policyViolations`.
    pub async fn record_policy_violations(&mut self) {
        let source = "globalThis.policyViolations = []; addEventListener('securitypolicyviolation', \
            event => policyViolations.push(event.effectiveDirective + ' ' + event.blockedURI));";
        self.call("Page.addScriptToEvaluateOnNewDocument", json!({ "source": source })).await;
    }

    /// Opens a URL, and waits until everything is loaded.
    ///
    /// # Panics
    /// Panics if the page cannot be loaded within 30 s.
    pub async fn open(&mut self, url: &str) {
        let opened = self.call("Page.navigate", json!({ "url": url })).await;
        assert_eq!(opened["errorText"], Value::Null, "{url} cannot be opened");
        self.wait_until("document.readyState === 'complete'").await;
    }

    /// Goes back to the page before, as the button of the browser does.
    ///
    /// # Panics
    /// Panics if there is none.
    pub async fn go_back(&mut self) {
        self.leave_page(async |browser| {
            let history = browser.call("Page.getNavigationHistory", json!({})).await;
            let current = history["currentIndex"].as_u64().and_then(|index| usize::try_from(index).ok());
            let before = current.and_then(|index| index.checked_sub(1)).expect("there is a page before");
            let entry = json!({ "entryId": history["entries"][before]["id"] });
            browser.call("Page.navigateToHistoryEntry", entry).await;
        })
        .await;
    }

    /// Does what leads to another page, or to the same page again, and waits until everything there is loaded.
    ///
    /// # Panics
    /// Panics if no other page is loaded within 30 s.
    pub async fn leave_page(&mut self, action: impl AsyncFnOnce(&mut Self)) {
        self.pages_left += 1;
        let mark = self.pages_left;
        // The next page has its own global object. Going back can restore a page with an earlier mark.
        self.evaluate(&format!("globalThis.leftAs = {mark}")).await;
        action(self).await;
        self.wait_until(&format!("globalThis.leftAs !== {mark} && document.readyState === 'complete'")).await;
    }

    /// Evaluates an expression in the page, and returns its value. Works with the scripts of pages off, too.
    ///
    /// # Panics
    /// Panics if the expression throws.
    pub async fn evaluate(&mut self, expression: &str) -> Value {
        self.evaluate_in_page(expression).await.unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    /// Waits until an expression is true, also in the next page.
    ///
    /// # Panics
    /// Panics if it is not true within 30 s.
    pub async fn wait_until(&mut self, expression: &str) {
        wait_for(DEADLINE, expression, async || match self.evaluate_in_page(expression).await {
            Ok(value) => (value == Value::Bool(true)).then_some(()),
            Err(error) => {
                // The page was replaced by the next one meanwhile.
                let is_replaced = ["context", "navigated"].iter().any(|word| error.contains(word));
                assert!(is_replaced, "{expression}: {error}");
                None
            }
        })
        .await;
    }

    /// Evaluates an expression. The error is that of the protocol.
    ///
    /// # Panics
    /// Panics if the expression throws.
    async fn evaluate_in_page(&mut self, expression: &str) -> Result<Value, String> {
        let parameters = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let reply = self.try_call("Runtime.evaluate", parameters).await?;
        assert_eq!(reply["exceptionDetails"], Value::Null, "{expression}");
        Ok(reply["result"]["value"].clone())
    }

    /// Returns a picture of the window as PNG, once two pictures in a row are the same: frames are painted after the page.
    ///
    /// # Panics
    /// Panics if the page changes for 30 s.
    pub async fn picture(&mut self) -> Vec<u8> {
        let mut last = Value::Null;
        wait_for(DEADLINE, "a picture that stays the same", async || {
            let reply = self.call("Page.captureScreenshot", json!({ "format": "png" })).await;
            let data = reply["data"].clone();
            let is_same = data == last;
            last = data;
            is_same.then(|| BASE64_STANDARD.decode(last.as_str().unwrap_or_default()).expect("it is Base64"))
        })
        .await
    }

    /// Calls a method of the protocol, and returns its result.
    async fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.try_call(method, parameters).await.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// Calls a method of the protocol, and returns its result or the message of its error. Events are dropped.
    async fn try_call(&mut self, method: &str, parameters: Value) -> Result<Value, String> {
        let call = async {
            let id = self.next_id;
            self.next_id += 1;
            let mut request = json!({ "id": id, "method": method, "params": parameters });
            if let Some(tab) = &self.tab {
                request["sessionId"] = Value::from(tab.as_str());
            }
            self.requests.write_all(format!("{request}\0").as_bytes()).await.expect("Chromium reads");
            loop {
                let mut message = Vec::new();
                self.replies.read_until(0, &mut message).await.expect("Chromium writes");
                assert_eq!(message.pop(), Some(0), "Chromium has ended");
                let mut message: Value = serde_json::from_slice(&message).expect("Chromium writes JSON");
                if message["id"] == id {
                    return match &message["error"] {
                        Value::Null => Ok(message["result"].take()),
                        error => Err(error["message"].as_str().unwrap_or_default().to_owned()),
                    };
                }
            }
        };
        tokio::time::timeout(CALL_DEADLINE, call).await.unwrap_or_else(|_| panic!("{method}: no reply from Chromium"))
    }
}

fn find_program() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let directories: Vec<PathBuf> = env::split_paths(&path).collect();
    PROGRAMS.iter().flat_map(|name| directories.iter().map(move |directory| directory.join(name))).find(|p| p.is_file())
}
