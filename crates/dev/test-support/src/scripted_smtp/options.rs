//! What kind of SMTP server is scripted: where it listens, what it offers, whom it lets in, and its
//! certificate.

use std::{
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio_rustls::rustls::{
    ServerConfig,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};

use super::session::now;
use crate::Stack;

const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

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
    /// One that announces only these.
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

    /// The same, and hangs up then.
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

    pub(super) fn is_implicit(&self) -> bool {
        matches!(self.tls, Some((_, true)))
    }
}

/// A certificate authority of one test.
pub struct CertificateAuthority {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    file: PathBuf,
}

impl CertificateAuthority {
    /// Makes one. `name` tells its file from others of the run.
    ///
    /// # Panics
    /// When its file cannot be written.
    #[must_use]
    pub fn new(stack: &Stack, name: &str) -> Self {
        let mut authority = rcgen::CertificateParams::default();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        authority.distinguished_name.push(rcgen::DnType::CommonName, "test authority");
        let key = rcgen::KeyPair::generate().expect("a key can be made");
        let pem = authority.self_signed(&key).expect("an authority signs for itself").pem();
        let directory = stack.directory().join("certificates");
        std::fs::create_dir_all(&directory).expect("the run's directory can be written");
        let file = directory.join(format!("smtp-{name}-{}.pem", std::process::id()));
        std::fs::write(&file, pem).expect("the run's directory can be written");
        Self { issuer: rcgen::Issuer::new(authority, key), file }
    }

    /// The authority's certificate, for `SSL_CERT_FILE`.
    #[must_use]
    pub fn file(&self) -> String {
        self.file.display().to_string()
    }

    /// A certificate for this host that is valid now.
    #[must_use]
    pub fn certificate(&self, host: &str) -> Arc<ServerConfig> {
        self.certificate_until(host, now() + A_DAY)
    }

    /// A certificate for this host that was valid until yesterday.
    #[must_use]
    pub fn expired_certificate(&self, host: &str) -> Arc<ServerConfig> {
        self.certificate_until(host, now() - A_DAY)
    }

    fn certificate_until(&self, host: &str, end: SystemTime) -> Arc<ServerConfig> {
        let mut certificate = rcgen::CertificateParams::new([host.to_owned()]).expect("a host name or address");
        (certificate.not_before, certificate.not_after) = ((end - A_DAY * 9).into(), end.into());
        let key = rcgen::KeyPair::generate().expect("a key can be made");
        let signed = certificate.signed_by(&key, &self.issuer).expect("the authority signs");
        let chain = vec![CertificateDer::from(signed.der().to_vec())];
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
        Arc::new(config.expect("key and certificate belong together"))
    }
}

impl std::fmt::Debug for CertificateAuthority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CertificateAuthority").field("file", &self.file).finish_non_exhaustive()
    }
}
