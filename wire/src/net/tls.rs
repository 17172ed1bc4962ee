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
use super::own::Own;

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
    /// It names somebody else.
    #[error("it is for {named}, not for {wanted}: give this process a folder of its own")]
    NotFor {
        /// Whose it has to be.
        wanted: String,
        /// Whose it is.
        named: String,
    },
    /// It names others beside.
    #[error("it is for {0}: it has to name this process alone")]
    NamesOthers(String),
    /// It is good for listening only.
    #[error("it is not for clients: a server shows it where it connects, too")]
    NoCaller,
    /// Another CA has signed it, or what stands between it and the CA is missing.
    #[error(
        "the CA in ca.pem has not signed it: the folders are of different clusters, or the chain \
         has a gap"
    )]
    Foreign,
    /// Nobody takes it any more.
    #[error("it has expired: sign another one")]
    Expired,
    /// Nobody takes it yet.
    #[error("it is not valid yet: is the clock right?")]
    NotYet,
    /// The CA file cannot verify clients.
    #[error("the CA certificate cannot be used: {0}")]
    Verifier(#[from] VerifierBuilderError),
}

/// A listener's side, which is `own`. With `callers` whoever connects must show a certificate that
/// this CA (in PEM) has signed for one of these names.
///
/// # Errors
/// [`TlsFileError`] says which file is wrong and why.
pub fn server_config(
    own: &Own,
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
    let mut config = builder.with_cert_resolver(Arc::new(own.clone()));
    config.alpn_protocols = vec![ALPN.to_vec()];
    // Every connection proves both identities anew; tickets would only cost bytes.
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Arc::new(config))
}

/// A dialing side that trusts only `ca_pem`, and is `own` if it has an identity.
///
/// # Errors
/// [`TlsFileError`] says which file is wrong and why.
pub fn client_config(ca_pem: &[u8], own: Option<&Own>) -> Result<Arc<ClientConfig>, TlsFileError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots(ca_pem)?);
    let mut config = match own {
        None => builder.with_no_client_auth(),
        Some(own) => builder.with_client_cert_resolver(Arc::new(own.clone())),
    };
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

pub(super) fn client_verifier(
    ca_pem: &[u8],
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, TlsFileError> {
    let roots = Arc::new(roots(ca_pem)?);
    Ok(WebPkiClientVerifier::builder_with_provider(roots, provider).build()?)
}

pub(super) fn roots(ca_pem: &[u8]) -> Result<RootCertStore, TlsFileError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca_pem)? {
        roots.add(certificate)?;
    }
    Ok(roots)
}

pub(super) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsFileError> {
    let chain = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>()?;
    if chain.is_empty() {
        return Err(TlsFileError::NoCertificate);
    }
    Ok(chain)
}

pub(super) fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, TlsFileError> {
    Ok(PrivateKeyDer::from_pem_slice(pem)?)
}
