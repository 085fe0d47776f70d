//! An account that is under attack: said once, to the topic and so to its owner. What
//! holds the attacker is the throttle; this only tells.

use std::time::Duration;

use crate::{
    domain::expiry::expires_at,
    outbox::{Actor, Origin},
    store::{Change, Precondition},
    usecase::{
        account_service::AccountService,
        background_queue::DetectedAttack,
        failure::Failure,
        retry::{MAX_ATTEMPTS, WriteOutcome, write_outcome},
    },
};
use bson::{DateTime, doc};

/// An attack that goes on is recently_notified again after so long, not with every attempt.
const NOTICE_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

impl AccountService {
    /// Tells it, unless that was done lately. Run behind the answer.
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
