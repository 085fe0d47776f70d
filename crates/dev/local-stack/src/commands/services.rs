//! Runs both services as child processes with their default configuration, and copies their logs to files and to the
//! terminal.

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
    dependencies::RunningDependencies,
    network::http,
    process::child::{Child, ChildSpec, Output},
    wait_for::try_wait_for,
};

use super::workspace::Workspace;

const READY_DEADLINE: Duration = Duration::from_secs(60);
const PROBE_DEADLINE: Duration = Duration::from_secs(3);
/// Longer than the shutdown deadline of the services, which is 20 s.
const GRACE: Duration = Duration::from_secs(30);

/// The ports that the services listen on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServicePorts {
    pub(crate) http: u16,
    pub(crate) user_ops: u16,
    pub(crate) email_ops: u16,
    offset: u16,
}

impl ServicePorts {
    /// Returns the default ports plus an offset.
    pub(crate) fn new(offset: u16) -> Self {
        Self { http: 3000 + offset, user_ops: 3001 + offset, email_ops: 3002 + offset, offset }
    }

    /// Returns each port with its purpose, for error messages.
    pub(crate) fn purposes(&self) -> [(u16, &'static str); 3] {
        [
            (self.http, "user-service"),
            (self.user_ops, "user-service's ops endpoint"),
            (self.email_ops, "email-service's ops endpoint"),
        ]
    }

    /// Returns the configuration of the services as environment variables. For the default ports it is only the link of
    /// the start page to the mails, so that the services run with the same configuration as under `cargo run -p`.
    fn configuration(&self, dependencies: &RunningDependencies) -> Vec<(&'static str, String)> {
        let mails_url = ("USER_SERVICE__HTTP__MAILS_URL", dependencies.mail_url());
        if self.offset == 0 {
            return vec![mails_url];
        }
        vec![
            mails_url,
            ("USER_SERVICE__HTTP__PORT", self.http.to_string()),
            ("USER_SERVICE__OPS__PORT", self.user_ops.to_string()),
            ("USER_SERVICE__MONGODB__URI", dependencies.mongodb_uri()),
            ("USER_SERVICE__KAFKA__BROKERS", dependencies.brokers()),
            ("EMAIL_SERVICE__OPS__PORT", self.email_ops.to_string()),
            ("EMAIL_SERVICE__MONGODB__URI", dependencies.mongodb_uri()),
            ("EMAIL_SERVICE__KAFKA__BROKERS", dependencies.brokers()),
            ("EMAIL_SERVICE__SMTP__URL", format!("smtp://{}", dependencies.smtp_address())),
            ("EMAIL_SERVICE__MAIL__LINK_BASE_URL", format!("http://localhost:{}", self.http)),
        ]
    }
}

/// The running services.
pub(crate) struct Services {
    children: Vec<Child>,
}

impl Services {
    /// Starts both services and waits until both are ready. `show_logs` also writes their logs to standard output.
    pub(crate) async fn start(
        workspace: &Workspace,
        dependencies: &RunningDependencies,
        ports: ServicePorts,
        show_logs: bool,
    ) -> Result<Self> {
        let mut children = Vec::new();
        for (name, format) in
            [("user-service", "USER_SERVICE__LOG__FORMAT"), ("email-service", "EMAIL_SERVICE__LOG__FORMAT")]
        {
            let mut spec = ChildSpec::new(name, workspace.binary(name)?, Output::Pipes).directory(workspace.root());
            for (variable, value) in ports.configuration(dependencies) {
                spec = spec.env(variable, value);
            }
            // The service writes to a pipe and would choose JSON, but a person reads the output.
            if show_logs && io::stdout().is_terminal() && std::env::var_os(format).is_none() {
                spec = spec.env(format, "human");
            }
            let mut child = spec.start()?;
            follow_logs(&mut child, &workspace.logs().join(format!("{name}.log")), show_logs)?;
            children.push(child);
        }
        let mut services = Self { children };
        services.wait_until_ready("user-service", ports.user_ops).await?;
        services.wait_until_ready("email-service", ports.email_ops).await?;
        Ok(services)
    }

    async fn wait_until_ready(&mut self, name: &str, ops: u16) -> Result<()> {
        try_wait_for(READY_DEADLINE, &format!("{name} to be ready"), async || {
            if let Some((name, status)) = self.find_exited() {
                bail!("{name} ended with {status}");
            }
            let response = http::get(ops, "/readyz", PROBE_DEADLINE).await;
            Ok(response.is_ok_and(|response| response.status == 200 && is_ready(&response.body)).then_some(()))
        })
        .await
    }

    /// Returns a service that has ended by itself, with its exit status.
    pub(crate) fn find_exited(&mut self) -> Option<(String, ExitStatus)> {
        self.children.iter_mut().find_map(|child| Some((child.name().to_owned(), child.exit_status()?)))
    }

    /// Returns the names and process ids of the services.
    pub(crate) fn pids(&self) -> impl Iterator<Item = (&str, u32)> {
        self.children.iter().map(|child| (child.name(), child.pid()))
    }

    /// Sends SIGTERM to both services and waits for their end. A service that still runs after [`GRACE`] is killed.
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

/// Returns whether the body of `/readyz` says `ready`. `degraded` is not enough, because all dependencies run.
fn is_ready(body: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(body).is_ok_and(|body| body["status"] == "ready")
}

fn follow_logs(child: &mut Child, path: &Path, show_logs: bool) -> Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let log = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    let log = Arc::new(Mutex::new(log));
    let (out, err) = child.take_pipes().context("the child was not started with pipes")?;
    let prefix = format!("{:<13} | ", child.name());
    let streams: [Box<dyn Read + Send>; 2] = [Box::new(out), Box::new(err)];
    for stream in streams {
        let (log, prefix) = (Arc::clone(&log), prefix.clone());
        thread::Builder::new()
            .name("service-log".to_owned())
            .spawn(move || copy_lines(stream, &log, &prefix, show_logs))?;
    }
    Ok(())
}

/// Copies lines until the process closes its end of the pipe.
fn copy_lines(stream: impl Read, log: &Mutex<File>, prefix: &str, show_logs: bool) {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        let _ = log.lock().unwrap_or_else(PoisonError::into_inner).write_all(&line);
        if show_logs {
            let mut stdout = io::stdout().lock();
            let _ = stdout.write_all(prefix.as_bytes()).and_then(|()| stdout.write_all(&line));
        }
        line.clear();
    }
}
