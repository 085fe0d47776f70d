//! Both services as children: started with their default configuration, their logs shown and kept.

use std::{
    fs::{self, File},
    io::{self, BufRead as _, BufReader, IsTerminal as _, Read, Write as _},
    path::Path,
    process::ExitStatus,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use local_stack::{
    child::{Child, ChildSpec, Output},
    http,
    until::until,
};

use crate::workspace::Workspace;

/// Name, port of `/readyz`, and the variable that chooses the log's format.
const SERVICES: [(&str, u16, &str); 2] =
    [("user-service", 3001, "USER_SERVICE__LOG__FORMAT"), ("email-service", 3002, "EMAIL_SERVICE__LOG__FORMAT")];
const READY_DEADLINE: Duration = Duration::from_secs(60);
const PROBE_DEADLINE: Duration = Duration::from_secs(3);
/// Longer than the services' own grace of 20 s.
const GRACE: Duration = Duration::from_secs(30);

/// The ports that the services listen on by default.
pub(crate) const PORTS: [(u16, &str); 3] =
    [(3000, "user-service"), (3001, "user-service's ops endpoint"), (3002, "email-service's ops endpoint")];

/// The running services.
pub(crate) struct Services {
    children: Vec<Child>,
}

impl Services {
    /// Starts both and waits until both are ready. `show` also writes their logs to standard output.
    pub(crate) async fn start(workspace: &Workspace, show: bool) -> Result<Self> {
        let mut children = Vec::new();
        for (name, _, format) in SERVICES {
            let mut spec = ChildSpec::new(name, workspace.binary(name)?, Output::Pipes).directory(workspace.root());
            // The service writes to a pipe and would choose JSON; who reads is a person.
            if show && io::stdout().is_terminal() && std::env::var_os(format).is_none() {
                spec = spec.env(format, "human");
            }
            let mut child = spec.start()?;
            follow_logs(&mut child, &workspace.logs().join(format!("{name}.log")), show)?;
            children.push(child);
        }
        let mut services = Self { children };
        for (name, ops, _) in SERVICES {
            services.until_ready(name, ops).await?;
        }
        Ok(services)
    }

    async fn until_ready(&mut self, name: &str, ops: u16) -> Result<()> {
        until(&format!("{name} to be ready"), READY_DEADLINE, async || {
            if let Some((name, status)) = self.ended() {
                bail!("{name} ended with {status}");
            }
            let answer = http::get(ops, "/readyz", PROBE_DEADLINE).await;
            Ok(answer.is_ok_and(|answer| answer.status == 200 && is_ready(&answer.body)).then_some(()))
        })
        .await
    }

    /// A service that has ended by itself.
    pub(crate) fn ended(&mut self) -> Option<(String, ExitStatus)> {
        self.children.iter_mut().find_map(|child| Some((child.name().to_owned(), child.exited()?)))
    }

    /// Their names and process ids.
    pub(crate) fn pids(&self) -> impl Iterator<Item = (&str, u32)> {
        self.children.iter().map(|child| (child.name(), child.pid()))
    }

    /// SIGTERM to both, and waits; killed after their grace.
    pub(crate) async fn stop(mut self) {
        for child in &mut self.children {
            child.signal(rustix::process::Signal::TERM);
        }
        for child in &mut self.children {
            if child.wait_within(GRACE).await.is_none() {
                child.kill().await;
            }
        }
    }
}

/// Degraded is not ready here: all parts were started before.
fn is_ready(body: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(body).is_ok_and(|body| body["status"] == "ready")
}

fn follow_logs(child: &mut Child, path: &Path, show: bool) -> Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let log = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    let log = Arc::new(Mutex::new(log));
    let (out, err) = child.take_pipes().context("the pipes were asked for")?;
    let prefix = format!("{:<13} | ", child.name());
    let streams: [Box<dyn Read + Send>; 2] = [Box::new(out), Box::new(err)];
    for stream in streams {
        let (log, prefix) = (Arc::clone(&log), prefix.clone());
        thread::Builder::new().name("service-log".to_owned()).spawn(move || copy_lines(stream, &log, &prefix, show))?;
    }
    Ok(())
}

/// Ends when the process has closed its side.
fn copy_lines(stream: impl Read, log: &Mutex<File>, prefix: &str, show: bool) {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        let _ = log.lock().unwrap_or_else(PoisonError::into_inner).write_all(&line);
        if show {
            let mut shown = io::stdout().lock();
            let _ = shown.write_all(prefix.as_bytes()).and_then(|()| shown.write_all(&line));
        }
        line.clear();
    }
}
