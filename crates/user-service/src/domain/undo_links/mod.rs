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
    reservation: &KeyReservation,
    changed_at: Timestamp,
    factor_since: Option<Timestamp>,
    now: Timestamp,
) -> Option<UndoPlan> {
    let is_newer = factor_since.is_some_and(|since| since > changed_at);
    let second_factor = if is_newer { SecondFactorUndo::Remove } else { SecondFactorUndo::Keep };
    Some(UndoPlan {
        restored_emails: Some(addresses.restore(reservation, now)?),
        invalidates_password: true,
        second_factor,
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
    let plan_for = |second_factor| UndoPlan { restored_emails: None, invalidates_password: false, second_factor };
    match link.purpose {
        Purpose::TotpUndo => Some(plan_for(SecondFactorUndo::Remove)),
        Purpose::RecoveryCodesUndo => Some(plan_for(SecondFactorUndo::RevokeRecoveryCodes)),
        Purpose::PasswordChangeUndo if addresses.current == link.to => {
            Some(UndoPlan { invalidates_password: true, ..plan_for(SecondFactorUndo::Keep) })
        }
        Purpose::PasswordChangeUndo => {
            let reservation = addresses.reservation_for_link(&link.to, link.expires_at, now)?.clone();
            plan_email_undo(addresses, &reservation, changed_at(&reservation), factor_since, now)
        }
        // Kept with the one-time tokens.
        Purpose::EmailVerification | Purpose::PasswordReset | Purpose::EmailChange | Purpose::EmailChangeUndo => None,
    }
}

#[cfg(test)]
mod tests;
