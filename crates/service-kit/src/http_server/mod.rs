//! The limits of an HTTP server (how many connections it holds, and how long a slow client may
//! keep one), and how it stops.

mod body_guard;
mod connections;
mod intake;

use std::io;

use actix_web::dev::Server;

pub use body_guard::{GuardedResponseBody, guard_body};
pub use connections::{connection_limit, set_socket_options};
pub use intake::{Intake, listen};

/// Runs a server until `closed`, and then until its requests in progress have been answered.
///
/// # Errors
/// Returns an error if the server fails, or ends before `closed`.
pub async fn serve_until(mut server: Server, closed: impl Future<Output = ()>) -> io::Result<()> {
    tokio::select! {
        ended = &mut server => return ended.and(Err(io::Error::other("the server has ended"))),
        () = closed => {}
    }
    let handle = server.handle();
    let ((), ended) = tokio::join!(handle.stop(true), server);
    ended
}
