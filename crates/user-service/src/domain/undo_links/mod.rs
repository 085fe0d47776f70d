//! Undo links: which of them an account keeps, whether one is valid, and what it undoes.
//!
//! The notice of a change is mailed to the mailbox that the account had at that moment, with a link that undoes the
//! change. Together the links guarantee that the owner of that mailbox can recover the account, whatever was changed
//! afterwards and in whatever order the links are used.

use std::time::Duration;

use events::sealing::Purpose;
use jiff::{SignedDuration, Timestamp};

use super::email_history::{EmailHistory, KeyReservation};

/// The maximum number of links of one purpose that an account keeps. The oldest stay, so that an attacker cannot push
/// out the owner's link by repeating a change.
pub const MAX_LINKS: usize = 5;

/// A link that undoes a change of the password, of TOTP or of the recovery codes, or disowns a sign-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UndoLink {
    pub digest: [u8; 32],
    pub purpose: Purpose,
    /// The key of the email address that the link was mailed to.
    pub to: String,
    pub expires_at: Timestamp,
}

impl UndoLink {
    /// Returns whether the link may be used at `now`: it has not expired, and its address still belongs to the account.
    #[must_use]
    pub fn is_valid(&self, addresses: &EmailHistory, now: Timestamp) -> bool {
        now < self.expires_at && addresses.owns_key(&self.to, now)
    }
}

/// Returns the links that are valid at `now`, oldest first. Only these are stored again.
#[must_use]
pub fn valid_links(mut links: Vec<UndoLink>, addresses: &EmailHistory, now: Timestamp) -> Vec<UndoLink> {
    links.retain(|link| link.is_valid(addresses, now));
    links
}

/// Returns the valid links and `new`; `None` if there are already [`MAX_LINKS`] links of its purpose.
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

/// The times at which the second factor was turned on and off. A factor that was off for less than the lifetime of an
/// undo link counts as the same factor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SecondFactorTimes {
    pub since: Option<Timestamp>,
    pub off_at: Option<Timestamp>,
}

/// The start of a second factor, as an undo judges it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecondFactorStart {
    pub since: Timestamp,
    /// Whether the account had no second factor for the lifetime of a link. Then the notice carries a link.
    pub is_new: bool,
}

impl SecondFactorTimes {
    /// Returns the start time of a factor that is turned on at `now`. `changes` are the times of the email changes that
    /// can be undone: a new factor starts after each of them, even if the clocks of two replicas differ.
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

/// The effect of an undo on the second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecondFactorUndo {
    Keep,
    /// Removes the factor with its setup and recovery codes, as if it had never been on.
    Remove,
    RevokeRecoveryCodes,
}

/// The effect of an undo on an account. Every undo also ends all sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UndoPlan {
    /// The new email history, if a former address is restored.
    pub restored_emails: Option<EmailHistory>,
    /// Whether the current password becomes unusable and a password reset is mailed.
    pub invalidates_password: bool,
    pub second_factor: SecondFactorUndo,
}

/// Plans the undo of the email change that made `reservation` at `changed_at`. Returns `None` if the address is no
/// longer reserved. `factor_since` is the start time of the factor that is on now.
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

/// Plans the undo of a valid link. If the link of a password change or a sign-in was mailed to an address that is no
/// longer current, the email change is undone too: otherwise the password reset would be mailed to the attacker. `changed_at` returns
/// the time of the email change that made a reservation.
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
        Purpose::PasswordChangeUndo | Purpose::SignInUndo if addresses.current == link.to => {
            Some(UndoPlan { invalidates_password: true, ..plan_for(SecondFactorUndo::Keep) })
        }
        Purpose::PasswordChangeUndo | Purpose::SignInUndo => {
            let reservation = addresses.reservation_for_link(&link.to, link.expires_at, now)?.clone();
            plan_email_undo(addresses, &reservation, changed_at(&reservation), factor_since, now)
        }
        // These links are one-time tokens.
        Purpose::EmailVerification
        | Purpose::PasswordReset
        | Purpose::EmailChange
        | Purpose::EmailChangeUndo
        | Purpose::Invitation => None,
    }
}

#[cfg(test)]
mod tests;
