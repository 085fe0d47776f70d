use proptest::prelude::*;

use super::*;
use crate::domain::email_history::MAX_RESERVED_EMAILS;

const LIFETIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);

fn at(hours: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hours)
}

fn expiry_of(from: Timestamp) -> Timestamp {
    from + SignedDuration::try_from(LIFETIME).unwrap()
}

fn current_only(current: &str) -> EmailHistory {
    EmailHistory { current: current.to_owned(), reserved: Vec::new() }
}

fn link(number: u8, purpose: Purpose, to: &str, issued_at: Timestamp) -> UndoLink {
    UndoLink { digest: [number; 32], purpose, to: to.to_owned(), expires_at: expiry_of(issued_at) }
}

#[test]
fn a_link_is_valid_until_it_expires_and_while_its_address_belongs_to_the_account() {
    let link = link(1, Purpose::TotpUndo, "a", at(0));
    let moved = current_only("a").change_to("b", expiry_of(at(1)), at(1));
    assert!(link.is_valid(&current_only("a"), at(1)) && link.is_valid(&moved, at(2)));
    assert!(!link.is_valid(&current_only("b"), at(1)) && !link.is_valid(&current_only("a"), expiry_of(at(0))));
}

#[test]
fn a_sixth_link_of_a_purpose_does_not_push_out_the_oldest() {
    let addresses = current_only("a");
    let mut links = Vec::new();
    for number in 0..5 {
        let new = link(number, Purpose::PasswordChangeUndo, "a", at(number.into()));
        links = add_link(links, new, &addresses, at(number.into())).expect("there is room");
    }
    let sixth = link(5, Purpose::PasswordChangeUndo, "a", at(5));
    assert_eq!(add_link(links.clone(), sixth.clone(), &addresses, at(5)), None);
    let other = add_link(links.clone(), link(6, Purpose::TotpUndo, "a", at(5)), &addresses, at(5));
    assert_eq!(other.map(|links| links.len()), Some(6), "each purpose has its own limit");
    // Expired links make room, and so do links to an address that does not belong to the account.
    let later = add_link(links.clone(), sixth.clone(), &addresses, expiry_of(at(0))).unwrap();
    assert_eq!((later.len(), later[0].digest, later[4].digest), (5, [1; 32], [5; 32]));
    let elsewhere = add_link(links, sixth, &current_only("b"), at(5)).unwrap();
    assert_eq!(elsewhere.len(), 1);
}

#[test]
fn a_factor_that_was_off_for_a_short_time_counts_as_the_same_factor() {
    let never = SecondFactorTimes::default().start_at(at(9), LIFETIME, []);
    assert_eq!(never, SecondFactorStart { since: at(9), is_new: true });
    let off = SecondFactorTimes { since: Some(at(1)), off_at: Some(at(8)) };
    assert_eq!(off.start_at(at(9), LIFETIME, []), SecondFactorStart { since: at(1), is_new: false });
    let late = expiry_of(at(8));
    assert_eq!(off.start_at(late, LIFETIME, []), SecondFactorStart { since: late, is_new: true });
}

#[test]
fn a_new_factor_starts_after_every_email_change_even_if_clocks_differ() {
    let ahead = at(10);
    let turned_on = SecondFactorTimes::default().start_at(at(9), LIFETIME, [at(2), ahead]);
    assert!(turned_on.since > ahead && turned_on.is_new);
    let moved = current_only("a").change_to("b", expiry_of(ahead), ahead);
    let left = moved.reserved[0].clone();
    let undo = plan_email_undo(moved, &left, ahead, Some(turned_on.since), at(11)).unwrap();
    assert_eq!(undo.second_factor, SecondFactorUndo::Remove);
}

#[test]
fn the_undo_of_an_email_change_removes_only_a_factor_that_was_added_after_it() {
    let moved = current_only("a").change_to("b", expiry_of(at(5)), at(5));
    let left = moved.reserved[0].clone();
    let factor = |since| plan_email_undo(moved.clone(), &left, at(5), since, at(6)).unwrap().second_factor;
    assert_eq!(factor(None), SecondFactorUndo::Keep);
    assert_eq!(factor(Some(at(5))), SecondFactorUndo::Keep);
    assert_eq!(factor(Some(at(6))), SecondFactorUndo::Remove);
}

