//! The rules for new passwords that need only the password and its context (NIST SP 800-63B-4 section 3.1.1.2 and
//! OWASP's cheat sheet). No rule demands kinds of characters.

use secrecy::SecretString;

use super::{
    context_words::ContextWords, invalid_value::Invalid, password::Password, password_strength::withstands_guesses,
};

/// The decimal logarithm of the number of guesses that a password must withstand. zxcvbn's authors consider 10^6 the
/// limit of what an attacker can try at a service with rate limits. NIST SP 800-63B-4 demands a blocklist against such
/// attacks.
const MIN_GUESSES_LOG10: f64 = 6.0;

/// The rules for a new password.
#[derive(Debug, Clone)]
pub struct PasswordPolicy {
    min_length: usize,
    service_words: ContextWords,
}

impl PasswordPolicy {
    /// Makes a policy. `min_length` counts code points. `service` holds the names of the service and of its hosts, and
    /// a password must not consist of them.
    #[must_use]
    pub fn new(min_length: usize, service: &[&str]) -> Self {
        // Builds zxcvbn's dictionaries now, so that no request has to wait for them.
        let _ = withstands_guesses("x", MIN_GUESSES_LOG10);
        Self { min_length, service_words: ContextWords::from_texts(service.iter().copied()) }
    }

    /// Returns the minimum length in code points.
    #[must_use]
    pub fn min_length(&self) -> usize {
        self.min_length
    }

    /// Returns the normal form of a chosen password, if its length is allowed.
    ///
    /// # Errors
    /// Returns an error with the code `too-short` or `too-long`.
    pub fn normal_form(&self, chosen: &SecretString) -> Result<Password, Invalid> {
        Password::parse_new(chosen, self.min_length)
    }

    /// Returns every reason to refuse this password. `own` holds the user's context words. The work takes some
    /// milliseconds, so it must not run on a thread that serves requests.
    #[must_use]
    pub fn violations(&self, password: &Password, own: &ContextWords) -> Vec<Invalid> {
        let mut violations = Vec::new();
        match withstands_guesses(password.expose(), MIN_GUESSES_LOG10) {
            Ok(true) => {}
            Ok(false) => violations.push(Invalid::new(
                "common",
                "This password is among the first that an attacker would try. Use several words, or random characters.",
            )),
            Err(_) => violations.push(Self::strength_unknown()),
        }
        let rest = own.union(&self.service_words).remove_from(password.expose());
        match rest.map_or(Ok(true), |rest| withstands_guesses(&rest, MIN_GUESSES_LOG10)) {
            Ok(true) => {}
            Ok(false) => violations.push(Invalid::new(
                "contains-own-words",
                "This password is little more than your name, your email address, or the name of this service.",
            )),
            Err(_) if violations.is_empty() => violations.push(Self::strength_unknown()),
            Err(_) => {}
        }
        violations
    }

