//! Overload (I7): memory, queues, connections and descriptors stay bounded, accepted requests are fast, the others
//! are refused, and afterwards everything is as before.
//!
//! `OVERLOAD_SECONDS=60` and `OVERLOAD_EVENTS=100000` make a long run of it.

mod connections;
mod events_waiting;
mod hashing;
mod malformed_requests;
mod process;
mod raw_client;
mod slow_clients;
