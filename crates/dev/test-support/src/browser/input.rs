//! What a reader does in a page: clicks, types, and presses keys.

use std::{fs, path::Path};

use local_stack::wait_for::{DEADLINE, wait_for};
use serde_json::{Value, json};

use super::Browser;

/// The keys without a character, with the number that makes the browser itself act on them.
const KEYS: [(&str, u32); 8] = [
    ("Tab", 9),
    ("Enter", 13),
    ("Escape", 27),
    ("End", 35),
    ("ArrowUp", 38),
    ("ArrowDown", 40),
    ("Backspace", 8),
    ("Delete", 46),
];
const SHIFT: u32 = 8;
/// More parts of a page than this cannot be reached with the Tab key in a test.
const MAX_FOCUS: usize = 200;

impl Browser {
    /// Clicks on the middle of the element that a CSS selector finds.
    ///
    /// # Panics
    /// Panics if there is no such element, or another one covers it.
    pub async fn click(&mut self, selector: &str) {
        self.click_on(&format!("document.querySelector({})", quote(selector)), selector).await;
    }

    /// Clicks on the link or button with this text, and waits for the page that it leads to.
    ///
    /// # Panics
    /// Panics if not exactly one has the text, or no page is loaded within 30 s.
    pub async fn follow(&mut self, text: &str) {
        self.follow_within("body", text).await;
    }

    /// Does the same as [`Browser::follow`] in the part of the page that a CSS selector finds.
    ///
    /// # Panics
    /// Panics under the conditions of [`Browser::follow`].
    pub async fn follow_within(&mut self, selector: &str, text: &str) {
        let found = format!(
            "[...document.querySelectorAll({})].flatMap(part => [...part.querySelectorAll('a, button, summary')]).filter(\
             element => element.checkVisibility() && element.innerText.trim() === {})",
            quote(selector),
            quote(text)
        );
        self.leave_page(async |browser| browser.click_on(&only(&found), text).await).await;
    }

    /// Clicks on the button of the first form that is sent to this path, and waits for the page of the response.
    ///
    /// # Panics
    /// Panics if the page has no such form, or no page is loaded within 30 s.
    pub async fn submit(&mut self, path: &str) {
        let button = format!("form[action={}] button", quote(path));
        self.leave_page(async |browser| browser.click(&button).await).await;
    }

    /// Clicks on the link to this path or the button of the form that is sent to it, and returns the name and the content of
    /// the file that is downloaded.
    ///
    /// # Panics
    /// Panics if the page has not exactly one of them, or nothing is downloaded within 30 s.
    pub async fn download(&mut self, path: &str) -> (String, Vec<u8>) {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let behavior = json!({ "behavior": "allow", "downloadPath": directory.path().display().to_string() });
        self.call("Page.setDownloadBehavior", behavior).await;
        let found = format!("[...document.querySelectorAll('form[action={path:?}] button, a[href={path:?}]')]");
        self.click_on(&only(&found), path).await;
        wait_for(DEADLINE, &format!("the download of {path}"), async || downloaded_file(directory.path())).await
    }