    /// Returns the violation for a password whose strength could not be estimated. Such a password is refused.
    #[must_use]
    pub fn strength_unknown() -> Invalid {
        Invalid::new(
            "strength-unknown",
            "The strength of this password could not be estimated. Choose another one, for example several words.",
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn codes(password: &str) -> Vec<&'static str> {
        let policy = PasswordPolicy::new(8, &["accounts.acme.example"]);
        let own = ContextWords::from_texts(["countess", "ada.lovelace@example.org", "Ada Lovelace"]);
        match policy.normal_form(&SecretString::from(password)) {
            Ok(password) => policy.violations(&password, &own).iter().map(|it| it.code).collect(),
            Err(invalid) => vec![invalid.code],
        }
    }

    #[test]
    fn length_is_the_only_formal_requirement() {
        assert_eq!(codes("hx7#Lq2"), ["too-short"]);
        assert_eq!(codes(&"hx7#Lq2!".repeat(33)), ["too-long"]);
        for fine in ["hx7#Lq2!", "correct horse battery staple", "夜空に星が輝いている", "   three spaces and some"]
        {
            assert_eq!(codes(fine), [""; 0], "{fine}");
        }
    }

    #[test]
    fn a_common_password_is_refused() {
        for common in
            ["password", "PASSWORD", "Password1!", "P@$$w0rd", "qwertyuiop", "12345678", "aaaaaaaaaa", "letmein2024"]
        {
            assert_eq!(codes(common), ["common"], "{common}");
        }
    }

    #[test]
    fn a_password_that_is_little_more_than_the_users_name_is_refused() {
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
        // A name does no harm in a password that is strong without it.
        assert_eq!(codes("ada likes purple analytical engines"), [""; 0]);
    }

    #[test]
    fn a_password_whose_strength_cannot_be_estimated_is_refused() {
        // zxcvbn cannot estimate a keypad walk with 31 turns: the number is out of its range.
        assert_eq!(codes("15142626352358657848636353535362"), ["strength-unknown"]);
        assert_eq!(codes("lovelace15142626352358657848636353535362"), ["strength-unknown"]);
    }

    #[test]
    fn all_violations_are_reported_together() {
        assert_eq!(codes("countess"), ["common", "contains-own-words"]);
    }

    #[test]
    fn no_violation_repeats_the_password() {
        let policy = PasswordPolicy::new(8, &[]);
        let password = policy.normal_form(&SecretString::from("lovelace")).unwrap();
        for violation in policy.violations(&password, &ContextWords::from_texts(["lovelace"])) {
            assert!(!violation.detail.contains("lovelace"), "{}", violation.detail);
        }
    }

    /// The neighbours of each key on a phone's keypad.
    const KEYPAD: [&str; 10] = ["8", "245", "13456", "256", "12578", "12346789", "23589", "458", "45679", "568"];
    const LEET: &[(char, &[char])] = &[
        ('a', &['4', '@']),
        ('c', &['(', '{', '[', '<']),
        ('e', &['3']),
        ('i', &['1', '!', '|']),
        ('l', &['1', '|', '7']),
        ('o', &['0']),
        ('s', &['$', '5']),
        ('t', &['+', '7']),
        ('z', &['2']),
    ];

    /// A walk from key to neighbouring key that turns at almost every step.
    fn keypad_walk() -> impl Strategy<Value = String> {
        (0..10_usize, prop::collection::vec(any::<prop::sample::Index>(), 7..80)).prop_map(|(start, steps)| {
            let mut key = start;
            let walk = steps.iter().map(|step| {
                let next = KEYPAD[key].as_bytes();
                key = usize::from(next[step.index(next.len())] - b'0');
                char::from(b'0' + u8::try_from(key).unwrap())
            });
            walk.collect()
        })
    }

    fn keyboard_walk() -> impl Strategy<Value = String> {
        let rows = prop::sample::select(vec!["`1234567890-=", "qwertyuiop[]", "asdfghjkl;'", "zxcvbnm,./"]);
        let walk = (rows, any::<usize>(), prop::collection::vec(any::<(bool, bool)>(), 8..80));
        walk.prop_map(|(row, start, steps)| {
            let keys: Vec<char> = row.chars().collect();
            let mut at = start % keys.len();
            let walk = steps.iter().map(|(right, shift)| {
                at = if *right { (at + 1).min(keys.len() - 1) } else { at.saturating_sub(1) };
                if *shift { keys[at].to_ascii_uppercase() } else { keys[at] }
            });
            walk.collect()
        })
    }

    fn dates() -> impl Strategy<Value = String> {
        let date = (0..=9999_u32, 0..=99_u32, 0..=99_u32, prop::sample::select(vec!["", "-", "/", ".", " ", "_"]));
        prop::collection::vec(date, 1..12).prop_map(|dates| {
            dates.iter().map(|(year, month, day, between)| format!("{year}{between}{month}{between}{day}")).collect()
        })
    }

    fn repeats() -> impl Strategy<Value = String> {
        ("[a-z0-9!]{1,9}", 2..200_usize, "\\PC{0,3}").prop_map(|(part, times, end)| part.repeat(times) + &end)
    }

    fn leet() -> impl Strategy<Value = String> {
        let words =
            prop::collection::vec(prop::sample::select(vec!["password", "lovelace", "solstice", "zeal"]), 1..20);
        (words, prop::collection::vec(any::<prop::sample::Index>(), 200)).prop_map(|(words, choices)| {
            let one = |(c, choice): (char, &prop::sample::Index)| {
                let signs = LEET.iter().find(|(letter, _)| *letter == c).map_or(&[][..], |(_, signs)| signs);
                *signs.get(choice.index(signs.len() + 1)).unwrap_or(&c)
            };
            words.concat().chars().zip(choices.iter().cycle()).map(one).collect()
        })
    }

    proptest! {
        // Overflow checks are on in this build: a password that makes zxcvbn overflow is refused, and nothing panics.
        #[test]
        fn a_password_of_any_shape_is_estimated_or_refused(
            text in prop_oneof![keypad_walk(), keyboard_walk(), dates(), repeats(), leet()],
            own in prop_oneof![Just(String::new()), "[0-9]{1,8}", "[a-z]{1,12}"],
        ) {
            let policy = PasswordPolicy::new(8, &["accounts.acme.example"]);
            let text: String = text.chars().take(256).collect();
            let Ok(password) = policy.normal_form(&SecretString::from(text)) else { return Ok(()) };
            for violation in policy.violations(&password, &ContextWords::from_texts([own.as_str()])) {
                let known = ["common", "contains-own-words", "strength-unknown"];
                prop_assert!(known.contains(&violation.code), "{}", violation.code);
            }
        }
    }

    #[test]
    fn passwords_like_those_of_the_corpus_are_estimated_or_refused() {
        let policy = PasswordPolicy::new(8, &["accounts.acme.example"]);
        corpus::corpus!("password").holds_for_text(|typed| {
            let Ok(password) = policy.normal_form(&SecretString::from(typed)) else { return Ok(()) };
            for violation in policy.violations(&password, &ContextWords::from_texts(["1514"])) {
                prop_assert!(typed.len() < 40 || !violation.detail.contains(typed), "{}", violation.detail);
            }
            Ok(())
        });
    }

    #[test]
    fn overflow_checks_are_on_in_the_test_build() {
        let most = std::hint::black_box(u64::MAX);
        assert!(service_kit::panics::catch("test", || most + 1).is_err());
    }
}
