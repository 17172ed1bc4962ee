//! Shows FastChat: people chat over a router and three servers, as real programs in terminals.

fn main() {}