#[test]
fn the_link_of_a_password_change_or_a_sign_in_restores_its_address_if_another_is_current() {
    let changed_at = |_: &KeyReservation| at(5);
    for purpose in [Purpose::PasswordChangeUndo, Purpose::SignInUndo] {
        let link = link(1, purpose, "a", at(4));
        let still_current = plan_link_undo(&link, current_only("a"), changed_at, Some(at(6)), at(7)).unwrap();
        assert_eq!(
            still_current,
            UndoPlan { restored_emails: None, invalidates_password: true, second_factor: SecondFactorUndo::Keep }
        );
        let moved = current_only("a").change_to("b", expiry_of(at(5)), at(5));
        let back = plan_link_undo(&link, moved, changed_at, Some(at(6)), at(7)).unwrap();
        assert_eq!(
            back,
            UndoPlan {
                restored_emails: Some(current_only("a")),
                invalidates_password: true,
                second_factor: SecondFactorUndo::Remove
            }
        );
        assert_eq!(plan_link_undo(&link, current_only("b"), changed_at, None, at(7)), None);
    }
}

#[test]
fn the_links_of_totp_and_recovery_codes_change_nothing_else() {
    let kept = |factor| Some(UndoPlan { restored_emails: None, invalidates_password: false, second_factor: factor });
    let undone =
        |purpose| plan_link_undo(&link(1, purpose, "a", at(0)), current_only("a"), |_| at(0), Some(at(0)), at(1));
    assert_eq!(undone(Purpose::TotpUndo), kept(SecondFactorUndo::Remove));
    assert_eq!(undone(Purpose::RecoveryCodesUndo), kept(SecondFactorUndo::RevokeRecoveryCodes));
    assert_eq!(undone(Purpose::PasswordReset), None);
}

/// The person who knows the password or has the second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holder {
    Owner,
    Thief,
    Neither,
}

/// A step of a test case. The thief owns the mailboxes "b" and "c".
#[derive(Debug, Clone)]
enum Step {
    /// A login from a new place.
    SignIn,
    ChangePassword,
    EnableFactor,
    DisableFactor,
    ChangeAddress(&'static str),
    /// The thief uses a link that was mailed to "b" or "c".
    ThiefUsesLink(usize),
    ThiefResetsPassword,
    /// The owner uses a link that was mailed to "a".
    OwnerUsesLink(usize),
}

/// A model of an account and of the mails that were sent about it.
#[derive(Debug)]
struct Model {
    now: Timestamp,
    addresses: EmailHistory,
    /// The undo tokens of email changes.
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
            addresses: current_only("a"),
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

    fn thief_can_sign_in(&self) -> bool {
        self.password == Holder::Thief && self.factor.is_none_or(|factor| factor == Holder::Thief)
    }

    fn change_password(&mut self) {
        self.issue(Purpose::PasswordChangeUndo);
    }

    fn enable_factor(&mut self, holder: Holder) {
        let changes = self.changes.iter().map(|(_, at)| *at);
        let turned_on = self.times.start_at(self.now, LIFETIME, changes);
        if turned_on.is_new {
            self.issue(Purpose::TotpUndo);
        }
        self.times = SecondFactorTimes { since: Some(turned_on.since), off_at: None };
        self.factor = Some(holder);
    }

    fn disable_factor(&mut self) {
        self.factor = None;
        self.times.off_at = Some(self.now);
    }

    fn change_address(&mut self, new: &str) {
        if self.addresses.current == new || self.addresses.reserved_count(self.now) >= MAX_RESERVED_EMAILS {
            return;
        }
        let left = KeyReservation { key: self.addresses.current.clone(), until: expiry_of(self.now) };
        self.address_mails.push((left.key.clone(), left.clone()));
        let changed_at = self.factor_since().map_or(self.now, |since| since.max(self.now));
        self.changes.push((left, changed_at));
        self.addresses = self.addresses.clone().change_to(new, expiry_of(self.now), self.now);
    }

