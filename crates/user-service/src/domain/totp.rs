//! Time-based one-time passwords (RFC 6238) as authenticator apps make them: HMAC-SHA-1, six digits, steps of 30 s,
//! with a tolerance of one step in both directions.

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use service_kit::random_bytes;
use subtle::ConstantTimeEq;
use totp_rs::{Builder, Secret, Totp, TotpError};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::redacted::redacted_debug;

/// The length of a secret: 160 bits, as RFC 4226, section 4, recommends.
const SECRET_BYTES: usize = 20;
/// The number of digits of a code.
pub const DIGITS: usize = 6;
/// The length of a time step in seconds.
const STEP_SECONDS: i64 = 30;
/// The tolerance in steps for network delay and clock differences: at most one (RFC 6238, section 5.2).
const MAX_DRIFT_STEPS: i64 = 1;

/// The secret that the service shares with one authenticator. It is wiped when dropped, and never printed.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct TotpSecret([u8; SECRET_BYTES]);

impl TotpSecret {
    /// Generates a secret from the operating system's random source.
    #[must_use]
    pub fn generate() -> Self {
        Self(random_bytes())
    }

    /// Restores a secret from the bytes that [`Self::expose`] returned.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Parses what [`Self::to_base32`] returned.
    #[must_use]
    pub fn from_base32(text: &SecretString) -> Option<Self> {
        Self::from_bytes(Secret::try_from_base32(text.expose_secret()).ok()?.as_ref())
    }

    /// Returns the bytes, which are sealed before they are stored.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Returns the secret in Base32 without padding (RFC 4648), for users who type it.
    #[must_use]
    pub fn to_base32(&self) -> SecretString {
        self.totp().secret().to_base32().into()
    }

    /// Returns the URI that authenticators read from a QR code. They show `issuer` above the code, and use `account` to
    /// distinguish several accounts of one issuer.
    ///
    /// # Errors
    /// Returns [`TotpError`] if `issuer` or `account` contains a colon, or if `account` is empty.
    pub fn otpauth_uri(&self, issuer: &str, account: &str) -> Result<SecretString, TotpError> {
        let totp = Builder::new().with_secret(self.0).with_issuer(Some(issuer)).with_account_name(account).build()?;
        totp.to_url().map(SecretString::from)
    }

    /// Returns the time step that this code belongs to, if that step is within the tolerance around `now` and later
    /// than `after`, the last step whose code was accepted. Compares the codes of all steps, in constant time.
    #[must_use]
    pub fn matching_step(&self, code: &TotpCode, now: Timestamp, after: i64) -> Option<i64> {
        let totp = self.totp();
        let current = now.as_second().max(0) / STEP_SECONDS;
        let mut found = None;
        for step in current - MAX_DRIFT_STEPS..=current + MAX_DRIFT_STEPS {
            let Ok(start) = u64::try_from(step * STEP_SECONDS) else { continue };
            let expected = Zeroizing::new(totp.generate(start).to_string());
            let same = bool::from(expected.as_bytes().ct_eq(&code.0));
            if same && step > after {
                found = found.or(Some(step));
            }
        }
        found
    }

    fn totp(&self) -> Totp {
        // The builder's defaults are SHA-1, six digits and 30 s.
        Builder::new().with_secret(self.0).build().expect("160 bits are enough for a secret")
    }
}

redacted_debug!(TotpSecret);

/// Six digits that a user typed.
#[derive(Zeroize, ZeroizeOnDrop)]
#[cfg_attr(test, derive(PartialEq))]
pub struct TotpCode([u8; DIGITS]);

impl TotpCode {
    /// Parses six ASCII digits. Returns `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits: [u8; DIGITS] = text.as_bytes().try_into().ok()?;
        digits.iter().all(u8::is_ascii_digit).then_some(Self(digits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The secret of RFC 6238's appendix B for SHA-1.
    fn secret() -> TotpSecret {
        TotpSecret::from_bytes(b"12345678901234567890").unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn code(text: &str) -> TotpCode {
        TotpCode::parse(text).unwrap()
    }

    #[test]
    fn the_codes_are_those_of_rfc_6238_appendix_b() {
        // The appendix has codes of eight digits; a code of six digits is their last six.
        for (second, eight_digits) in [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ] {
            let found = secret().matching_step(&code(&eight_digits[2..]), at(second), 0);
            assert_eq!(found, Some(second / 30), "at {second}");
        }
    }

    #[test]
    fn a_secret_reads_back_from_base32_and_other_texts_do_not() {
        let read = TotpSecret::from_base32(&secret().to_base32()).unwrap();
        assert_eq!(read.expose(), secret().expose());
        for text in ["", "A", "GEZDGNBVGY3TQOJQ", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ1", &"A".repeat(10_000)] {
            assert!(TotpSecret::from_base32(&text.into()).is_none(), "{text}");
        }
    }

    #[test]
    fn one_step_of_drift_is_tolerated_in_both_directions_and_no_more() {
        let now = 1_111_111_111;
        let step = now / 30;
        let of = |step: i64| secret().totp().generate(u64::try_from(step * 30).unwrap()).to_string();
        for (distance, accepted) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
            let found = secret().matching_step(&code(&of(step + distance)), at(now), 0);
            assert_eq!(found, accepted.then_some(step + distance), "{distance} steps away");
        }
    }

    #[test]
    fn no_code_of_a_used_or_earlier_step_is_accepted() {
        let now = 1_111_111_111;
        let step = now / 30;
        let present = code("050471");
        assert_eq!(secret().matching_step(&present, at(now), step - 1), Some(step));
        assert_eq!(secret().matching_step(&present, at(now), step), None);
        assert_eq!(secret().matching_step(&present, at(now), step + 1), None);
    }

    #[test]
    fn the_first_seconds_of_1970_have_no_step_before_them() {
        assert_eq!(secret().matching_step(&code("000000"), at(-5), -10), None);
        // RFC 4226, appendix D: the codes of counters 0 and 1.
        assert_eq!(secret().matching_step(&code("755224"), at(0), -1), Some(0));
        assert_eq!(secret().matching_step(&code("287082"), at(0), -1), Some(1));
    }

    #[test]
    fn only_six_ascii_digits_are_a_code() {
        for text in ["", "12345", "1234567", "12345a", "+12345", "１２３４５６", " 12345"] {
            assert!(TotpCode::parse(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn the_uri_contains_issuer_account_and_secret_as_authenticators_expect_them() {
        let uri = secret().otpauth_uri("Acme Corp", "ada@example.org").unwrap();
        let read = Totp::from_url(uri.expose_secret()).unwrap();
        assert_eq!(read.issuer(), Some("Acme Corp"));
        assert_eq!(read.account_name(), "ada@example.org");
        assert_eq!(read.secret().as_bytes(), b"12345678901234567890");
        assert_eq!((read.digits(), read.step(), read.algorithm()), (6, 30, totp_rs::Algorithm::SHA1));
        let base32 = secret().to_base32();
        assert_eq!(base32.expose_secret(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert!(uri.expose_secret().contains(base32.expose_secret()));
        assert!(secret().otpauth_uri("a:b", "ada@example.org").is_err());
    }

    #[test]
    fn every_secret_is_different_and_never_printed() {
        assert_ne!(TotpSecret::generate().expose(), TotpSecret::generate().expose());
        assert_eq!(format!("{:?}", secret()), "TotpSecret([REDACTED])");
    }
}
