//! Tests of the commands `local-stack run`, `up` and `down`: their output, their exit status, and that they leave no
//! process behind.

use std::{
    fs,
    net::TcpListener,
    os::unix::process::ExitStatusExt as _,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use local_stack::{
    network::ports::{self, Port},
    process::stat::ProcessStat,
};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const DEADLINE: Duration = Duration::from_secs(60);
/// The default ports of `up --infra`.
const PORTS: [u16; 5] = [27017, 9092, 9093, 1025, 8025];

/// A directory that stands for a separate clone, so that the tests do not affect a stack that runs in this one.
struct TestClone {
    root: TempDir,
}

impl TestClone {
    /// Creates the directory with empty key files, because `keygen` would require built services.
    fn new() -> Self {
        let root = tempfile::tempdir().expect("a temporary directory");
        let keys = root.path().join(".local/keys");
        fs::create_dir_all(&keys).expect("a temporary directory");
        for name in ["encryption.key", "sealing.public", "sealing.private"] {
            fs::write(keys.join(name), "").expect("a new file");
        }
        Self { root }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_local-stack"));
        command.args(arguments).env("LOCAL_STACK_ROOT", self.root.path()).stdin(Stdio::null());
        command
    }

    fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the binary runs")
    }

    /// Starts the program without waiting for it. Its output goes to the files `out` and `err` in the directory.
    fn spawn(&self, arguments: &[&str]) -> Child {
        let file = |name: &str| fs::File::create(self.path(name)).expect("a temporary file");
        self.command(arguments).stdout(file("out")).stderr(file("err")).spawn().expect("the binary runs")
    }

    /// Starts `up` in the foreground. Returns it with the ids of its processes, once they are ready.
    fn start_in_foreground(&self, offset: &PortOffset) -> (Child, Vec<u32>) {
        let up = self.spawn(&["up", "--infra", "--embedded", "--port-offset", &offset.text()]);
        (up, self.recorded_pids())
    }

    fn output_text(&self, file: &str) -> String {
        fs::read_to_string(self.path(file)).unwrap_or_default()
    }

    /// Waits until a file has at least `count` complete lines, and returns them.
    fn wait_for_lines(&self, file: &str, count: usize) -> Vec<String> {
        wait_for(&format!("{count} lines in {file}; err: {}", self.output_text("err")), || {
            let text = self.output_text(file);
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            (lines.len() >= count && text.ends_with('\n')).then_some(lines)
        })
    }

    /// Returns the process ids from the instance file of a running `up`: the supervisor, then its children.
    fn recorded_pids(&self) -> Vec<u32> {
        let instance = wait_for(&format!("an instance that is ready; out: {}", self.output_text("out")), || {
            let file = fs::read_dir(self.path(".local/run")).ok()?.flatten().next()?.path();
            let instance: serde_json::Value = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
            (instance["ready"] == true).then_some(instance)
        });
        let children = instance["children"].as_array().cloned().unwrap_or_default();
        let all = std::iter::once(instance["supervisor"].clone()).chain(children);
        all.filter_map(|process| u32::try_from(process["pid"].as_u64()?).ok()).collect()
    }
}

fn wait_for<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(Instant::now() < end, "{what}: not within {DEADLINE:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn wait_for_exit(child: &mut Child) -> ExitStatus {
    wait_for("the end of local-stack", || child.try_wait().expect("the process is a child of this test"))
}

fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id");
    kill_process(pid, signal).expect("the process runs");
}

/// Returns whether a process runs. A zombie does not run.
fn is_running(pid: u32) -> bool {
    ProcessStat::of(pid).is_some_and(|stat| !stat.is_zombie())
}

fn wait_until_all_ended(pids: &[u32]) {
    wait_for(&format!("the end of {pids:?}"), || pids.iter().all(|pid| !is_running(*pid)).then_some(()));
}

/// An offset at which all ports of `up` are free, reserved for as long as this value lives.
struct PortOffset {
    value: u16,
    _ports: Vec<Port>,
}

