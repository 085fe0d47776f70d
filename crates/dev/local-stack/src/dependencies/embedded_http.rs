//! The HTTP servers of the embedded stand-ins.

use actix_web::{App, HttpServer, dev::ServerHandle, web::ServiceConfig};
use anyhow::{Context as _, Result};

/// Serves these routes on this port of 127.0.0.1, in one thread.
pub(super) fn serve(port: u16, routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static) -> Result<ServerHandle> {
    let server = HttpServer::new(move || App::new().configure(&routes))
        .workers(1)
        .disable_signals()
        .bind(("127.0.0.1", port))
        .with_context(|| format!("cannot listen on port {port}"))?
        .run();
    let handle = server.handle();
    tokio::spawn(server);
    Ok(handle)
}
