//! Runs a service as a real process: its configuration, its start, its signals, and its log if a test fails.

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

use crate::{api::Api, shifted_clock};

const START_DEADLINE: Duration = Duration::from_secs(45);
const END_DEADLINE: Duration = Duration::from_secs(40);
const PROBE_DEADLINE: Duration = Duration::from_secs(5);
const LOG_LINES_SHOWN: usize = 150;

/// A service to start, with its configuration.
#[derive(Debug, Clone)]
pub struct ServiceSpec {
    name: &'static str,
    prefix: &'static str,
    log: PathBuf,
    variables: BTreeMap<String, String>,
    binaries: Option<PathBuf>,
    ops: Arc<Port>,
    http: Option<Arc<Port>>,
}

impl ServiceSpec {
    pub(crate) fn new(name: &'static str, prefix: &'static str, logs: &Path) -> Self {
        let ops = free_port();
        // The port distinguishes the logs of several replicas in one world.
        let log = logs.join(format!("{name}-{}.log", ops.number()));
        let spec = Self { name, prefix, log, variables: BTreeMap::new(), binaries: None, ops, http: None };
        let port = spec.ops.number().to_string();
        spec.set("OPS__PORT", port)
    }

    pub(crate) fn with_http(mut self) -> Self {
        let port = free_port();
        let number = port.number().to_string();
        self.http = Some(port);
        self.set("HTTP__PORT", number)
    }

    /// Sets a configuration key, such as `RELAY__SWEEP_INTERVAL`, without the prefix of the service.
    #[must_use]
    pub fn set(self, key: &str, value: impl Into<String>) -> Self {
        let name = format!("{}__{key}", self.prefix);
        self.variable(name, value)
    }

    /// Sets several configuration keys.
    #[must_use]
    pub fn set_all(self, settings: &[(&str, &str)]) -> Self {
        settings.iter().fold(self, |spec, (key, value)| spec.set(key, *value))
    }

    /// Sets an environment variable without adding a prefix.
    #[must_use]
    pub fn variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    /// Activates fail points: `name=return` kills the process with SIGKILL at that place.
    ///
    /// # Panics
    /// Panics if the binary was built without fail points.
    #[must_use]
    pub fn fail_points(self, points: &str) -> Self {
        assert!(has_fail_points(self.name), "{} was built without fail points; run scripts/test", self.name);
        self.variable("FAILPOINTS", points)
    }

    /// Shifts the clock of the service by this many seconds: what it reads as the time of day, not how fast time passes.
    ///
    /// # Errors
    /// Returns the reason why this machine cannot shift it: it has no C compiler, or another libc than glibc.
    pub fn shift_clock(self, seconds: i64) -> Result<Self, String> {
        let directory = self.log.parent().unwrap_or(Path::new("."));
        let variables = shifted_clock::variables(seconds, directory)?;
        Ok(variables.into_iter().fold(self, |spec, (name, value)| spec.variable(name, value)))
    }

    /// Deactivates the fail points.
    #[must_use]
    pub fn without_fail_points(mut self) -> Self {
        self.variables.remove("FAILPOINTS");
        self
    }

    /// Runs the binary in this directory, for example that of an earlier release; without a directory, the one that was
    /// built with the tests.
    #[must_use]
    pub fn with_binaries(self, directory: Option<&Path>) -> Self {
        Self { binaries: directory.map(Path::to_owned), ..self }
    }

    /// Returns the URL that the public API will have, or an empty text for a service without one.
    #[must_use]
    pub fn base_url(&self) -> String {
        self.http.as_ref().map(|port| format!("http://127.0.0.1:{}", port.number())).unwrap_or_default()
    }

    /// Returns the spec of another replica: the same configuration on its own ports.
    #[must_use]
    pub fn replica(&self) -> Self {
        let logs = self.log.parent().map(Path::to_owned).unwrap_or_default();
        let mut replica = Self::new(self.name, self.prefix, &logs).with_binaries(self.binaries.as_deref());
        if self.http.is_some() {
            replica = replica.with_http();
        }
        for (name, value) in &self.variables {
            replica.variables.entry(name.clone()).or_insert_with(|| value.clone());
        }
        replica
    }

    /// Starts the service and waits until `/readyz` responds with 200 (`ready` or `degraded`).
    ///
    /// # Panics
    /// Panics with the end of the log if the service ends or is not ready within 45 s.
    pub async fn start(self) -> Service {
        let mut service = self.start_until_live().await;
        service.wait_until_ready().await;
        service
    }

