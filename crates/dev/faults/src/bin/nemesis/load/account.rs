//! What an actor knows about its current account.

use service_kit::Clock;
use test_support::{ApiResponse, TestUser, remember_secret};
use totp_rs::Totp;

/// The account that an actor currently uses.
pub(crate) struct Account {
    pub(crate) person: TestUser,
    /// Passwords that may be the current one, because the response to the password change was lost.
    pub(crate) possible_passwords: Vec<String>,
    pub(crate) second_factor: Option<Authenticator>,
    /// Whether the actor continues with this account. It stops when it no longer knows enough about the account.
    pub(crate) is_usable: bool,
}

impl Account {
    pub(crate) fn new(person: TestUser) -> Self {
        Self { person, possible_passwords: Vec::new(), second_factor: None, is_usable: true }
    }

    /// Stores the password that is known to be the current one.
    pub(crate) fn set_password(&mut self, password: &str) {
        password.clone_into(&mut self.person.password);
        self.possible_passwords.clear();
    }
}

/// The second factor of an account: TOTP and recovery codes.
pub(crate) struct Authenticator {
    totp: Totp,
    codes: Vec<String>,
}

impl Authenticator {
    /// Reads the response that started the enrollment. Returns `None` if it has no valid `otpauthUri`.
    pub(crate) fn from_enrollment(enrollment: &ApiResponse) -> Option<Self> {
        remember_secret("TOTP secret", &enrollment.string("secret"));
        let totp = Totp::from_url(enrollment.string("otpauthUri")).ok()?;
        Some(Self { totp, codes: Vec::new() })
    }

    /// Returns the current TOTP code.
    pub(crate) fn code(&self) -> String {
        let now = Clock::system().now().as_second();
        self.totp.generate(u64::try_from(now).unwrap_or_default()).to_string()
    }

    /// Stores the recovery codes from the response that enabled the second factor.
    pub(crate) fn store_recovery_codes(&mut self, confirmation: &ApiResponse) {
        let codes = confirmation.json()["recoveryCodes"].as_array().cloned().unwrap_or_default();
        for code in codes.iter().filter_map(|code| code.as_str()) {
            remember_secret("recovery code", code);
            self.codes.push(code.to_owned());
        }
    }

    /// Takes an unused recovery code.
    pub(crate) fn recovery_code(&mut self) -> Option<String> {
        self.codes.pop()
    }
}
