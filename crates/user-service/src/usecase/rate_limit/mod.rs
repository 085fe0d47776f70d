//! Rate limits that cannot lock out the owner of an account. Each attempt is charged before it is verified, so that a
//! burst cannot exceed the limit. A successful attempt is refunded.
//!
//! Identifiers are charged, not users, so the limits do not reveal whether an account exists.

pub(super) mod account_writes;
mod attempt_refunds;
pub(super) mod attempts;
pub(super) mod charged_counters;
pub(super) mod charges;
pub(super) mod code_attempts;
mod ended_sessions;
mod keyed_hash;
pub(super) mod limiter;
mod limits;
mod local_budget;
mod local_limiter;
mod network_blocks;
pub(super) mod networks;
pub(super) mod status;

pub use self::{
    attempt_refunds::RefundWriter,
    attempts::ChargedAttempt,
    limiter::RateLimiter,
    status::{RateLimitStatus, with_rate_limit_status},
};
