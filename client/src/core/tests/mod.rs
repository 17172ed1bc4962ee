//! Tests of the core against a scripted server: real encoded frames, real keys, no sockets.

mod author;
mod away;
mod claims;
mod contacts;
mod departures;
mod fake_blobs;
mod fake_groups;
mod fake_sessions;
mod fake_store;
mod grant_answers;
mod grants;
mod group_home;
mod group_notes;
mod group_notices;
mod group_sealing;
mod groups;
mod homes;
mod inbox;
mod link;
mod outbox;
mod receipts;
mod roster;
mod sealing;
mod session;
mod transfers;
mod world;
