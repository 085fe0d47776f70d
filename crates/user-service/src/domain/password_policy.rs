//! Which passwords may be chosen, as far as the password itself tells: NIST SP 800-63B-4
//! section 3.1.1.2 and OWASP's cheat sheet. No rule asks for kinds of characters.

use secrecy::{ExposeSecret, SecretString};

use super::{Invalid, Password, guesses::withstands, own_words::OwnWords};

/// The decimal logarithm of the guesses that a password withstands at least. 10^6 is
/// where zxcvbn's authors see the end of what can be tried at a service that throttles,
/// which is what a list of refused passwords is for (NIST SP 800-63B-4).
const MIN_WITHSTANDS: f64 = 6.0;

/// The rules for a new password.
#[derive(Debug, Clone)]
pub struct PasswordPolicy {
    min_length: usize,
    service: OwnWords,
}

impl PasswordPolicy {
    /// `min_length` counts code points; `service` is what the service is called and
    /// where it is: nobody's password.
    #[must_use]
    pub fn new(min_length: usize, service: &[&str]) -> Self {
        // The dictionaries are made at their first use, which is no request.
        withstands("x", MIN_WITHSTANDS);
        Self { min_length, service: OwnWords::of(service.iter().copied()) }
    }

    /// In code points.
    #[must_use]
    pub fn min_length(&self) -> usize {
        self.min_length
    }

    /// The normal form of what somebody chooses, if it has a possible length.
    ///
    /// # Errors
    /// `too-short` or `too-long`.
    pub fn normal_form(&self, chosen: &SecretString) -> Result<Password, Invalid> {
        Password::parse_new(chosen.expose_secret().to_owned(), self.min_length)
    }

    /// Every reason not to take this password; `own` are the words of the one who
    /// chooses. Some milliseconds of work: not for a thread that serves requests.
    #[must_use]
    pub fn objections(&self, password: &Password, own: &OwnWords) -> Vec<Invalid> {
        let mut objections = Vec::new();
        if !withstands(password.expose(), MIN_WITHSTANDS) {
            objections.push(Invalid::new(
                "common",
                "This password is among the first that somebody would try. Take several words, or random characters.",
            ));
        }
        let rest = own.and(&self.service).rest_of(password.expose());
        if rest.is_some_and(|rest| !withstands(&rest, MIN_WITHSTANDS)) {
            objections.push(Invalid::new(
                "contains-own-words",
                "This password is little more than your name, your address, or the name of this service.",
            ));
        }
        objections
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(password: &str) -> Vec<&'static str> {
        let policy = PasswordPolicy::new(8, &["accounts.acme.example"]);
        let own = OwnWords::of(["countess", "ada.lovelace@example.org", "Ada Lovelace"]);
        match policy.normal_form(&SecretString::from(password)) {
            Ok(password) => policy.objections(&password, &own).iter().map(|it| it.code).collect(),
            Err(invalid) => vec![invalid.code],
        }
    }

    #[test]
    fn length_is_the_only_form_that_is_asked_for() {
        assert_eq!(codes("hx7#Lq2"), ["too-short"]);
        assert_eq!(codes(&"hx7#Lq2!".repeat(33)), ["too-long"]);
        for fine in ["hx7#Lq2!", "correct horse battery staple", "夜空に星が輝いている", "   three spaces and some"]
        {
            assert_eq!(codes(fine), [""; 0], "{fine}");
        }
    }

    #[test]
    fn what_everybody_chooses_is_refused() {
        for common in
            ["password", "PASSWORD", "Password1!", "P@$$w0rd", "qwertyuiop", "12345678", "aaaaaaaaaa", "letmein2024"]
        {
            assert_eq!(codes(common), ["common"], "{common}");
        }
    }

    #[test]
    fn what_is_little_more_than_ones_own_name_is_refused() {
        for own in [
            "adalovelace1980",
            "Lovelace!2024",
            "ada.lovelace@example.org",
            "C0unt3ss-2024",
            "ecalevol-ada",
            "acme-accounts",
            "acme lovelace",
        ] {
            let codes = codes(own);
            assert!(codes.contains(&"contains-own-words"), "{own}: {codes:?}");
        }
        // With enough besides, a name is no harm.
        assert_eq!(codes("ada likes purple analytical engines"), [""; 0]);
    }

    #[test]
    fn several_reasons_are_given_together() {
        assert_eq!(codes("countess"), ["common", "contains-own-words"]);
    }

    #[test]
    fn no_reason_repeats_the_password() {
        let policy = PasswordPolicy::new(8, &[]);
        let password = policy.normal_form(&SecretString::from("lovelace")).unwrap();
        for objection in policy.objections(&password, &OwnWords::of(["lovelace"])) {
            assert!(!objection.detail.contains("lovelace"), "{}", objection.detail);
        }
    }
}
