//! A service as a real process: its configuration, its start, its signals, and its log when a test fails.

use std::{
    collections::BTreeMap,
    env,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Output as CommandOutput, Stdio},
    sync::{Arc, OnceLock},
    time::Duration,
};

use local_stack::{
    network::{http, ports::Port},
    process::{
        child::{Child, ChildSpec, Output},
        log_file::tail,
    },
    wait_for::try_wait_for,
};
use rustix::process::Signal;
use serde_json::Value;

use crate::Api;

const START_DEADLINE: Duration = Duration::from_secs(45);
const END_DEADLINE: Duration = Duration::from_secs(40);
const PROBE_DEADLINE: Duration = Duration::from_secs(5);
const LOG_LINES_SHOWN: usize = 150;

/// What to start, and with which configuration.
#[derive(Debug, Clone)]
pub struct ServiceSpec {
    name: &'static str,
    prefix: &'static str,
    log: PathBuf,
    variables: BTreeMap<String, String>,
    ops: Arc<Port>,
    http: Option<Arc<Port>>,
}

impl ServiceSpec {
    pub(crate) fn new(name: &'static str, prefix: &'static str, logs: &Path) -> Self {
        let ops = free_port();
        // Replicas of one service in one world are told apart by their ports.
        let log = logs.join(format!("{name}-{}.log", ops.number()));
        let spec = Self { name, prefix, log, variables: BTreeMap::new(), ops, http: None };
        let port = spec.ops.number().to_string();
        spec.set("OPS__PORT", port)
    }

    pub(crate) fn with_http(mut self) -> Self {
        let port = free_port();
        let number = port.number().to_string();
        self.http = Some(port);
        self.set("HTTP__PORT", number)
    }

    /// Sets a configuration key, named as in `RELAY__SWEEP_INTERVAL`, without the service's prefix.
    #[must_use]
    pub fn set(self, key: &str, value: impl Into<String>) -> Self {
        let name = format!("{}__{key}", self.prefix);
        self.variable(name, value)
    }

    /// Sets a variable as it stands.
    #[must_use]
    pub fn variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    /// Arms fail points: `name=return` kills the process with SIGKILL at that place.
    ///
    /// # Panics
    /// Panics if the binary was built without them.
    #[must_use]
    pub fn fail_points(self, points: &str) -> Self {
        assert!(has_fail_points(self.name), "{} was built without fail points; run scripts/test", self.name);
        self.variable("FAILPOINTS", points)
    }

    /// Takes the fail points away again.
    #[must_use]
    pub fn without_fail_points(mut self) -> Self {
        self.variables.remove("FAILPOINTS");
        self
    }

    /// Returns the address of the public API that it will have. Empty for a service without one.
    #[must_use]
    pub fn base_url(&self) -> String {
        self.http.as_ref().map(|port| format!("http://127.0.0.1:{}", port.number())).unwrap_or_default()
    }

    /// Another replica: the same configuration on ports of its own.
    #[must_use]
    pub fn replica(&self) -> Self {
        let logs = self.log.parent().map(Path::to_owned).unwrap_or_default();
        let mut replica = Self::new(self.name, self.prefix, &logs);
        if self.http.is_some() {
            replica = replica.with_http();
        }
        for (name, value) in &self.variables {
            replica.variables.entry(name.clone()).or_insert_with(|| value.clone());
        }
        replica
    }

    /// Starts it and waits until `/readyz` answers 200 (`ready` or `degraded`).
    ///
    /// # Panics
    /// Panics if it ends or is not ready within 45 s; with the end of its log.
    pub async fn start(self) -> Service {
        let mut service = self.start_until_live().await;
        service.wait_until_ready().await;
        service
    }

    /// Starts it and waits until `/livez` answers: for a start while what it needs is down.
    ///
    /// # Panics
    /// Panics if it ends or does not answer within 45 s; with the end of its log.
    pub async fn start_until_live(self) -> Service {
        let mut service = self.launch();
        service.wait_until_ok("/livez", "alive").await;
        service
    }

