//! What the journeys share beyond `test-support`: they know the contract, which it does not.

pub mod administrators;
pub mod author;
pub mod large_event;
pub mod ledger;
pub mod offsets;
pub mod sealed_tokens;
pub mod topic_order;
pub mod verified;
