//! What the journeys share beyond `test-support`: they know the contract, which it does not.

pub mod accounts;
pub mod administrators;
pub mod event_publisher;
pub mod ledger;
pub mod offsets;
pub mod oversized_event;
pub mod sealed_tokens;
pub mod topic_order;
pub mod totp;
