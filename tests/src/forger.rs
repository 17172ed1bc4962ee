//! Certificates that nobody should get in with: signed by the cluster's CA for somebody else or
//! for another time, or by another CA.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

/// What the CA of every cluster calls itself.
pub const NAME: &str = "FastChat cluster CA";

/// Whoever signs, and where the results are put.
pub struct Forger {
    issuer: Issuer<'static, KeyPair>,
    folder: PathBuf,
}

/// What a certificate says.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// Its DNS names.
    pub names: &'a [&'a str],
    /// What it may be used for.
    pub purposes: &'a [ExtendedKeyUsagePurpose],
    /// The first year in which it is valid, and the first in which it no longer is.
    pub years: (i32, i32),
}

impl<'a> Claim<'a> {
    /// As the cluster's CA certifies servers.
    #[must_use]
    pub const fn server(names: &'a [&'a str]) -> Self {
        let purposes: &[_] =
            &[ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        Self { names, purposes, years: (2000, 2100) }
    }
}

impl Forger {
    /// Signs with the CA key of the cluster whose files are in `cluster`.
    ///
    /// # Panics
    /// When there is no such key.
    #[must_use]
    pub fn of_cluster(cluster: &Path, folder: &Path) -> Self {
        let key = fs::read_to_string(cluster.join("ca.key")).expect("the cluster has a CA");
        Self::new(KeyPair::from_pem(&key).expect("it is a key"), NAME, folder)
    }

    /// Signs with the key of another CA, which calls itself `name`.
    ///
    /// # Panics
    /// When no key can be made.
    #[must_use]
    pub fn stranger(name: &str, folder: &Path) -> Self {
        Self::new(KeyPair::generate().expect("a key can be made"), name, folder)
    }

    fn new(key: KeyPair, name: &str, folder: &Path) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        Self { issuer: Issuer::new(params, key), folder: folder.to_owned() }
    }

    /// Signs, and puts `cert.pem` and `key.pem` into a new folder of this name; its path.
    ///
    /// # Panics
    /// When it cannot be signed or written.
    #[must_use]
    pub fn identity(&self, folder: &str, claim: Claim<'_>) -> PathBuf {
        let names: Vec<String> = claim.names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("they are DNS names");
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = claim.purposes.to_vec();
        params.use_authority_key_identifier_extension = true;
        params.not_before = date_time_ymd(claim.years.0, 1, 1);
        params.not_after = date_time_ymd(claim.years.1, 1, 1);
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = params.signed_by(&key, &self.issuer).expect("it can be signed");
        let path = self.folder.join(folder);
        fs::create_dir_all(&path).expect("the folder can be written");
        fs::write(path.join("cert.pem"), certificate.pem()).expect("it can be written");
        fs::write(path.join("key.pem"), key.serialize_pem()).expect("it can be written");
        path
    }
}
