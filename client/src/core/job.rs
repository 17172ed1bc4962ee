//! Slow cryptography: computed by a worker, pure in its inputs, randomness by seed.

use std::sync::Arc;

use bytes::Bytes;
use rand::SeedableRng;
use rand::rngs::StdRng;
use wire::message::{Challenge, SealedKeys};
use wire::opaque::group_identity;
use wire::roster::Statement;
use wire::{LogId, Name, Wall};
use zeroize::Zeroizing;

use super::grant_work::{GrantJob, GrantResult};
use crate::crypto::bundle::SignedBundle;
use crate::crypto::grant::SessionPlace;
use crate::crypto::key_log::{KeyLog, KeyLogError};
use crate::crypto::keys::{Identity, KeyError, SigningPublicKey};
use crate::crypto::opaque::{ExportKey, OpaqueError, SignIn, SignUp, Stretch};
use crate::crypto::roster::{StatementError, sign_statement, verify_statement};
use crate::crypto::sealed_keys::{self, SealedKeysError};
use crate::store::WantedId;

/// Whose job it is: the result finds its owner by this.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum JobKey {
    /// A step of sign-up or sign-in; the attempt's number tells late results apart.
    Auth(u32),
    /// A message session of the account's own in this log; the job's number tells late results
    /// apart.
    Sealing(LogId, u32),
    /// The account's grant of this message session.
    Grant(SessionPlace),
    /// The answer to this request for a grant.
    GrantAnswer(WantedId),
    /// The key log of this account; the fetch's number tells late results apart.
    KeyLog(Name, u32),
    /// A statement of this group's roster, by the number of its verification.
    Statement(Name, u32),
    /// A step of a group's change, by the job's number.
    Change(u32),
}

/// 256 random bits from the core's generator.
#[derive(Clone)]
pub struct Seed(pub Zeroizing<[u8; 32]>);

/// What to compute.
pub enum Job {
    /// Two RSA pairs and the first bundle. Takes seconds.
    GenerateKeys {
        /// The account.
        name: Name,
        /// Written into the bundle.
        created: Wall,
        /// Randomness.
        seed: Seed,
    },
    /// The client's second step of OPAQUE registration: stretching.
    FinishSignUp {
        /// The account.
        name: Name,
        /// From the first step.
        state: Box<SignUp>,
        /// The home's answer.
        response: Challenge,
        /// Sealed under the export key.
        identity: Arc<Identity>,
        /// Randomness.
        seed: Seed,
    },
    /// The client's second step of OPAQUE sign-in: stretching.
    FinishSignIn {
        /// The account.
        name: Name,
        /// From the first step.
        state: Box<SignIn>,
        /// The home's answer.
        response: Challenge,
        /// Randomness.
        seed: Seed,
    },
    /// Bring back the private keys.
    OpenKeys {
        /// The account.
        name: Name,
        /// As the home keeps them.
        sealed: SealedKeys,
        /// From the sign-in.
        export_key: Arc<ExportKey>,
    },
    /// See [`GrantJob`].
    Grant {
        /// What to compute.
        job: Box<GrantJob>,
        /// The account's keys.
        identity: Arc<Identity>,
        /// Randomness.
        seed: Seed,
    },
    /// The client's second step of OPAQUE for a group's password: stretching.
    ProveGroupPassword {
        /// The group.
        group: Name,
        /// From the first step.
        state: GroupPassword,
        /// The home's answer.
        response: Challenge,
        /// Randomness.
        seed: Seed,
    },
    /// Sign a statement of a group's roster.
    SignStatement {
        /// The actor's keys.
        identity: Arc<Identity>,
        /// What to say.
        statement: Box<Statement>,
        /// Randomness.
        seed: Seed,
    },
    /// Verify a statement of a group's roster.
    VerifyStatement {
        /// What is said.
        statement: Box<Statement>,
        /// Its actor's key.
        key: SigningPublicKey,
    },
    /// Verify an account's key log.
    VerifyKeyLog {
        /// Whose it is.
        name: Name,
        /// What was verified before.
        known: Option<Arc<KeyLog>>,
        /// The links, from the first, or those after `known`.
        bundles: Vec<Bytes>,
    },
}

/// A group's password between the two steps of its exchange.
#[derive(Debug)]
pub enum GroupPassword {
    /// The group is being created with it.
    Creating(Box<SignUp>),
    /// The group is being joined with it.
    Joining(Box<SignIn>),
}

