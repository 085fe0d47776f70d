//! Scopes: what a client may do.

use std::fmt;

use crate::domain::invalid_value::Invalid;

/// A scope. None of them reaches roles, the verification of an address, or a change of an account that has a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Lists and reads accounts.
    UsersRead,
    /// Creates accounts with a password.
    UsersCreate,
    /// Changes the profile of an account.
    UsersWrite,
    /// Disables and enables accounts.
    UsersDisable,
    /// Invites users.
    UsersInvite,
    /// Ends the sessions of an account.
    SessionsEnd,
    /// Introspects tokens (RFC 7662).
    TokensIntrospect,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 7] = [
        Self::UsersRead,
        Self::UsersCreate,
        Self::UsersWrite,
        Self::UsersDisable,
        Self::UsersInvite,
        Self::SessionsEnd,
        Self::TokensIntrospect,
    ];

    /// The names of all scopes.
    pub const NAMES: [&'static str; 7] = {
        let mut names = [""; 7];
        let mut n = 0;
        while n < names.len() {
            names[n] = Self::ALL[n].as_str();
            n += 1;
        }
        names
    };

    /// Returns the name of the scope in requests, responses and tokens.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UsersRead => "users:read",
            Self::UsersCreate => "users:create",
            Self::UsersWrite => "users:write",
            Self::UsersDisable => "users:disable",
            Self::UsersInvite => "users:invite",
            Self::SessionsEnd => "sessions:end",
            Self::TokensIntrospect => "tokens:introspect",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name)
    }
}

/// A set of scopes, in the order of [`Scope::ALL`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scopes(Vec<Scope>);

impl Scopes {
    /// Parses the names of the scopes of a client. A name that occurs twice counts once.
    ///
    /// # Errors
    /// Returns an error with the code `too-short` without a name, or `unknown`.
    pub fn parse<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Result<Self, Invalid> {
        let unknown = || Invalid::new("unknown", format!("The scopes are {}.", Scope::NAMES.join(", ")));
        let scopes: Vec<Scope> = names
            .into_iter()
            .map(|name| Scope::from_name(name.as_ref()).ok_or_else(unknown))
            .collect::<Result<_, _>>()?;
        if scopes.is_empty() {
            return Err(Invalid::new("too-short", "A client has at least one scope."));
        }
        Ok(Self::from_iter(scopes))
    }

    /// Parses the `scope` of a request or a token: names with one space between them (RFC 6749, section 3.3). Returns
    /// `None` for an unknown name.
    #[must_use]
    pub fn parse_parameter(text: &str) -> Option<Self> {
        text.split(' ').map(Scope::from_name).collect()
    }

    /// Returns the stored scopes. Ignores those of a later release.
    #[must_use]
    pub fn from_stored(names: &[String]) -> Self {
        names.iter().filter_map(|name| Scope::from_name(name)).collect()
    }

    /// Returns whether the set has this scope.
    #[must_use]
    pub fn has(&self, scope: Scope) -> bool {
        self.0.contains(&scope)
    }

    /// Returns whether the set has all scopes of `other`.
    #[must_use]
    pub fn has_all(&self, other: &Self) -> bool {
        other.0.iter().all(|scope| self.has(*scope))
    }

    /// Returns the names.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|scope| scope.as_str())
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        let mut scopes: Vec<Scope> = scopes.into_iter().collect();
        scopes.sort_unstable();
        scopes.dedup();
        Self(scopes)
    }
}

/// Writes the names with a space between them, as `scope` has them.
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.names().collect();
        f.write_str(&names.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_a_set_with_an_order() {
        let scopes = Scopes::parse(["users:write", "users:read", "users:write"]).unwrap();
        assert_eq!(scopes.to_string(), "users:read users:write");
        assert_eq!(Scopes::parse_parameter("users:write users:read"), Some(scopes.clone()));
        assert!(scopes.has(Scope::UsersRead) && !scopes.has(Scope::UsersDisable));
        assert!(scopes.has_all(&Scopes::parse(["users:read"]).unwrap()));
        assert!(!scopes.has_all(&Scopes::parse(["users:read", "sessions:end"]).unwrap()));
        assert_eq!(Scopes::parse(Scope::NAMES).unwrap().names().collect::<Vec<_>>(), Scope::NAMES);
    }

    #[test]
    fn unknown_names_and_an_empty_set_are_refused() {
        assert_eq!(Scopes::parse(["users:read", "roles:write"]).unwrap_err().code, "unknown");
        assert_eq!(Scopes::parse::<&str>([]).unwrap_err().code, "too-short");
        for text in ["", " ", "users:read ", "users:read  users:write", "Users:read", "users:read,users:write"] {
            assert_eq!(Scopes::parse_parameter(text), None, "{text:?}");
        }
        assert_eq!(Scopes::from_stored(&["users:read".into(), "later".into()]).to_string(), "users:read");
    }
}
