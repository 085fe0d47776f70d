//! An authenticator app, and the recovery codes on paper.

use service_kit::Clock;
use test_support::{ApiResponse, remember_secret};
use totp_rs::Totp;

/// The second factor of an account.
pub(crate) struct Authenticator {
    totp: Totp,
    codes: Vec<String>,
}

impl Authenticator {
    /// Scans what the service answered; none if it is no authenticator's.
    pub(crate) fn of(started: &ApiResponse) -> Option<Self> {
        remember_secret("TOTP secret", &started.string("secret"));
        let totp = Totp::from_url(started.string("otpauthUri")).ok()?;
        Some(Self { totp, codes: Vec::new() })
    }

    /// The code of now.
    pub(crate) fn code(&self) -> String {
        let now = Clock::system().now().as_second();
        self.totp.generate(u64::try_from(now).unwrap_or_default()).to_string()
    }

    /// Keeps the recovery codes of the answer that turned the second factor on.
    pub(crate) fn keep(&mut self, confirmed: &ApiResponse) {
        let codes = confirmed.json()["recoveryCodes"].as_array().cloned().unwrap_or_default();
        for code in codes.iter().filter_map(|code| code.as_str()) {
            remember_secret("recovery code", code);
            self.codes.push(code.to_owned());
        }
    }

    /// A recovery code that was not used yet.
    pub(crate) fn recovery_code(&mut self) -> Option<String> {
        self.codes.pop()
    }
}
