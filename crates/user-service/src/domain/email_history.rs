//! The email addresses of one account: the current one, and the former ones. A former address stays reserved for the
//! account for some time, so that the change can be undone.

use jiff::Timestamp;

/// The maximum number of reserved former addresses, so that an account cannot collect addresses by changes.
pub const MAX_RESERVED_EMAILS: usize = 10;

/// The key of a former email address or username that is reserved for its account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyReservation {
    pub key: String,
    pub until: Timestamp,
}

/// The keys of an account's email addresses, in the order in which they were replaced. An address that was replaced
/// several times occurs once for each time, and may also be the current one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmailHistory {
    pub current: String,
    /// Oldest first.
    pub reserved: Vec<KeyReservation>,
}

impl EmailHistory {
    /// Returns the number of addresses that are reserved at `now`.
    #[must_use]
    pub fn reserved_count(&self, now: Timestamp) -> usize {
        self.reserved.iter().filter(|reservation| now < reservation.until).count()
    }

    /// Makes `new` the current address at `now`, and reserves the former one until `until`.
    #[must_use]
    pub fn change_to(mut self, new: &str, until: Timestamp, now: Timestamp) -> Self {
        self.remove_expired(now);
        let key = std::mem::replace(&mut self.current, new.to_owned());
        self.reserved.push(KeyReservation { key, until });
        self
    }

    /// Undoes the change that made this reservation, and all later changes, because the same person made them.
    /// Earlier reservations stay as they are, so that an undo of a later change cannot prevent the undo of an earlier
    /// one. Returns `None` if the address is no longer reserved at `now`.
    #[must_use]
    pub fn restore(mut self, reservation: &KeyReservation, now: Timestamp) -> Option<Self> {
        self.remove_expired(now);
        let index = self.reserved.iter().position(|kept| kept == reservation)?;
        self.reserved.truncate(index);
        self.current.clone_from(&reservation.key);
        Some(self)
    }

    /// Returns whether this reservation is still in the history.
    #[must_use]
    pub fn has_reservation(&self, reservation: &KeyReservation) -> bool {
        self.reserved.contains(reservation)
    }

    /// Returns whether the address with this key belongs to the account at `now`: it is current or reserved.
    #[must_use]
    pub fn owns_key(&self, key: &str, now: Timestamp) -> bool {
        self.current == key || self.reserved.iter().any(|kept| kept.key == key && now < kept.until)
    }

    /// Returns the reservation of an address that was current when a link was mailed to it: the first one that expires
    /// no earlier than the link, because reservations and links have the same lifetime.
    #[must_use]
    pub fn reservation_for_link(
        &self,
        key: &str,
        link_expires_at: Timestamp,
        now: Timestamp,
    ) -> Option<&KeyReservation> {
        let mut kept = self.reserved.iter().filter(|kept| kept.key == key && now < kept.until);
        let first = kept.clone().find(|kept| link_expires_at <= kept.until);
        // The configured lifetime may have changed in between.
        first.or_else(|| kept.next_back())
    }

    /// Returns every key once, the current one first.
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
    fn a_former_address_stays_reserved_until_it_expires() {
        let changed = current_only("a").change_to("b", at(7), at(0));
        assert_eq!(changed.keys(), ["b", "a"]);
        assert!(changed.has_reservation(&reserved("a", 7)));
        assert_eq!((changed.reserved_count(at(6)), changed.reserved_count(at(7))), (1, 0));
        // The next change removes expired reservations.
        let later = changed.change_to("c", at(15), at(8));
        assert_eq!(later.keys(), ["c", "b"]);
    }

    #[test]
    fn an_undo_before_the_reservation_expires_restores_the_address_once() {
        let changed = current_only("a").change_to("b", at(7), at(0));
        assert_eq!(changed.clone().restore(&reserved("a", 7), at(6)), Some(current_only("a")));
        assert_eq!(changed.clone().restore(&reserved("a", 7), at(7)), None);
        assert_eq!(changed.clone().restore(&reserved("b", 7), at(6)), None);
        assert_eq!(current_only("a").restore(&reserved("a", 7), at(6)), None);
    }

    #[test]
    fn the_undo_of_the_first_change_also_undoes_the_second() {
        let twice = current_only("a").change_to("b", at(7), at(0)).change_to("c", at(8), at(1));
        assert_eq!(twice.keys(), ["c", "a", "b"]);
        let restored = twice.restore(&reserved("a", 7), at(2)).unwrap();
        assert_eq!(restored, current_only("a"));
        assert!(!restored.has_reservation(&reserved("b", 8)));
    }

    #[test]
    fn after_the_undo_of_the_second_change_the_first_can_still_be_undone() {
        let twice = current_only("a").change_to("b", at(7), at(0)).change_to("c", at(8), at(1));
        let restored = twice.restore(&reserved("b", 8), at(2)).unwrap();
        assert_eq!(restored.keys(), ["b", "a"]);
        assert_eq!(restored.restore(&reserved("a", 7), at(3)), Some(current_only("a")));
    }

    #[test]
    fn a_change_back_to_a_former_address_keeps_its_reservation() {
        // An attacker owns mailbox b; the owner of mailbox a confirmed the change back to it.
        let back = current_only("a").change_to("b", at(7), at(0)).change_to("a", at(8), at(1));
        assert_eq!(back.keys(), ["a", "b"]);
        // The attacker undoes that change ...
        let undone = back.clone().restore(&reserved("b", 8), at(2)).unwrap();
        assert_eq!(undone.keys(), ["b", "a"]);
        // ... but the owner can still undo the attacker's change, before or after that.
        assert_eq!(undone.restore(&reserved("a", 7), at(3)), Some(current_only("a")));
        assert_eq!(back.restore(&reserved("a", 7), at(3)), Some(current_only("a")));
    }

    #[test]
    fn a_reserved_address_belongs_to_the_account_until_it_expires() {
        let changed = current_only("a").change_to("b", at(7), at(0));
        assert!(changed.owns_key("b", at(9)) && changed.owns_key("a", at(6)));
        assert!(!changed.owns_key("a", at(7)) && !changed.owns_key("c", at(0)));
    }

    #[test]
    fn a_link_belongs_to_the_first_reservation_after_it() {
        // Replaced on day 0, current again on day 1, replaced again on day 3.
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
    fn an_address_that_was_replaced_twice_has_two_reservations_and_one_key() {
        let again =
            current_only("a").change_to("b", at(7), at(0)).change_to("a", at(8), at(1)).change_to("c", at(9), at(2));
        assert_eq!(again.keys(), ["c", "a", "b"]);
        let one_back = again.restore(&reserved("a", 9), at(3)).unwrap();
        assert_eq!(one_back.keys(), ["a", "b"]);
        assert!(one_back.has_reservation(&reserved("a", 7)) && one_back.has_reservation(&reserved("b", 8)));
    }
}