    /// Starts it and waits for nothing: for a start that is expected to fail.
    ///
    /// # Panics
    /// Panics if the process cannot be started.
    #[must_use]
    pub fn launch(self) -> Service {
        let child = self.child();
        Service { spec: self, child }
    }

    /// Runs a command of the same binary with the same configuration, such as `mail list --json`.
    ///
    /// # Panics
    /// Panics if it cannot be run.
    pub async fn command(&self, arguments: &[&str]) -> CommandOutput {
        self.command_with_input(arguments, Vec::new()).await
    }

    /// Returns the same, with something to read on its standard input.
    ///
    /// # Panics
    /// Panics if it cannot be run.
    pub async fn command_with_input(&self, arguments: &[&str], input: Vec<u8>) -> CommandOutput {
        let mut command = Command::new(binary(self.name));
        command.args(arguments).envs(&self.variables);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let run = move || {
            let mut child = command.spawn()?;
            let mut stdin = child.stdin.take().expect("it was asked for");
            // A command that ends without reading all of it closes the pipe.
            let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
            let output = child.wait_with_output();
            writer.join().expect("writing does not panic");
            output
        };
        let output = tokio::task::spawn_blocking(run).await.expect("a command does not panic");
        output.expect("the service's binary runs")
    }

    fn child(&self) -> Child {
        let mut spec = ChildSpec::new(self.name, binary(self.name), Output::File(self.log.clone()));
        for (name, value) in &self.variables {
            spec = spec.env(name, value);
        }
        spec.start().unwrap_or_else(|error| panic!("{error:#}"))
    }
}

/// A running service. Dropped by a panicking test it shows the end of its log.
#[derive(Debug)]
pub struct Service {
    spec: ServiceSpec,
    child: Child,
}

impl Service {
    /// What it was started with.
    #[must_use]
    pub fn spec(&self) -> &ServiceSpec {
        &self.spec
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Returns the address of its public API.
    #[must_use]
    pub fn base_url(&self) -> String {
        self.spec.base_url()
    }

    /// Returns the port of `/livez`, `/readyz` and `/metrics`.
    #[must_use]
    pub fn ops_port(&self) -> u16 {
        self.spec.ops.number()
    }

    /// Returns a client of its public API.
    #[must_use]
    pub fn api(&self) -> Api {
        Api::new(self.base_url())
    }

    /// Its log so far, all starts of it.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.spec.log).unwrap_or_default()
    }

    /// Waits until `/readyz` answers 200.
    ///
    /// # Panics
    /// Panics if it ends or is not ready within 45 s.
    pub async fn wait_until_ready(&mut self) {
        self.wait_until_ok("/readyz", "ready").await;
    }

    /// Returns status and body of `/readyz` now; `None` when there is no answer.
    pub async fn readiness(&self) -> Option<(u16, Value)> {
        let answer = http::get(self.ops_port(), "/readyz", PROBE_DEADLINE).await.ok()?;
        Some((answer.status, serde_json::from_str(&answer.body).ok()?))
    }

    /// Returns one check of `/readyz`, such as `kafka`: its word, or empty.
    pub async fn check(&self, name: &str) -> String {
        let readiness = self.readiness().await;
        readiness.and_then(|(_, body)| Some(body["checks"][name].as_str()?.to_owned())).unwrap_or_default()
    }

    /// Returns the sum of a metric over all its label sets that contain `labels` (`template="welcome"`), or 0.
    pub async fn metric(&self, name: &str, labels: &str) -> f64 {
        let Ok(answer) = http::get(self.ops_port(), "/metrics", PROBE_DEADLINE).await else { return 0.0 };
        let value = |line: &str| -> Option<f64> {
            let rest = line.strip_prefix(name)?;
            let (set, value) = rest.rsplit_once(' ')?;
            ((set.is_empty() || set.starts_with('{')) && set.contains(labels)).then(|| value.parse().ok())?
        };
        answer.body.lines().filter_map(value).sum()
    }

    /// SIGKILL; returns when it is gone.
    pub async fn kill(&mut self) {
        self.child.kill().await;
    }

