//! The usernames of one account: the current one, and those that a change left behind.
//! They stay the account's for a while, so that no other account appears under the name.

use jiff::Timestamp;

use super::KeyReservation;

/// The most usernames that are kept for an account. A further change gives up the oldest.
pub const MAX_RESERVED_USERNAMES: usize = 2;

/// The keys of one account's usernames, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsernameHistory {
    pub current: String,
    /// Oldest first.
    pub reserved: Vec<KeyReservation>,
}

impl UsernameHistory {
    /// After a change to `new` at `now`: the username that was current is kept `until`.
    /// Taking a kept one back ends its reservation, and a change that leaves the key as it
    /// is (another case, another form) reserves nothing.
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

    /// Every key, the current one first.
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
    fn a_released_username_is_kept_until_its_time_is_over() {
        let changed = current_only("ada").change_to("bob", at(7), at(0));
        assert_eq!(changed.keys(), ["bob", "ada"]);
        assert_eq!(changed.change_to("eve", at(15), at(8)).keys(), ["eve", "bob"]);
    }

    #[test]
    fn a_third_release_gives_up_the_oldest() {
        let twice = current_only("a").change_to("b", at(7), at(0)).change_to("c", at(8), at(1));
        assert_eq!(twice.keys(), ["c", "a", "b"]);
        assert_eq!(twice.change_to("d", at(9), at(2)).keys(), ["d", "b", "c"]);
    }

    #[test]
    fn a_kept_username_is_taken_back_and_then_kept_no_more() {
        let back = current_only("a").change_to("b", at(7), at(0)).change_to("a", at(8), at(1));
        assert_eq!(back.keys(), ["a", "b"]);
        assert_eq!(back.reserved.len(), 1);
    }

    #[test]
    fn another_spelling_of_the_same_username_reserves_nothing() {
        assert_eq!(current_only("ada").change_to("ada", at(7), at(0)), current_only("ada"));
    }
}
