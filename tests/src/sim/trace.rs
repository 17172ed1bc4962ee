//! One number for everything that happened: two runs of a seed have the same.

use std::fmt;
use std::hash::Hasher;

use siphasher::sip::SipHasher13;
use wire::Instant;

/// Longer explanations are cut.
const EXPLAINED_LEN_MAX: usize = 420;

/// A running hash over all events, which may also be printed.
pub struct Trace {
    hasher: SipHasher13,
    events: u64,
    is_printed: bool,
}

impl Trace {
    /// Nothing has happened. `is_printed`: every event goes to standard error as well.
    #[must_use]
    pub fn new(is_printed: bool) -> Self {
        Self { hasher: SipHasher13::new_with_key(b"fastchat trace 1"), events: 0, is_printed }
    }

    /// Something happened; `bytes` belong to it but are not printed.
    pub fn note(&mut self, now: Instant, bytes: &[u8], event: fmt::Arguments<'_>) {
        self.events += 1;
        self.hasher.write_u64(now.0);
        self.hasher.write(bytes);
        if self.is_printed {
            eprintln!("{:>14.6} {event}", Seconds(now));
        }
        fmt::write(&mut Text(&mut self.hasher), event).expect("a hasher takes everything");
    }

    /// What helps a reader, and is no part of the number.
    pub fn explain(&self, what: &dyn fmt::Debug) {
        if self.is_printed {
            let text = format!("{what:?}");
            let shown: String = text.chars().take(EXPLAINED_LEN_MAX).collect();
            eprintln!("{:>14} {shown}", "");
        }
    }

    /// The number.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.hasher.finish()
    }

    /// How many events there were.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }
}

struct Text<'a>(&'a mut SipHasher13);

impl fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

/// An instant as people read it.
pub struct Seconds(pub Instant);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.0 / 1000;
        let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
        f.pad(&text)
    }
}
