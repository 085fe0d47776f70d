//! Faults of the user service: kills, lost replies, races, a paused relay, and termination.

mod crashes;
mod lost_replies;
mod published_states;
mod races;
mod stopped_relay;
mod termination;
