//! A user's way, step by step, against hand-made answers.

use bytes::BytesMut;
use rand::SeedableRng;
use wire::message::{CaughtUp, LogOpened, Ready};
use wire::{
    Frame, LogHandle, LogId, Message, Number, Opaque, Reservation, Seq, SessionEpoch, Wall,
};

use super::*;
use crate::fake_home::FakeHome;
use crate::layout::MAILBOX;

/// The handle of another one's mailbox.
const OTHER: LogHandle = LogHandle(1);

struct Way {
    user: User,
    random: StdRng,
    actions: Vec<Action>,
}

impl Way {
    fn begin() -> Self {
        let mut random = StdRng::seed_from_u64(1);
        let mut way = Self { user: User::new(&mut random), random, actions: Vec::new() };
        way.start();
        way
    }

    fn start(&mut self) {
        self.user.start(&mut self.random, &mut self.actions);
    }

    fn hear(&mut self, message: &impl Message) -> Result<Progress, UserError> {
        self.actions.clear();
        let mut bytes = BytesMut::new();
        message.append_frame(&mut bytes);
        let frame = Frame::split(&mut bytes, u32::MAX).expect("a frame");
        let frame = frame.expect("a whole frame");
        let (user, random, actions) = (&mut self.user, &mut self.random, &mut self.actions);
        match user.is_at_router() {
            true => user.on_router(FromRouter::decode(&frame)?, random, actions),
            false => user.on_seat(ToClient::decode(&frame)?, random, actions),
        }
    }

    fn open(&mut self, handle: LogHandle, cursor: Option<Seq>) {
        self.actions.clear();
        let log = LogId::mailbox(Name::parse("other").expect("a name"));
        self.user.open(vec![Wanted { handle, log, cursor }], &mut self.actions);
    }

    fn said(&self) -> Vec<wire::Kind> {
        let kinds = self.actions.iter().filter_map(|action| match action {
            Action::Ask(message) => Some(message.kind()),
            Action::Say(message) => Some(message.kind()),
            _ => None,
        });
        kinds.collect()
    }

    /// The real server side of the first OPAQUE step.
    fn challenged() -> Self {
        let mut way = Self::begin();
        way.hear(&placed()).expect("placed");
        let Some(Action::Say(ToServer::SignUpStart(start))) = way.actions.pop() else {
            panic!("it signs up")
        };
        assert_eq!(start.name, way.user.name());
        let response = FakeHome::new().challenge(start.name, &start.request);
        way.hear(&SignUpChallenge { response }).expect("challenged");
        way
    }

    fn signed_up() -> Self {
        let mut way = Self::challenged();
        let progress = way.hear(&welcome(way.user.name())).expect("welcome");
        assert_eq!(progress, Progress::SignedIn);
        way
    }
}

fn placed() -> Placed {
    Placed {
        home: ServerId(1),
        seat: ServerId(2),
        address: "127.0.0.1:7".parse().expect("an address"),
        reservation: Reservation([1; 16]),
    }
}

fn opened(handle: LogHandle) -> LogOpened {
    let base = Number::NONE;
    LogOpened { handle, base }
}

fn welcome(name: Name) -> Welcome {
    Welcome {
        name,
        epoch: SessionEpoch(1),
        token: Token([0; 32]),
        bundle: Opaque::default(),
        sealed_keys: Opaque::default(),
        at: Wall(0),
    }
}

fn fault(code: FaultCode) -> Fault {
    Fault::new(code)
}

#[test]
fn it_asks_the_router_then_signs_up_at_the_seat() {
    let mut way = Way::begin();
    assert!(matches!(way.actions[0], Action::DialRouter));
    assert_eq!(way.said(), [wire::Kind::HELLO, wire::Kind::PLACE]);
    let at = Wall(0);
    let server = ServerId(0);
    way.hear(&Ready { version: 1, server, at }).expect("ready");
    assert!(way.actions.is_empty());
    way.hear(&placed()).expect("placed");
    let Action::DialSeat { server, .. } = way.actions[0] else { panic!("it dials") };
    assert_eq!(server, ServerId(2));
    let kinds = [wire::Kind::HELLO, wire::Kind::REDEEM, wire::Kind::SIGN_UP_START];
    assert_eq!(way.said(), kinds);
}

