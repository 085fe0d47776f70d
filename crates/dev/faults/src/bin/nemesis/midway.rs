//! What happens in the middle of a run, while load and faults go on: the topic of states is switched on, and filled by
//! a snapshot.

use std::time::Duration;

use local_stack::wait_for::try_wait_for;

use crate::deployment::{Deployment, ServiceKind};

/// The number of users a second of a snapshot. It is so low that a snapshot takes several faults.
const RATE: &str = "20";
/// The run kills itself after the third page, which has as many users as a second.
const KILLED: &str = "snapshot.after_page=2*off->return";
/// How long a snapshot is tried. It fails while MongoDB is away.
const SNAPSHOT_DEADLINE: Duration = Duration::from_secs(180);

/// What happens in the middle of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Midway {
    Nothing,
    Snapshot,
    /// All replicas of the user service are restarted with the topic of states, followed by a snapshot.
    SwitchOnAndSnapshot,
}

impl Midway {
    /// Does it, and returns what failed.
    pub(crate) async fn run(self, deployment: &Deployment) -> Vec<String> {
        let mut failed = Vec::new();
        if self == Self::SwitchOnAndSnapshot {
            println!("the topic of states is switched on");
            failed = deployment.switch_states_on().await;
        }
        if self != Self::Nothing {
            failed.extend(snapshot(deployment).await.err().map(|error| format!("no snapshot: {error:#}")));
        }
        failed
    }
}

/// Runs `events snapshot` until it succeeds. The first run that reaches the fail point kills itself there, and the next
/// one continues it, as after each run that failed.
async fn snapshot(deployment: &Deployment) -> anyhow::Result<()> {
    let (mut runs, mut killed) = (0, false);
    try_wait_for(SNAPSHOT_DEADLINE, "a snapshot", async || {
        let spec = deployment.replica(ServiceKind::User, 0).lock().await.spec().clone();
        let spec = if killed { spec.without_fail_points() } else { spec.fail_points(KILLED) };
        let output = spec.command(&["events", "snapshot", "--rate", RATE]).await;
        runs += 1;
        killed |= output.status.code().is_none();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        println!("snapshot {runs}: {}: {} {}", output.status, text(&output.stdout), text(&output.stderr));
        Ok(output.status.success().then_some(()))
    })
    .await
}
