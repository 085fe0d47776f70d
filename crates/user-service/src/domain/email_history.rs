//! The addresses of one account: the current one, and those that a change left behind.
//! They stay the account's for a while, so that the change can be taken back.

use jiff::Timestamp;

/// So many addresses are kept at most: nobody collects addresses by changing theirs.
pub const MAX_RESERVED_EMAILS: usize = 10;

/// A key (of an address, of a username) that was the account's, and is kept for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyReservation {
    pub key: String,
    pub until: Timestamp,
}

/// The keys of one account's addresses. They are a history: what is behind in
/// `reserved` was left later. An address that was left and taken up again is there as
/// often as it was left, and may be the current one too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmailHistory {
    pub current: String,
    /// Oldest first.
    pub reserved: Vec<KeyReservation>,
}

impl EmailHistory {
    /// How many are kept at `now`.
    #[must_use]
    pub fn reserved_count(&self, now: Timestamp) -> usize {
        self.reserved.iter().filter(|reservation| now < reservation.until).count()
    }

    /// After a change to `new` at `now`: the address that was current is kept `until`.
    #[must_use]
    pub fn change_to(mut self, new: &str, until: Timestamp, now: Timestamp) -> Self {
        self.remove_expired(now);
        let key = std::mem::replace(&mut self.current, new.to_owned());
        self.reserved.push(KeyReservation { key, until });
        self
    }

    /// After the change that left this address was taken back at `now`, and with it all
    /// that came after: whoever made the first made those. What was left before is kept
    /// as it was, so that an undo of the later cannot stand in the way of the earlier.
    /// `None` when the address is not kept any more.
    #[must_use]
    pub fn restore(mut self, reservation: &KeyReservation, now: Timestamp) -> Option<Self> {
        self.remove_expired(now);
        let index = self.reserved.iter().position(|kept| kept == reservation)?;
        self.reserved.truncate(index);
        self.current.clone_from(&reservation.key);
        Some(self)
    }

    /// Whether this address is kept, by this very reservation.
    #[must_use]
    pub fn has_reservation(&self, reservation: &KeyReservation) -> bool {
        self.reserved.contains(reservation)
    }

    /// Whether the address with this key is the account's at `now`: current, or kept for it.
    #[must_use]
    pub fn owns_key(&self, key: &str, now: Timestamp) -> bool {
        self.current == key || self.reserved.iter().any(|kept| kept.key == key && now < kept.until)
    }

    /// The reservation by which an address is kept that was current when a link to it was
    /// issued: the first that outlasts the link, as reservations and links live equally long.
    #[must_use]
    pub fn reservation_for_link(
        &self,
        key: &str,
        link_expires_at: Timestamp,
        now: Timestamp,
    ) -> Option<&KeyReservation> {
        let mut kept = self.reserved.iter().filter(|kept| kept.key == key && now < kept.until);
        let first = kept.clone().find(|kept| link_expires_at <= kept.until);
        // The lifetime may have been configured anew in between.
        first.or_else(|| kept.next_back())
    }

    /// Every key once, the current one first.
    #[must_use]
    pub fn keys(&self) -> Vec<&str> {
        let mut keys = vec![self.current.as_str()];
        for reservation in &self.reserved {
            if !keys.contains(&reservation.key.as_str()) {
                keys.push(&reservation.key);
            }
        }
        keys
    }

    fn remove_expired(&mut self, now: Timestamp) {
        self.reserved.retain(|reservation| now < reservation.until);
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn at(day: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * day)
    }

    fn current_only(current: &str) -> EmailHistory {
        EmailHistory { current: current.to_owned(), reserved: Vec::new() }
    }

    fn reserved(key: &str, until: i64) -> KeyReservation {
        KeyReservation { key: key.to_owned(), until: at(until) }
    }

    #[test]
    fn what_a_change_leaves_behind_stays_the_accounts_for_a_while() {
        let changed = current_only("a").change_to("b", at(7), at(0));
        assert_eq!(changed.keys(), ["b", "a"]);
        assert!(changed.has_reservation(&reserved("a", 7)));
        assert_eq!((changed.reserved_count(at(6)), changed.reserved_count(at(7))), (1, 0));
        // The next change forgets what is over.
        let later = changed.change_to("c", at(15), at(8));
        assert_eq!(later.keys(), ["c", "b"]);
    }

