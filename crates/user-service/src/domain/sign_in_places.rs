//! The places that an account was signed in from: pairs of a device name and a network. The owner is notified of a login
//! from a new place.

use std::time::Duration;

use jiff::Timestamp;

use super::expires_at;

/// The maximum number of places that an account remembers, those of its latest logins.
pub const MAX_SIGN_IN_PLACES: usize = 16;
/// How long a place counts as known after the last login from it.
pub const SIGN_IN_PLACE_LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// If all remembered places were used within this time, another new place causes no notice.
const NOTICE_PERIOD: Duration = Duration::from_secs(24 * 60 * 60);

/// A place, by its keyed hash, and the time of the last login from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignInPlace {
    pub digest: [u8; 16],
    pub last_seen: Timestamp,
}

/// Returns whether the owner is notified of a login from the place with this digest. `places` are those that the account
/// remembers, and `last_login` is the time of its last login.
///
/// There is no notice of the first login, and none while the account does not remember the last login: after an upgrade,
/// an import, or a time without notices, every place would seem new. Nor is there one if [`MAX_SIGN_IN_PLACES`] places
/// were used within a day: an attacker who knows the password must not be able to fill the mailbox of the owner.
#[must_use]
pub fn is_notified(places: &[SignInPlace], digest: [u8; 16], last_login: Option<Timestamp>, now: Timestamp) -> bool {
    let newest = places.iter().map(|place| place.last_seen).max();
    let remembers_last_login = last_login.is_some_and(|login| newest.is_some_and(|newest| newest >= login));
    let is_within = |place: &SignInPlace, period| now < expires_at(place.last_seen, period);
    let is_known = places.iter().any(|place| place.digest == digest && is_within(place, SIGN_IN_PLACE_LIFETIME));
    let is_flood = places.len() >= MAX_SIGN_IN_PLACES && places.iter().all(|place| is_within(place, NOTICE_PERIOD));
    remembers_last_login && !is_known && !is_flood
}

#[cfg(test)]
mod tests {
    use service_kit::Clock;

    use super::*;

    const HERE: [u8; 16] = [1; 16];
    const ELSEWHERE: [u8; 16] = [2; 16];

    const fn hours(count: u64) -> Duration {
        Duration::from_secs(count * 60 * 60)
    }

    fn at(digest: [u8; 16], last_seen: Timestamp) -> SignInPlace {
        SignInPlace { digest, last_seen }
    }

    /// An account whose logins are judged and recorded as the service does it.
    struct Account {
        clock: Clock,
        places: Vec<SignInPlace>,
        last_login: Option<Timestamp>,
    }

    impl Account {
        fn new() -> Self {
            Self { clock: Clock::manual(), places: Vec::new(), last_login: None }
        }

        fn remember(&mut self, digest: [u8; 16]) {
            let now = self.clock.now();
            self.places
                .retain(|place| place.digest != digest && now < expires_at(place.last_seen, SIGN_IN_PLACE_LIFETIME));
            self.places.insert(0, at(digest, now));
            self.places.truncate(MAX_SIGN_IN_PLACES);
        }

        /// Returns whether the owner is notified of this login.
        fn log_in(&mut self, digest: [u8; 16]) -> bool {
            let notified = is_notified(&self.places, digest, self.last_login, self.clock.now());
            self.remember(digest);
            self.last_login = Some(self.clock.now());
            notified
        }
    }

    #[test]
    fn the_first_login_and_further_ones_from_the_same_place_are_silent() {
        let mut ada = Account::new();
        assert!(!ada.log_in(HERE));
        assert!(!ada.log_in(HERE));
        assert!(ada.log_in(ELSEWHERE));
        assert!(!ada.log_in(ELSEWHERE) && !ada.log_in(HERE));
    }

    #[test]
    fn a_place_is_known_for_30_days_after_its_last_login() {
        let mut ada = Account::new();
        ada.log_in(HERE);
        assert!(ada.log_in(ELSEWHERE));
        for _ in 0..3 {
            ada.clock.advance(hours(30 * 24) - Duration::from_nanos(1));
            assert!(!ada.log_in(HERE));
        }
        assert!(ada.log_in(ELSEWHERE));
        ada.clock.advance(hours(30 * 24));
        assert!(ada.log_in(HERE));
    }

    #[test]
    fn an_account_that_does_not_remember_its_last_login_is_only_recorded() {
        let now = Clock::manual().now();
        let login = Some(now - hours(48));
        assert!(!is_notified(&[], HERE, login, now), "an account of an earlier release");
        let earlier = [at(ELSEWHERE, now - hours(49))];
        assert!(!is_notified(&earlier, HERE, login, now), "notices were off at the last login");
        let same = [at(ELSEWHERE, now - hours(48))];
        assert!(is_notified(&same, HERE, login, now));
        // The acceptance of an invitation records its place, and is not a login.
        assert!(!is_notified(&same, HERE, None, now));
        // A password reset records its place after the last login.
        assert!(is_notified(&[at(ELSEWHERE, now - hours(1))], HERE, login, now));
    }

    #[test]
    fn sixteen_new_places_within_a_day_are_the_most_that_the_owner_is_notified_of() {
        let mut ada = Account::new();
        ada.log_in(HERE);
        let mut notices = 0;
        for place in 0..100_u8 {
            ada.clock.advance(Duration::from_secs(10 * 60));
            notices += u32::from(ada.log_in([100 + place; 16]));
        }
        assert_eq!(notices, 15, "and the first place");
        ada.clock.advance(hours(24));
        assert!(ada.log_in(ELSEWHERE));
    }
}
