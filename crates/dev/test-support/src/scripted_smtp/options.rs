//! What kind of SMTP server is scripted: where it listens, what it offers, whom it lets in, and its
//! certificate.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use tokio_rustls::rustls::ServerConfig;

/// What kind of server it is. The default listens on 127.0.0.1, offers 8BITMIME and SMTPUTF8, takes any
/// login, and has no TLS.
#[derive(Debug, Clone)]
pub struct SmtpOptions {
    /// Where it listens.
    pub host: IpAddr,
    /// What it announces in reply to EHLO, beside STARTTLS.
    pub extensions: Vec<String>,
    /// User and password that it takes; none: any.
    pub login: Option<(String, String)>,
    /// A mechanism that it announces and refuses, the reply, and whether it hangs up then.
    pub refused_mechanism: Option<(String, String, bool)>,
    /// Its certificate, and whether it speaks TLS from the first byte.
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
    /// Returns one that announces only these.
    #[must_use]
    pub fn with_extensions(extensions: &[&str]) -> Self {
        let extensions = extensions.iter().map(|&extension| extension.to_owned()).collect();
        Self { extensions, ..Self::default() }
    }

    /// Refuses the login by this mechanism with this reply, whatever its credentials.
    #[must_use]
    pub fn refusing_mechanism(mut self, mechanism: &str, reply: &str) -> Self {
        self.refused_mechanism = Some((mechanism.to_owned(), reply.to_owned(), false));
        self
    }

    /// Returns the same, and hangs up then.
    #[must_use]
    pub fn refusing_mechanism_and_hanging_up(mut self, mechanism: &str, reply: &str) -> Self {
        self.refused_mechanism = Some((mechanism.to_owned(), reply.to_owned(), true));
        self
    }

    /// Offers STARTTLS with this certificate.
    #[must_use]
    pub fn with_starttls(mut self, certificate: Arc<ServerConfig>) -> Self {
        self.tls = Some((certificate, false));
        self
    }

    /// Speaks TLS from the first byte, with this certificate.
    #[must_use]
    pub fn with_tls(mut self, certificate: Arc<ServerConfig>) -> Self {
        self.tls = Some((certificate, true));
        self
    }

    pub(super) fn has_implicit_tls(&self) -> bool {
        matches!(self.tls, Some((_, true)))
    }
}
