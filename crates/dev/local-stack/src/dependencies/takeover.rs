//! Waits until another member of a cluster has taken over a role.

use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::future::select_ok;

use crate::wait_for::try_wait_for;

/// The pause after a claim that the other members do not confirm.
const PAUSE: Duration = Duration::from_millis(50);

/// A member that has taken over a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Takeover {
    /// The member.
    pub member: usize,
    /// The time from the call until the member was seen in the role.
    pub took: Duration,
}

/// Waits until one of `witnesses` names a member in the role, and `holder`, which asks all members, confirms it. The
/// witnesses are asked independently, so that one that does not answer delays nothing.
///
/// # Errors
/// Returns an error if no member has taken over within `deadline`.
pub(super) async fn wait_for_takeover(
    deadline: Duration,
    what: &str,
    witnesses: &[usize],
    claim: impl AsyncFn(usize) -> Option<usize>,
    holder: impl AsyncFn() -> Option<usize>,
) -> Result<Takeover> {
    let start = Instant::now();
    loop {
        let left = deadline.saturating_sub(start.elapsed());
        let ask = async |witness: usize| try_wait_for(left, what, async || Ok(claim(witness).await)).await;
        let (member, _others) = select_ok(witnesses.iter().map(|witness| Box::pin(ask(*witness)))).await?;
        let takeover = Takeover { member, took: start.elapsed() };
        if holder().await == Some(member) {
            return Ok(takeover);
        }
        tokio::time::sleep(PAUSE).await;
    }
}
