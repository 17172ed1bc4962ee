//! The cluster's own CA and the certificates it signs: ECDSA on P-256, valid until 2100.

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, Error, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, date_time_ymd,
};

/// The cluster's certificate authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A new key.
///
/// # Errors
/// [`Error`] when the operating system has no random bytes.
pub fn new_key() -> Result<KeyPair, Error> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
}

impl Authority {
    /// The authority with this key. The same key gives the same name and key identifier, so that
    /// certificates signed before stay valid when `ca.pem` has to be made again.
    ///
    /// # Errors
    /// [`Error`] when the key cannot sign.
    pub fn new(key: KeyPair) -> Result<Self, Error> {
        let params = authority_params();
        let pem = params.self_signed(&key)?.pem();
        let issuer = Issuer::new(params, key);
        Ok(Self { issuer, pem })
    }

    /// The content of `ca.pem`.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for a server, which connects and is connected to.
    ///
    /// # Errors
    /// [`Error`] when `name` is no DNS name or the key cannot sign.
    pub fn certify_server(&self, name: String, key: &KeyPair) -> Result<Certificate, Error> {
        let usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        leaf_params(vec![name], usages)?.signed_by(key, &self.issuer)
    }

    /// A certificate for a router, which is only connected to.
    ///
    /// # Errors
    /// [`Error`] when a name is no DNS name or the key cannot sign.
    pub fn certify_router(&self, names: Vec<String>, key: &KeyPair) -> Result<Certificate, Error> {
        let usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf_params(names, usages)?.signed_by(key, &self.issuer)
    }
}

fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    name(&mut params, "FastChat cluster CA");
    params
}

fn leaf_params(
    names: Vec<String>,
    usages: Vec<ExtendedKeyUsagePurpose>,
) -> Result<CertificateParams, Error> {
    let common = names.first().cloned().unwrap_or_default();
    let mut params = CertificateParams::new(names)?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = usages;
    params.use_authority_key_identifier_extension = true;
    name(&mut params, &common);
    Ok(params)
}

fn name(params: &mut CertificateParams, common: &str) {
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common);
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(2100, 1, 1);
}
