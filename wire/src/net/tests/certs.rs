//! Certificates for tests, made anew each time.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, date_time_ymd,
};
use rustls::{ClientConfig, ServerConfig};

use super::super::tls::{self, TlsFileError};
use super::super::{Callers, Own};

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

    /// The same, good for listening only.
    pub(super) fn listener(&self, names: &[&str]) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("DNS names");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(&key, &self.issuer).expect("signs");
        Identity { chain: certificate.pem(), key: key.serialize_pem() }
    }

    /// A listener's configuration that takes any client.
    pub(super) fn open(&self, name: &str) -> Arc<ServerConfig> {
        tls::server_config(&self.identity(&[name]).own(), None).expect("fits")
    }

    /// A listener's configuration that takes only callers with a certificate of this CA.
    pub(super) fn mutual(&self, name: &str, callers: &Callers) -> Arc<ServerConfig> {
        self.mutual_as(&self.identity(&[name]).own(), callers)
    }

    /// The same, as `own`.
    pub(super) fn mutual_as(&self, own: &Own, callers: &Callers) -> Arc<ServerConfig> {
        tls::server_config(own, Some((self.pem.as_bytes(), callers))).expect("fits")
    }

    /// A dialing side that trusts this CA.
    pub(super) fn dialer(&self, identity: Option<&Identity>) -> Arc<ClientConfig> {
        let own = identity.map(Identity::own);
        tls::client_config(self.pem.as_bytes(), own.as_ref()).expect("fits")
    }

    /// The same, as `own`.
    pub(super) fn dialer_as(&self, own: &Own) -> Arc<ClientConfig> {
        tls::client_config(self.pem.as_bytes(), Some(own)).expect("fits")
    }
}

impl Identity {
    pub(super) fn own(&self) -> Own {
        Own::read(self.chain.as_bytes(), self.key.as_bytes()).expect("fits")
    }
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let (ca, other) = (Ca::new(), Ca::new());
    let (a, b) = (ca.identity(&["a.fastchat"]), other.identity(&["b.fastchat"]));
    let refuse =
        |chain: &str, key: &str| Own::read(chain.as_bytes(), key.as_bytes()).expect_err("refused");
    assert!(matches!(refuse("", &a.key), TlsFileError::NoCertificate));
    assert!(matches!(refuse(&a.chain, ""), TlsFileError::Pem(_)));
    assert!(matches!(refuse(&a.chain, &b.key), TlsFileError::Unusable(_)));
    let nobody = Callers::default();
    let without_ca = tls::server_config(&a.own(), Some((b"", &nobody))).expect_err("refused");
    assert!(matches!(without_ca, TlsFileError::NoCertificate));
    assert!(tls::client_config(b"-----BEGIN CERTIFICATE-----\nAA\n", None).is_err());
}

#[test]
fn a_certificate_that_others_would_refuse_is_told_by_what_is_wrong_with_it() {
    let (ca, other) = (Ca::new(), Ca::new());
    let own = ca.identity(&["a.fastchat"]).own();
    let check = |own: &Own, ca: &Ca, name| own.check(ca.pem.as_bytes(), name);
    check(&own, &ca, "a.fastchat").expect("it is right");
    let told = |error: TlsFileError| error.to_string();
    let another = check(&own, &ca, "b.fastchat").map_err(told);
    let text = "it is for a.fastchat, not for b.fastchat: give this process a folder of its own";
    assert_eq!(another, Err(text.to_owned()));
    assert!(matches!(check(&own, &other, "a.fastchat"), Err(TlsFileError::Foreign)));
    let years = |from, until| {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec!["a.fastchat".to_owned()]).expect("a DNS name");
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let certificate = params.signed_by(&key, &ca.issuer).expect("signs");
        let (chain, key) = (certificate.pem(), key.serialize_pem());
        check(&Identity { chain, key }.own(), &ca, "a.fastchat")
    };
    assert!(matches!(years(2000, 2001), Err(TlsFileError::Expired)));
    assert!(matches!(years(2999, 3000), Err(TlsFileError::NotYet)));
    let two = ca.identity(&["a.fastchat", "b.fastchat"]).own();
    check(&two, &ca, "a.fastchat").expect("a router may have several");
    let as_caller = |own: &Own| own.check_as_caller(ca.pem.as_bytes(), "a.fastchat");
    as_caller(&own).expect("it is right");
    assert!(matches!(as_caller(&two), Err(TlsFileError::NamesOthers(_))));
    assert!(matches!(as_caller(&ca.listener(&["a.fastchat"]).own()), Err(TlsFileError::NoCaller)));
    own.replace(&ca.identity(&["b.fastchat"]).own());
    assert_eq!(own.names(), ["b.fastchat"]);
    check(&own, &ca, "b.fastchat").expect("it is another one now");
}
