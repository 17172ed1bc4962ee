//! The peers: their names, how each is spoken to, and what each does not do.

use super::adapter::{Adapter, Seat};
use super::adapters::irc::Irc;
use super::adapters::jetstream::{JetStream, StreamMaker};
use super::adapters::mqtt::{Mqtt, Quality};
use super::adapters::nats::Nats;
use super::adapters::relay::Relayed;
use super::adapters::xmpp::{Registrar, Xmpp};
use super::plan::Scenario;

/// A server that FastChat is compared with, in one of its settings.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Peer {
    /// Our own bare relay.
    Relay,
    /// NATS core.
    Nats,
    /// NATS JetStream as it is set by default: synced every two minutes.
    JetStream,
    /// NATS JetStream that syncs before it acknowledges.
    JetStreamSync,
    /// mosquitto with QoS 0.
    Mosquitto,
    /// mosquitto with QoS 1 and sessions that are kept.
    MosquittoQos1,
    /// InspIRCd.
    InspIrcd,
    /// ngIRCd.
    NgIrcd,
    /// ejabberd.
    Ejabberd,
    /// Prosody.
    Prosody,
}

/// What a peer does not do, in the words of the report; empty where it does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Lacks {
    /// About writing to the disk before it acknowledges.
    pub sync: &'static str,
    /// About telling the sender.
    pub acknowledge: &'static str,
    /// About encryption, as it runs here.
    pub encryption: &'static str,
    /// About keeping posts for who is away.
    pub storage: &'static str,
}

const FORGETS: &str = "keeps nothing for who is away";

impl Peer {
    /// All of them, in the order of the report.
    pub const ALL: [Self; 10] = [
        Self::Relay,
        Self::Nats,
        Self::JetStream,
        Self::JetStreamSync,
        Self::Mosquitto,
        Self::MosquittoQos1,
        Self::InspIrcd,
        Self::NgIrcd,
        Self::Ejabberd,
        Self::Prosody,
    ];

    /// As typed.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Relay => "relay",
            Self::Nats => "nats",
            Self::JetStream => "jetstream",
            Self::JetStreamSync => "jetstream-sync",
            Self::Mosquitto => "mosquitto",
            Self::MosquittoQos1 => "mosquitto-qos1",
            Self::InspIrcd => "inspircd",
            Self::NgIrcd => "ngircd",
            Self::Ejabberd => "ejabberd",
            Self::Prosody => "prosody",
        }
    }

    /// The peer of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|peer| peer.name() == name)
    }

    /// How a user speaks to it.
    #[must_use]
    pub fn adapter(self, seat: Seat) -> Box<dyn Adapter> {
        match self {
            Self::Relay => Box::new(Relayed::new(seat.user)),
            Self::Nats => Box::new(Nats::new(seat.user)),
            Self::JetStream | Self::JetStreamSync => Box::new(JetStream::new(seat)),
            Self::Mosquitto => Box::new(Mqtt::new(seat, Quality::Forgotten)),
            Self::MosquittoQos1 => Box::new(Mqtt::new(seat, Quality::Kept)),
            Self::InspIrcd | Self::NgIrcd => Box::new(Irc::new(seat.user)),
            Self::Ejabberd | Self::Prosody => Box::new(Xmpp::new(seat)),
        }
    }

    /// What must be made before users `0..users` come, when anything must.
    #[must_use]
    pub fn preparer(self, users: u32) -> Option<Box<dyn Adapter>> {
        match self {
            Self::JetStream | Self::JetStreamSync => Some(Box::new(StreamMaker)),
            Self::Ejabberd | Self::Prosody => Some(Box::new(Registrar::new(users))),
            _ => None,
        }
    }

    /// Sign-ins that are on their way at a time: few, because some servers let no more than 10
    /// connections wait. InspIRCd finishes them once a second, all that are there.
    #[must_use]
    pub fn sign_ins_at_once(self) -> usize {
        if self == Self::InspIrcd { 1_024 } else { 10 }
    }

    /// Whether it acknowledges each post by itself.
    #[must_use]
    pub fn acknowledges(self) -> bool {
        matches!(self, Self::JetStream | Self::JetStreamSync | Self::MosquittoQos1)
    }

    /// Whether it keeps posts for who is away, and says how many it has, at least when asked.
    #[must_use]
    pub fn keeps(self) -> bool {
        self.acknowledges() || matches!(self, Self::Ejabberd | Self::Prosody)
    }

    /// Whether who posts to a group hears that, too.
    #[must_use]
    pub fn echoes(self) -> bool {
        !matches!(self, Self::Relay | Self::Nats | Self::InspIrcd | Self::NgIrcd)
    }

    /// Why a scenario is none for this peer.
    #[must_use]
    pub fn cannot(self, scenario: Scenario) -> Option<&'static str> {
        (scenario == Scenario::Offline && !self.keeps()).then_some(FORGETS)
    }

    /// What it does not do.
    #[must_use]
    pub fn lacks(self) -> Lacks {
        let (sync, acknowledge, storage) = match self {
            Self::Relay | Self::Nats | Self::Mosquitto | Self::InspIrcd | Self::NgIrcd => {
                ("no sync", "no acknowledgement", FORGETS)
            }
            Self::JetStream => ("acknowledges before it syncs, every 2 minutes", "", ""),
            Self::JetStreamSync => ("", "", ""),
            Self::MosquittoQos1 => {
                ("no sync", "acknowledges what is in memory", "writes its store every 30 minutes")
            }
            Self::Ejabberd | Self::Prosody => (
                "no sync",
                "asked in `offline` alone, tells what it has taken, not that it is kept",
                "",
            ),
        };
        let encryption = match self {
            Self::Relay => "no sign-in, no encryption",
            _ => "no end-to-end encryption",
        };
        Lacks { sync, acknowledge, encryption, storage }
    }
}

impl Lacks {
    /// All in one, for a column.
    #[must_use]
    pub fn text(&self) -> String {
        let all = [self.sync, self.acknowledge, self.encryption, self.storage];
        let said: Vec<&str> = all.into_iter().filter(|text| !text.is_empty()).collect();
        said.join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_peer_is_found_by_its_name() {
        for peer in Peer::ALL {
            assert_eq!(Peer::named(peer.name()), Some(peer));
        }
        assert_eq!(Peer::named("icq"), None);
    }

    #[test]
    fn who_keeps_nothing_has_no_offline() {
        for peer in Peer::ALL {
            let forgets = peer.lacks().storage == FORGETS;
            assert_eq!(peer.cannot(Scenario::Offline).is_some(), forgets, "{}", peer.name());
            assert_eq!(peer.cannot(Scenario::Direct), None);
        }
    }
}
