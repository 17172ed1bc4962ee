//! What members have signed about rosters is kept until it is compared, and for ever where it
//! contradicts.

use wire::{LogId, MessageSession, Name, Wall};
use zeroize::Zeroizing;

use super::{Place, origin};
use crate::crypto::grant::SessionPlace;
use crate::crypto::keys::KeyId;
use crate::crypto::test_keys::name;
use crate::store::{ClaimState, GrantedSession, KeptClaim, ReceivedContent, RosterClaim, Store};

fn rust() -> Name {
    name("rust")
}

fn claim(sender: &str, version: u32) -> RosterClaim {
    RosterClaim { sender: name(sender), version, head: [7; 32] }
}

/// A grant came with `claim`, which is still to be compared.
fn grant(store: &mut Store, claim: &RosterClaim) {
    let place = SessionPlace {
        sender: claim.sender,
        log: LogId::group(rust()),
        origin: origin(2),
        message_session: MessageSession(1),
    };
    let state = Zeroizing::new(b"state".to_vec());
    let session = GrantedSession { signing_key: KeyId([5; 32]), state };
    store.keep_granted(&place, &session, Some(claim)).expect("keeps");
}

fn claims(store: &Store) -> Vec<KeptClaim> {
    store.group(&rust()).expect("reads").expect("is kept").claims
}

#[test]
fn an_open_claim_is_kept_with_its_grant_until_it_is_settled() {
    let files = Place::new();
    let mut store = files.open();
    store.keep_group(&rust()).expect("keeps");
    grant(&mut store, &claim("bob", 5));
    grant(&mut store, &claim("bob", 4));
    grant(&mut store, &claim("carol", 6));
    drop(store);
    assert!(!files.holds(&[7; 32]), "sealed");
    let mut store = files.open();
    let open =
        |sender, version| KeptClaim { claim: claim(sender, version), state: ClaimState::Open };
    assert_eq!(claims(&store), [open("bob", 5), open("carol", 6)], "the newest of each");
    store.settle_claim(&rust(), &name("bob")).expect("settles");
    assert_eq!(claims(&store), [open("carol", 6)]);
}

#[test]
fn what_contradicts_is_told_once_and_stays_until_the_user_agrees() {
    let files = Place::new();
    let mut store = files.open();
    store.keep_group(&rust()).expect("keeps");
    grant(&mut store, &claim("bob", 5));
    let id = store.contradict(&rust(), &claim("bob", 5), "beware", Wall(3)).expect("keeps");
    store.settle_claim(&rust(), &name("bob")).expect("does nothing");
    grant(&mut store, &claim("bob", 9));
    drop(store);
    let mut store = files.open();
    let kept = |state| [KeptClaim { claim: claim("bob", 5), state }];
    assert_eq!(claims(&store), kept(ClaimState::Contradicting));
    let shown = store.unshown(9).expect("reads");
    assert_eq!((shown.len(), shown[0].id, shown[0].log), (1, id, LogId::group(rust())));
    assert_eq!(shown[0].content, ReceivedContent::Warning { text: "beware".to_owned() });
    store.agree_to_roster(&rust()).expect("agrees");
    grant(&mut store, &claim("bob", 9));
    assert_eq!(claims(&store), kept(ClaimState::Agreed));
}
