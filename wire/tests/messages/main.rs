//! Every message of the protocol: golden vectors, properties, and its place in the document.

mod examples;
mod frozen;
mod group;
mod properties;
mod sample;
mod slots;
mod vectors;
