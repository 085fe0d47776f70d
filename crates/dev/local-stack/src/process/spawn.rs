//! Starts a process in such a way that the kernel kills it when this process ends.

use std::{
    io,
    path::Path,
    process::{Child as StdChild, Command, Stdio},
    sync::{OnceLock, mpsc},
};

/// Returns a command for `program` that the kernel kills when this process ends, where `setpriv` is available.
pub(super) fn command_bound_to_parent(program: &Path) -> Command {
    if supports_parent_death_signal() {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

/// Returns whether `setpriv --pdeathsig` of util-linux works on this machine. Without it, a child survives a parent
/// that is killed.
fn supports_parent_death_signal() -> bool {
    static WORKS: OnceLock<bool> = OnceLock::new();
    *WORKS.get_or_init(|| {
        Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--", "true"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    })
}

/// Starts a process from a thread that lives as long as this process. The kernel sends the parent death signal when
/// the thread (not the process) that forked the child ends, and threads of tests and pools end early.
pub(super) fn spawn_on_permanent_thread(command: Command) -> io::Result<StdChild> {
    type SpawnRequest = (Command, mpsc::SyncSender<io::Result<StdChild>>);
    static SPAWNER: OnceLock<mpsc::SyncSender<SpawnRequest>> = OnceLock::new();
    let requests = SPAWNER.get_or_init(|| {
        let (sender, received) = mpsc::sync_channel::<SpawnRequest>(16);
        std::thread::Builder::new()
            .name("spawner".to_owned())
            .spawn(move || {
                for (mut command, result) in received {
                    let _ = result.send(command.spawn());
                }
            })
            .expect("a thread can be started");
        sender
    });
    let (result, spawned) = mpsc::sync_channel(1);
    let thread_ended = |_| io::Error::other("the thread that starts processes has ended");
    requests.send((command, result)).map_err(|_| io::Error::other("the thread that starts processes has ended"))?;
    spawned.recv().map_err(thread_ended)?
}
