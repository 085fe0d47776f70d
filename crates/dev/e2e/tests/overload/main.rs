//! More than can be served (I7): memory, queues, connections and descriptors stay bounded, what is
//! accepted is quick, the rest is refused, and afterwards all is as before.
//!
//! `OVERLOAD_SECONDS=60` and `OVERLOAD_EVENTS=100000` make the long run of it.

mod connections;
mod events_waiting;
mod hashing;
mod malformed_requests;
mod process;
mod raw_client;
mod slow_clients;
