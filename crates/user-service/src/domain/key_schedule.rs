//! The schedule of a signing key: when it signs, when its successor is made, and when it is removed. All times are the
//! database's.

use jiff::{SignedDuration, Timestamp};

/// How long a client may cache the key set: the `max-age` of `/.well-known/jwks.json`.
pub const JWKS_MAX_AGE: SignedDuration = SignedDuration::from_mins(5);
/// The time between the publication of a successor and its first signature. By then, every cached key set
/// without it has expired.
pub const PUBLISH_BEFORE_SIGNING: SignedDuration = SignedDuration::from_mins(10);
const REMOVAL_MARGIN: SignedDuration = SignedDuration::from_mins(1);

/// The times of one key, by MongoDB's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeySchedule {
    /// The key signs from this time on.
    pub sign_from: Timestamp,
    /// Its successor signs from this time on. `None` while the key is the newest.
    pub sign_until: Option<Timestamp>,
    /// The longest lifetime of a token that it signed.
    pub longest_ttl: SignedDuration,
}

impl KeySchedule {
    /// Returns whether the key may sign at `now`.
    #[must_use]
    pub fn signs_at(&self, now: Timestamp) -> bool {
        self.sign_from <= now && self.sign_until.is_none_or(|until| now < until)
    }

    /// Returns whether a successor is due: the key is the newest and has signed for `rotation`.
    #[must_use]
    pub fn successor_is_due(&self, now: Timestamp, rotation: SignedDuration) -> bool {
        self.sign_until.is_none() && self.sign_from.saturating_add(rotation).is_ok_and(|due| due <= now)
    }

    /// Returns the time at which no valid token of this key can exist any more: the end of signing, plus the age of a
    /// cached key set with which a replica may still have signed, plus the longest token lifetime, plus a margin.
    #[must_use]
    pub fn remove_at(&self) -> Option<Timestamp> {
        let after = JWKS_MAX_AGE + self.longest_ttl + REMOVAL_MARGIN;
        self.sign_until.map(|until| until.saturating_add(after).unwrap_or(Timestamp::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + minute * 60).unwrap()
    }

    fn schedule(from: i64, until: Option<i64>) -> KeySchedule {
        KeySchedule { sign_from: at(from), sign_until: until.map(at), longest_ttl: SignedDuration::from_mins(15) }
    }

    #[test]
    fn a_key_signs_from_its_start_until_its_successor_does() {
        let key = schedule(10, Some(30));
        assert!(!key.signs_at(at(9)));
        assert!(key.signs_at(at(10)));
        assert!(key.signs_at(at(29)));
        assert!(!key.signs_at(at(30)));
    }

    #[test]
    fn only_the_newest_key_gets_a_successor_and_only_after_the_rotation_time() {
        let rotation = SignedDuration::from_mins(60);
        assert!(!schedule(0, None).successor_is_due(at(59), rotation));
        assert!(schedule(0, None).successor_is_due(at(60), rotation));
        assert!(!schedule(0, Some(10)).successor_is_due(at(90), rotation));
    }

    #[test]
    fn a_key_outlives_every_token_that_it_signed() {
        assert_eq!(schedule(0, None).remove_at(), None);
        assert_eq!(schedule(0, Some(30)).remove_at(), Some(at(30 + 5 + 15 + 1)));
    }
}
