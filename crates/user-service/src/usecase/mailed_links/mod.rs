//! The links in mails: their state, sending them again, and undoing a change.

pub(super) mod link_state;
pub(super) mod link_validity;
pub(super) mod undo_change;
pub(super) mod undo_link;

pub use link_state::{LinkState, LinkedAccount, link_state, request_mail, resend_link};
pub use undo_change::undo_change;
