//! Records that an account is under attack: one event, so that its owner gets a mail. The rate limiter stops the
//! attacker; this file only notifies.

use std::time::Duration;

use bson::{DateTime, doc};
use events::UserLocked;

use crate::{
    domain::expires_at,
    outbox::{Actor, Origin},
    problem::Problem,
    store::{Change, UserRecord},
    usecase::{
        account_service::AccountService,
        background_queue::DetectedAttack,
        update::{Attempt, Decision},
    },
};

/// The minimum time between two notices of a continuing attack.
const NOTICE_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// Notifies the owner of the account, unless that was done recently.
///
/// # Errors
/// Returns an error if the store is unavailable. The next attack is reported.
pub(in crate::usecase) async fn send_attack_notice(
    accounts: &AccountService,
    attack: DetectedAttack,
) -> Result<(), Problem> {
    let DetectedAttack { user: id, until, origin } = attack;
    let origin = Origin { actor: Actor::System, ..origin };
    let notify = |record: &UserRecord, (), Attempt { now, .. }: Attempt| {
        let recently_notified = |locked_until: DateTime| now < expires_at(locked_until.to_jiff(), NOTICE_INTERVAL);
        if record.locked_until.is_some_and(recently_notified) {
            return Ok(Decision::Unchanged(()));
        }
        let payload = UserLocked { user_id: id, until, recipient: record.user().recipient() };
        let change = Change {
            set: doc! { "lockedUntil": DateTime::from(until) },
            events: vec![accounts.outbox.event(now, &origin, payload)],
            ..Change::default()
        };
        Ok(Decision::Write(change, ()))
    };
    match accounts.writer.update(accounts.by_id(id), notify).await {
        Ok(_) | Err(Problem::NotFound) => Ok(()),
        Err(problem) => Err(problem),
    }
}
