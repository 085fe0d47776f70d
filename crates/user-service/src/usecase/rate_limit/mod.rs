//! Throttling that cannot lock the victim out. Each attempt is charged before it is
//! judged, so that no burst outruns the count; what turns out right is taken back.
//!
//! Whether an account exists changes nothing: an identifier is charged, not a user.

pub(super) mod account_writes;
pub(super) mod attempts;
pub(super) mod charges;
pub(super) mod code_attempts;
mod ended_sessions;
mod keyed_hash;
pub(super) mod limiter;
mod limits;
mod local_limiter;
pub(super) mod networks;
mod requests;
pub(super) mod status;

pub use self::{
    limiter::RateLimiter,
    limits::Limits,
    status::{RateLimitStatus, with_rate_limit_status},
};
