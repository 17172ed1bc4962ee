//! One adapter for each protocol.

pub mod irc;
pub mod jetstream;
pub mod mqtt;
pub mod nats;
pub mod relay;
pub mod stanza;
pub mod xmpp;
