//! Steady load of all flows: each actor uses one account after the other, on random replicas. An attacker guesses the
//! password of one account after the other, and floods the service from one network after the other.

mod account;
mod account_scenario;
mod actor;
mod attack;

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use actor::Actor;

use crate::deployment::Deployment;

/// The number of concurrent actors.
const ACTORS: u64 = 8;

/// Starts all actors. When `stop` is cancelled, each actor ends after its current request. A later round of load in
/// the same run has another number and uses other accounts.
pub(crate) fn start(deployment: &Arc<Deployment>, seed: u64, round: u64, stop: &CancellationToken) -> JoinSet<()> {
    let mut load = JoinSet::new();
    for number in round * ACTORS..(round + 1) * ACTORS {
        let mut actor = Actor::new(Arc::clone(deployment), seed.wrapping_add(number + 1), number);
        let stop = stop.clone();
        load.spawn(async move {
            while !stop.is_cancelled() {
                actor.run_scenario(&stop).await;
            }
        });
    }
    let (mut attack, stop) = (attack::Attack::new(Arc::clone(deployment), seed, round), stop.clone());
    load.spawn(async move { attack.run(&stop).await });
    load
}
