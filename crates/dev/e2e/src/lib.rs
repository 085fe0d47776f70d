//! Helpers of the black-box tests that know the events contract, which `test-support` does not.

pub mod accounts;
pub mod administrators;
pub mod clients;
pub mod commands;
pub mod comparable_response;
pub mod event_publisher;
pub mod foreign_consumers;
pub mod foreign_site;
pub mod gateways;
pub mod ledger;
pub mod mail_scene;
pub mod measured_mongod;
pub mod offsets;
pub mod oversized_event;
pub mod profiler;
pub mod projection;
pub mod pseudo_random;
pub mod published_key_set;
pub mod rate_limits;
pub mod sealed_tokens;
pub mod signing_key_time;
pub mod start;
pub mod state_publisher;
pub mod topic_order;
pub mod totp;
