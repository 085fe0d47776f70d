//! A real browser: Chromium without a window, controlled by its DevTools protocol over two pipes.

use std::{env, path::PathBuf, process::Stdio, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use local_stack::wait_for::{DEADLINE, wait_for};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
};

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
        let mut browser = Self { _process: process, requests, replies, next_id: 1, tab: None, _profile: profile };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" })).await;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = browser.call("Target.attachToTarget", attach).await;
        browser.tab = session["sessionId"].as_str().map(str::to_owned);
        browser.call("Page.enable", json!({})).await;
        Some(browser)
    }

    /// Sets the size of the window in CSS pixels.
    pub async fn set_size(&mut self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// Sets what `prefers-color-scheme` matches: `light` or `dark`.
    pub async fn set_color_scheme(&mut self, scheme: &str) {
        let feature = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.call("Emulation.setEmulatedMedia", feature).await;
    }

    /// Sets the time zone, by its IANA name.
    pub async fn set_time_zone(&mut self, zone: &str) {
        self.call("Emulation.setTimezoneOverride", json!({ "timezoneId": zone })).await;
    }

    /// Switches the scripts of pages off.
    pub async fn disable_scripts(&mut self) {
        self.call("Emulation.setScriptExecutionDisabled", json!({ "value": true })).await;
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

    /// Evaluates an expression in the page, and returns its value.
    ///
    /// # Panics
    /// Panics if the expression throws.
    pub async fn evaluate(&mut self, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let reply = self.call("Runtime.evaluate", parameters).await;
        assert_eq!(reply["exceptionDetails"], Value::Null, "{expression}");
        reply["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    ///
    /// # Panics
    /// Panics if it is not true within 30 s.
    pub async fn wait_until(&mut self, expression: &str) {
        wait_for(DEADLINE, expression, async || (self.evaluate(expression).await == Value::Bool(true)).then_some(()))
            .await;
    }

    /// Clicks on the middle of the element that a CSS selector finds.
    ///
    /// # Panics
    /// Panics if there is no such element, or another one covers it.
    pub async fn click(&mut self, selector: &str) {
        // A click before the first frame of a page is lost, and a style sheet that arrives late moves the element.
        // A picture requires a frame. A picture of a part would resize the page for a moment, and a click into a frame
        // of another process would then miss it.
        self.wait_until("document.readyState === 'complete'").await;
        self.call("Page.captureScreenshot", json!({})).await;
        let found = self
            .evaluate(&format!(
                "(() => {{
                    const element = document.querySelector({selector:?});
                    element?.scrollIntoView({{ block: 'nearest', behavior: 'instant' }});
                    const box = element?.getBoundingClientRect();
                    const [x, y] = box ? [box.x + box.width / 2, box.y + box.height / 2] : [0, 0];
                    return {{ x, y, isOnTop: !!element?.contains(document.elementFromPoint(x, y)) }};
                }})()"
            ))
            .await;
        assert_eq!(found["isOnTop"], true, "{selector} cannot be clicked");
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({ "type": kind, "x": found["x"], "y": found["y"], "button": "left", "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", event).await;
        }
    }

    /// Presses a key, by its name in `KeyboardEvent.key`. A key of one character enters it.
    pub async fn press(&mut self, key: &str) {
        let mut down = json!({ "type": "keyDown", "key": key });
        if key.chars().count() == 1 {
            down["text"] = Value::from(key);
        }
        if key == "Enter" {
            down["text"] = Value::from("\r");
        }
        self.call("Input.dispatchKeyEvent", down).await;
        self.call("Input.dispatchKeyEvent", json!({ "type": "keyUp", "key": key })).await;
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

    /// Calls a method of the protocol, and returns its result. Events are dropped.
    async fn call(&mut self, method: &str, parameters: Value) -> Value {
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
                    assert_eq!(message["error"], Value::Null, "{method}");
                    return message["result"].take();
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
