//! One to three cores with their stores in memory, a router and clients, all in one thread: real
//! encoded frames between them, no socket, no clock.

mod abuse;
mod blobs;
mod bounds;
mod client;
mod faults;
mod group_passwords;
mod groups;
mod homes;
mod key_logs;
mod leases;
mod links;
mod load;
mod maps;
mod moves;
mod notes;
mod posts;
mod readings;
mod receipts;
mod restored;
mod router;
mod sessions;
mod sign;
mod strangers;
mod superseded;
mod world;
