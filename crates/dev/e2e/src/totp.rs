//! An authenticator app, and the second factor of an account.

use serde_json::json;
use service_kit::Clock;
use test_support::{Api, ApiResponse, TestUser, remember_secret};
use totp_rs::Totp;

/// The length of a time step in seconds.
pub const STEP: u64 = 30;

/// An authenticator app that has scanned the QR code.
pub struct Authenticator {
    /// The generator of codes.
    pub totp: Totp,
    /// The shared secret in base32.
    pub secret: String,
}

impl Authenticator {
    /// Creates an authenticator from the response that starts a setup.
    ///
    /// # Panics
    /// Panics if the URI and the secret of the response do not match.
    #[must_use]
    pub fn from_setup(started: &ApiResponse) -> Self {
        let secret = started.string("secret");
        remember_secret("TOTP secret", &secret);
        let totp = Totp::from_url(started.string("otpauthUri")).expect("an authenticator can read the URI");
        assert_eq!(totp.secret().to_base32(), secret);
        Self { totp, secret }
    }

    /// Creates an authenticator from a secret that was typed from a page.
    ///
    /// # Panics
    /// Panics if the text is not a secret in base32.
    #[must_use]
    pub fn from_secret(secret: &str) -> Self {
        remember_secret("TOTP secret", secret);
        let uri = format!("otpauth://totp/typed:typed?secret={secret}&issuer=typed");
        Self { totp: Totp::from_url(uri).expect("an authenticator accepts the secret"), secret: secret.to_owned() }
    }

    /// Returns the current code.
    #[must_use]
    pub fn code(&self) -> String {
        self.code_at(0)
    }

    /// Returns the code of the time step that is `steps` steps from now.
    #[must_use]
    pub fn code_at(&self, steps: i64) -> String {
        let step = (unix_seconds() / STEP).checked_add_signed(steps).expect("the step is a valid number");
        self.totp.generate(step * STEP).to_string()
    }

    /// Returns six digits that are not the code of any time step near now.
    #[must_use]
    pub fn wrong_code(&self) -> String {
        let right: Vec<String> = (-2..=2).map(|steps| self.code_at(steps)).collect();
        let mut candidates = (0..10).map(|n| format!("{n}12345"));
        candidates.find(|code| !right.contains(code)).expect("not all ten codes are valid")
    }
}

/// Returns the current time in seconds since the Unix epoch.
#[must_use]
pub fn unix_seconds() -> u64 {
    Clock::system().now().as_second().try_into().expect("the time is after 1970")
}

/// Starts the setup of the second factor.
pub async fn start_setup(me: &Api, user: &TestUser) -> Authenticator {
    let body = json!({ "password": user.password });
    Authenticator::from_setup(&me.post("/api/users/me/totp", &body).await.expect(200))
}

/// Confirms a setup with a code and returns the response, whatever its status.
pub async fn confirm_setup(me: &Api, code: &str) -> ApiResponse {
    me.post("/api/users/me/totp/confirm", &json!({ "code": code })).await
}

/// Enables the second factor, and returns its authenticator and recovery codes.
pub async fn enable_totp(me: &Api, user: &TestUser) -> (Authenticator, Vec<String>) {
    let authenticator = start_setup(me, user).await;
    let codes = recovery_codes(&confirm_setup(me, &authenticator.code()).await.expect(200));
    (authenticator, codes)
}

/// Returns the ten recovery codes of a response.
///
/// # Panics
/// Panics if there are not ten.
pub fn recovery_codes(answer: &ApiResponse) -> Vec<String> {
    let codes = answer.json()["recoveryCodes"].as_array().cloned().expect("there are recovery codes");
    let codes: Vec<String> = codes.iter().filter_map(|code| Some(code.as_str()?.to_owned())).collect();
    assert_eq!(codes.len(), 10);
    for code in &codes {
        remember_secret("recovery code", code);
        remember_secret("recovery code", &code.replace('-', ""));
    }
    codes
}
