//! The options of the scripted SMTP server: its address, extensions, credentials and certificate.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use tokio_rustls::rustls::ServerConfig;

/// The options of a server. By default it listens on 127.0.0.1, announces 8BITMIME and SMTPUTF8, accepts any login,
/// and has no TLS.
#[derive(Debug, Clone)]
pub struct SmtpOptions {
    /// The address to listen on.
    pub host: IpAddr,
    /// The extensions in the reply to EHLO, in addition to STARTTLS.
    pub extensions: Vec<String>,
    /// The username and the password to accept; `None` accepts any.
    pub login: Option<(String, String)>,
    /// A login mechanism that the server announces and refuses, the reply, and whether it then closes the connection.
    pub refused_mechanism: Option<(String, String, bool)>,
    /// The certificate, and whether the server uses TLS from the first byte (implicit TLS).
    pub tls: Option<(Arc<ServerConfig>, bool)>,
}

impl Default for SmtpOptions {
    fn default() -> Self {
        Self {
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            extensions: vec!["8BITMIME".to_owned(), "SMTPUTF8".to_owned()],
            login: None,
            refused_mechanism: None,
            tls: None,
        }
    }
}

impl SmtpOptions {
    /// Returns options with only these extensions.
    #[must_use]
    pub fn with_extensions(extensions: &[&str]) -> Self {
        let extensions = extensions.iter().map(|&extension| extension.to_owned()).collect();
        Self { extensions, ..Self::default() }
    }

    /// Refuses every login with this mechanism and sends this reply.
    #[must_use]
    pub fn refusing_mechanism(mut self, mechanism: &str, reply: &str) -> Self {
        self.refused_mechanism = Some((mechanism.to_owned(), reply.to_owned(), false));
        self
    }

    /// Refuses every login with this mechanism, sends this reply, and closes the connection.
    #[must_use]
    pub fn refusing_mechanism_and_hanging_up(mut self, mechanism: &str, reply: &str) -> Self {
        self.refused_mechanism = Some((mechanism.to_owned(), reply.to_owned(), true));
        self
    }

    /// Announces STARTTLS and uses this certificate.
    #[must_use]
    pub fn with_starttls(mut self, certificate: Arc<ServerConfig>) -> Self {
        self.tls = Some((certificate, false));
        self
    }

    /// Uses TLS from the first byte, with this certificate.
    #[must_use]
    pub fn with_tls(mut self, certificate: Arc<ServerConfig>) -> Self {
        self.tls = Some((certificate, true));
        self
    }

    pub(super) fn has_implicit_tls(&self) -> bool {
        matches!(self.tls, Some((_, true)))
    }
}
