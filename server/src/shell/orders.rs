//! What operators order a running server to do: by signals, or by commands at its desk.

use operate::map::reread;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR2};

use super::Shell;
use crate::config::Config;
use crate::core::Event;
use crate::identity::{read_map, read_own};

impl Shell {
    /// What was ordered by signals.
    pub(super) fn on_signals(&mut self) {
        let signals: Vec<_> = self.signals.pending().collect();
        self.stop |= signals.iter().any(|signal| [SIGTERM, SIGINT].contains(signal));
        if signals.contains(&SIGHUP) {
            self.service.reloading();
            self.reload();
            self.read_certificate();
            self.read_map();
            self.service.ready();
        }
        if signals.contains(&SIGUSR2) {
            self.drain();
        }
    }

    /// Lets everybody go; the server stops when nobody is left.
    pub(super) fn drain(&mut self) {
        if !self.is_draining {
            let per_second = self.drain_rate;
            tracing::info!(sessions = self.core.metrics().sessions, per_second, "emptying");
            self.is_draining = true;
            self.feed(Event::Drain { per_second });
        }
    }

    /// Takes over what may change while the server runs, unless there is a mistake.
    fn reload(&mut self) {
        let Some((reloader, log)) = &mut self.reloads else { return };
        let Some(config) = reloader.reload() else { return };
        log.refilter(&config.log);
        self.drain_rate = config.drain_rate;
        let Config { sessions_max, unseen_max, .. } = config;
        self.feed(Event::Bounds { sessions_max, unseen_max });
    }

    /// Reads this server's certificate and key again.
    fn read_certificate(&mut self) {
        let ca = self.cluster.join("ca.pem");
        if std::fs::read(&ca).is_ok_and(|ca| ca != self.identity.ca) {
            tracing::warn!("another ca.pem counts from the next start on");
        }
        match read_own(&self.identity.ca, &self.identity_folder, self.me) {
            Ok(own) => {
                self.identity.own.replace(&own);
                tracing::info!("certificate read");
            }
            Err(error) => tracing::warn!(%error, "the certificate stays as it is"),
        }
    }

    /// Reads the map's file again.
    fn read_map(&mut self) {
        if let Some(map) = reread(read_map(&self.cluster)) {
            self.feed(Event::Map(map));
        }
    }

    /// Nobody is left, as was ordered.
    pub(super) fn is_emptied(&self) -> bool {
        self.is_draining && self.core.is_emptied(self.net.now())
    }
}
