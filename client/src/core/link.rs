//! The way to the seat: router, placement, seat, and again after a pause when any of it fails.

use std::time::Duration;

use wire::limits::{PING_AFTER, PONG_TIME_MAX};
use wire::message::{Fault, Hello, Ping, Place, Placed, Redeem};
use wire::{FaultCode, Frame, FromRouter, Instant, Name, Reservation, ToRouter, ToServer};

use super::context::{Backoff, Context};
use super::event::{Cause, Effect, LinkId, Notice, Outgoing, Step};
use crate::failure::{Code, Failure};

const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_LONGEST: Duration = Duration::from_secs(5);
/// From dialing a router to its placement; a router that has just started waits for reports.
const PLACE_TIME_MAX: Duration = Duration::from_secs(10);
/// From dialing the seat to the session; longer than the seat allows itself.
const SIGN_IN_TIME_MAX: Duration = Duration::from_secs(20);
/// Pings without an answer that end a connection.
const MISSES_MAX: u32 = 2;

/// The one connection that the core has or tries to have.
#[derive(Debug)]
pub(crate) struct Link {
    state: State,
    last: u32,
    router: usize,
    backoff: Backoff,
    heard: Instant,
    pings: u32,
}

#[derive(Debug)]
enum State {
    Idle,
    Pausing { until: Instant },
    Router { link: LinkId, name: Name, until: Instant },
    Seat { link: LinkId, reservation: Reservation, until: Instant },
    Online { link: LinkId },
}

/// What an event on the connection means for the rest of the core.
#[derive(Debug)]
pub(crate) enum Happened {
    /// Nothing beyond the link.
    Nothing,
    /// The seat's connection is open: say who we are.
    SeatOpened(LinkId),
    /// A frame of the seat that is not the link's own.
    SeatFrame(Frame),
    /// The connection is gone; the link tries again after its pause.
    Failed,
}

impl Link {
    pub(crate) fn new() -> Self {
        Self {
            state: State::Idle,
            last: 0,
            router: 0,
            backoff: Backoff::new(PAUSE_FIRST, PAUSE_LONGEST),
            heard: Instant(0),
            pings: 0,
        }
    }

    /// Nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// The pause after a failure is over.
    pub(crate) fn is_rested(&self, now: Instant) -> bool {
        matches!(self.state, State::Pausing { until } if until <= now)
    }

    /// The seat's connection, signed in or not.
    pub(crate) fn seat(&self) -> Option<LinkId> {
        match self.state {
            State::Seat { link, .. } | State::Online { link } => Some(link),
            _ => None,
        }
    }

    /// The seat's connection while a session is on.
    pub(crate) fn online(&self) -> Option<LinkId> {
        match self.state {
            State::Online { link } => Some(link),
            _ => None,
        }
    }

    /// Asks a router for a seat for `name`.
    pub(crate) fn start(&mut self, name: Name, ctx: &mut Context<'_>) {
        assert!(
            !matches!(self.state, State::Seat { .. } | State::Online { .. }),
            "one connection at a time"
        );
        let link = self.next_link();
        let until = ctx.now + PLACE_TIME_MAX;
        self.state = State::Router { link, name, until };
        ctx.notify(Notice::Progress(Step::Connecting));
        let router = self.router;
        ctx.out.push(Effect::DialRouter { link, router });
    }

    /// The session is on.
    pub(crate) fn settle(&mut self, ctx: &mut Context<'_>) {
        let State::Seat { link, .. } = self.state else {
            return;
        };
        self.state = State::Online { link };
        self.backoff.reset();
        self.heard = ctx.now;
        self.pings = 0;
    }

    /// Closes whatever there is and stays away.
    pub(crate) fn stop(&mut self, ctx: &mut Context<'_>) {
        self.close(ctx);
        self.state = State::Idle;
    }

    /// Closes whatever there is and tries again after a pause.
    pub(crate) fn fail(&mut self, failure: Failure, ctx: &mut Context<'_>) {
        self.close(ctx);
        self.router = self.router.wrapping_add(1);
        let pause = self.backoff.next();
        let until = ctx.now + ctx.jitter(pause);
        self.state = State::Pausing { until };
        ctx.notify(Notice::Trouble(failure));
    }

    /// The seat wants to be empty, and lets its sessions go one after the other: there is nothing
    /// to wait for.
    pub(crate) fn move_on(&mut self, ctx: &mut Context<'_>) {
        self.close(ctx);
        self.state = State::Pausing { until: ctx.now };
    }

    pub(crate) fn on_opened(&mut self, link: LinkId, ctx: &mut Context<'_>) -> Happened {
        match self.state {
            State::Router { link: mine, name, .. } if mine == link => {
                send_router(link, Hello::client(), ctx);
                send_router(link, Place { name }, ctx);
                Happened::Nothing
            }
            State::Seat { link: mine, reservation, .. } if mine == link => {
                send_seat(link, Hello::client(), ctx);
                send_seat(link, Redeem { reservation }, ctx);
                Happened::SeatOpened(link)
            }
            _ => Happened::Nothing,
        }
    }