    /// SIGTERM; returns how it ended.
    ///
    /// # Panics
    /// Panics if it has not ended within 40 s.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.child.signal(Signal::TERM);
        self.wait_for_exit(END_DEADLINE).await
    }

    /// Sends a signal.
    pub fn signal(&mut self, signal: Signal) {
        self.child.signal(signal);
    }

    /// SIGSTOP: it keeps its connections and leases and does nothing.
    pub fn pause(&mut self) {
        self.child.pause();
    }

    /// SIGCONT.
    pub fn resume(&mut self) {
        self.child.resume();
    }

    /// Waits until it ends by itself, as at a fail point.
    ///
    /// # Panics
    /// Panics if it has not ended by the deadline.
    pub async fn wait_for_exit(&mut self, deadline: Duration) -> ExitStatus {
        let ended = self.child.wait_within(deadline).await;
        ended.unwrap_or_else(|| panic!("{} (pid {}) has not ended within {deadline:?}", self.spec.name, self.pid()))
    }

    /// Returns whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.exit_status().is_none()
    }

    /// Starts it again after its end: same ports, same configuration, same log.
    ///
    /// # Panics
    /// Panics if it still runs, or is not ready within 45 s.
    pub async fn restart(&mut self) {
        self.restart_with(|spec| spec).await;
    }

    /// Starts it again with a changed configuration, for example without its fail points.
    ///
    /// # Panics
    /// Panics under the conditions of [`Service::restart`].
    pub async fn restart_with(&mut self, change: impl FnOnce(ServiceSpec) -> ServiceSpec) {
        self.relaunch_with(change);
        self.wait_until_ready().await;
    }

    /// Starts it again after its end, with a changed configuration, and waits for nothing.
    ///
    /// # Panics
    /// Panics if it still runs.
    pub fn relaunch_with(&mut self, change: impl FnOnce(ServiceSpec) -> ServiceSpec) {
        assert!(!self.is_running(), "{} still runs", self.spec.name);
        self.spec = change(self.spec.clone());
        self.child = self.spec.child();
    }

    async fn wait_until_ok(&mut self, path: &str, what: &str) {
        let ops = self.ops_port();
        let waited = try_wait_for(START_DEADLINE, &format!("{} to be {what}", self.spec.name), async || {
            self.child.ensure_running()?;
            Ok(http::get(ops, path, PROBE_DEADLINE).await.is_ok_and(|answer| answer.status == 200).then_some(()))
        })
        .await;
        if let Err(error) = waited {
            panic!("{error:#}");
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = tail(&self.spec.log, LOG_LINES_SHOWN);
            // One write, so that the logs of two services do not mix.
            let text = format!("---- the end of {} ----\n{log}\n----\n", self.spec.log.display());
            let _ = std::io::stderr().write_all(text.as_bytes());
        }
    }
}

/// Returns the binary of this name: the one that `scripts/test` keeps for the run, or the one in the target
/// directory that this test was built into.
///
/// # Panics
/// Panics if it is not built.
pub(crate) fn binary(name: &str) -> PathBuf {
    let kept = env::var_os("TEST_BINARIES").map(|directory| Path::new(&directory).join(name));
    if let Some(kept) = kept.filter(|kept| kept.is_file()) {
        return kept;
    }
    let own = env::current_exe().expect("the test's own path is known");
    // target/debug/deps/<test>
    let path = own.ancestors().nth(2).expect("a test is two directories deep").join(name);
    assert!(path.is_file(), "{} is not built; run scripts/test", path.display());
    path
}

fn has_fail_points(name: &'static str) -> bool {
    static USER: OnceLock<bool> = OnceLock::new();
    static EMAIL: OnceLock<bool> = OnceLock::new();
    let has_them = if name == "user-service" { &USER } else { &EMAIL };
    *has_them.get_or_init(|| {
        let version = Command::new(binary(name)).arg("--version").stdin(Stdio::null()).output();
        version.is_ok_and(|version| String::from_utf8_lossy(&version.stdout).trim().ends_with("+fail-points"))
    })
}

fn free_port() -> Arc<Port> {
    Arc::new(Port::free().unwrap_or_else(|error| panic!("{error:#}")))
}
