//! What `--plaintext` needs: addresses that only this machine reaches.

use std::net::SocketAddr;

use crate::settings::Settings;

/// Those of these settings that name an address which others could reach are mistakes.
pub fn need<const LEN: usize>(
    addresses: [(&'static str, Option<SocketAddr>); LEN],
    settings: &mut Settings,
) {
    for (key, address) in addresses {
        if let Some(address) = address.filter(|address| !address.ip().is_loopback()) {
            let why = "--plaintext is for benches on one machine: a loopback address, please";
            settings.mistake(key, format!("{address}: {why}"));
        }
    }
}
