//! A child process that never outlives its parent: own process group, output in a file, stop with a deadline.

use std::{
    ffi::{OsStr, OsString},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child as StdChild, ChildStderr, ChildStdout, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::{
    log_file::{open_log, tail},
    spawn::{command_bound_to_parent, spawn_on_permanent_thread},
};

/// How often a wait looks whether the process has ended.
const POLL: Duration = Duration::from_millis(10);
/// How long a killed process may take to disappear; the kernel is busy with its memory that long.
const REAP_DEADLINE: Duration = Duration::from_secs(10);

/// Where a child's standard output and error go.
#[derive(Debug, Clone)]
pub enum Output {
    /// Both appended to this file.
    File(PathBuf),
    /// To be taken with [`Child::take_pipes`].
    Pipes,
    /// The parent's own.
    Inherit,
}

/// What to start.
#[derive(Debug, Clone)]
pub struct ChildSpec {
    name: String,
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    directory: Option<PathBuf>,
    output: Output,
}

impl ChildSpec {
    /// A program to be run under this name, which messages use.
    pub fn new(name: impl Into<String>, program: impl Into<PathBuf>, output: Output) -> Self {
        Self {
            name: name.into(),
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            directory: None,
            output,
        }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Sets a variable on top of the parent's environment.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// The working directory; the parent's by default.
    #[must_use]
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// When the program cannot be started or its log file not be opened.
    pub fn start(&self) -> Result<Child> {
        let mut command = self.command();
        let log = match &self.output {
            Output::File(path) => {
                let file = open_log(path)?;
                command.stderr(file.try_clone()?).stdout(file);
                Some(path.clone())
            }
            Output::Pipes => {
                command.stdout(Stdio::piped()).stderr(Stdio::piped());
                None
            }
            Output::Inherit => None,
        };
        let process = spawn_on_permanent_thread(command)
            .with_context(|| format!("cannot start {} ({})", self.name, self.program.display()))?;
        let pid = i32::try_from(process.id()).ok().and_then(Pid::from_raw).context("a process id out of range")?;
        Ok(Child { name: self.name.clone(), pid, process, log, exit_status: None })
    }

    fn command(&self) -> Command {
        let mut command = command_bound_to_parent(&self.program);
        command.args(&self.arguments).envs(self.environment.iter().cloned());
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        // A group of its own: the terminal's Ctrl-C reaches the parent only, which then stops its children in
        // order, and a kill of the group reaches the grandchildren.
        command.stdin(Stdio::null()).process_group(0);
        command
    }
}

/// A running child. Dropping it kills it, and its process group, at once.
#[derive(Debug)]
pub struct Child {
    name: String,
    pid: Pid,
    process: StdChild,
    log: Option<PathBuf>,
    exit_status: Option<ExitStatus>,
}

impl Child {
    /// The name that messages use.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The file that its output goes to.
    #[must_use]
    pub fn log(&self) -> Option<&Path> {
        self.log.as_deref()
    }

    /// Standard output and error of a child that was started with [`Output::Pipes`]; once.
    pub fn take_pipes(&mut self) -> Option<(ChildStdout, ChildStderr)> {
        Some((self.process.stdout.take()?, self.process.stderr.take()?))
    }

    /// How it ended, if it has.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        if self.exit_status.is_none() {
            self.exit_status = self.process.try_wait().ok().flatten();
        }
        self.exit_status
    }

    /// # Errors
    /// When the process has ended; with the end of its log.
    pub fn ensure_running(&mut self) -> Result<()> {
        match self.exit_status() {
            None => Ok(()),
            Some(status) => bail!("{} ended with {status}{}", self.name, self.log_tail_message(20)),
        }
    }

    /// Waits until it ends.
    pub async fn wait(&mut self) -> ExitStatus {
        loop {
            if let Some(status) = self.exit_status() {
                return status;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until it ends, at most so long.
    pub async fn wait_within(&mut self, deadline: Duration) -> Option<ExitStatus> {
        tokio::time::timeout(deadline, self.wait()).await.ok()
    }

    /// Sends a signal to the process; nothing happens if it has ended.
    pub fn signal(&mut self, signal: Signal) {
        // Asked first: the id of a process that was already reaped may belong to another one by now.
        if self.exit_status().is_none() {
            let _ = kill_process(self.pid, signal);
        }
    }

    /// Sends a signal to the whole process group; nothing happens if the process has ended.
    pub fn signal_group(&mut self, signal: Signal) {
        if self.exit_status().is_none() {
            let _ = kill_process_group(self.pid, signal);
        }
    }

    /// SIGSTOP: it keeps its sockets and does nothing.
    pub fn pause(&mut self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT.
    pub fn resume(&mut self) {
        self.signal(Signal::CONT);
    }

    /// SIGTERM, then SIGKILL when it has not ended within `grace`. `None` when it had to be killed.
    pub async fn stop(&mut self, grace: Duration) -> Option<ExitStatus> {
        self.signal(Signal::TERM);
        let ended = self.wait_within(grace).await;
        if ended.is_none() {
            self.kill().await;
        }
        ended
    }

    /// SIGKILL to the process group, and waits until it is gone.
    pub async fn kill(&mut self) {
        self.signal_group(Signal::KILL);
        self.wait_within(REAP_DEADLINE).await;
    }

    /// The last lines of its log; empty without a log file.
    #[must_use]
    pub fn log_tail(&self, lines: usize) -> String {
        self.log.as_deref().map(|path| tail(path, lines)).unwrap_or_default()
    }

    fn log_tail_message(&self, lines: usize) -> String {
        match self.log.as_deref() {
            None => String::new(),
            Some(path) => format!("; the end of {}:\n{}", path.display(), tail(path, lines)),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.exit_status().is_some() {
            return;
        }
        let _ = kill_process_group(self.pid, Signal::KILL);
        let end = Instant::now() + REAP_DEADLINE;
        while self.exit_status().is_none() && Instant::now() < end {
            std::thread::sleep(POLL);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn shell(script: &str, log: &Path) -> Child {
        ChildSpec::new("shell", "/bin/sh", Output::File(log.to_owned())).args(["-c", script]).start().unwrap()
    }

    fn is_running(pid: u32) -> bool {
        // A zombie that nobody has reaped yet does not run any more.
        fs::read_to_string(format!("/proc/{pid}/stat"))
            .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or("").trim_start().starts_with('Z'))
    }

    #[tokio::test]
    async fn output_goes_to_the_log_and_the_exit_status_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("logs/out.log");
        let mut child = shell("echo one; echo two >&2; exit 3", &log);
        let status = child.wait_within(Duration::from_secs(10)).await.unwrap();
        assert_eq!(status.code(), Some(3));
        assert_eq!(child.log_tail(1), "two");
        assert!(child.ensure_running().unwrap_err().to_string().contains("two"));
    }

    #[tokio::test]
    async fn a_child_that_ignores_sigterm_is_killed_after_its_grace() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let mut child = shell("trap '' TERM; echo ready; while :; do sleep 0.05; done", &log);
        crate::wait_for::try_wait_for(Duration::from_secs(10), "the trap", async || {
            Ok((tail(&log, 1) == "ready").then_some(()))
        })
        .await
        .unwrap();
        assert!(child.stop(Duration::from_millis(100)).await.is_none());
        assert!(child.exit_status().is_some());
    }

    #[tokio::test]
    async fn dropping_a_child_kills_its_grandchildren_too() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let child = shell("sleep 300 & echo $!; wait", &log);
        let grandchild: u32 = crate::wait_for::try_wait_for(Duration::from_secs(10), "the grandchild", async || {
            Ok(tail(&log, 1).trim().parse().ok())
        })
        .await
        .unwrap();
        assert!(is_running(grandchild));
        drop(child);
        crate::wait_for::try_wait_for(Duration::from_secs(10), "the grandchild's end", async || {
            Ok((!is_running(grandchild)).then_some(()))
        })
        .await
        .unwrap();
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error_that_names_it() {
        let directory = tempfile::tempdir().unwrap();
        let spec = ChildSpec::new("ghost", "/no/such/program", Output::File(directory.path().join("log")));
        // With `setpriv` in between it starts, and ends at once with 127.
        match spec.start() {
            Err(error) => assert!(format!("{error:#}").contains("/no/such/program")),
            Ok(mut child) => {
                while child.exit_status().is_none() {
                    std::thread::sleep(POLL);
                }
                assert!(child.log_tail(3).contains("/no/such/program"), "{}", child.log_tail(3));
            }
        }
    }
}
