//! Login, and the sessions that it starts.

pub(super) mod attack_notice;
pub(super) mod authenticate;
pub(super) mod list_and_end;
pub(super) mod login;
pub(super) mod login_totp;
mod page_sessions;
pub(super) mod proven;
pub(super) mod reauthenticate;
pub(super) mod refresh;
pub(super) mod sign_in_notice;
pub(super) mod start_session;
pub(super) mod unlock;

pub use authenticate::{Caller, authenticate, authenticate_session};
pub use list_and_end::{ListedSession, end_other_sessions, end_session, list_sessions, logout};
pub use login::{Login, login};
pub use login_totp::login_totp;
pub use page_sessions::{authenticate_page_session, change_page_session, sign_in, sign_in_totp, sign_out};
pub use proven::Proven;
pub use reauthenticate::reauthenticate;
pub use refresh::refresh;
pub use start_session::SignedIn;
pub use unlock::unlock;
