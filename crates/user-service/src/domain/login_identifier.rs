//! The identifier that a user types to sign in: an email address or a username.

use std::fmt;

use super::{email, email::Email, username::Username};

/// The key by which an account is looked up. A text with an `@` is an email address, a text without one is a username.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum LoginIdentifier {
    /// [`Email::key`], or a key that no account has.
    Email(String),
    /// [`Username::key`], or a key that no account has.
    Username(String),
}

impl LoginIdentifier {
    /// Parses any text. A text that cannot belong to an account becomes a key that matches no account, so that it is
    /// looked up, rate limited and answered like any unknown identifier. The length of the key is bounded.
    #[must_use]
    pub fn parse(raw: &str) -> Self {
        let typed = raw.trim();
        if typed.contains('@') {
            Self::Email(Email::parse(typed).map_or_else(|_| unmatchable_key(typed), |email| email.key().to_owned()))
        } else {
            Self::Username(Username::parse(typed).map_or_else(|_| unmatchable_key(typed), |name| name.key().to_owned()))
        }
    }

    /// Returns the key of either kind.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Email(key) | Self::Username(key) => key,
        }
    }
}

/// The identifier is personal data, and sometimes a password in the wrong field.
impl fmt::Debug for LoginIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Email(_) => "LoginIdentifier::Email([REDACTED])",
            Self::Username(_) => "LoginIdentifier::Username([REDACTED])",
        })
    }
}

/// Returns a key that no account has, because it begins with `@`: the key of an email address has a name before the
/// `@`, and the key of a username contains none.
fn unmatchable_key(typed: &str) -> String {
    let mut end = typed.len().min(email::MAX_BYTES);
    while !typed.is_char_boundary(end) {
        end -= 1;
    }
    format!("@{}", &typed[..end])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_with_an_at_sign_is_an_email_address() {
        assert_eq!(LoginIdentifier::parse(" Ada@Example.org "), LoginIdentifier::Email("ada@example.org".into()));
        assert_eq!(
            LoginIdentifier::parse("Ada"),
            LoginIdentifier::Username(Username::parse("ada").unwrap().key().to_owned())
        );
    }

    #[test]
    fn a_text_that_can_be_registered_can_sign_in() {
        for typed in [" Ada\t", "\u{3000}ada@example.org\n", "josé ", "e\u{301}e\u{301}e\u{301}"] {
            let key = match (Email::parse(typed), Username::parse(typed)) {
                (Ok(email), _) => email.key().to_owned(),
                (_, Ok(name)) => name.key().to_owned(),
                _ => panic!("{typed:?} is neither"),
            };
            assert_eq!(LoginIdentifier::parse(typed).key(), key, "{typed:?}");
        }
    }

    #[test]
    fn a_text_that_cannot_be_parsed_matches_no_account() {
        for raw in ["", "a", "@", "a@", "a b c", "раураl", "\0", "ada@exa mple.org"] {
            assert!(LoginIdentifier::parse(raw).key().starts_with('@'), "{raw:?}");
        }
    }

    #[test]
    fn the_key_is_bounded() {
        assert!(LoginIdentifier::parse(&"ä@".repeat(100_000)).key().len() <= email::MAX_BYTES + 1);
        assert!(LoginIdentifier::parse(&"😀".repeat(100_000)).key().len() <= email::MAX_BYTES + 1);
    }

    #[test]
    fn debug_output_does_not_contain_the_identifier() {
        assert_eq!(format!("{:?}", LoginIdentifier::parse("ada@example.org")), "LoginIdentifier::Email([REDACTED])");
    }

    proptest! {
        #[test]
        fn no_account_has_an_unmatchable_key(raw in any::<String>()) {
            let identifier = LoginIdentifier::parse(&raw);
            let valid = Email::parse(&raw).is_ok() || Username::parse(&raw).is_ok();
            prop_assert_eq!(valid, !identifier.key().starts_with('@'));
        }
    }
}
