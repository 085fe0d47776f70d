//! The built-in mail catcher, for machines without MailHog: it accepts mails by SMTP and shows them with MailHog's API
//! and on a web page.

mod decoded_mail;
mod mailhog_api;
mod pages;
mod smtp;
mod store;

use std::sync::Arc;

use actix_web::{dev::ServerHandle, web::Data};
use anyhow::{Context as _, Result};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::embedded_http;

pub use store::{CaughtMail, Envelope, MailStore};

/// A running mail catcher. Dropping it stops it and discards its mails.
#[derive(Debug)]
pub struct MailCatcher {
    store: Arc<MailStore>,
    stop: CancellationToken,
    http: ServerHandle,
    smtp_port: u16,
    http_port: u16,
}

impl MailCatcher {
    /// Starts a catcher with an SMTP server on one port and a web server on the other, both on 127.0.0.1.
    ///
    /// # Errors
    /// Returns an error if it cannot listen on the ports.
    pub async fn start(smtp_port: u16, http_port: u16) -> Result<Self> {
        let store = Arc::new(MailStore::default());
        let listener = TcpListener::bind(("127.0.0.1", smtp_port))
            .await
            .with_context(|| format!("cannot listen on port {smtp_port}"))?;
        let store_data = Data::from(Arc::clone(&store));
        let http = embedded_http::serve(http_port, move |config| {
            config.app_data(store_data.clone()).configure(mailhog_api::routes).configure(pages::routes);
        })?;
        let stop = CancellationToken::new();
        tokio::spawn(smtp::serve(listener, Arc::clone(&store), stop.clone()));
        Ok(Self { store, stop, http, smtp_port, http_port })
    }

    /// Returns `host:port` for SMTP.
    #[must_use]
    pub fn smtp_address(&self) -> String {
        format!("127.0.0.1:{}", self.smtp_port)
    }

    /// Returns the URL of the web page and the API.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.http_port)
    }

    /// Returns the mails that were accepted.
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