impl PortOffset {
    fn reserve_free() -> Self {
        let reserve = |value: u16| PORTS.iter().map(|port| Port::reserve(port + value)).collect::<Option<Vec<_>>>();
        let found = (2_000..5_000).find_map(|value| Some(Self { value, _ports: reserve(value)? }));
        found.expect("five free ports at some offset")
    }

    fn text(&self) -> String {
        self.value.to_string()
    }
}

/// A script for `run` that writes the process ids of local-stack, of itself and of a grandchild in another session,
/// the port of MongoDB and the kind of the broker to the file `$1`, and then evaluates `$2`.
const REPORT_SCRIPT: &str = r#"
    setsid sleep 300 & escaped=$!
    printf '%s\n' "$PPID" "$$" "$escaped" "${TEST_MONGODB_URI##*:}" "$TEST_KAFKA_KIND" >"$1.draft"
    mv "$1.draft" "$1"
    eval "$2"
"#;

fn reported_pids(lines: &[String]) -> Vec<u32> {
    lines[..3].iter().map(|line| line.parse().expect("a process id")).collect()
}

#[test]
fn run_starts_dependencies_for_a_command_returns_its_status_and_leaves_no_process() {
    let clone = TestClone::new();
    let report = clone.path("report").display().to_string();
    let output = clone.output(&["run", "--embedded", "--", "bash", "-c", REPORT_SCRIPT, "bash", &report, "exit 7"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(7), "{stderr}");
    for expected in ["MongoDB", "embedded broker (as requested)", "Mail", "logs of this run are kept"] {
        assert!(stderr.contains(expected), "{expected} is not in: {stderr}");
    }
    let lines = clone.wait_for_lines("report", 5);
    assert_eq!(lines[4], "embedded");
    wait_until_all_ended(&reported_pids(&lines));
    assert!(ports::is_free(lines[3].parse().expect("a port")));
}

#[test]
fn run_removes_its_directory_after_a_success() {
    let clone = TestClone::new();
    let output = clone.output(&["run", "--embedded", "--", "bash", "-c", "test -d \"$TEST_STACK_DIR\""]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(fs::read_dir(clone.path(".local/runs")).expect("the directory was created").count(), 0);
}

#[test]
fn ctrl_c_ends_a_run_and_all_its_descendants() {
    let clone = TestClone::new();
    let report = clone.path("report").display().to_string();
    // The command handles the first Ctrl-C and continues; the second one kills it before the grace period ends.
    let ignores_sigint = r#"trap ': >"$1.heard"' INT; : >"$1.deaf"; while :; do sleep 0.1; done"#;
    let mut run =
        clone.spawn(&["run", "--embedded", "--", "bash", "-c", REPORT_SCRIPT, "bash", &report, ignores_sigint]);
    let lines = clone.wait_for_lines("report", 5);
    // A signal before the trap is set would end the command.
    wait_for("the trap for SIGINT", || clone.path("report.deaf").exists().then_some(()));
    signal(run.id(), Signal::INT);
    wait_for("the first Ctrl-C in the command", || clone.path("report.heard").exists().then_some(()));
    signal(run.id(), Signal::INT);
    assert_eq!(wait_for_exit(&mut run).code(), Some(130));
    wait_until_all_ended(&reported_pids(&lines));
    assert!(ports::is_free(lines[3].parse().expect("a port")));
}

#[test]
fn the_dependencies_end_even_if_local_stack_is_killed() {
    let clone = TestClone::new();
    let report = clone.path("report").display().to_string();
    let mut run = clone.spawn(&["run", "--embedded", "--", "bash", "-c", REPORT_SCRIPT, "bash", &report, "sleep 300"]);
    let lines = clone.wait_for_lines("report", 5);
    signal(run.id(), Signal::KILL);
    assert_eq!(wait_for_exit(&mut run).signal(), Some(9));
    let command = reported_pids(&lines)[1];
    wait_until_all_ended(&[command]);
    let mongodb: u16 = lines[3].parse().expect("a port");
    wait_for("the end of mongod", || ports::is_free(mongodb).then_some(()));
    // The grandchild in another session is not killed, because only a running local-stack finds it.
    signal(reported_pids(&lines)[2], Signal::KILL);
}

#[test]
fn a_detached_stack_is_found_by_a_second_up_and_stopped_by_down() {
    let clone = TestClone::new();
    let offset = PortOffset::reserve_free();
    let offset_text = offset.text();
    let up = ["up", "--infra", "--embedded", "--detach", "--port-offset", &offset_text];
    let first = clone.output(&up);
    let text = String::from_utf8_lossy(&first.stdout);
    assert!(first.status.success() && text.contains("Ready."), "{text}{}", String::from_utf8_lossy(&first.stderr));
    assert!(text.contains("loses its records on restart"), "{text}");
    let pids = clone.recorded_pids();
    let second = clone.output(&up);
    assert!(String::from_utf8_lossy(&second.stdout).contains(&format!("already running (pid {})", pids[0])));
    let down = clone.output(&["down"]);
    assert!(down.status.success());
    wait_until_all_ended(&pids);
    assert!(String::from_utf8_lossy(&clone.output(&["down"]).stdout).contains("nothing of this clone runs"));
}

#[test]
fn a_missing_key_that_cannot_be_created_is_an_error_before_anything_starts() {
    let clone = TestClone::new();
    fs::remove_file(clone.path(".local/keys/encryption.key")).expect("the key file exists");
    // A directory at the path of the key prevents its creation.
    fs::create_dir(clone.path(".local/keys/encryption.key")).expect("a new name");
    let offset = PortOffset::reserve_free();
    let output = clone.output(&["up", "--infra", "--embedded", "--port-offset", &offset.text()]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("user-service"), "{text}");
    assert!(!clone.path(".local/data").exists());
}

#[test]
fn the_error_for_a_port_in_use_names_the_port_and_the_process() {
    let clone = TestClone::new();
    let offset = PortOffset::reserve_free();
    let port = 9092 + offset.value;
    let _taken = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
    let output = clone.output(&["up", "--infra", "--embedded", "--port-offset", &offset.text()]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains(&format!("port {port}, needed for Kafka, is taken by")), "{text}");
    assert!(text.contains(&format!("(pid {})", std::process::id())), "{text}");
}

#[test]
fn a_dependency_that_already_runs_is_used() {
    let (first, second) = (TestClone::new(), TestClone::new());
    let offset = PortOffset::reserve_free();
    let offset_text = offset.text();
    let up = ["up", "--infra", "--embedded", "--detach", "--port-offset", &offset_text];
    assert!(first.output(&up).status.success());
    let output = second.output(&up);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(text.matches("already running").count(), 3, "{text}");
    assert!(second.output(&["down"]).status.success());
    assert!(first.recorded_pids().iter().all(|pid| is_running(*pid)), "down stops only the processes of its own clone");
    assert!(first.output(&["down"]).status.success());
}

#[test]
fn a_dependency_that_crashes_is_named_and_stops_everything() {
    let clone = TestClone::new();
    let offset = PortOffset::reserve_free();
    let (mut up, pids) = clone.start_in_foreground(&offset);
    signal(pids[1], Signal::KILL);
    assert_eq!(wait_for_exit(&mut up).code(), Some(1));
    let text = clone.output_text("err");
    assert!(text.contains("mongod ended with signal: 9"), "{text}");
    wait_until_all_ended(&pids);
}

#[test]
fn ctrl_c_stops_a_stack_in_the_foreground_without_an_error() {
    let clone = TestClone::new();
    let offset = PortOffset::reserve_free();
    let (mut up, pids) = clone.start_in_foreground(&offset);
    signal(up.id(), Signal::INT);
    assert_eq!(wait_for_exit(&mut up).code(), Some(0));
    assert!(clone.output_text("out").contains("stopped"), "{}", clone.output_text("out"));
    wait_until_all_ended(&pids);
    assert_eq!(fs::read_dir(clone.path(".local/run")).expect("the directory was created").count(), 0);
}
