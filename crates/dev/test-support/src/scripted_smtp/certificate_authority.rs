//! A certificate authority for the TLS connections of one test.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio_rustls::rustls::{
    ServerConfig,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};

use super::transcript::now;
use crate::stack::Stack;

const ONE_DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A certificate authority whose certificate is in a file.
pub struct CertificateAuthority {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    file: PathBuf,
}

impl CertificateAuthority {
    /// Creates a certificate authority. `name` makes the name of its file unique in the run.
    ///
    /// # Panics
    /// Panics if the file cannot be written.
    #[must_use]
    pub fn new(stack: &Stack, name: &str) -> Self {
        let mut authority = rcgen::CertificateParams::default();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        authority.distinguished_name.push(rcgen::DnType::CommonName, "test authority");
        let key = rcgen::KeyPair::generate().expect("a key can be generated");
        let pem = authority.self_signed(&key).expect("the authority signs its own certificate").pem();
        let directory = stack.directory().join("certificates");
        std::fs::create_dir_all(&directory).expect("the directory of the run is writable");
        let file = directory.join(format!("smtp-{name}-{}.pem", std::process::id()));
        std::fs::write(&file, pem).expect("the directory of the run is writable");
        Self { issuer: rcgen::Issuer::new(authority, key), file }
    }

    /// Returns the path of the authority's certificate, for `SSL_CERT_FILE`.
    #[must_use]
    pub fn file(&self) -> String {
        self.file.display().to_string()
    }

    /// Returns a certificate for this host that is valid now.
    #[must_use]
    pub fn certificate(&self, host: &str) -> Arc<ServerConfig> {
        self.certificate_valid_until(host, now() + ONE_DAY)
    }

    /// Returns a certificate for this host that expired yesterday.
    #[must_use]
    pub fn expired_certificate(&self, host: &str) -> Arc<ServerConfig> {
        self.certificate_valid_until(host, now() - ONE_DAY)
    }

    fn certificate_valid_until(&self, host: &str, end: SystemTime) -> Arc<ServerConfig> {
        let mut certificate =
            rcgen::CertificateParams::new([host.to_owned()]).expect("the host is a valid name or address");
        (certificate.not_before, certificate.not_after) = ((end - ONE_DAY * 9).into(), end.into());
        let key = rcgen::KeyPair::generate().expect("a key can be generated");
        let signed = certificate.signed_by(&key, &self.issuer).expect("the authority signs");
        let chain = vec![CertificateDer::from(signed.der().to_vec())];
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
        Arc::new(config.expect("the key belongs to the certificate"))
    }
}

impl std::fmt::Debug for CertificateAuthority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CertificateAuthority").field("file", &self.file).finish_non_exhaustive()
    }
}