    /// Starts the service and waits until `/livez` responds with 200, for a start while a dependency is down.
    ///
    /// # Panics
    /// Panics with the end of the log if the service ends or does not respond within 45 s.
    pub async fn start_until_live(self) -> Service {
        let mut service = self.launch();
        service.wait_until_ok("/livez", "alive").await;
        service
    }

    /// Starts the service and does not wait, for a start that is expected to fail.
    ///
    /// # Panics
    /// Panics if the process cannot be started.
    #[must_use]
    pub fn launch(self) -> Service {
        let child = self.child(&[]);
        Service { spec: self, child }
    }

    /// Starts a command of the same binary with the same configuration and does not wait. [`Service::log`] is its
    /// output.
    ///
    /// # Panics
    /// Panics if the process cannot be started.
    #[must_use]
    pub fn launch_command(&self, arguments: &[&str]) -> Service {
        let log = self.log.with_extension(format!("{}.log", arguments.join("-")));
        let spec = Self { log, ..self.clone() };
        let child = spec.child(arguments);
        Service { spec, child }
    }

    /// Runs a command of the same binary with the same configuration, such as `mail list --json`.
    ///
    /// # Panics
    /// Panics if the command cannot be run.
    pub async fn command(&self, arguments: &[&str]) -> CommandOutput {
        self.command_with_input(arguments, Vec::new()).await
    }

    /// Runs a command as [`ServiceSpec::command`] does, with this standard input.
    ///
    /// # Panics
    /// Panics if the command cannot be run.
    pub async fn command_with_input(&self, arguments: &[&str], input: Vec<u8>) -> CommandOutput {
        let mut command = Command::new(self.binary());
        command.args(arguments).envs(&self.variables);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let run = move || {
            let mut child = command.spawn()?;
            let mut stdin = child.stdin.take().expect("standard input is a pipe");
            // A command may end without reading all of its input, which closes the pipe.
            let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
            let output = child.wait_with_output();
            writer.join().expect("writing does not panic");
            output
        };
        let output = tokio::task::spawn_blocking(run).await.expect("a command does not panic");
        output.expect("the service's binary runs")
    }

    fn binary(&self) -> PathBuf {
        match &self.binaries {
            Some(directory) => directory.join(self.name),
            None => binary(self.name),
        }
    }

    fn child(&self, arguments: &[&str]) -> Child {
        let mut spec = ChildSpec::new(self.name, self.binary(), Output::File(self.log.clone())).args(arguments);
        for (name, value) in &self.variables {
            spec = spec.env(name, value);
        }
        spec.start().unwrap_or_else(|error| panic!("{error:#}"))
    }
}

/// A running service. If a panicking test drops it, it prints the end of its log.
#[derive(Debug)]
pub struct Service {
    spec: ServiceSpec,
    child: Child,
}

impl Service {
    /// Returns the spec that the service was started with.
    #[must_use]
    pub fn spec(&self) -> &ServiceSpec {
        &self.spec
    }

    /// Returns the process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Returns the URL of the public API.
    #[must_use]
    pub fn base_url(&self) -> String {
        self.spec.base_url()
    }

    /// Returns the port of `/livez`, `/readyz` and `/metrics`.
    #[must_use]
    pub fn ops_port(&self) -> u16 {
        self.spec.ops.number()
    }

    /// Returns the port of the public API.
    ///
    /// # Panics
    /// Panics if the service has no public API.
    #[must_use]
    pub fn http_port(&self) -> u16 {
        self.spec.http.as_ref().expect("the service has a public API").number()
    }

    /// Returns a client of the public API.
    #[must_use]
    pub fn api(&self) -> Api {
        Api::new(self.base_url())
    }

