//! What keeps an HTTP server bounded (how many connections there are, and how long one that
//! sends or takes nothing may stay), and how it stops.

mod body_guard;
mod connections;
mod intake;

pub use body_guard::{GuardedResponseBody, guard_body};
pub use connections::{connection_limit, set_socket_options};
pub use intake::{Intake, listen};
