//! What an actor knows of the account that they live with, and does not.

use service_kit::Clock;
use test_support::{ApiResponse, TestUser, remember_secret};
use totp_rs::Totp;

/// The account of the moment.
pub(crate) struct Account {
    pub(crate) person: TestUser,
    /// Passwords that may be in force instead: the answer to their change was lost.
    pub(crate) possible_passwords: Vec<String>,
    pub(crate) second_factor: Option<Authenticator>,
    /// Whether to go on with it. An account of which too little is known is left alone.
    pub(crate) is_usable: bool,
}

impl Account {
    pub(crate) fn new(person: TestUser) -> Self {
        Self { person, possible_passwords: Vec::new(), second_factor: None, is_usable: true }
    }

    /// The password in force is known again.
    pub(crate) fn set_password(&mut self, password: &str) {
        password.clone_into(&mut self.person.password);
        self.possible_passwords.clear();
    }
}

/// The second factor of an account.
pub(crate) struct Authenticator {
    totp: Totp,
    codes: Vec<String>,
}

impl Authenticator {
    /// Scans what the service answered; none if it is no authenticator's.
    pub(crate) fn from_enrollment(enrollment: &ApiResponse) -> Option<Self> {
        remember_secret("TOTP secret", &enrollment.string("secret"));
        let totp = Totp::from_url(enrollment.string("otpauthUri")).ok()?;
        Some(Self { totp, codes: Vec::new() })
    }

    /// The code of now.
    pub(crate) fn code(&self) -> String {
        let now = Clock::system().now().as_second();
        self.totp.generate(u64::try_from(now).unwrap_or_default()).to_string()
    }

    /// Keeps the recovery codes of the answer that turned the second factor on.
    pub(crate) fn store_recovery_codes(&mut self, confirmation: &ApiResponse) {
        let codes = confirmation.json()["recoveryCodes"].as_array().cloned().unwrap_or_default();
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
