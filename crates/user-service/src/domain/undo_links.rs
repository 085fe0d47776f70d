//! Undo links: which of them an account keeps, whether one is good, and what it takes back.
//!
//! The notice of a change carries a link to the mailbox that the account had at that moment.
//! Together the links keep one promise: the owner of the mailbox gets the account back,
//! whatever was changed after, and in whatever order the links are used.

use std::time::Duration;

use events::sealing::Purpose;
use jiff::{SignedDuration, Timestamp};

use super::{EmailHistory, KeyReservation};

/// How many links of one purpose an account keeps at most. The oldest stay, so that an
/// attacker cannot push the owner's link out by repeating a change.
pub const MAX_LINKS: usize = 5;

/// A link that takes back a change of the password, of TOTP or of the recovery codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UndoLink {
    pub digest: [u8; 32],
    pub purpose: Purpose,
    /// The key of the address that it was mailed to.
    pub to: String,
    pub expires_at: Timestamp,
}

impl UndoLink {
    /// Whether the link may be used at `now`: its mailbox must still be the account's.
    #[must_use]
    pub fn is_valid(&self, addresses: &EmailHistory, now: Timestamp) -> bool {
        now < self.expires_at && addresses.owns_key(&self.to, now)
    }
}

/// Returns the links that are good at `now`, oldest first: all that is ever written back.
#[must_use]
pub fn valid_links(mut links: Vec<UndoLink>, addresses: &EmailHistory, now: Timestamp) -> Vec<UndoLink> {
    links.retain(|link| link.is_valid(addresses, now));
    links
}

/// Returns the good links and `new`; `None` if there are [`MAX_LINKS`] of its purpose already.
#[must_use]
pub fn add_link(
    links: Vec<UndoLink>,
    new: UndoLink,
    addresses: &EmailHistory,
    now: Timestamp,
) -> Option<Vec<UndoLink>> {
    let mut kept = valid_links(links, addresses, now);
    let same_purpose = kept.iter().filter(|link| link.purpose == new.purpose).count();
    (same_purpose < MAX_LINKS).then(|| {
        kept.push(new);
        kept
    })
}

/// When a second factor was turned on, and when it was turned off. A factor that was off for
/// less than the lifetime of an undo link counts as the same one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SecondFactorTimes {
    pub since: Option<Timestamp>,
    pub off_at: Option<Timestamp>,
}

/// What turning a second factor on means for an undo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecondFactorStart {
    pub since: Timestamp,
    /// The account had no second factor for the lifetime of a link: the notice carries one.
    pub is_new: bool,
}

impl SecondFactorTimes {
    /// Returns since when a factor counts that is turned on at `now`. `changes` are the
    /// changes of address that can be undone: a new factor comes after each of them, even
    /// if the clocks of two replicas differ.
    #[must_use]
    pub fn start_at(
        self,
        now: Timestamp,
        link_lifetime: Duration,
        changes: impl IntoIterator<Item = Timestamp>,
    ) -> SecondFactorStart {
        let lifetime = SignedDuration::try_from(link_lifetime).unwrap_or(SignedDuration::MAX);
        let counts_until = |off_at: Timestamp| off_at.saturating_add(lifetime).unwrap_or(Timestamp::MAX);
        match (self.since, self.off_at) {
            (Some(since), Some(off_at)) if now < counts_until(off_at) => SecondFactorStart { since, is_new: false },
            _ => {
                let step = SignedDuration::from_millis(1);
                let after = changes.into_iter().map(|change| change.saturating_add(step).unwrap_or(Timestamp::MAX));
                SecondFactorStart { since: after.fold(now, Timestamp::max), is_new: true }
            }
        }
    }
}

/// What an undo does to the second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecondFactorUndo {
    Keep,
    /// Off, with set-up and recovery codes, as if it had never been on.
    Remove,
    RevokeRecoveryCodes,
}

/// What an undo does to an account, besides ending all sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UndoPlan {
    /// The addresses from now on, if an earlier one is restored.
    pub restored_emails: Option<EmailHistory>,
    /// The present password becomes unusable, and a reset begins.
    pub invalidates_password: bool,
    pub second_factor: SecondFactorUndo,
}

