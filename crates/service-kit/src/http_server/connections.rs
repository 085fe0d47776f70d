//! How many connections a process can hold, and when a client that reads nothing is disconnected.

use std::{any::Any, time::Duration};

use actix_web::dev::Extensions;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::SockRef;
use tokio::net::TcpStream;

/// The number of files reserved for other uses: databases, brokers, mail servers, logs, the program.
const RESERVED_FILES: u64 = 512;

/// Returns the maximum number of connections: `wanted`, or fewer if the process may not open
/// enough files.
///
/// Raises the soft limit of open files to the hard limit first. Without spare files, the next
/// connection to the database would fail before the next connection of a client.
pub fn connection_limit(wanted: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::debug!(%error, "the limit of open files cannot be raised");
    }
    // `None` means unlimited.
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let available = usize::try_from(files.saturating_sub(RESERVED_FILES)).unwrap_or(usize::MAX).max(1);
    if available < wanted {
        tracing::warn!(files, wanted, connections = available, "this process may not open more files (ulimit -n)");
    }
    wanted.min(available)
}

/// Returns a callback for `HttpServer::on_connect` that disconnects a client which reads nothing
/// of its answer for the time `unread`. actix-http itself waits for ever for space in the socket.
///
/// The kernel measures the time (`TCP_USER_TIMEOUT`, RFC 5482): while there is data to send, the
/// time since the peer last made space or acknowledged. Connections without an answer in progress
/// are not affected.
pub fn set_socket_options(unread: Duration) -> impl Fn(&dyn Any, &mut Extensions) + Send + Sync + 'static {
    move |connection, _| {
        let Some(stream) = connection.downcast_ref::<TcpStream>() else { return };
        if let Err(error) = SockRef::from(stream).set_tcp_user_timeout(Some(unread)) {
            tracing::debug!(%error, "the timeout for clients that read nothing cannot be set");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_never_more_connections_than_files() {
        let files = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
        let limit = connection_limit(usize::MAX);
        assert!(u64::try_from(limit).unwrap() <= files);
        assert_eq!(connection_limit(10), 10);
        assert_eq!(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX), files, "the soft limit was not raised");
    }
}
