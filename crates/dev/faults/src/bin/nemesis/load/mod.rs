//! Steady load of all flows: actors who live one account's life after the other, on whichever
//! replica they come to.

mod account;
mod actor;
mod authenticator;
mod life;

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::cast::Cast;
use actor::Actor;

/// Who asks at the same time.
const ACTORS: u64 = 8;

/// Starts all actors. They end, after the answer that they wait for, when told to stop.
pub(crate) fn start(cast: &Arc<Cast>, seed: u64, stop: &CancellationToken) -> JoinSet<()> {
    let mut load = JoinSet::new();
    for number in 0..ACTORS {
        let mut actor = Actor::new(Arc::clone(cast), seed.wrapping_add(number + 1), number);
        let stop = stop.clone();
        load.spawn(async move {
            while !stop.is_cancelled() {
                actor.live(&stop).await;
            }
        });
    }
    load
}