    #[test]
    fn an_undo_within_its_time_brings_the_address_back_once() {
        let changed = current_only("a").change_to("b", at(7), at(0));
        assert_eq!(changed.clone().restore(&reserved("a", 7), at(6)), Some(current_only("a")));
        assert_eq!(changed.clone().restore(&reserved("a", 7), at(7)), None);
        assert_eq!(changed.clone().restore(&reserved("b", 7), at(6)), None);
        assert_eq!(current_only("a").restore(&reserved("a", 7), at(6)), None);
    }

    #[test]
    fn the_undo_of_the_first_change_takes_back_the_second_too() {
        let twice = current_only("a").change_to("b", at(7), at(0)).change_to("c", at(8), at(1));
        assert_eq!(twice.keys(), ["c", "a", "b"]);
        let restored = twice.restore(&reserved("a", 7), at(2)).unwrap();
        assert_eq!(restored, current_only("a"));
        assert!(!restored.has_reservation(&reserved("b", 8)));
    }

    #[test]
    fn the_undo_of_the_second_change_leaves_the_first_one_undoable() {
        let twice = current_only("a").change_to("b", at(7), at(0)).change_to("c", at(8), at(1));
        let restored = twice.restore(&reserved("b", 8), at(2)).unwrap();
        assert_eq!(restored.keys(), ["b", "a"]);
        assert_eq!(restored.restore(&reserved("a", 7), at(3)), Some(current_only("a")));
    }

    #[test]
    fn going_back_by_a_change_does_not_give_the_address_away() {
        // b belongs to an intruder; the owner of a confirmed the way back.
        let back = current_only("a").change_to("b", at(7), at(0)).change_to("a", at(8), at(1));
        assert_eq!(back.keys(), ["a", "b"]);
        // The intruder undoes that ...
        let undone = back.clone().restore(&reserved("b", 8), at(2)).unwrap();
        assert_eq!(undone.keys(), ["b", "a"]);
        // ... and the owner undoes the intruder's change still, before or after it.
        assert_eq!(undone.restore(&reserved("a", 7), at(3)), Some(current_only("a")));
        assert_eq!(back.restore(&reserved("a", 7), at(3)), Some(current_only("a")));
    }

    #[test]
    fn a_kept_address_is_the_accounts_until_its_time_is_over() {
        let changed = current_only("a").change_to("b", at(7), at(0));
        assert!(changed.owns_key("b", at(9)) && changed.owns_key("a", at(6)));
        assert!(!changed.owns_key("a", at(7)) && !changed.owns_key("c", at(0)));
    }

    #[test]
    fn a_link_belongs_to_the_reservation_that_followed_it() {
        // Left on day 0, taken up again on day 1, left again on day 3.
        let addresses =
            current_only("a").change_to("b", at(7), at(0)).change_to("a", at(8), at(1)).change_to("c", at(10), at(3));
        assert_eq!(addresses.reservation_for_link("a", at(9), at(4)), Some(&reserved("a", 10)), "issued on day 2");
        assert_eq!(addresses.reservation_for_link("a", at(6), at(4)), Some(&reserved("a", 7)), "issued before day 0");
        assert_eq!(
            addresses.reservation_for_link("a", at(30), at(4)),
            Some(&reserved("a", 10)),
            "links lived longer then"
        );
        assert_eq!(addresses.reservation_for_link("a", at(9), at(10)), None);
        assert_eq!(addresses.reservation_for_link("d", at(9), at(4)), None);
    }

    #[test]
    fn an_address_that_was_left_twice_is_kept_twice_and_is_one_key() {
        let again =
            current_only("a").change_to("b", at(7), at(0)).change_to("a", at(8), at(1)).change_to("c", at(9), at(2));
        assert_eq!(again.keys(), ["c", "a", "b"]);
        let one_back = again.restore(&reserved("a", 9), at(3)).unwrap();
        assert_eq!(one_back.keys(), ["a", "b"]);
        assert!(one_back.has_reservation(&reserved("a", 7)) && one_back.has_reservation(&reserved("b", 8)));
    }
}
