//! What a program counts: name, help and number of each metric, from one declaration.

use std::fmt;

/// What a number is. It decides how the metric's name ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Only grows while the process lives. `frames` becomes `frames_total`.
    Counter,
    /// What there is now. The name is the field's.
    Gauge,
    /// What there is now, in bytes. `tails_len` becomes `tails_bytes`.
    Bytes,
    /// Time that only grows, counted in microseconds and shown in seconds. `busy_micros` becomes
    /// `busy_seconds_total`.
    Seconds,
}

/// One metric and its number now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Metric {
    /// Whose it is, such as `server` or `server_log`; part of the name.
    pub area: &'static str,
    /// The field that counts it; part of the name.
    pub field: &'static str,
    /// What is counted, in one sentence.
    pub help: &'static str,
    /// What the number is.
    pub kind: Kind,
    /// The number, in the unit of `kind`.
    pub number: u64,
}

impl Metric {
    /// The whole name: `fastchat_AREA_FIELD` with the ending of its kind.
    #[must_use]
    pub fn name(&self) -> String {
        let (ending, suffix) = match self.kind {
            Kind::Counter => ("", "_total"),
            Kind::Gauge => ("", ""),
            Kind::Bytes => ("_len", "_bytes"),
            Kind::Seconds => ("_micros", "_seconds_total"),
        };
        let field = self.field.strip_suffix(ending).unwrap_or(self.field);
        format!("fastchat_{}_{field}{suffix}", self.area)
    }

    /// `counter` or `gauge`.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self.kind {
            Kind::Counter | Kind::Seconds => "counter",
            Kind::Gauge | Kind::Bytes => "gauge",
        }
    }
}

/// The number as it is shown: seconds with six decimals, all others whole.
impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Seconds => {
                write!(f, "{}.{:06}", self.number / 1_000_000, self.number % 1_000_000)
            }
            Kind::Counter | Kind::Gauge | Kind::Bytes => write!(f, "{}", self.number),
        }
    }
}

/// Declares a struct of `u64` counts, each with its kind; the doc comment of a field is its help.
/// A struct of further counts may follow in `with`.
///
/// The struct is `Copy` and `Default`, `list(area, out)` appends its own metrics, and its
/// `Display` is one line of `name=value`, those of `with` included.
#[macro_export]
macro_rules! metrics {
    (
        $(#[$outer:meta])*
        $vis:vis struct $name:ident {
            $($(#[doc = $doc:literal])* $field:ident: $kind:ident,)*
        }
        $(with {
            $(#[$inner:meta])*
            $nested:ident: $nested_type:ty,
        })?
    ) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
        $vis struct $name {
            $($(#[doc = $doc])* pub $field: u64,)*
            $($(#[$inner])* pub $nested: $nested_type,)?
        }

        impl $name {
            /// Appends each metric of this struct with its number now.
            $vis fn list(&self, area: &'static str, out: &mut Vec<$crate::metric::Metric>) {
                $(out.push($crate::metric::Metric {
                    area,
                    field: stringify!($field),
                    help: concat!($($doc),*).trim_ascii(),
                    kind: $crate::metric::Kind::$kind,
                    number: self.$field,
                });)*
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                $(write!(f, "{}={} ", stringify!($field), self.$field)?;)*
                $(write!(f, "{}", self.$nested)?;)?
                Ok(())
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::{Kind, Metric};

    metrics! {
        /// Of a test.
        struct Sample {
            /// Frames
            /// handled.
            frames: Counter,
            /// Bytes in tails.
            tails_len: Bytes,
            /// Time in turns.
            busy_micros: Seconds,
            /// Sessions.
            sessions: Gauge,
        }
    }

    #[test]
    fn names_end_with_units_and_say_what_grows() {
        let sample = Sample { frames: 7, busy_micros: 1_000_250, ..Sample::default() };
        let mut listed = Vec::new();
        sample.list("test", &mut listed);
        let shown = |metric: &Metric| format!("{} {} {metric}", metric.name(), metric.type_name());
        let shown: Vec<String> = listed.iter().map(shown).collect();
        let wanted = [
            "fastchat_test_frames_total counter 7",
            "fastchat_test_tails_bytes gauge 0",
            "fastchat_test_busy_seconds_total counter 1.000250",
            "fastchat_test_sessions gauge 0",
        ];
        assert_eq!(shown, wanted);
        assert_eq!(listed[0].help, "Frames handled.");
        assert_eq!(listed[0].kind, Kind::Counter);
        assert_eq!(sample.to_string(), "frames=7 tails_len=0 busy_micros=1000250 sessions=0 ");
    }
}
