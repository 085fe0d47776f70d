//! `local-stack down`: ends what `up` has started in this clone, and nothing else.

use std::{process::ExitCode, time::Duration};

use anyhow::Result;
use rustix::process::Signal;

use crate::{
    instances::{Instance, Process},
    workspace::Workspace,
};

/// Longer than the services' own grace and the brokers' shutdown together.
const GRACE: Duration = Duration::from_secs(60);
const KILL_DEADLINE: Duration = Duration::from_secs(10);

pub(crate) async fn down() -> Result<ExitCode> {
    let workspace = Workspace::find()?;
    let (running, ended): (Vec<_>, Vec<_>) =
        Instance::all(&workspace).into_iter().partition(|instance| instance.supervisor.is_running());
    for instance in running {
        let supervisor = &instance.supervisor;
        println!("stopping {} (pid {})", supervisor.name, supervisor.pid);
        supervisor.signal(Signal::TERM);
        if supervisor.gone(GRACE).await.is_err() {
            kill(supervisor).await?;
        }
        end(&workspace, &instance).await?;
    }
    for instance in ended {
        end(&workspace, &instance).await?;
    }
    println!("nothing of this clone runs");
    Ok(ExitCode::SUCCESS)
}

/// Ends what a supervisor may have left, if it was killed, and forgets the instance.
async fn end(workspace: &Workspace, instance: &Instance) -> Result<()> {
    for child in instance.children.iter().filter(|child| child.is_running()) {
        println!("stopping {} (pid {}), which was left behind", child.name, child.pid);
        child.signal(Signal::TERM);
        if child.gone(KILL_DEADLINE).await.is_err() {
            kill(child).await?;
        }
    }
    instance.forget(workspace);
    Ok(())
}

async fn kill(process: &Process) -> Result<()> {
    process.signal(Signal::KILL);
    process.gone(KILL_DEADLINE).await
}