/// Returns what the undo of the change of address does that left `left` behind at
/// `changed_at`; `None` if that address is not kept any more. `factor_since` is of the
/// factor that is on now.
#[must_use]
pub fn plan_email_undo(
    addresses: EmailHistory,
    left: &KeyReservation,
    changed_at: Timestamp,
    factor_since: Option<Timestamp>,
    now: Timestamp,
) -> Option<UndoPlan> {
    let added_after = factor_since.is_some_and(|since| since > changed_at);
    let factor = if added_after { SecondFactorUndo::Remove } else { SecondFactorUndo::Keep };
    Some(UndoPlan {
        restored_emails: Some(addresses.restore(left, now)?),
        invalidates_password: true,
        second_factor: factor,
    })
}

/// Returns what a good link does. If the address of a password's link is not the current one
/// any more, the change of address is undone with it: otherwise the reset would be mailed to
/// the thief. `changed_at` says when a reservation's address was left.
#[must_use]
pub fn plan_link_undo(
    link: &UndoLink,
    addresses: EmailHistory,
    changed_at: impl Fn(&KeyReservation) -> Timestamp,
    factor_since: Option<Timestamp>,
    now: Timestamp,
) -> Option<UndoPlan> {
    let kept = |factor| UndoPlan { restored_emails: None, invalidates_password: false, second_factor: factor };
    match link.purpose {
        Purpose::TotpUndo => Some(kept(SecondFactorUndo::Remove)),
        Purpose::RecoveryCodesUndo => Some(kept(SecondFactorUndo::RevokeRecoveryCodes)),
        Purpose::PasswordChangeUndo if addresses.current == link.to => {
            Some(UndoPlan { invalidates_password: true, ..kept(SecondFactorUndo::Keep) })
        }
        Purpose::PasswordChangeUndo => {
            let left = addresses.reservation_for_link(&link.to, link.expires_at, now)?.clone();
            plan_email_undo(addresses, &left, changed_at(&left), factor_since, now)
        }
        // Kept with the one-time tokens.
        Purpose::EmailVerification | Purpose::PasswordReset | Purpose::EmailChange | Purpose::EmailChangeUndo => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIFETIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);

    fn at(hours: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hours)
    }

    fn lasting(from: Timestamp) -> Timestamp {
        from + SignedDuration::try_from(LIFETIME).unwrap()
    }

    fn of(current: &str) -> EmailHistory {
        EmailHistory { current: current.to_owned(), reserved: Vec::new() }
    }

    fn link(number: u8, purpose: Purpose, to: &str, issued_at: Timestamp) -> UndoLink {
        UndoLink { digest: [number; 32], purpose, to: to.to_owned(), expires_at: lasting(issued_at) }
    }

    #[test]
    fn a_link_is_good_while_its_mailbox_is_the_accounts_and_its_time_is_not_over() {
        let link = link(1, Purpose::TotpUndo, "a", at(0));
        let moved = of("a").change_to("b", lasting(at(1)), at(1));
        assert!(link.is_valid(&of("a"), at(1)) && link.is_valid(&moved, at(2)));
        assert!(!link.is_valid(&of("b"), at(1)) && !link.is_valid(&of("a"), lasting(at(0))));
    }

    #[test]
    fn a_sixth_link_of_a_purpose_does_not_push_out_the_oldest() {
        let addresses = of("a");
        let mut links = Vec::new();
        for number in 0..5 {
            let new = link(number, Purpose::PasswordChangeUndo, "a", at(number.into()));
            links = add_link(links, new, &addresses, at(number.into())).expect("there is room");
        }
        let sixth = link(5, Purpose::PasswordChangeUndo, "a", at(5));
        assert_eq!(add_link(links.clone(), sixth.clone(), &addresses, at(5)), None);
        let other = add_link(links.clone(), link(6, Purpose::TotpUndo, "a", at(5)), &addresses, at(5));
        assert_eq!(other.map(|links| links.len()), Some(6), "another purpose has room of its own");
        // The expired make room, and so do those of a mailbox that is not the account's.
        let later = add_link(links.clone(), sixth.clone(), &addresses, lasting(at(0))).unwrap();
        assert_eq!((later.len(), later[0].digest, later[4].digest), (5, [1; 32], [5; 32]));
        let elsewhere = add_link(links, sixth, &of("b"), at(5)).unwrap();
        assert_eq!(elsewhere.len(), 1);
    }

    #[test]
    fn a_factor_that_was_off_for_a_while_is_the_same_one() {
        let never = SecondFactorTimes::default().start_at(at(9), LIFETIME, []);
        assert_eq!(never, SecondFactorStart { since: at(9), is_new: true });
        let off = SecondFactorTimes { since: Some(at(1)), off_at: Some(at(8)) };
        assert_eq!(off.start_at(at(9), LIFETIME, []), SecondFactorStart { since: at(1), is_new: false });
        let late = lasting(at(8));
        assert_eq!(off.start_at(late, LIFETIME, []), SecondFactorStart { since: late, is_new: true });
    }

    #[test]
    fn a_new_factor_comes_after_every_change_of_address_whatever_the_clocks_say() {
        let ahead = at(10);
        let turned_on = SecondFactorTimes::default().start_at(at(9), LIFETIME, [at(2), ahead]);
        assert!(turned_on.since > ahead && turned_on.is_new);
        let moved = of("a").change_to("b", lasting(ahead), ahead);
        let left = moved.reserved[0].clone();
        let undo = plan_email_undo(moved, &left, ahead, Some(turned_on.since), at(11)).unwrap();
        assert_eq!(undo.second_factor, SecondFactorUndo::Remove);
    }

    #[test]
    fn the_undo_of_an_address_removes_only_a_factor_that_was_added_after_it() {
        let moved = of("a").change_to("b", lasting(at(5)), at(5));
        let left = moved.reserved[0].clone();
        let factor = |since| plan_email_undo(moved.clone(), &left, at(5), since, at(6)).unwrap().second_factor;
        assert_eq!(factor(None), SecondFactorUndo::Keep);
        assert_eq!(factor(Some(at(5))), SecondFactorUndo::Keep);
        assert_eq!(factor(Some(at(6))), SecondFactorUndo::Remove);
    }

    #[test]
    fn the_link_of_a_password_restores_its_address_if_another_is_current() {
        let changed_at = |_: &KeyReservation| at(5);
        let link = link(1, Purpose::PasswordChangeUndo, "a", at(4));
        let here = plan_link_undo(&link, of("a"), changed_at, Some(at(6)), at(7)).unwrap();
        assert_eq!(
            here,
            UndoPlan { restored_emails: None, invalidates_password: true, second_factor: SecondFactorUndo::Keep }
        );
        let moved = of("a").change_to("b", lasting(at(5)), at(5));
        let back = plan_link_undo(&link, moved, changed_at, Some(at(6)), at(7)).unwrap();
        assert_eq!(
            back,
            UndoPlan {
                restored_emails: Some(of("a")),
                invalidates_password: true,
                second_factor: SecondFactorUndo::Remove
            }
        );
        assert_eq!(plan_link_undo(&link, of("b"), changed_at, None, at(7)), None);
    }

    #[test]
    fn the_links_of_factor_and_codes_touch_nothing_else() {
        let kept =
            |factor| Some(UndoPlan { restored_emails: None, invalidates_password: false, second_factor: factor });
        let undone = |purpose| plan_link_undo(&link(1, purpose, "a", at(0)), of("a"), |_| at(0), Some(at(0)), at(1));
        assert_eq!(undone(Purpose::TotpUndo), kept(SecondFactorUndo::Remove));
        assert_eq!(undone(Purpose::RecoveryCodesUndo), kept(SecondFactorUndo::RevokeRecoveryCodes));
        assert_eq!(undone(Purpose::PasswordReset), None);
    }

    /// Who knows the password, and who holds the second factor.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Holder {
        Owner,
        Thief,
        Neither,
    }

    /// What can be done to the account; the mailboxes "b" and "c" are the thief's.
    #[derive(Debug, Clone)]
    enum Step {
        ChangePassword,
        TurnFactorOn,
        TurnFactorOff,
        ChangeAddress(&'static str),
        /// The thief uses a link that was mailed to the thief.
        UseThiefsLink(usize),
        ResetByThief,
        /// The owner uses a link that was mailed to the owner.
        UseOwnersLink(usize),
    }

    /// An account, and the mails that were sent about it.
    #[derive(Debug)]
    struct Model {
        now: Timestamp,
        addresses: EmailHistory,
        /// The undo tokens of changes of address.
        changes: Vec<(KeyReservation, Timestamp)>,
        links: Vec<UndoLink>,
        mails: Vec<(String, [u8; 32])>,
        address_mails: Vec<(String, KeyReservation)>,
        password: Holder,
        factor: Option<Holder>,
        times: SecondFactorTimes,
        issued: u8,
    }

    impl Model {
        fn new() -> Self {
            Self {
                now: at(1_000),
                addresses: of("a"),
                changes: Vec::new(),
                links: Vec::new(),
                mails: Vec::new(),
                address_mails: Vec::new(),
                password: Holder::Thief,
                factor: None,
                times: SecondFactorTimes::default(),
                issued: 0,
            }
        }

        fn factor_since(&self) -> Option<Timestamp> {
            self.factor.and(self.times.since)
        }

        fn issue(&mut self, purpose: Purpose) {
            self.issued += 1;
            let to = self.addresses.current.clone();
            let new = link(self.issued, purpose, &to, self.now);
            let digest = new.digest;
            if let Some(links) = add_link(self.links.clone(), new, &self.addresses, self.now) {
                self.links = links;
                self.mails.push((to, digest));
            }
        }

        fn thief_gets_in(&self) -> bool {
            self.password == Holder::Thief && self.factor.is_none_or(|factor| factor == Holder::Thief)
        }

        fn change_password(&mut self) {
            self.issue(Purpose::PasswordChangeUndo);
        }

        fn turn_on(&mut self, holder: Holder) {
            let changes = self.changes.iter().map(|(_, at)| *at);
            let turned_on = self.times.start_at(self.now, LIFETIME, changes);
            if turned_on.is_new {
                self.issue(Purpose::TotpUndo);
            }
            self.times = SecondFactorTimes { since: Some(turned_on.since), off_at: None };
            self.factor = Some(holder);
        }

        fn turn_off(&mut self) {
            self.factor = None;
            self.times.off_at = Some(self.now);
        }

        fn change_address(&mut self, new: &str) {
            if self.addresses.current == new
                || self.addresses.reserved_count(self.now) >= super::super::MAX_RESERVED_EMAILS
            {
                return;
            }
            let left = KeyReservation { key: self.addresses.current.clone(), until: lasting(self.now) };
            self.address_mails.push((left.key.clone(), left.clone()));
            let changed_at = self.factor_since().map_or(self.now, |since| since.max(self.now));
            self.changes.push((left, changed_at));
            self.addresses = self.addresses.clone().change_to(new, lasting(self.now), self.now);
        }

        /// Uses the links that were mailed to `mailboxes`, counted from zero through both kinds.
        fn use_link(&mut self, mailboxes: &[&str], number: usize) {
            let mine = |to: &String| mailboxes.contains(&to.as_str());
            let links: Vec<[u8; 32]> = self.mails.iter().filter(|mail| mine(&mail.0)).map(|mail| mail.1).collect();
            let left: Vec<KeyReservation> =
                self.address_mails.iter().filter(|mail| mine(&mail.0)).map(|mail| mail.1.clone()).collect();
            let all = links.len() + left.len();
            if all == 0 {
                return;
            }
            let number = number % all;
            if let Some(digest) = links.get(number) {
                let found = self.links.iter().find(|link| link.digest == *digest).cloned();
                let Some(link) = found.filter(|link| link.is_valid(&self.addresses, self.now)) else { return };
                let changed_at = |left: &KeyReservation| {
                    self.changes.iter().find(|change| change.0 == *left).expect("each has its token").1
                };
                let undo = plan_link_undo(&link, self.addresses.clone(), changed_at, self.factor_since(), self.now);
                self.links.retain(|kept| kept.digest != link.digest);
                self.apply(undo.expect("a good link takes something back"));
            } else {
                let left = &left[number - links.len()];
                let Some((_, changed_at)) = self.changes.iter().find(|change| change.0 == *left) else { return };
                let undo = plan_email_undo(self.addresses.clone(), left, *changed_at, self.factor_since(), self.now);
                if let Some(undo) = undo {
                    self.apply(undo);
                }
            }
        }

        fn apply(&mut self, undo: UndoPlan) {
            if let Some(restored) = undo.restored_emails {
                self.changes.retain(|(left, _)| restored.has_reservation(left));
                self.addresses = restored;
            }
            self.links = valid_links(std::mem::take(&mut self.links), &self.addresses, self.now);
            if undo.invalidates_password {
                self.password = Holder::Neither;
            }
            if undo.second_factor == SecondFactorUndo::Remove {
                self.factor = None;
                self.times = SecondFactorTimes::default();
            }
        }

        fn take(&mut self, step: &Step) {
            match step {
                Step::UseOwnersLink(number) => self.use_link(&["a"], *number),
                Step::UseThiefsLink(number) => self.use_link(&["b", "c"], *number),
                Step::ResetByThief if self.addresses.current != "a" => self.password = Holder::Thief,
                _ if !self.thief_gets_in() => {}
                Step::ChangePassword => self.change_password(),
                Step::TurnFactorOn if self.factor.is_none() => self.turn_on(Holder::Thief),
                Step::TurnFactorOff if self.factor.is_some() => self.turn_off(),
                Step::ChangeAddress(new) => self.change_address(new),
                Step::TurnFactorOn | Step::TurnFactorOff | Step::ResetByThief => {}
            }
            self.now += SignedDuration::from_mins(30);
        }
    }

    fn thiefs_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            Just(Step::ChangePassword),
            Just(Step::TurnFactorOn),
            Just(Step::TurnFactorOff),
            prop_oneof![Just("b"), Just("c")].prop_map(Step::ChangeAddress),
            (0..9_usize).prop_map(Step::UseThiefsLink),
            Just(Step::ResetByThief),
        ]
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![4 => thiefs_step(), 1 => (0..9_usize).prop_map(Step::UseOwnersLink)]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

        #[test]
        fn the_owner_of_the_mailbox_gets_the_account_back_whatever_a_thief_changes(
            steps in proptest::collection::vec(any_step(), 0..40),
            order in proptest::collection::vec(0..64_usize, 64),
        ) {
            let mut model = Model::new();
            for step in &steps {
                model.take(step);
            }
            // All links that were mailed to the owner, in any order, each more than once ...
            for number in order.into_iter().chain(0..64) {
                model.take(&Step::UseOwnersLink(number));
            }
            // ... and a reset, which is mailed to the current address.
            prop_assert_eq!(&model.addresses.current, "a");
            prop_assert_eq!(model.factor, None);
            model.password = Holder::Owner;
            prop_assert!(!model.thief_gets_in());
        }

        #[test]
        fn the_mailbox_alone_never_removes_a_factor_that_is_older_than_the_links(
            steps in proptest::collection::vec(prop_oneof![
                Just(Step::ChangePassword),
                Just(Step::TurnFactorOff),
                Just(Step::ChangeAddress("d")),
                Just(Step::ChangeAddress("a")),
                (0..9_usize).prop_map(Step::UseOwnersLink),
            ], 0..40),
        ) {
            let mut model = Model::new();
            model.factor = Some(Holder::Owner);
            model.times.since = Some(at(0));
            for step in &steps {
                // Here the owner acts, and an attacker reads the mailbox.
                match step {
                    Step::ChangePassword => model.change_password(),
                    Step::ChangeAddress(new) => model.change_address(new),
                    // A new authenticator takes the place of the old one.
                    Step::TurnFactorOff => {
                        model.turn_off();
                        model.now += SignedDuration::from_mins(10);
                        model.turn_on(Holder::Owner);
                    }
                    other => model.take(other),
                }
                model.now += SignedDuration::from_mins(30);
                prop_assert_eq!(model.factor, Some(Holder::Owner));
            }
        }
    }
}
