//! How many connections a process can hold, and when one that takes nothing is given up.

use std::{any::Any, time::Duration};

use actix_web::dev::Extensions;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::SockRef;
use tokio::net::TcpStream;

/// Files that the process opens besides: databases, brokers, mail servers, logs, itself.
const RESERVED_FILES: u64 = 512;

/// The number of connections to take, as many as `wanted` if the process may open as many
/// files. Raises the soft limit of open files to the hard one first: without room the next
/// connection to the database would fail before the next client's.
pub fn connection_limit(wanted: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
    // None: no limit at all.
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let available = usize::try_from(files.saturating_sub(RESERVED_FILES)).unwrap_or(usize::MAX).max(1);
    if available < wanted {
        tracing::warn!(files, wanted, connections = available, "this process may not open more files (ulimit -n)");
    }
    wanted.min(available)
}

/// For `HttpServer::on_connect`: a client that takes nothing of its answer for so long is
/// disconnected. actix-http itself waits for ever for room in the socket.
///
/// The kernel counts (`TCP_USER_TIMEOUT`, RFC 5482): the time since the peer last made room,
/// or acknowledged, while there is something to be sent. A connection without an answer under
/// way is not concerned.
pub fn set_socket_options(unread: Duration) -> impl Fn(&dyn Any, &mut Extensions) + Send + Sync + 'static {
    move |connection, _| {
        let Some(stream) = connection.downcast_ref::<TcpStream>() else { return };
        if let Err(error) = SockRef::from(stream).set_tcp_user_timeout(Some(unread)) {
            tracing::debug!(%error, "a client that reads nothing will not be disconnected");
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
        assert_eq!(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX), files, "the soft limit is raised");
    }
}
