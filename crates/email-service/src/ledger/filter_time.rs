//! A time in a filter: RFC 3339, or a duration before now.

use std::{str::FromStr, time::Duration};

use jiff::{SignedDuration, Timestamp};

/// A time in a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterTime {
    At(Timestamp),
    /// This long before now.
    Ago(Duration),
}

impl FilterTime {
    /// Returns the time, with durations counted back from `now`.
    #[must_use]
    pub fn resolve(self, now: Timestamp) -> Timestamp {
        match self {
            FilterTime::At(time) => time,
            // A duration beyond the beginning of time means 1970.
            FilterTime::Ago(duration) => SignedDuration::try_from(duration)
                .ok()
                .and_then(|duration| now.checked_sub(duration).ok())
                .unwrap_or(Timestamp::UNIX_EPOCH),
        }
    }
}

/// The text is neither a time nor a duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("neither a time such as 2026-11-23T02:30:00Z, nor a duration such as 2h or 3d")]
pub struct InvalidFilterTime;

impl FromStr for FilterTime {
    type Err = InvalidFilterTime;

    fn from_str(text: &str) -> Result<Self, InvalidFilterTime> {
        if let Ok(time) = text.parse() {
            return Ok(FilterTime::At(time));
        }
        humantime::parse_duration(text).map(FilterTime::Ago).map_err(|_| InvalidFilterTime)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_and_a_duration_are_parsed_and_nothing_else() {
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        let at = |text: &str| text.parse::<FilterTime>().map(|time| time.resolve(now).to_string());
        assert_eq!(at("2026-11-23T02:30:00+02:00").as_deref(), Ok("2026-11-23T00:30:00Z"));
        assert_eq!(at("2h 30m").as_deref(), Ok("2026-11-23T09:30:00Z"));
        assert_eq!(at("99999999y").as_deref(), Ok("1970-01-01T00:00:00Z"));
        for text in ["", "yesterday", "2026-11-23", "2", "-2h"] {
            assert_eq!(at(text), Err(InvalidFilterTime), "{text}");
        }
    }
}
