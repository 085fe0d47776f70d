//! Roles: what an account may do. This service interprets only `admin`; the other roles belong to the applications.

use super::invalid_value::Invalid;

/// Maximum length of a name, in characters. All of them are ASCII.
pub const MAX_CHARS: usize = 32;
/// Maximum number of roles of an account. Every access token carries all of them.
pub const MAX_ROLES: usize = 32;
/// The role that lets an account administer the others.
pub const ADMIN: &str = "admin";

/// The name of a role: 1 to 32 of `a`–`z`, `0`–`9`, `_` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Role(String);

impl Role {
    /// Parses a name.
    ///
    /// # Errors
    /// Returns an error with the code `too-short`, `too-long` or `invalid-character`.
    pub fn parse(raw: &str) -> Result<Self, Invalid> {
        if raw.is_empty() {
            return Err(Invalid::new("too-short", "The name of a role has at least one character."));
        }
        if !raw.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-')) {
            return Err(Invalid::new(
                "invalid-character",
                "The name of a role consists of lower-case letters, digits, underscores and hyphens.",
            ));
        }
        if raw.len() > MAX_CHARS {
            return Err(Invalid::new("too-long", format!("The name of a role has at most {MAX_CHARS} characters.")));
        }
        Ok(Self(raw.to_owned()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// All roles of an account: each once, in alphabetical order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Roles(Vec<String>);

impl Roles {
    /// Parses the names. A name that occurs twice counts once.
    ///
    /// # Errors
    /// Returns the errors of [`Role::parse`], or `too-many`.
    pub fn parse<S: AsRef<str>>(raw: impl IntoIterator<Item = S>) -> Result<Self, Invalid> {
        let roles: Vec<Role> = raw.into_iter().map(|name| Role::parse(name.as_ref())).collect::<Result<_, _>>()?;
        Self::default().with(roles)
    }

    /// Adds a role to the stored ones.
    ///
    /// # Errors
    /// Returns an error with the code `too-many`.
    pub fn with_added(stored: &[String], role: &Role) -> Result<Self, Invalid> {
        Self(stored.to_vec()).with([role.clone()])
    }

    fn with(mut self, roles: impl IntoIterator<Item = Role>) -> Result<Self, Invalid> {
        self.0.extend(roles.into_iter().map(|role| role.0));
        self.0.sort_unstable();
        self.0.dedup();
        if self.0.len() > MAX_ROLES {
            return Err(Invalid::new("too-many", format!("An account has at most {MAX_ROLES} roles.")));
        }
        Ok(self)
    }

    #[must_use]
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }

    /// Returns whether the roles include [`ADMIN`].
    #[must_use]
    pub fn has_admin(&self) -> bool {
        has_admin(&self.0)
    }
}

/// Returns whether these stored roles include [`ADMIN`].
#[must_use]
pub fn has_admin(roles: &[String]) -> bool {
    roles.iter().any(|role| role == ADMIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_a_short_plain_word() {
        for raw in ["admin", "a", "read_only", "team-7", &"x".repeat(32)] {
            assert_eq!(Role::parse(raw).unwrap().as_str(), raw);
        }
        for (raw, code) in [
            ("", "too-short"),
            ("Admin", "invalid-character"),
            ("a b", "invalid-character"),
            ("ä", "invalid-character"),
            ("a\n", "invalid-character"),
            (&"x".repeat(33), "too-long"),
        ] {
            assert_eq!(Role::parse(raw).unwrap_err().code, code, "{raw:?}");
        }
    }

    #[test]
    fn the_roles_of_an_account_are_a_set() {
        let roles = Roles::parse(["writer", "admin", "writer"]).unwrap();
        assert_eq!(roles.as_slice(), ["admin", "writer"]);
        assert!(roles.has_admin());
        assert!(!Roles::parse(["admins"]).unwrap().has_admin());
        assert_eq!(Roles::parse(["ok", "NO"]).unwrap_err().code, "invalid-character");
    }

    #[test]
    fn there_are_at_most_32_of_them() {
        let names = |count: usize| (0..count).map(|n| format!("role-{n}")).collect::<Vec<_>>();
        let full = Roles::parse(names(MAX_ROLES)).unwrap();
        assert_eq!(Roles::parse(names(MAX_ROLES + 1)).unwrap_err().code, "too-many");
        let again = Roles::with_added(full.as_slice(), &Role::parse("role-0").unwrap()).unwrap();
        assert_eq!(again, full);
        assert_eq!(Roles::with_added(full.as_slice(), &Role::parse("one-more").unwrap()).unwrap_err().code, "too-many");
    }
}
