//! The limits of an HTTP server (how many connections it holds, and how long a slow client may
//! keep one), and how it stops.

mod body_guard;
mod connections;
mod intake;

pub use body_guard::{GuardedResponseBody, guard_body};
pub use connections::{connection_limit, set_socket_options};
pub use intake::{Intake, listen};
