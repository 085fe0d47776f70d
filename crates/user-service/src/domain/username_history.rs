//! The usernames of one account: the current one, and the former ones. A former username stays reserved for the account
//! for some time, so that no other account can appear under it.

use jiff::Timestamp;

use super::email_history::KeyReservation;

/// The maximum number of reserved former usernames of an account. A further change releases the oldest.
const MAX_RESERVED_USERNAMES: usize = 2;

/// The keys of an account's usernames, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsernameHistory {
    pub current: String,
    /// Oldest first.
    pub reserved: Vec<KeyReservation>,
}

impl UsernameHistory {
    /// Makes `new` the current username at `now`, and reserves the former one until `until`. A change back to a reserved
    /// username ends its reservation. A change that does not change the key (another case, another form) reserves
    /// nothing.
    #[must_use]
    pub fn change_to(mut self, new: &str, until: Timestamp, now: Timestamp) -> Self {
        let released = std::mem::replace(&mut self.current, new.to_owned());
        self.reserved.retain(|kept| now < kept.until && kept.key != released && kept.key != self.current);
        if released != self.current {
            self.reserved.push(KeyReservation { key: released, until });
        }
        let surplus = self.reserved.len().saturating_sub(MAX_RESERVED_USERNAMES);
        self.reserved.drain(..surplus);
        self
    }

    /// Returns every key, the current one first.
    #[must_use]
    pub fn keys(&self) -> Vec<&str> {
        std::iter::once(self.current.as_str()).chain(self.reserved.iter().map(|kept| kept.key.as_str())).collect()
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn at(day: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * day)
    }

    fn current_only(current: &str) -> UsernameHistory {
        UsernameHistory { current: current.to_owned(), reserved: Vec::new() }
    }

    #[test]
    fn a_former_username_stays_reserved_until_it_expires() {
        let changed = current_only("ada").change_to("bob", at(7), at(0));
        assert_eq!(changed.keys(), ["bob", "ada"]);
        assert_eq!(changed.change_to("eve", at(15), at(8)).keys(), ["eve", "bob"]);
    }

    #[test]
    fn a_third_change_releases_the_oldest() {
        let twice = current_only("a").change_to("b", at(7), at(0)).change_to("c", at(8), at(1));
        assert_eq!(twice.keys(), ["c", "a", "b"]);
        assert_eq!(twice.change_to("d", at(9), at(2)).keys(), ["d", "b", "c"]);
    }

    #[test]
    fn a_change_back_to_a_reserved_username_ends_its_reservation() {
        let back = current_only("a").change_to("b", at(7), at(0)).change_to("a", at(8), at(1));
        assert_eq!(back.keys(), ["a", "b"]);
        assert_eq!(back.reserved.len(), 1);
    }

    #[test]
    fn another_spelling_of_the_same_username_reserves_nothing() {
        assert_eq!(current_only("ada").change_to("ada", at(7), at(0)), current_only("ada"));
    }
}
