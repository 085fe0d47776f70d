//! `local-stack down`: stops everything that `up` has started in this clone, and nothing else.

use std::{process::ExitCode, time::Duration};

use anyhow::Result;
use rustix::process::Signal;

use super::{
    instance_file::{ProcessIdentity, StackInstance},
    workspace::Workspace,
};

/// Longer than the shutdown of the services and of the dependencies together.
const GRACE: Duration = Duration::from_secs(60);
const KILL_DEADLINE: Duration = Duration::from_secs(10);

/// Stops every running stack of this clone and removes its instance file.
pub(crate) async fn down() -> Result<ExitCode> {
    let workspace = Workspace::find()?;
    let (running, ended): (Vec<_>, Vec<_>) =
        StackInstance::load_all(&workspace).into_iter().partition(|instance| instance.supervisor.is_running());
    for instance in running {
        let supervisor = &instance.supervisor;
        println!("stopping {} (pid {})", supervisor.name, supervisor.pid);
        supervisor.signal(Signal::TERM);
        if supervisor.wait_until_gone(GRACE).await.is_err() {
            kill(supervisor).await?;
        }
        stop_leftovers(&workspace, &instance).await?;
    }
    for instance in ended {
        stop_leftovers(&workspace, &instance).await?;
    }
    println!("nothing of this clone runs");
    Ok(ExitCode::SUCCESS)
}

/// Stops the processes that a killed supervisor has left behind, and removes the instance file.
async fn stop_leftovers(workspace: &Workspace, instance: &StackInstance) -> Result<()> {
    for child in instance.children.iter().filter(|child| child.is_running()) {
        println!("stopping {} (pid {}), which was left behind", child.name, child.pid);
        child.signal(Signal::TERM);
        if child.wait_until_gone(KILL_DEADLINE).await.is_err() {
            kill(child).await?;
        }
    }
    instance.delete(workspace);
    Ok(())
}

async fn kill(process: &ProcessIdentity) -> Result<()> {
    process.signal(Signal::KILL);
    process.wait_until_gone(KILL_DEADLINE).await
}
