//! Records that an account is under attack: one event, so that its owner gets a mail. The rate limiter stops the
//! attacker; this file only notifies.

use std::time::Duration;

use bson::{DateTime, doc};

use crate::{
    domain::expiry::expires_at,
    outbox::{Actor, Origin},
    store::{Change, Precondition},
    usecase::{
        account_service::AccountService,
        background_queue::DetectedAttack,
        failure::Failure,
        write_outcome::{MAX_ATTEMPTS, WriteOutcome, write_outcome},
    },
};

/// The minimum time between two notices of a continuing attack.
const NOTICE_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

impl AccountService {
    /// Writes the notice, unless the last one is recent. Runs after the response.
    pub(in crate::usecase) async fn send_attack_notice(&self, attack: DetectedAttack) -> Result<(), Failure> {
        let origin = Origin { actor: Actor::System, ..attack.origin };
        for _ in 0..MAX_ATTEMPTS {
            let now = self.clock.now();
            let recently_notified = |locked_until: DateTime| now < expires_at(locked_until.to_jiff(), NOTICE_INTERVAL);
            let found = self.store.users.by_id(attack.user).await?;
            let Some(user) = found.filter(|user| !user.locked_until.is_some_and(recently_notified)) else {
                return Ok(());
            };
            let change = Change {
                set: doc! { "lockedUntil": DateTime::from(attack.until) },
                events: vec![self.outbox.locked(&user.user(), attack.until, now, &origin)],
                ..Change::default()
            };
            let commit = self.store.users.commit(attack.user, Precondition::Version(user.version), change).await?;
            if let WriteOutcome::Done(written) = write_outcome(commit)? {
                self.publish(&written);
                return Ok(());
            }
        }
        Err(Failure::too_many_conflicts())
    }
}
