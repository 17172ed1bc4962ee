//! Who may call a listener where a certificate is demanded: those whose certificate the cluster's
//! CA has signed, and whose exact name is listed. Anybody else is refused in the TLS handshake,
//! before a frame is read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, DnsName, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

/// Names of those who were turned away that are remembered at most: only the CA makes such names.
const TURNED_AWAY_MAX: usize = 64;

/// The DNS names that may call. Clones share one list, which may be replaced while connections
/// come in: those that stand are not judged again.
#[derive(Clone, Debug, Default)]
pub struct Callers {
    lists: Arc<RwLock<Lists>>,
}

#[derive(Debug, Default)]
struct Lists {
    names: BTreeSet<String>,
    /// The CA has signed for them, and they may not call; whether that was told.
    turned_away: BTreeMap<String, bool>,
}

impl Callers {
    /// These names and no others.
    #[must_use]
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        let callers = Self::default();
        callers.replace(names);
        callers
    }

    /// These names and no others, from now on.
    pub fn replace(&self, names: impl IntoIterator<Item = String>) {
        let lists = Lists { names: names.into_iter().collect(), turned_away: BTreeMap::new() };
        *self.lists.write().unwrap_or_else(PoisonError::into_inner) = lists;
    }

    /// Names that the CA has signed for and that were shown in vain, each once for each list. Who
    /// shows a certificate need not have its key.
    #[must_use]
    pub fn turned_away(&self) -> Vec<String> {
        let mut lists = self.lists.write().unwrap_or_else(PoisonError::into_inner);
        let untold = lists.turned_away.iter_mut().filter(|(_, is_told)| !**is_told);
        untold
            .map(|(name, is_told)| {
                *is_told = true;
                name.clone()
            })
            .collect()
    }

    /// Whether a certificate that the CA has signed names somebody who may call, and nobody else.
    fn admit(&self, certificate: &CertificateDer<'_>) -> Result<bool, Error> {
        let certificate = webpki::EndEntityCert::try_from(certificate)
            .map_err(|_| CertificateError::BadEncoding)?;
        let mut lists = self.lists.write().unwrap_or_else(PoisonError::into_inner);
        let mut shown = certificate.valid_dns_names().peekable();
        let may_call = shown.peek().is_some()
            && shown.all(|name| lists.names.contains(name) && is_exactly(&certificate, name));
        if !may_call && lists.turned_away.len() < TURNED_AWAY_MAX {
            let names: Vec<&str> = certificate.valid_dns_names().collect();
            lists.turned_away.entry(names.join(", ")).or_default();
        }
        Ok(may_call)
    }
}

/// Whether the other side's certificate lists exactly this DNS name.
pub(super) fn is_exactly(certificate: &webpki::EndEntityCert<'_>, dns_name: &str) -> bool {
    let Ok(name) = DnsName::try_from(dns_name) else {
        return false;
    };
    // The second test refuses a wildcard, which the first would take.
    certificate.verify_is_valid_for_subject_name(&ServerName::DnsName(name)).is_ok()
        && certificate.valid_dns_names().any(|listed| listed == dns_name)
}

/// First the CA, the dates and the purpose, as rustls verifies them; then the name.
#[derive(Debug)]
pub(super) struct CallerVerifier {
    signed: Arc<dyn ClientCertVerifier>,
    callers: Callers,
}

impl CallerVerifier {
    pub(super) fn new(signed: Arc<dyn ClientCertVerifier>, callers: Callers) -> Self {
        Self { signed, callers }
    }
}

impl ClientCertVerifier for CallerVerifier {
    fn offer_client_auth(&self) -> bool {
        true
    }

    fn client_auth_mandatory(&self) -> bool {
        true
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.signed.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.signed.verify_client_cert(end_entity, intermediates, now)?;
        if self.callers.admit(end_entity)? {
            Ok(verified)
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signed.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signed.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signed.supported_verify_schemes()
    }
}
