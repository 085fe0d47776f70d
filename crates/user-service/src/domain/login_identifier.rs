//! What a person types to say who they are: an e-mail address or a user name.

use std::fmt;

use super::{email, email::Email, username::Username};

/// The key to look an account up by. With an `@` it is an e-mail address, without one a
/// user name.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum LoginIdentifier {
    /// [`Email::key`], or a key that no account has.
    Email(String),
    /// [`Username::key`], or a key that no account has.
    Username(String),
}

impl LoginIdentifier {
    /// Never refuses: a text that can be no account's is an identifier that matches
    /// nobody, so that it is looked up, throttled and answered as any unknown one.
    /// The key is bounded whatever was typed.
    #[must_use]
    pub fn parse(raw: &str) -> Self {
        let typed = raw.trim();
        if typed.contains('@') {
            Self::Email(Email::parse(typed).map_or_else(|_| unmatchable_key(typed), |email| email.key().to_owned()))
        } else {
            Self::Username(Username::parse(typed).map_or_else(|_| unmatchable_key(typed), |name| name.key().to_owned()))
        }
    }

    /// The key, of whichever kind.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Email(key) | Self::Username(key) => key,
        }
    }
}

/// Personal data, and sometimes a password in the wrong field.
impl fmt::Debug for LoginIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Email(_) => "LoginIdentifier::Email([REDACTED])",
            Self::Username(_) => "LoginIdentifier::Username([REDACTED])",
        })
    }
}

/// No key of an account begins with `@`: an e-mail key has a name before it, and a user
/// name none at all.
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
    fn with_an_at_sign_it_is_an_e_mail() {
        assert_eq!(LoginIdentifier::parse(" Ada@Example.org "), LoginIdentifier::Email("ada@example.org".into()));
        assert_eq!(
            LoginIdentifier::parse("Ada"),
            LoginIdentifier::Username(Username::parse("ada").unwrap().key().to_owned())
        );
    }

    #[test]
    fn what_may_be_registered_logs_in_as_it_was_typed() {
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
    fn what_cannot_be_parsed_matches_nobody() {
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
    fn debug_does_not_tell_the_identifier() {
        assert_eq!(format!("{:?}", LoginIdentifier::parse("ada@example.org")), "LoginIdentifier::Email([REDACTED])");
    }

    proptest! {
        #[test]
        fn no_account_has_a_key_for_nobody(raw in any::<String>()) {
            let identifier = LoginIdentifier::parse(&raw);
            let valid = Email::parse(&raw).is_ok() || Username::parse(&raw).is_ok();
            prop_assert_eq!(valid, !identifier.key().starts_with('@'));
        }
    }
}
