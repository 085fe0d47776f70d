//! What a reader sets: the window, the colour scheme, the language, scripts.

use serde_json::json;

use super::Browser;

impl Browser {
    /// Sets the size of the window in CSS pixels.
    pub async fn set_size(&mut self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// Hides the scroll bars, for pictures.
    pub async fn hide_scroll_bars(&mut self) {
        self.call("Emulation.setScrollbarsHidden", json!({ "hidden": true })).await;
    }

    /// Sets what `prefers-color-scheme` matches: `light` or `dark`.
    pub async fn set_color_scheme(&mut self, scheme: &str) {
        let feature = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.call("Emulation.setEmulatedMedia", feature).await;
    }

    /// Shows the page as the medium does: `print`, or an empty text for the screen.
    pub async fn set_medium(&mut self, medium: &str) {
        self.call("Emulation.setEmulatedMedia", json!({ "media": medium })).await;
    }

    /// Sets the time zone, by its IANA name.
    pub async fn set_time_zone(&mut self, zone: &str) {
        self.call("Emulation.setTimezoneOverride", json!({ "timezoneId": zone })).await;
    }

    /// Switches the scripts of the pages off that are opened from now on.
    pub async fn disable_scripts(&mut self) {
        self.call("Emulation.setScriptExecutionDisabled", json!({ "value": true })).await;
    }

    /// Switches the scripts of the pages on that are opened from now on.
    pub async fn enable_scripts(&mut self) {
        self.call("Emulation.setScriptExecutionDisabled", json!({ "value": false })).await;
    }

    /// Sets the languages that the reader prefers: a value of `Accept-Language`, such as `ar`.
    pub async fn set_language(&mut self, languages: &str) {
        let user_agent = self.evaluate("navigator.userAgent").await;
        let settings = json!({ "userAgent": user_agent, "acceptLanguage": languages });
        self.call("Emulation.setUserAgentOverride", settings).await;
    }

    /// Sets a header that is sent with every request from now on. It replaces the one that was set before.
    pub async fn set_extra_header(&mut self, name: &str, value: &str) {
        self.call("Network.enable", json!({})).await;
        self.call("Network.setExtraHTTPHeaders", json!({ "headers": { name: value } })).await;
    }
}