    async fn click_on(&mut self, element: &str, name: &str) {
        // A click before the first frame of a page is lost, and a style sheet that arrives late moves the element.
        // A picture requires a frame. A picture of a part would resize the page for a moment, and a click into a frame
        // of another process would then miss it.
        self.wait_until("document.readyState === 'complete'").await;
        self.call("Page.captureScreenshot", json!({})).await;
        let found = self
            .evaluate(&format!(
                "(() => {{
                    const element = {element};
                    element?.scrollIntoView({{ block: 'nearest', behavior: 'instant' }});
                    const box = element?.getBoundingClientRect();
                    const [x, y] = box ? [box.x + box.width / 2, box.y + box.height / 2] : [0, 0];
                    return {{ x, y, isOnTop: !!element?.contains(document.elementFromPoint(x, y)) }};
                }})()"
            ))
            .await;
        if found["isOnTop"] != true {
            panic!("{name} cannot be clicked in {}", self.describe().await);
        }
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({ "type": kind, "x": found["x"], "y": found["y"], "button": "left", "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", event).await;
        }
    }

    /// Replaces what is in the field of this name.
    ///
    /// # Panics
    /// Panics if the page has not exactly one visible field of this name.
    pub async fn fill(&mut self, name: &str, value: &str) {
        let field = field(name);
        let is_there =
            self.evaluate(&format!("(field => {{ field?.focus(); field?.select(); return !!field }})({field})")).await;
        if is_there != true {
            panic!("there is no field {name} in {}", self.describe().await);
        }
        self.press("Backspace").await;
        self.enter(value).await;
    }

    /// Chooses the option with this value in the field of this name.
    ///
    /// # Panics
    /// Panics if there is no such field or option.
    pub async fn choose(&mut self, name: &str, value: &str) {
        let chosen = self
            .evaluate(&format!(
                "(field => {{ field.value = {value}; field.dispatchEvent(new Event('change', {{ bubbles: true }})); \
                 return field.value === {value} }})({field})",
                field = field(name),
                value = quote(value)
            ))
            .await;
        assert_eq!(chosen, true, "{name} has no option {value}");
    }

    /// Ticks or unticks the box of this name.
    ///
    /// # Panics
    /// Panics if there is no such box.
    pub async fn toggle(&mut self, name: &str) {
        self.click_on(&field(name), name).await;
    }

    /// Enters a text where the focus is.
    pub async fn enter(&mut self, text: &str) {
        self.call("Input.insertText", json!({ "text": text })).await;
    }

    /// Presses a key, by its name in `KeyboardEvent.key`. A key of one character enters it. `Shift+Tab` is two keys.
    pub async fn press(&mut self, key: &str) {
        let (modifiers, key) = match key.strip_prefix("Shift+") {
            Some(key) => (SHIFT, key),
            None => (0, key),
        };
        let mut down = json!({ "type": "keyDown", "key": key, "modifiers": modifiers });
        if let Some((_, code)) = KEYS.iter().find(|(name, _)| *name == key) {
            down["windowsVirtualKeyCode"] = Value::from(*code);
            down["code"] = Value::from(key);
        }
        if key.chars().count() == 1 {
            down["text"] = Value::from(key);
        }
        if key == " " {
            down["windowsVirtualKeyCode"] = Value::from(32);
            down["code"] = Value::from("Space");
        }
        if key == "Enter" {
            down["text"] = Value::from("\r");
        }
        self.call("Input.dispatchKeyEvent", down.clone()).await;
        down["type"] = Value::from("keyUp");
        down["text"] = Value::Null;
        self.call("Input.dispatchKeyEvent", without_nulls(down)).await;
    }

    /// Presses a key that leads to another page, and waits for it.
    ///
    /// # Panics
    /// Panics if no page is loaded within 30 s.
    pub async fn press_and_follow(&mut self, key: &str) {
        self.leave_page(async |browser| browser.press(key).await).await;
    }

    /// Returns what the Tab key reaches from the beginning of the page, in order: the name of a field, or the text of a link
    /// or button.
    ///
    /// # Panics
    /// Panics if the focus does not leave the page again.
    pub async fn focus_order(&mut self) -> Vec<String> {
        self.evaluate("document.activeElement.blur(); getSelection().setPosition(document.body, 0)").await;
        let mut order = Vec::new();
        while order.len() < MAX_FOCUS {
            self.press("Tab").await;
            match self.focused().await {
                Some(focused) => order.push(focused),
                None => return order,
            }
        }
        panic!("the focus stays in the page: {order:?}")
    }

    /// Presses the Tab key until the focus is on this field, link or button.
    ///
    /// # Panics
    /// Panics if it is not reached.
    pub async fn tab_to(&mut self, name: &str) {
        let mut order = Vec::new();
        while order.len() < MAX_FOCUS {
            self.press("Tab").await;
            match self.focused().await {
                Some(focused) if focused == name => return,
                focused => order.push(focused),
            }
        }
        panic!("{name} is not reached: {order:?}")
    }

    /// Returns where the focus is: the name of a field, or the text of a link or button. `None` if it is nowhere.
    pub async fn focused(&mut self) -> Option<String> {
        let focused = self
            .evaluate(
                "(element => element && element !== document.body && element !== document.documentElement \
                 ? (element.matches('input, select, textarea') ? element.name : element.innerText.trim()) : null)\
                 (document.activeElement)",
            )
            .await;
        focused.as_str().map(str::to_owned)
    }
}

/// Returns a text as a literal of JavaScript.
pub(super) fn quote(text: &str) -> String {
    Value::from(text).to_string()
}

/// Returns the expression for the only visible field of this name.
pub(super) fn field(name: &str) -> String {
    let selector = format!("[name={}]:not([type=hidden], .unseen)", quote(name));
    only(&format!("[...document.querySelectorAll({})]", quote(&selector)))
}

/// Returns the expression for the only element of a list, or null.
fn only(list: &str) -> String {
    format!("(found => found.length === 1 ? found[0] : null)({list})")
}

fn without_nulls(mut value: Value) -> Value {
    if let Some(members) = value.as_object_mut() {
        members.retain(|_, member| !member.is_null());
    }
    value
}

/// Returns the only file of a directory, if it is complete.
fn downloaded_file(directory: &Path) -> Option<(String, Vec<u8>)> {
    let files = fs::read_dir(directory).expect("the directory can be read");
    let names: Vec<_> = files.flatten().map(|file| file.file_name().to_string_lossy().into_owned()).collect();
    match names.as_slice() {
        [name] if !name.ends_with(".crdownload") => {
            Some((name.clone(), fs::read(directory.join(name)).expect("the file can be read")))
        }
        _ => None,
    }
}
