//! `/api/auth`: sessions, and the tokens that come by mail.

pub(super) mod confirm_email_page;
pub(super) mod email_change;
pub(super) mod email_verification;
mod link;
pub(super) mod login;
pub(super) mod login_totp;
pub(super) mod logout;
pub(super) mod password_reset;
pub(super) mod refresh;
pub(super) mod reset_password_page;
mod signed_in_body;
pub(super) mod undo;
pub(super) mod undo_change_page;
pub(super) mod undo_email_change_page;
pub(super) mod verify_email_page;
mod visit;

use link::{Action, Link, LinkForm};
pub(super) use signed_in_body::SignedInBody;
use visit::Visit;
