//! A statement is believed when its actor signed exactly it.

use bytes::Bytes;
use wire::Wall;
use wire::roster::{Act, Policy, Statement};

use crate::crypto::roster::{StatementError, sign_statement, verify_statement};
use crate::crypto::test_keys::{alice, bob, name, rng};

fn statement() -> Statement {
    Statement {
        group: name("rust"),
        version: 3,
        previous: [2; 32],
        act: Act::Invite,
        policy: None,
        actor: name("alice"),
        subject: name("bob"),
        key: [0; 32],
        at: Wall(1_700_000_000_000),
        signature: Bytes::new(),
    }
}

fn signed() -> Statement {
    let encoded = sign_statement(alice(), statement(), &mut rng()).expect("signs");
    Statement::decode(encoded).expect("decodes")
}

#[test]
fn what_was_signed_verifies() {
    let signed = signed();
    assert_eq!(verify_statement(&signed, &alice().public().signing), Ok(()));
    let signature = signed.signature.clone();
    let key = alice().public().signing.id().0;
    assert_eq!(signed, Statement { key, signature, ..statement() });
}

#[test]
fn another_key_is_refused() {
    let bobs = &bob().public().signing;
    assert_eq!(verify_statement(&signed(), bobs), Err(StatementError::OtherKey));
    let renamed = Statement { key: bobs.id().0, ..signed() };
    assert_eq!(verify_statement(&renamed, bobs), Err(StatementError::Signature));
}

#[test]
fn each_field_is_signed() {
    let altered = [
        Statement { group: name("go"), ..signed() },
        Statement { version: 4, ..signed() },
        Statement { previous: [3; 32], ..signed() },
        Statement { act: Act::Remove, ..signed() },
        Statement { act: Act::Create, policy: Some(Policy::Open), ..signed() },
        Statement { actor: name("carol"), ..signed() },
        Statement { subject: name("carol"), ..signed() },
        Statement { at: Wall(0), ..signed() },
        Statement { signature: Bytes::new(), ..signed() },
    ];
    for statement in altered {
        let error = verify_statement(&statement, &alice().public().signing);
        assert_eq!(error, Err(StatementError::Signature), "{statement:?}");
    }
}
