//! The way to the seat: router, placement, seat, and again after a pause when any of it fails.
//! When no router answers: a server that one has named before.

use std::time::Duration;

use wire::limits::{PING_AFTER, PONG_TIME_MAX};
use wire::message::{Fault, Hello, ListServers, Ping, Place, Placed, Redeem, Servers};
use wire::{
    FaultCode, Frame, FromRouter, Instant, Name, Reservation, ServerId, ToRouter, ToServer,
};

use super::context::{Backoff, Context};
use super::event::{Cause, Effect, LinkId, Notice, Outgoing, Step, StoreOp};
use super::ways::Ways;
use crate::failure::{Code, Failure};
use crate::store::{KnownServer, KnownServers};

const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_LONGEST: Duration = Duration::from_secs(5);
/// From dialing to an open connection, where there is another way: what two lost packets take.
const OPEN_TIME_MAX: Duration = Duration::from_secs(4);
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
    ways: Ways,
    listing: Option<Listing>,
    backoff: Backoff,
    heard: Instant,
    pings: u32,
}

#[derive(Debug)]
enum State {
    Idle,
    Pausing {
        until: Instant,
    },
    Router {
        link: LinkId,
        name: Name,
        until: Instant,
    },
    /// Where a router has placed us.
    Seat {
        link: LinkId,
        reservation: Reservation,
        until: Instant,
    },
    /// A server that a router has named before.
    Known {
        link: LinkId,
        server: ServerId,
        until: Instant,
    },
    Online {
        link: LinkId,
    },
}

/// A router that has placed us and is asked which servers there are, while we go to our seat.
#[derive(Clone, Copy, Debug)]
struct Listing {
    link: LinkId,
    home: ServerId,
    until: Instant,
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
    pub(crate) fn new(known: KnownServers) -> Self {
        Self {
            state: State::Idle,
            last: 0,
            router: 0,
            ways: Ways::new(known),
            listing: None,
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
            State::Seat { link, .. } | State::Known { link, .. } | State::Online { link } => {
                Some(link)
            }
            State::Idle | State::Pausing { .. } | State::Router { .. } => None,
        }
    }

    /// The seat's connection while a session is on.
    pub(crate) fn online(&self) -> Option<LinkId> {
        match self.state {
            State::Online { link } => Some(link),
            _ => None,
        }
    }

    /// There are `count` addresses of routers.
    pub(crate) fn on_routers(&mut self, count: usize) {
        self.ways.on_routers(count);
    }

    /// Asks a router for a seat for `name`, or goes to a server that is known while none answers.
    pub(crate) fn start(&mut self, name: Name, ctx: &mut Context<'_>) {
        assert!(self.seat().is_none(), "one connection at a time");
        ctx.notify(Notice::Progress(Step::Connecting));
        let link = self.next_link();
        if let Some(KnownServer { server, address, .. }) = self.ways.next_server() {
            let until = ctx.now + OPEN_TIME_MAX;
            self.state = State::Known { link, server, until };
            ctx.out.push(Effect::DialSeat { link, address, server });
            return;
        }
        let has_other = self.ways.has_servers(ctx.wall);
        let until = ctx.now + if has_other { OPEN_TIME_MAX } else { PLACE_TIME_MAX };
        self.state = State::Router { link, name, until };
        let router = self.router;
        ctx.out.push(Effect::DialRouter { link, router });
    }

    /// The session is on.
    pub(crate) fn settle(&mut self, ctx: &mut Context<'_>) {
        let (State::Seat { link, .. } | State::Known { link, .. }) = self.state else {
            return;
        };
        self.state = State::Online { link };
        self.ways.on_answered();
        self.backoff.reset();
        self.heard = ctx.now;
        self.pings = 0;
    }

    /// Closes whatever there is and stays away.
    pub(crate) fn stop(&mut self, ctx: &mut Context<'_>) {
        self.close(ctx);
        self.state = State::Idle;
        self.end_listing(ctx);
    }

