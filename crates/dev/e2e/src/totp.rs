//! An authenticator app, and the second factor of an account.

use serde_json::json;
use service_kit::Clock;
use test_support::{Api, ApiResponse, TestUser, remember_secret};
use totp_rs::Totp;

/// Seconds of a time step.
pub const STEP: u64 = 30;

/// An authenticator app that has scanned the QR code.
pub struct Authenticator {
    pub totp: Totp,
    pub secret: String,
}

impl Authenticator {
    #[must_use]
    pub fn from_setup(started: &ApiResponse) -> Self {
        let secret = started.string("secret");
        remember_secret("TOTP secret", &secret);
        let totp = Totp::from_url(started.string("otpauthUri")).expect("an authenticator reads the URI");
        assert_eq!(totp.secret().to_base32(), secret);
        Self { totp, secret }
    }

    #[must_use]
    pub fn code(&self) -> String {
        self.code_at(0)
    }

    /// The code of the step that is so many steps from now.
    #[must_use]
    pub fn code_at(&self, steps: i64) -> String {
        let step = (unix_seconds() / STEP).checked_add_signed(steps).expect("a step of our time");
        self.totp.generate(step * STEP).to_string()
    }

    /// Six digits that are the code of no step near now.
    #[must_use]
    pub fn wrong_code(&self) -> String {
        let right: Vec<String> = (-2..=2).map(|steps| self.code_at(steps)).collect();
        let mut candidates = (0..10).map(|n| format!("{n}12345"));
        candidates.find(|code| !right.contains(code)).expect("ten codes are not all right")
    }
}

/// The time now.
#[must_use]
pub fn unix_seconds() -> u64 {
    Clock::system().now().as_second().try_into().expect("it is after 1970")
}

/// Begins the set-up of the second factor.
pub async fn start_setup(me: &Api, user: &TestUser) -> Authenticator {
    let body = json!({ "password": user.password });
    Authenticator::from_setup(&me.post("/api/users/me/totp", &body).await.expect(200))
}

pub async fn confirm_setup(me: &Api, code: &str) -> ApiResponse {
    me.post("/api/users/me/totp/confirm", &json!({ "code": code })).await
}

/// Turns the second factor on; its authenticator and recovery codes.
pub async fn enable_totp(me: &Api, user: &TestUser) -> (Authenticator, Vec<String>) {
    let authenticator = start_setup(me, user).await;
    let codes = recovery_codes(&confirm_setup(me, &authenticator.code()).await.expect(200));
    (authenticator, codes)
}

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
