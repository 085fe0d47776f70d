//! What a record of an export has, and the account will not have.

use std::ops::BitOrAssign;

/// A set of such things.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeftBehind(u32);

/// The name of each thing for programs and for people, by its bit.
const NAMES: [(&str, &str); LeftBehind::KINDS] = [
    ("secondFactors", "a second factor"),
    ("socialIdentities", "a social or enterprise identity"),
    ("phoneNumbers", "a phone number"),
    ("avatars", "an avatar"),
    ("appMetadata", "metadata of the application"),
    ("adminOnlyMetadata", "metadata of the user's own that only administrators may write here"),
    ("groups", "groups"),
    ("clientRoles", "roles of clients"),
    ("requiredActions", "required actions"),
    ("websites", "a website"),
    ("deletedUsers", "users that are deleted there"),
    ("anonymousUsers", "anonymous users"),
    ("serviceAccounts", "service accounts"),
];

impl LeftBehind {
    pub(super) const SECOND_FACTOR: Self = Self(1);
    pub(super) const SOCIAL_IDENTITY: Self = Self(1 << 1);
    pub(super) const PHONE_NUMBER: Self = Self(1 << 2);
    pub(super) const AVATAR: Self = Self(1 << 3);
    pub(super) const APP_METADATA: Self = Self(1 << 4);
    pub(super) const ADMIN_ONLY_METADATA: Self = Self(1 << 5);
    pub(super) const GROUPS: Self = Self(1 << 6);
    pub(super) const CLIENT_ROLES: Self = Self(1 << 7);
    pub(super) const REQUIRED_ACTIONS: Self = Self(1 << 8);
    pub(super) const WEBSITE: Self = Self(1 << 9);
    pub(super) const DELETED_USER: Self = Self(1 << 10);
    pub(super) const ANONYMOUS_USER: Self = Self(1 << 11);
    pub(super) const SERVICE_ACCOUNT: Self = Self(1 << 12);
    /// The number of different things.
    pub const KINDS: usize = 13;

    /// Returns the numbers of the things in the set.
    pub fn kinds(self) -> impl Iterator<Item = usize> {
        (0..Self::KINDS).filter(move |bit| self.0 & (1 << bit) != 0)
    }

    /// Returns the name of the thing with this number, for programs and for people.
    #[must_use]
    pub fn names(kind: usize) -> (&'static str, &'static str) {
        NAMES[kind]
    }
}

impl BitOrAssign for LeftBehind {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_has_its_name() {
        let mut left = LeftBehind::GROUPS;
        left |= LeftBehind::SERVICE_ACCOUNT;
        let names: Vec<&str> = left.kinds().map(|kind| LeftBehind::names(kind).0).collect();
        assert_eq!(names, ["groups", "serviceAccounts"]);
    }
}