    /// Returns the log so far, of all starts.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.spec.log).unwrap_or_default()
    }

    /// Waits until `/readyz` responds with 200.
    ///
    /// # Panics
    /// Panics if the service ends or is not ready within 45 s.
    pub async fn wait_until_ready(&mut self) {
        self.wait_until_ok("/readyz", "ready").await;
    }

    /// Like [`Service::wait_until_ready`], but returns an error.
    ///
    /// # Errors
    /// Returns an error if the process ends, or is not ready in time.
    pub async fn try_wait_until_ready(&mut self) -> anyhow::Result<()> {
        self.try_wait_until_ok("/readyz", "ready").await
    }

    /// Returns the current status and body of `/readyz`, or `None` if there is no response.
    pub async fn readiness(&self) -> Option<(u16, Value)> {
        let response = http::get(self.ops_port(), "/readyz", PROBE_DEADLINE).await.ok()?;
        Some((response.status, serde_json::from_str(&response.body).ok()?))
    }

    /// Returns the result of one check of `/readyz`, such as `kafka`, or an empty text if there is none.
    pub async fn check(&self, name: &str) -> String {
        let readiness = self.readiness().await;
        readiness.and_then(|(_, body)| Some(body["checks"][name].as_str()?.to_owned())).unwrap_or_default()
    }

    /// Returns the sum of a metric over all label sets that contain `labels` (`template="welcome"`), or 0.
    pub async fn metric(&self, name: &str, labels: &str) -> f64 {
        let Ok(response) = http::get(self.ops_port(), "/metrics", PROBE_DEADLINE).await else { return 0.0 };
        let value = |line: &str| -> Option<f64> {
            let rest = line.strip_prefix(name)?;
            let (set, value) = rest.rsplit_once(' ')?;
            ((set.is_empty() || set.starts_with('{')) && set.contains(labels)).then(|| value.parse().ok())?
        };
        response.body.lines().filter_map(value).sum()
    }

    /// Sends SIGKILL and waits until the process has ended.
    pub async fn kill(&mut self) {
        self.child.kill().await;
    }

    /// Sends SIGTERM, waits until the process has ended, and returns its exit status.
    ///
    /// # Panics
    /// Panics if the process has not ended within 40 s.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.child.signal(Signal::TERM);
        self.wait_for_exit(END_DEADLINE).await
    }

    /// Sends a signal.
    pub fn signal(&mut self, signal: Signal) {
        self.child.signal(signal);
    }

    /// Sends SIGSTOP: the service keeps its connections and leases and does nothing.
    pub fn pause(&mut self) {
        self.child.pause();
    }

    /// Sends SIGCONT.
    pub fn resume(&mut self) {
        self.child.resume();
    }

    /// Waits until the process ends by itself, for example at a fail point.
    ///
    /// # Panics
    /// Panics if the process has not ended by the deadline.
    pub async fn wait_for_exit(&mut self, deadline: Duration) -> ExitStatus {
        let ended = self.child.wait_within(deadline).await;
        ended.unwrap_or_else(|| panic!("{} (pid {}) has not ended within {deadline:?}", self.spec.name, self.pid()))
    }

    /// Returns whether the process still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.exit_status().is_none()
    }

    /// Starts the service again after its end with the same ports, configuration and log.
    ///
    /// # Panics
    /// Panics if the service still runs, or is not ready within 45 s.
    pub async fn restart(&mut self) {
        self.restart_with(|spec| spec).await;
    }

    /// Starts the service again with a changed configuration, for example without fail points.
    ///
    /// # Panics
    /// Panics under the conditions of [`Service::restart`].
    pub async fn restart_with(&mut self, change: impl FnOnce(ServiceSpec) -> ServiceSpec) {
        self.relaunch_with(change);
        self.wait_until_ready().await;
    }

    /// Starts the service again after its end with a changed configuration, and does not wait.
    ///
    /// # Panics
    /// Panics if the service still runs.
    pub fn relaunch_with(&mut self, change: impl FnOnce(ServiceSpec) -> ServiceSpec) {
        assert!(!self.is_running(), "{} still runs", self.spec.name);
        self.spec = change(self.spec.clone());
        self.child = self.spec.child(&[]);
    }

    async fn wait_until_ok(&mut self, path: &str, what: &str) {
        if let Err(error) = self.try_wait_until_ok(path, what).await {
            panic!("{error:#}");
        }
    }

    async fn try_wait_until_ok(&mut self, path: &str, what: &str) -> anyhow::Result<()> {
        let ops = self.ops_port();
        try_wait_for(START_DEADLINE, &format!("{} to be {what}", self.spec.name), async || {
            self.child.ensure_running()?;
            Ok(http::get(ops, path, PROBE_DEADLINE).await.is_ok_and(|response| response.status == 200).then_some(()))
        })
        .await
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = tail(&self.spec.log, LOG_LINES_SHOWN);
            // The text is written at once, so that the logs of two services do not mix.
            let text = format!("---- the end of {} ----\n{log}\n----\n", self.spec.log.display());
            let _ = std::io::stderr().write_all(text.as_bytes());
        }
    }
}

/// Returns the binary of this name: the one that `scripts/test` keeps for the run, or the one in the target
/// directory that this test was built into.
///
/// # Panics
/// Panics if the binary is not built.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let kept = env::var_os("TEST_BINARIES").map(|directory| Path::new(&directory).join(name));
    if let Some(kept) = kept.filter(|kept| kept.is_file()) {
        return kept;
    }
    let test_program = env::current_exe().expect("the path of the test program is known");
    // The test program is target/debug/deps/<test>.
    let path = test_program.ancestors().nth(2).expect("a test is two directories deep").join(name);
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
