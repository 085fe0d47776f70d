//! Registration: open and hidden, the claim of the username, and accounts that are never verified.

pub(super) mod disown_account;
pub(super) mod expire_unverified;
pub(super) mod hidden_registration;
pub(super) mod register;
pub(super) mod username_claim;

pub use disown_account::disown_account;
pub use expire_unverified::{ExpiryBatch, expire_unverified};
pub use register::{Registered, Registration, register};
