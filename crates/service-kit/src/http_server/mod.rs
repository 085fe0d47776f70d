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

use crate::{Lifecycle, Stage};

/// Runs a server as a task of [`Stage::Intake`]. If it fails, the process stops ([`Lifecycle::fail`]).
pub fn spawn(server: Server, lifecycle: &Lifecycle) {
    let failing = lifecycle.clone();
    lifecycle.spawn(Stage::Intake, "http", |stop| async move {
        if let Err(error) = serve_until(server, stop.cancelled()).await {
            failing.fail(error.into());
        }
    });
}

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
