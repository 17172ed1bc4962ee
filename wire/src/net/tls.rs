//! TLS 1.3 with the cluster's CA as the only root. The `ring` provider is named explicitly, so
//! that no other crate's choice of a process-wide default matters.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use thiserror::Error;

use super::callers::{CallerVerifier, Callers};

/// The application protocol both sides offer (RFC 7301), so that no other protocol's TLS
/// connection can be taken for this one.
pub const ALPN: &[u8] = b"fastchat/1";

/// Why a certificate or key file cannot be used.
#[derive(Debug, Error)]
pub enum TlsFileError {
    /// The PEM text holds no certificate.
    #[error("no certificate in the PEM file")]
    NoCertificate,
    /// The PEM text is damaged, or holds no private key.
    #[error("the PEM file cannot be read: {0}")]
    Pem(#[from] pem::Error),
    /// The certificate and key do not fit each other, or are of an unknown kind.
    #[error("the certificate or key cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
    /// The CA file cannot verify clients.
    #[error("the CA certificate cannot be used: {0}")]
    Verifier(#[from] VerifierBuilderError),
}

/// A listener's side. With `callers` whoever connects must show a certificate that this CA (in
/// PEM) has signed for one of these names.
///
/// # Errors
/// [`TlsFileError`] says which file is wrong and why.
pub fn server_config(
    cert_chain_pem: &[u8],
    key_pem: &[u8],
    callers: Option<(&[u8], &Callers)>,
) -> Result<Arc<ServerConfig>, TlsFileError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?;
    let builder = match callers {
        None => builder.with_no_client_auth(),
        Some((ca, callers)) => {
            let signed = client_verifier(ca, provider)?;
            let verifier = CallerVerifier::new(signed, callers.clone());
            builder.with_client_cert_verifier(Arc::new(verifier))
        }
    };
    let mut config =
        builder.with_single_cert(certificates(cert_chain_pem)?, private_key(key_pem)?)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    // Every connection proves both identities anew; tickets would only cost bytes.
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Arc::new(config))
}

/// A dialing side that trusts only `ca_pem`, with its own certificate and key if it has an
/// identity.
///
/// # Errors
/// [`TlsFileError`] says which file is wrong and why.
pub fn client_config(
    ca_pem: &[u8],
    identity: Option<(&[u8], &[u8])>,
) -> Result<Arc<ClientConfig>, TlsFileError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots(ca_pem)?);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some((cert, key)) => {
            builder.with_client_auth_cert(certificates(cert)?, private_key(key)?)?
        }
    };
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

fn client_verifier(
    ca_pem: &[u8],
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, TlsFileError> {
    let roots = Arc::new(roots(ca_pem)?);
    Ok(WebPkiClientVerifier::builder_with_provider(roots, provider).build()?)
}

fn roots(ca_pem: &[u8]) -> Result<RootCertStore, TlsFileError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca_pem)? {
        roots.add(certificate)?;
    }
    Ok(roots)
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsFileError> {
    let chain = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>()?;
    if chain.is_empty() {
        return Err(TlsFileError::NoCertificate);
    }
    Ok(chain)
}

fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, TlsFileError> {
    Ok(PrivateKeyDer::from_pem_slice(pem)?)
}
