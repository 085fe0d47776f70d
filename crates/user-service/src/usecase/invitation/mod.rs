//! Invitations: an administrator creates an account without a password, and the owner of the mailbox completes it.

pub(super) mod accept_invitation;
pub(super) mod invite_user;
pub(super) mod resend_invitation;

pub use accept_invitation::accept_invitation;
pub use invite_user::{Invitation, Invitations, invite_user};
pub use resend_invitation::resend_invitation;
