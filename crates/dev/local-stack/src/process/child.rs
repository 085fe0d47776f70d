//! A child process that never outlives its parent. It has its own process group, writes its output to a file, and is
//! stopped with a deadline.

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

/// The interval at which a wait checks whether the process has ended.
const POLL: Duration = Duration::from_millis(10);
/// The time that a killed process may take to disappear, because the kernel must free its memory.
const REAP_DEADLINE: Duration = Duration::from_secs(10);

/// The destination of the standard output and standard error of a child.
#[derive(Debug, Clone)]
pub enum Output {
    /// Both are appended to this file.
    File(PathBuf),
    /// Both are pipes, which [`Child::take_pipes`] returns.
    Pipes,
    /// Both are those of the parent.
    Inherit,
}

/// How to start a child process.
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
    /// Returns a spec for `program`. Messages use `name`.
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

    /// Adds several arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable in addition to the parent's environment.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Sets the working directory; the default is that of the parent.
    #[must_use]
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Starts the child process.
    ///
    /// # Errors
    /// Returns an error if the program cannot be started or its log file cannot be opened.
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
        let pid = i32::try_from(process.id()).ok().and_then(Pid::from_raw).context("the process id is out of range")?;
        Ok(Child { name: self.name.clone(), pid, process, log, exit_status: None })
    }

    fn command(&self) -> Command {
        let mut command = command_bound_to_parent(&self.program);
        command.args(&self.arguments).envs(self.environment.iter().cloned());
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        // The child has its own process group, so that Ctrl-C in the terminal reaches only the parent, which stops its
        // children in order, and so that killing the group reaches the grandchildren.
        command.stdin(Stdio::null()).process_group(0);
        command
    }
}

/// A child process. Dropping this value kills the process and its process group immediately.
#[derive(Debug)]
pub struct Child {
    name: String,
    pid: Pid,
    process: StdChild,
    log: Option<PathBuf>,
    exit_status: Option<ExitStatus>,
}

impl Child {
    /// Returns the name of the child in messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Returns the file that the output goes to, if there is one.
    #[must_use]
    pub fn log(&self) -> Option<&Path> {
        self.log.as_deref()
    }

    /// Takes standard output and standard error of a child that was started with [`Output::Pipes`]. Later calls return
    /// `None`.
    pub fn take_pipes(&mut self) -> Option<(ChildStdout, ChildStderr)> {
        Some((self.process.stdout.take()?, self.process.stderr.take()?))
    }

    /// Returns the exit status if the process has ended.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        if self.exit_status.is_none() {
            self.exit_status = self.process.try_wait().ok().flatten();
        }
        self.exit_status
    }

    /// Checks that the process runs.
    ///
    /// # Errors
    /// Returns an error with the end of the log if the process has ended.
    pub fn ensure_running(&mut self) -> Result<()> {
        match self.exit_status() {
            None => Ok(()),
            Some(status) => bail!("{} ended with {status}{}", self.name, self.log_tail_message(20)),
        }
    }

    /// Waits until the process ends.
    pub async fn wait(&mut self) -> ExitStatus {
        loop {
            if let Some(status) = self.exit_status() {
                return status;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until the process ends, or returns `None` after `deadline`.
    pub async fn wait_within(&mut self, deadline: Duration) -> Option<ExitStatus> {
        tokio::time::timeout(deadline, self.wait()).await.ok()
    }

    /// Sends a signal to the process. Does nothing if the process has ended.
    pub fn signal(&mut self, signal: Signal) {
        // Check first, because the id of a reaped process may already belong to another process.
        if self.exit_status().is_none() {
            let _ = kill_process(self.pid, signal);
        }
    }

    /// Sends a signal to the process group. Does nothing if the process has ended.
    pub fn signal_group(&mut self, signal: Signal) {
        if self.exit_status().is_none() {
            let _ = kill_process_group(self.pid, signal);
        }
    }

    /// Sends SIGSTOP: the process keeps its sockets and does nothing.
    pub fn pause(&mut self) {
        self.signal(Signal::STOP);
    }

    /// Sends SIGCONT.
    pub fn resume(&mut self) {
        self.signal(Signal::CONT);
    }

    /// Sends SIGTERM, then SIGKILL to the process group if the process has not ended within `grace`. Returns `None`
    /// if it was killed.
    pub async fn stop(&mut self, grace: Duration) -> Option<ExitStatus> {
        self.signal(Signal::TERM);
        let ended = self.wait_within(grace).await;
        if ended.is_none() {
            self.kill().await;
        }
        ended
    }

    /// Sends SIGKILL to the process group and waits until the process has ended.
    pub async fn kill(&mut self) {
        self.signal_group(Signal::KILL);
        self.wait_within(REAP_DEADLINE).await;
    }

    /// Returns the last lines of the log, or an empty text if there is no log file.
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

    use super::*;
    use crate::process::stat::ProcessStat;

    fn shell(script: &str, log: &Path) -> Child {
        ChildSpec::new("shell", "/bin/sh", Output::File(log.to_owned())).args(["-c", script]).start().unwrap()
    }

    fn is_running(pid: u32) -> bool {
        ProcessStat::of(pid).is_some_and(|stat| !stat.is_zombie())
    }

    #[tokio::test]
    async fn output_goes_to_the_log_and_the_exit_status_is_returned() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("logs/out.log");
        let mut child = shell("echo one; echo two >&2; exit 3", &log);
        let status = child.wait_within(Duration::from_secs(10)).await.unwrap();
        assert_eq!(status.code(), Some(3));
        assert_eq!(child.log_tail(1), "two");
        assert!(child.ensure_running().unwrap_err().to_string().contains("two"));
    }

    #[tokio::test]
    async fn a_child_that_ignores_sigterm_is_killed_after_the_grace_period() {
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
    async fn dropping_a_child_kills_its_descendants() {
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
    fn a_missing_program_is_an_error_that_names_the_program() {
        let directory = tempfile::tempdir().unwrap();
        let spec = ChildSpec::new("ghost", "/no/such/program", Output::File(directory.path().join("log")));
        // With `setpriv` in between, the start succeeds and the child ends immediately with status 127.
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
