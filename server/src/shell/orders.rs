//! What operators order a running server to do: by signals, or by commands at its desk.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR2};

use super::Shell;
use crate::config::Config;
use crate::core::Event;

impl Shell {
    /// What was ordered by signals.
    pub(super) fn on_signals(&mut self) {
        let signals: Vec<_> = self.signals.pending().collect();
        self.stop |= signals.iter().any(|signal| [SIGTERM, SIGINT].contains(signal));
        if signals.contains(&SIGHUP) {
            self.service.reloading();
            self.reload();
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

    /// Nobody is left, as was ordered.
    pub(super) fn is_emptied(&self) -> bool {
        self.is_draining && self.core.is_emptied(self.net.now())
    }
}
