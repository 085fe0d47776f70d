//! What an actor knows of the account that they live with, and does not.

use test_support::TestUser;

use super::authenticator::Authenticator;

/// The account of the moment.
pub(crate) struct Account {
    pub(crate) person: TestUser,
    /// Passwords that may be in force instead: the answer to their change was lost.
    pub(crate) perhaps: Vec<String>,
    pub(crate) second_factor: Option<Authenticator>,
    /// Whether to go on with it. An account of which too little is known is left alone.
    pub(crate) is_lived: bool,
}

impl Account {
    pub(crate) fn of(person: TestUser) -> Self {
        Self { person, perhaps: Vec::new(), second_factor: None, is_lived: true }
    }

    /// The password in force is known again.
    pub(crate) fn has_password(&mut self, password: &str) {
        password.clone_into(&mut self.person.password);
        self.perhaps.clear();
    }
}