#[test]
fn it_finishes_and_reads_its_mailbox() {
    let mut way = Way::challenged();
    assert_eq!(way.said(), [wire::Kind::SIGN_UP_FINISH]);
    assert_eq!(way.hear(&welcome(way.user.name())).expect("welcome"), Progress::SignedIn);
    way.open(MAILBOX, Some(Seq(0)));
    assert!(way.user.is_signed_in() && !way.user.is_open());
    assert_eq!(way.said(), [wire::Kind::OPEN_LOG]);
    way.hear(&opened(MAILBOX)).expect("opened");
    assert_eq!(way.said(), [wire::Kind::ATTACH]);
    let caught_up = CaughtUp { handle: MAILBOX, upto: Seq(0), expired: 0 };
    assert_eq!(way.hear(&caught_up).expect("caught up"), Progress::Open);
    assert!(way.user.is_open());
}

#[test]
fn it_comes_back_with_its_token() {
    let mut way = Way::signed_up();
    let name = way.user.name();
    way.user.leave(&mut way.actions);
    assert!(!way.user.is_signed_in());
    way.actions.clear();
    way.start();
    way.hear(&placed()).expect("placed");
    let kinds = [wire::Kind::HELLO, wire::Kind::REDEEM, wire::Kind::RESUME];
    assert_eq!(way.said(), kinds);
    assert_eq!(way.user.name(), name, "the same account");
    assert_eq!(way.hear(&welcome(name)).expect("welcome"), Progress::SignedIn);
}

#[test]
fn a_cluster_that_is_not_ready_is_tried_again_with_another_account() {
    let mut way = Way::begin();
    let first = way.user.name();
    let progress = way.hear(&fault(FaultCode::UNAVAILABLE)).expect("tried again");
    assert_eq!(progress, Progress::TryAgain);
    way.start();
    assert_ne!(way.user.name(), first);
    for _ in 2..TRIES_MAX {
        way.hear(&fault(FaultCode::SEAT_FULL)).expect("tried again");
        way.start();
    }
    let error = way.hear(&fault(FaultCode::SEAT_FULL)).expect_err("the last try");
    assert!(matches!(error, UserError::Refused(FaultCode::SEAT_FULL, _)));
}

#[test]
fn an_unreachable_partners_home_is_asked_again() {
    let mut way = Way::signed_up();
    way.open(OTHER, None);
    let fault = Fault::about(FaultCode::UNAVAILABLE, Kind::OPEN_LOG, OTHER.0);
    assert_eq!(way.hear(&fault).expect("tried again"), Progress::TryAgain);
    assert!(way.user.is_signed_in() && !way.user.is_open());
    way.actions.clear();
    way.user.open_again(&mut way.actions);
    assert_eq!(way.said(), [wire::Kind::OPEN_LOG]);
}

#[test]
fn refusals_and_wrong_turns_end_the_way() {
    let mut way = Way::begin();
    let error = way.hear(&fault(FaultCode::BAD_VERSION)).expect_err("refused");
    assert!(matches!(error, UserError::Refused(FaultCode::BAD_VERSION, _)));
    let mut way = Way::begin();
    way.hear(&placed()).expect("placed");
    let error = way.hear(&welcome(way.user.name())).expect_err("out of turn");
    assert!(matches!(error, UserError::OutOfTurn(wire::Kind::WELCOME)));
}

#[test]
fn a_lost_connection_is_tried_again_only_before_the_session() {
    let mut way = Way::challenged();
    assert_eq!(way.user.on_lost(), Some(Progress::TryAgain));
    let mut way = Way::signed_up();
    assert_eq!(way.user.on_lost(), None);
}
