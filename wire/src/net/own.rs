//! A process's own certificate and key: checked before anybody else judges them, and replaced while
//! connections come and go.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{ResolvesClientCert, WebPkiServerVerifier};
use rustls::crypto::ring;
use rustls::pki_types::{DnsName, ServerName, UnixTime};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, Error, SignatureScheme};

use super::tls::{TlsFileError, certificates, client_verifier, private_key, roots};

/// Who this process is. Clones share one certificate.
#[derive(Clone, Debug)]
pub struct Own {
    certified: Arc<RwLock<Arc<CertifiedKey>>>,
}

impl Own {
    /// The certificate with what stands between it and the CA, and its key, each in PEM.
    ///
    /// # Errors
    /// [`TlsFileError`]: damaged, or they do not fit each other.
    pub fn read(cert_chain_pem: &[u8], key_pem: &[u8]) -> Result<Self, TlsFileError> {
        let (chain, key) = (certificates(cert_chain_pem)?, private_key(key_pem)?);
        let certified = CertifiedKey::from_der(chain, key, &ring::default_provider())?;
        Ok(Self { certified: Arc::new(RwLock::new(Arc::new(certified))) })
    }

    /// From now on this process is who `other` is; connections that stand are not judged again.
    pub fn replace(&self, other: &Self) {
        let certified = other.current();
        *self.certified.write().unwrap_or_else(PoisonError::into_inner) = certified;
    }

    /// Whether others, who trust `ca_pem`, take this process for the holder of `dns_name` now.
    ///
    /// # Errors
    /// [`TlsFileError`] says why they do not.
    pub fn check(&self, ca_pem: &[u8], dns_name: &str) -> Result<(), TlsFileError> {
        let certified = self.current();
        let Some((certificate, between)) = certified.cert.split_first() else {
            return Err(TlsFileError::NoCertificate);
        };
        let provider = Arc::new(ring::default_provider());
        let trust = Arc::new(roots(ca_pem)?);
        let verifier = WebPkiServerVerifier::builder_with_provider(trust, provider).build()?;
        let wanted = DnsName::try_from(dns_name.to_owned());
        let wanted = ServerName::DnsName(wanted.map_err(|_| self.is_not(dns_name))?);
        let judged =
            verifier.verify_server_cert(certificate, between, &wanted, &[], UnixTime::now());
        match judged {
            Ok(_) => Ok(()),
            Err(Error::InvalidCertificate(cause)) => Err(match cause {
                CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. } => self.is_not(dns_name),
                CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                    TlsFileError::Foreign
                }
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    TlsFileError::Expired
                }
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                    TlsFileError::NotYet
                }
                other => TlsFileError::Unusable(Error::InvalidCertificate(other)),
            }),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether listeners that demand the certificate of `dns_name`, which this CA (in PEM) has
    /// signed, admit this process now.
    ///
    /// # Errors
    /// [`TlsFileError`] says why they do not.
    pub fn check_as_caller(&self, ca_pem: &[u8], dns_name: &str) -> Result<(), TlsFileError> {
        let certified = self.current();
        let Some((certificate, between)) = certified.cert.split_first() else {
            return Err(TlsFileError::NoCertificate);
        };
        let verifier = client_verifier(ca_pem, Arc::new(ring::default_provider()))?;
        if verifier.verify_client_cert(certificate, between, UnixTime::now()).is_err() {
            return Err(TlsFileError::NoCaller);
        }
        // Whoever names others beside is admitted nowhere.
        let names = self.names();
        if names != [dns_name] {
            return Err(TlsFileError::NamesOthers(names.join(", ")));
        }
        Ok(())
    }

    /// The DNS names in the certificate.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let certified = self.current();
        let certificate = certified.cert.first().map(webpki::EndEntityCert::try_from);
        let Some(Ok(certificate)) = certificate else {
            return Vec::new();
        };
        certificate.valid_dns_names().map(str::to_owned).collect()
    }

    fn is_not(&self, wanted: &str) -> TlsFileError {
        TlsFileError::NotFor { wanted: wanted.to_owned(), named: self.names().join(", ") }
    }

    fn current(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ResolvesServerCert for Own {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}

impl ResolvesClientCert for Own {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }

    fn has_certs(&self) -> bool {
        true
    }
}