    /// Closes whatever there is and tries again after a pause.
    pub(crate) fn fail(&mut self, failure: Failure, ctx: &mut Context<'_>) {
        self.close(ctx);
        self.pause(failure, ctx);
    }

    /// Tries again after a pause. The user hears of it when every way was tried.
    fn pause(&mut self, failure: Failure, ctx: &mut Context<'_>) {
        let has_other = match self.state {
            State::Router { .. } => self.ways.on_router_failed(ctx.wall, ctx.rng),
            State::Known { .. } => self.ways.on_server_failed(),
            _ => false,
        };
        if !matches!(self.state, State::Known { .. }) {
            self.router = self.router.wrapping_add(1);
        }
        let pause = self.backoff.next();
        let until = ctx.now + ctx.jitter(pause);
        self.state = State::Pausing { until };
        if !has_other || failure.code == Code::UntrustedKey {
            ctx.notify(Notice::Trouble(failure));
        }
    }

    /// The seat wants to be empty, and lets its sessions go one after the other: there is nothing
    /// to wait for.
    pub(crate) fn move_on(&mut self, ctx: &mut Context<'_>) {
        self.close(ctx);
        self.state = State::Pausing { until: ctx.now };
    }

    pub(crate) fn on_opened(&mut self, link: LinkId, ctx: &mut Context<'_>) -> Happened {
        match &mut self.state {
            State::Router { link: mine, name, until } if *mine == link => {
                *until = ctx.now + PLACE_TIME_MAX;
                let name = *name;
                send_router(link, Hello::client(), ctx);
                send_router(link, Place { name }, ctx);
                Happened::Nothing
            }
            State::Seat { link: mine, reservation, .. } if *mine == link => {
                let reservation = *reservation;
                send_seat(link, Hello::client(), ctx);
                send_seat(link, Redeem { reservation }, ctx);
                Happened::SeatOpened(link)
            }
            State::Known { link: mine, until, .. } if *mine == link => {
                *until = ctx.now + SIGN_IN_TIME_MAX;
                send_seat(link, Hello::client(), ctx);
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
        self.listing = self.listing.filter(|listing| listing.link != link);
        if self.current() != Some(link) {
            return Happened::Nothing;
        }
        let failure = self.explain(cause);
        // It is closed already: nothing must be sent to it.
        self.pause(failure, ctx);
        Happened::Failed
    }

    pub(crate) fn on_frame(
        &mut self,
        link: LinkId,
        frame: Frame,
        ctx: &mut Context<'_>,
    ) -> Happened {
        if self.listing.is_some_and(|listing| listing.link == link) {
            self.on_listing_frame(&frame, ctx);
            return Happened::Nothing;
        }
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
        if self.listing.is_some_and(|listing| listing.until <= ctx.now) {
            self.end_listing(ctx);
        }
        if self.next_step().is_none_or(|at| at > ctx.now) {
            return Happened::Nothing;
        }
        match self.state {
            State::Router { .. } | State::Seat { .. } | State::Known { .. } => {
                let text = self.explain_loss("no answer");
                self.give_up(&text, ctx)
            }
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
        let listing = self.listing.map(|listing| listing.until);
        [listing, self.next_step()].into_iter().flatten().min()
    }

    fn next_step(&self) -> Option<Instant> {
        match self.state {
            State::Idle => None,
            State::Pausing { until }
            | State::Router { until, .. }
            | State::Seat { until, .. }
            | State::Known { until, .. } => Some(until),
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
            Cause::Lost(why) => Failure::new(Code::Unavailable, self.explain_loss(&why)),
            Cause::Untrusted(why) => Failure::new(
                Code::UntrustedKey,
                format!("the {who}'s certificate is not trusted ({why}); check --ca and --router"),
            ),
        }
    }

    fn explain_loss(&self, why: &str) -> String {
        match self.state {
            State::Router { .. } => format!(
                "no connection to the router ({why}), and this machine knows no server from an \
                 earlier sign-in; is the router running? --router HOST:PORT names another"
            ),
            State::Known { server, .. } => format!(
                "no router answers, nor does {server}, known from an earlier sign-in ({why}); is \
                 the cluster running?"
            ),
            _ => format!("no connection to the server ({why}); is it running?"),
        }
    }

    fn on_router_frame(&mut self, link: LinkId, frame: &Frame, ctx: &mut Context<'_>) -> Happened {
        match FromRouter::decode(frame) {
            Ok(FromRouter::Placed(placed)) => self.on_placed(link, &placed, ctx),
            Ok(FromRouter::Fault(fault)) => {
                self.close(ctx);
                if fault.code != FaultCode::STOPPING {
                    // It lives: its word holds, and is told.
                    self.ways.on_answered();
                    self.state = State::Idle;
                }
                self.pause(not_placed(&fault), ctx);
                Happened::Failed
            }
            Ok(FromRouter::Ping(ping)) => {
                let nonce = ping.nonce;
                send_router(link, wire::message::Pong { nonce }, ctx);
                Happened::Nothing
            }
            Ok(FromRouter::Ready(_) | FromRouter::Pong(_) | FromRouter::Servers(_)) => {
                Happened::Nothing
            }
            Err(error) => self.give_up(&format!("the router's answer is broken ({error})"), ctx),
        }
    }

    fn on_placed(&mut self, router: LinkId, placed: &Placed, ctx: &mut Context<'_>) -> Happened {
        self.ways.on_answered();
        self.end_listing(ctx);
        if self.ways.wants_list(placed, ctx.wall) {
            let until = ctx.now + PLACE_TIME_MAX;
            self.listing = Some(Listing { link: router, home: placed.home, until });
            send_router(router, ListServers {}, ctx);
        } else {
            ctx.out.push(Effect::Close { link: router });
        }
        let link = self.next_link();
        self.state = State::Seat {
            link,
            reservation: placed.reservation,
            until: ctx.now + SIGN_IN_TIME_MAX,
        };
        ctx.out.push(Effect::DialSeat { link, address: placed.address, server: placed.seat });
        Happened::Nothing
    }

    /// A list is kept; anything else but noise on the way ends the question, as an older router
    /// does not know it.
    fn on_listing_frame(&mut self, frame: &Frame, ctx: &mut Context<'_>) {
        let Some(Listing { home, .. }) = self.listing else {
            return;
        };
        match FromRouter::decode(frame) {
            Ok(FromRouter::Ready(_) | FromRouter::Ping(_) | FromRouter::Pong(_)) => return,
            Ok(FromRouter::Servers(Servers { servers })) => {
                let known = self.ways.on_named(servers.items(), home, ctx.wall).clone();
                ctx.store(StoreOp::SaveServers(known));
            }
            Ok(FromRouter::Placed(_) | FromRouter::Fault(_)) => {}
            Err(error) => tracing::debug!(%error, "the router's list is broken"),
        }
        self.end_listing(ctx);
    }

    fn end_listing(&mut self, ctx: &mut Context<'_>) {
        if let Some(Listing { link, .. }) = self.listing.take() {
            ctx.out.push(Effect::Close { link });
        }
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

/// The same of a router, which knows of the servers as a whole.
fn not_placed(fault: &Fault) -> Failure {
    match fault.code {
        FaultCode::UNAVAILABLE => Failure::new(
            Code::Unavailable,
            "no server has room or can be reached now; try again in a moment",
        ),
        _ => failure(fault),
    }
}

fn send_router(link: LinkId, message: impl Into<ToRouter>, ctx: &mut Context<'_>) {
    let message = Outgoing::Router(message.into());
    ctx.out.push(Effect::Send { link, message });
}

fn send_seat(link: LinkId, message: impl Into<ToServer>, ctx: &mut Context<'_>) {
    let message = Outgoing::Seat(message.into());
    ctx.out.push(Effect::Send { link, message });
}
