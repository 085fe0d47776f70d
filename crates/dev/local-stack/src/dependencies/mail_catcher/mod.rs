//! A mail catcher where MailHog cannot be had: SMTP in, MailHog's API and a plain page out.

mod decoded_mail;
mod mailhog_api;
mod pages;
mod smtp;
mod store;

use std::sync::Arc;

use actix_web::{App, HttpServer, dev::ServerHandle, web::Data};
use anyhow::{Context as _, Result};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use store::{CaughtMail, MailStore};

/// A running catcher. Dropping it ends it; its mails are gone then.
#[derive(Debug)]
pub struct MailCatcher {
    store: Arc<MailStore>,
    stop: CancellationToken,
    http: ServerHandle,
    smtp_port: u16,
    http_port: u16,
}

impl MailCatcher {
    /// Takes mails on one port and shows them on the other, both on 127.0.0.1.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn start(smtp_port: u16, http_port: u16) -> Result<Self> {
        let store = Arc::new(MailStore::default());
        let listener = TcpListener::bind(("127.0.0.1", smtp_port))
            .await
            .with_context(|| format!("cannot listen on port {smtp_port}"))?;
        let store_data = Data::from(Arc::clone(&store));
        let server = HttpServer::new(move || {
            App::new().app_data(store_data.clone()).configure(mailhog_api::routes).configure(pages::routes)
        })
        .workers(1)
        .disable_signals()
        .bind(("127.0.0.1", http_port))
        .with_context(|| format!("cannot listen on port {http_port}"))?
        .run();
        let http = server.handle();
        tokio::spawn(server);
        let stop = CancellationToken::new();
        tokio::spawn(smtp::serve(listener, Arc::clone(&store), stop.clone()));
        Ok(Self { store, stop, http, smtp_port, http_port })
    }

    /// `host:port` for SMTP.
    #[must_use]
    pub fn smtp_address(&self) -> String {
        format!("127.0.0.1:{}", self.smtp_port)
    }

    /// The address of page and API.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.http_port)
    }

    /// What it has caught.
    #[must_use]
    pub fn store(&self) -> &MailStore {
        &self.store
    }
}

impl Drop for MailCatcher {
    fn drop(&mut self) {
        self.stop.cancel();
        drop(self.http.stop(false));
    }
}
