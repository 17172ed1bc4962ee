//! What a client's workers compute, made cheap.
//!
//! A world may cost some hundred milliseconds, RSA-3072 takes several for one signature. So keys
//! come from a pool; bundles are signed once per process and kept; grants and statements carry a
//! hash in place of each RSA operation, unless the plan wants the real ones. The password's
//! stretching is as short as Argon2id gets. Megolm is real, with keys from the job's seed: its
//! library would draw them from the operating system.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use argon2::{Algorithm, Argon2, Params, Version};
use bytes::Bytes;
use client::core::grant_work::{Begun, GrantJob, GrantResult};
use client::core::job::Seed;
use client::core::{Job, JobResult};
use client::crypto::{Identity, Outbound, SignedBundle, Stretch};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use vodozemac::megolm::GroupSessionPickle;
use wire::{MessageSession, Name, Wall};

use super::toy;

/// The shortest time of a job.
pub const TIME_MIN: Duration = Duration::from_millis(1);
/// The longest time of a job.
pub const TIME_MAX: Duration = Duration::from_millis(60);
/// When every bundle of the pool was made.
const CREATED: Wall = Wall(1_700_000_000_000);

macro_rules! pem {
    ($name:literal) => {
        include_bytes!(concat!("../../../client/testdata/test-key-", $name, ".pem")).as_slice()
    };
}

const KEYS: [&[u8]; 6] = [
    pem!("alice-signing"),
    pem!("bob-signing"),
    pem!("carol-signing"),
    pem!("alice-wrapping"),
    pem!("bob-wrapping"),
    pem!("carol-wrapping"),
];

/// Each key signs for one identity and wraps for another.
static IDENTITIES: LazyLock<Vec<Arc<Identity>>> = LazyLock::new(|| {
    let der = |pem| PrivatePkcs8KeyDer::from_pem_slice(pem).expect("test keys are PEM");
    let keys: Vec<_> = KEYS.into_iter().map(der).collect();
    let identity = |index: usize| {
        let (signing, wrapping) = (&keys[index], &keys[(index + 1) % keys.len()]);
        let (signing, wrapping) = (signing.secret_pkcs8_der(), wrapping.secret_pkcs8_der());
        Arc::new(Identity::import(signing, &[wrapping]).expect("test keys are good"))
    };
    (0..keys.len()).map(identity).collect()
});

/// Signed once for each identity and name.
static BUNDLES: Mutex<BTreeMap<(usize, Name), Bytes>> = Mutex::new(BTreeMap::new());

static STRETCH: LazyLock<Stretch> = LazyLock::new(|| {
    let params = Params::new(8, 1, 1, None).expect("in range");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
});

/// Computes the jobs of one installation.
#[derive(Clone, Copy, Debug)]
pub struct Worker {
    /// Which one: it decides which keys are made.
    pub installation: usize,
    /// Whether RSA is computed.
    pub is_real: bool,
}

impl Worker {
    /// Computes a job.
    #[must_use]
    pub fn run(&self, job: Job) -> JobResult {
        match job {
            Job::GenerateKeys { name, .. } => {
                let (identity, bundle) = self.keys(name);
                JobResult::Keys(Ok((identity, bundle)))
            }
            Job::Grant { job, identity, seed } => {
                JobResult::Grant(self.grant(*job, &identity, &seed))
            }
            Job::SignStatement { identity, statement, .. } if !self.is_real => {
                JobResult::SignedStatement(Ok(toy::sign_statement(&identity, *statement)))
            }
            Job::VerifyStatement { statement, key } if !self.is_real => {
                JobResult::VerifiedStatement(toy::verify_statement(&statement, &key))
            }
            job => job.run(&STRETCH),
        }
    }

    fn keys(&self, name: Name) -> (Arc<Identity>, Bytes) {
        let index = self.installation % IDENTITIES.len();
        let identity = Arc::clone(&IDENTITIES[index]);
        let mut bundles = BUNDLES.lock().unwrap_or_else(PoisonError::into_inner);
        let bundle = bundles.entry((index, name)).or_insert_with(|| {
            let mut rng = StdRng::seed_from_u64(1);
            let bundle = SignedBundle::first(&identity, name, CREATED, &mut rng);
            bundle.expect("test keys sign").encoded().clone()
        });
        (identity, bundle.clone())
    }

    fn grant(&self, job: GrantJob, identity: &Arc<Identity>, seed: &Seed) -> GrantResult {
        let GrantJob::Begin { number, announcing, readers } = job else {
            return if self.is_real {
                job.run(identity, seed)
            } else {
                toy::run(job, identity, seed)
            };
        };
        let outbound = begin(number, announcing.created, seed);
        let key = outbound.session_key();
        let extend = GrantJob::Extend { key: key.clone(), announcing, readers };
        let extended = match self.is_real {
            true => extend.run(identity, seed),
            false => toy::run(extend, identity, seed),
        };
        let GrantResult::Extended(granted) = extended else {
            unreachable!("a job is answered with its own kind of result");
        };
        let begun = granted.map(|granted| Box::new(Begun { outbound, key, granted }));
        GrantResult::Begun(begun)
    }
}

/// A message session whose keys come from `seed`.
fn begin(number: MessageSession, begun: Wall, seed: &Seed) -> Outbound {
    let mut rng = StdRng::from_seed(*seed.0);
    let mut bytes = |len: usize| {
        let mut bytes = vec![0; len];
        rng.fill_bytes(&mut bytes);
        bytes
    };
    let pickle = serde_json::json!({
        "ratchet": { "inner": bytes(128), "counter": 0 },
        "signing_key": { "Normal": bytes(32) },
        "config": { "version": "V1" },
    });
    let pickle: GroupSessionPickle =
        serde_json::from_value(pickle).expect("the library's own form");
    let mut stored = vec![1];
    stored.extend_from_slice(&number.0.to_be_bytes());
    stored.extend_from_slice(&begun.0.to_be_bytes());
    stored.extend_from_slice(pickle.encrypt(&[0; 32]).as_bytes());
    Outbound::decode(&stored).expect("it is encoded as `Outbound::encode` does")
}
