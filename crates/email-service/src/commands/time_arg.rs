//! A time on the command line: RFC 3339, or a duration before now.

use std::{str::FromStr, time::Duration};

use jiff::{SignedDuration, Timestamp};

/// A time on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeArg {
    At(Timestamp),
    /// This long before now.
    Ago(Duration),
}

impl TimeArg {
    /// Returns the time, with durations counted back from `now`.
    #[must_use]
    pub fn resolve(self, now: Timestamp) -> Timestamp {
        match self {
            TimeArg::At(time) => time,
            // A duration beyond the beginning of time means 1970.
            TimeArg::Ago(duration) => SignedDuration::try_from(duration)
                .ok()
                .and_then(|duration| now.checked_sub(duration).ok())
                .unwrap_or(Timestamp::UNIX_EPOCH),
        }
    }
}

/// The text is neither a time nor a duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("neither a time such as 2026-11-23T02:30:00Z, nor a duration such as 2h or 3d")]
pub struct InvalidTimeArg;

impl FromStr for TimeArg {
    type Err = InvalidTimeArg;

    fn from_str(text: &str) -> Result<Self, InvalidTimeArg> {
        if let Ok(time) = text.parse() {
            return Ok(TimeArg::At(time));
        }
        humantime::parse_duration(text).map(TimeArg::Ago).map_err(|_| InvalidTimeArg)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_and_a_duration_are_parsed_and_nothing_else() {
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        let at = |text: &str| text.parse::<TimeArg>().map(|time| time.resolve(now).to_string());
        assert_eq!(at("2026-11-23T02:30:00+02:00").as_deref(), Ok("2026-11-23T00:30:00Z"));
        assert_eq!(at("2h 30m").as_deref(), Ok("2026-11-23T09:30:00Z"));
        assert_eq!(at("99999999y").as_deref(), Ok("1970-01-01T00:00:00Z"));
        for text in ["", "yesterday", "2026-11-23", "2", "-2h"] {
            assert_eq!(at(text), Err(InvalidTimeArg), "{text}");
        }
    }
}