/// What came out.
#[derive(Debug)]
pub enum JobResult {
    /// Of [`Job::GenerateKeys`]: the keys and the encoded bundle.
    Keys(Result<(Arc<Identity>, Bytes), KeyError>),
    /// Of [`Job::FinishSignUp`]: the record and the sealed keys.
    SignUp(Result<(Challenge, SealedKeys), OpaqueError>),
    /// Of [`Job::FinishSignIn`]: the last message and the key that opens the sealed keys.
    SignIn(Result<(Challenge, Arc<ExportKey>), OpaqueError>),
    /// Of [`Job::OpenKeys`].
    OpenedKeys(Result<Arc<Identity>, SealedKeysError>),
    /// Of [`Job::ProveGroupPassword`]: what goes to the home with the statement.
    GroupProof(Result<Challenge, OpaqueError>),
    /// Of [`Job::SignStatement`]: the whole statement.
    SignedStatement(Result<Bytes, KeyError>),
    /// Of [`Job::VerifyStatement`].
    VerifiedStatement(Result<(), StatementError>),
    /// Of [`Job::Grant`].
    Grant(GrantResult),
    /// Of [`Job::VerifyKeyLog`].
    KeyLog(Result<Arc<KeyLog>, KeyLogError>),
}

impl Job {
    /// Computes the job; `stretch` is the password's slow hash.
    #[must_use]
    pub fn run(self, stretch: &Stretch) -> JobResult {
        match self {
            Self::GenerateKeys { name, created, seed } => {
                JobResult::Keys(generate_keys(name, created, &mut seed.rng()))
            }
            Self::FinishSignUp { name, state, response, identity, seed } => {
                let mut rng = seed.rng();
                let finished = state.finish(name.as_bytes(), response.bytes(), stretch, &mut rng);
                JobResult::SignUp(finished.map(|(record, export_key)| {
                    let keys = sealed_keys::seal(&identity, &name, &export_key, &mut rng);
                    (record, keys)
                }))
            }
            Self::FinishSignIn { name, state, response, seed } => JobResult::SignIn(
                state
                    .finish(name.as_bytes(), response.bytes(), stretch, &mut seed.rng())
                    .map(|(finish, export_key)| (finish, Arc::new(export_key))),
            ),
            Self::OpenKeys { name, sealed, export_key } => JobResult::OpenedKeys(
                sealed_keys::open(sealed.bytes(), &name, &export_key).map(Arc::new),
            ),
            Self::ProveGroupPassword { group, state, response, seed } => {
                JobResult::GroupProof(state.finish(&group, &response, stretch, &mut seed.rng()))
            }
            Self::SignStatement { identity, statement, seed } => {
                JobResult::SignedStatement(sign_statement(&identity, *statement, &mut seed.rng()))
            }
            Self::VerifyStatement { statement, key } => {
                JobResult::VerifiedStatement(verify_statement(&statement, &key))
            }
            Self::Grant { job, identity, seed } => JobResult::Grant(job.run(&identity, &seed)),
            Self::VerifyKeyLog { name, known, bundles } => JobResult::KeyLog(match known {
                Some(known) => known.extend(&bundles).map(Arc::new),
                None => KeyLog::verify(&name, &bundles).map(Arc::new),
            }),
        }
    }
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::GenerateKeys { .. } => "GenerateKeys",
            Self::FinishSignUp { .. } => "FinishSignUp",
            Self::FinishSignIn { .. } => "FinishSignIn",
            Self::OpenKeys { .. } => "OpenKeys",
            Self::ProveGroupPassword { .. } => "ProveGroupPassword",
            Self::SignStatement { .. } => "SignStatement",
            Self::VerifyStatement { .. } => "VerifyStatement",
            Self::Grant { job, .. } => return job.fmt(f),
            Self::VerifyKeyLog { .. } => "VerifyKeyLog",
        })
    }
}

impl GroupPassword {
    fn finish(
        self,
        group: &Name,
        response: &Challenge,
        stretch: &Stretch,
        rng: &mut StdRng,
    ) -> Result<Challenge, OpaqueError> {
        let (identity, response) = (group_identity(group), response.bytes());
        match self {
            Self::Creating(state) => state.finish(&identity, response, stretch, rng),
            Self::Joining(state) => state.finish(&identity, response, stretch, rng),
        }
        .map(|(proof, _)| proof)
    }
}

impl Seed {
    /// The generator that it begins.
    pub(super) fn rng(&self) -> StdRng {
        StdRng::from_seed(*self.0)
    }
}

fn generate_keys(
    name: Name,
    created: Wall,
    rng: &mut StdRng,
) -> Result<(Arc<Identity>, Bytes), KeyError> {
    let identity = Identity::generate(rng)?;
    let bundle = SignedBundle::first(&identity, name, created, rng)?;
    Ok((Arc::new(identity), bundle.encoded().clone()))
}
