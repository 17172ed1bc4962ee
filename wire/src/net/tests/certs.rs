//! Certificates for tests, made anew each time.

use std::sync::Arc;

use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{ClientConfig, ServerConfig};

use super::super::{Callers, tls};

/// A CA of its own.
pub(super) struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate with its key, in PEM.
pub(super) struct Identity {
    chain: String,
    key: String,
}

impl Ca {
    pub(super) fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).expect("a CA").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    pub(super) fn identity(&self, names: &[&str]) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let params = CertificateParams::new(names).expect("DNS names");
        let certificate: Certificate = params.signed_by(&key, &self.issuer).expect("signs");
        Identity { chain: certificate.pem(), key: key.serialize_pem() }
    }

    /// A listener's configuration that takes any client.
    pub(super) fn open(&self, name: &str) -> Arc<ServerConfig> {
        let own = self.identity(&[name]);
        tls::server_config(own.chain.as_bytes(), own.key.as_bytes(), None).expect("fits")
    }

    /// A listener's configuration that takes only callers with a certificate of this CA.
    pub(super) fn mutual(&self, name: &str, callers: &Callers) -> Arc<ServerConfig> {
        let own = self.identity(&[name]);
        let callers = Some((self.pem.as_bytes(), callers));
        tls::server_config(own.chain.as_bytes(), own.key.as_bytes(), callers).expect("fits")
    }

    /// A dialing side that trusts this CA.
    pub(super) fn dialer(&self, identity: Option<&Identity>) -> Arc<ClientConfig> {
        let identity = identity.map(|own| (own.chain.as_bytes(), own.key.as_bytes()));
        tls::client_config(self.pem.as_bytes(), identity).expect("fits")
    }
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let (ca, other) = (Ca::new(), Ca::new());
    let (a, b) = (ca.identity(&["a.fastchat"]), other.identity(&["b.fastchat"]));
    let refuse = |chain: &str, key: &str, client_ca: Option<&str>| {
        let nobody = Callers::default();
        let callers = client_ca.map(|ca| (ca.as_bytes(), &nobody));
        tls::server_config(chain.as_bytes(), key.as_bytes(), callers).expect_err("refused")
    };
    assert!(matches!(refuse("", &a.key, None), tls::TlsFileError::NoCertificate));
    assert!(matches!(refuse(&a.chain, "", None), tls::TlsFileError::Pem(_)));
    assert!(matches!(refuse(&a.chain, &b.key, None), tls::TlsFileError::Unusable(_)));
    assert!(matches!(refuse(&a.chain, &a.key, Some("")), tls::TlsFileError::NoCertificate));
    assert!(tls::client_config(b"-----BEGIN CERTIFICATE-----\nAA\n", None).is_err());
}
