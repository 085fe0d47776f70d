//! The user service killed, stopped, raced and ended.

mod crashes;
mod lost_replies;
mod races;
mod stopped_relay;
mod termination;
