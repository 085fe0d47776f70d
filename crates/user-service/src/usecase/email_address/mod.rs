//! The email address: its verification, its change, and the undo of a change.

pub(super) mod change_email;
pub(super) mod undo_email_change;
pub(super) mod verify_email;

pub use change_email::{ChangeEmail, EmailChange, change_email, confirm_email_change};
pub use undo_email_change::undo_email_change;
pub use verify_email::verify_email;
