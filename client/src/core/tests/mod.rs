//! Tests of the core against a scripted server: real encoded frames, real keys, no sockets.

mod contacts;
mod fake_blobs;
mod fake_groups;
mod fake_sessions;
mod fake_store;
mod grants;
mod group_home;
mod groups;
mod inbox;
mod link;
mod outbox;
mod roster;
mod sealing;
mod session;
mod transfers;
mod world;
