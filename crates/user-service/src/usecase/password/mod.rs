//! The password: its rules, its change and its reset.

pub(super) mod change_password;
pub(super) mod check_new_password;
pub(super) mod password_validation;
pub(super) mod reset_password;

pub use change_password::{ChangePassword, change_password};
pub use check_new_password::check_new_password;
pub use password_validation::PasswordValidation;
pub use reset_password::reset_password;