    pub(crate) fn on_closed(
        &mut self,
        link: LinkId,
        cause: Cause,
        ctx: &mut Context<'_>,
    ) -> Happened {
        if self.current() != Some(link) {
            return Happened::Nothing;
        }
        let failure = self.explain(cause);
        // It is closed already: nothing must be sent to it.
        self.state = State::Idle;
        self.fail(failure, ctx);
        Happened::Failed
    }

    pub(crate) fn on_frame(
        &mut self,
        link: LinkId,
        frame: Frame,
        ctx: &mut Context<'_>,
    ) -> Happened {
        if self.current() != Some(link) {
            return Happened::Nothing;
        }
        self.heard = ctx.now;
        self.pings = 0;
        match self.state {
            State::Router { .. } => self.on_router_frame(link, &frame, ctx),
            _ => Happened::SeatFrame(frame),
        }
    }

    pub(crate) fn on_timeout(&mut self, ctx: &mut Context<'_>) -> Happened {
        if self.deadline().is_none_or(|at| at > ctx.now) {
            return Happened::Nothing;
        }
        match self.state {
            State::Router { .. } => self.give_up("the router does not answer", ctx),
            State::Seat { .. } => self.give_up("the server does not answer", ctx),
            State::Online { .. } if self.pings >= MISSES_MAX => {
                self.give_up("the server has fallen silent", ctx)
            }
            State::Online { link } => {
                self.pings += 1;
                self.heard = ctx.now;
                let nonce = u64::from(self.pings);
                send_seat(link, Ping { nonce }, ctx);
                Happened::Nothing
            }
            State::Idle | State::Pausing { .. } => Happened::Nothing,
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Idle => None,
            State::Pausing { until } | State::Router { until, .. } | State::Seat { until, .. } => {
                Some(until)
            }
            State::Online { .. } if self.pings == 0 => Some(self.heard + PING_AFTER),
            State::Online { .. } => Some(self.heard + PONG_TIME_MAX),
        }
    }

    fn current(&self) -> Option<LinkId> {
        match self.state {
            State::Router { link, .. } => Some(link),
            _ => self.seat(),
        }
    }

    fn next_link(&mut self) -> LinkId {
        self.last += 1;
        LinkId(self.last)
    }

    fn close(&mut self, ctx: &mut Context<'_>) {
        if let Some(link) = self.current() {
            ctx.out.push(Effect::Close { link });
        }
    }

    fn give_up(&mut self, text: &str, ctx: &mut Context<'_>) -> Happened {
        self.fail(Failure::new(Code::Unavailable, text), ctx);
        Happened::Failed
    }

    fn explain(&self, cause: Cause) -> Failure {
        let who = match self.state {
            State::Router { .. } => "router",
            _ => "server",
        };
        match cause {
            Cause::Lost(why) => Failure::new(
                Code::Unavailable,
                format!("no connection to the {who} ({why}); is it running?"),
            ),
            Cause::Untrusted(why) => Failure::new(
                Code::UntrustedKey,
                format!("the {who}'s certificate is not trusted ({why}); check --ca and --router"),
            ),
        }
    }

    fn on_router_frame(&mut self, link: LinkId, frame: &Frame, ctx: &mut Context<'_>) -> Happened {
        match FromRouter::decode(frame) {
            Ok(FromRouter::Placed(placed)) => self.on_placed(link, &placed, ctx),
            Ok(FromRouter::Fault(fault)) => {
                self.fail(failure(&fault), ctx);
                Happened::Failed
            }
            Ok(FromRouter::Ping(ping)) => {
                let nonce = ping.nonce;
                send_router(link, wire::message::Pong { nonce }, ctx);
                Happened::Nothing
            }
            Ok(FromRouter::Ready(_) | FromRouter::Pong(_)) => Happened::Nothing,
            Err(error) => self.give_up(&format!("the router's answer is broken ({error})"), ctx),
        }
    }

    fn on_placed(&mut self, router: LinkId, placed: &Placed, ctx: &mut Context<'_>) -> Happened {
        ctx.out.push(Effect::Close { link: router });
        let link = self.next_link();
        self.state = State::Seat {
            link,
            reservation: placed.reservation,
            until: ctx.now + SIGN_IN_TIME_MAX,
        };
        ctx.out.push(Effect::DialSeat { link, address: placed.address, server: placed.seat });
        Happened::Nothing
    }
}

/// A fault as the user hears it: the other side's own words when it has some to add.
pub(crate) fn failure(fault: &Fault) -> Failure {
    let mut failure = Failure::fault(fault.code);
    let unknown = !FaultCode::ALL.contains(&fault.code);
    if unknown && !fault.text.as_str().is_empty() {
        failure.text = fault.text.as_str().to_owned();
    }
    failure
}

fn send_router(link: LinkId, message: impl Into<ToRouter>, ctx: &mut Context<'_>) {
    let message = Outgoing::Router(message.into());
    ctx.out.push(Effect::Send { link, message });
}

fn send_seat(link: LinkId, message: impl Into<ToServer>, ctx: &mut Context<'_>) {
    let message = Outgoing::Seat(message.into());
    ctx.out.push(Effect::Send { link, message });
}