    /// Uses one of the links that were mailed to `mailboxes`. `number` counts from zero through both kinds of link.
    fn use_link(&mut self, mailboxes: &[&str], number: usize) {
        let is_own = |to: &String| mailboxes.contains(&to.as_str());
        let links: Vec<[u8; 32]> = self.mails.iter().filter(|mail| is_own(&mail.0)).map(|mail| mail.1).collect();
        let left: Vec<KeyReservation> =
            self.address_mails.iter().filter(|mail| is_own(&mail.0)).map(|mail| mail.1.clone()).collect();
        let all = links.len() + left.len();
        if all == 0 {
            return;
        }
        let number = number % all;
        if let Some(digest) = links.get(number) {
            let found = self.links.iter().find(|link| link.digest == *digest).cloned();
            let Some(link) = found.filter(|link| link.is_valid(&self.addresses, self.now)) else { return };
            let changed_at = |left: &KeyReservation| {
                self.changes.iter().find(|change| change.0 == *left).expect("each change has its token").1
            };
            let undo = plan_link_undo(&link, self.addresses.clone(), changed_at, self.factor_since(), self.now);
            self.links.retain(|kept| kept.digest != link.digest);
            self.apply(undo.expect("a valid link undoes something"));
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

    fn perform(&mut self, step: &Step) {
        match step {
            Step::OwnerUsesLink(number) => self.use_link(&["a"], *number),
            Step::ThiefUsesLink(number) => self.use_link(&["b", "c"], *number),
            Step::ThiefResetsPassword if self.addresses.current != "a" => self.password = Holder::Thief,
            _ if !self.thief_can_sign_in() => {}
            Step::SignIn => self.issue(Purpose::SignInUndo),
            Step::ChangePassword => self.change_password(),
            Step::EnableFactor if self.factor.is_none() => self.enable_factor(Holder::Thief),
            Step::DisableFactor if self.factor.is_some() => self.disable_factor(),
            Step::ChangeAddress(new) => self.change_address(new),
            Step::EnableFactor | Step::DisableFactor | Step::ThiefResetsPassword => {}
        }
        self.now += SignedDuration::from_mins(30);
    }
}

fn thief_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(Step::SignIn),
        Just(Step::ChangePassword),
        Just(Step::EnableFactor),
        Just(Step::DisableFactor),
        prop_oneof![Just("b"), Just("c")].prop_map(Step::ChangeAddress),
        (0..9_usize).prop_map(Step::ThiefUsesLink),
        Just(Step::ThiefResetsPassword),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![4 => thief_step(), 1 => (0..9_usize).prop_map(Step::OwnerUsesLink)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn the_owner_of_the_mailbox_recovers_the_account_whatever_a_thief_changes(
        steps in proptest::collection::vec(any_step(), 0..40),
        order in proptest::collection::vec(0..64_usize, 64),
    ) {
        let mut model = Model::new();
        for step in &steps {
            model.perform(step);
        }
        // The owner uses all links to "a" in any order, each more than once ...
        for number in order.into_iter().chain(0..64) {
            model.perform(&Step::OwnerUsesLink(number));
        }
        // ... and then the password reset, which is mailed to the current address.
        prop_assert_eq!(&model.addresses.current, "a");
        prop_assert_eq!(model.factor, None);
        model.password = Holder::Owner;
        prop_assert!(!model.thief_can_sign_in());
    }

    #[test]
    fn access_to_the_mailbox_never_removes_a_factor_that_is_older_than_the_links(
        steps in proptest::collection::vec(prop_oneof![
            Just(Step::SignIn),
            Just(Step::ChangePassword),
            Just(Step::DisableFactor),
            Just(Step::ChangeAddress("d")),
            Just(Step::ChangeAddress("a")),
            (0..9_usize).prop_map(Step::OwnerUsesLink),
        ], 0..40),
    ) {
        let mut model = Model::new();
        model.factor = Some(Holder::Owner);
        model.times.since = Some(at(0));
        for step in &steps {
            // The owner makes the changes, and an attacker reads the mailbox.
            match step {
                Step::SignIn => model.issue(Purpose::SignInUndo),
                Step::ChangePassword => model.change_password(),
                Step::ChangeAddress(new) => model.change_address(new),
                // A new authenticator replaces the old one.
                Step::DisableFactor => {
                    model.disable_factor();
                    model.now += SignedDuration::from_mins(10);
                    model.enable_factor(Holder::Owner);
                }
                other => model.perform(other),
            }
            model.now += SignedDuration::from_mins(30);
            prop_assert_eq!(model.factor, Some(Holder::Owner));
        }
    }
}
