//! The built-in mail catcher: it accepts mails by SMTP, delivers none, and shows them on a web page and with MailHog's
//! API.

mod decoded_mail;
mod events;
mod mailhog_api;
mod pages;
mod search;
mod smtp;
mod store;

use std::sync::Arc;

use actix_web::{dev::ServerHandle, web::Data};
use anyhow::{Context as _, Result};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::{events::Listeners, pages::SmtpPort};
use super::embedded_http;

pub use store::{CaughtMail, Envelope, MailStore};

/// The description of the mail catcher, with the number of mails that it keeps.
pub const DESCRIPTION: &str = "built-in mail catcher: keeps the newest 1000 mails in memory";

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
        let stop = CancellationToken::new();
        let store_data = Data::from(Arc::clone(&store));
        let listeners = Data::new(Listeners::new(stop.clone()));
        let smtp_data = Data::new(SmtpPort(smtp_port));
        let http = embedded_http::serve(http_port, move |config| {
            config.app_data(store_data.clone()).app_data(listeners.clone()).app_data(smtp_data.clone());
            config.configure(mailhog_api::routes).configure(pages::routes).configure(events::routes);
        })?;
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
