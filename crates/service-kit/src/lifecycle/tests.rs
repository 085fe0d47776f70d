//! Tests of the lifecycle. Tests that end a process run in a child process: the same test
//! binary, in a role that an environment variable names.

#![expect(clippy::disallowed_methods, reason = "a test waits for its own tasks")]

use std::{
    env,
    io::{BufRead as _, BufReader},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
};

use rustix::process::{Pid, Signal, kill_process};

use super::*;
use crate::panics::{PANIC_EXIT_CODE, catch, catch_future, install_panic_hook};

const ROLE: &str = "SERVICE_KIT_TEST_ROLE";
const TEST_TIMEOUT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_stage_is_stopped_when_the_tasks_of_the_stage_before_have_returned() {
    let lifecycle = Lifecycle::new();
    let (ended, order) = (Arc::new(Mutex::new(Vec::new())), Stage::ALL);
    // Each task ends later than its stop signal, and the last stage is started first.
    for stage in order.into_iter().rev() {
        let ended = Arc::clone(&ended);
        lifecycle.spawn(stage, "worker", |stop| async move {
            stop.cancelled().await;
            tokio::time::sleep(Duration::from_millis(20)).await;
            lock(&ended).push(stage);
        });
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(lock(&ended).is_empty(), "a task was stopped before the process");
    assert!(lifecycle.finish(TEST_TIMEOUT).await);
    assert_eq!(*lock(&ended), order);
}

#[tokio::test]
async fn a_task_that_a_stopped_task_starts_belongs_to_its_stage() {
    let lifecycle = Lifecycle::new();
    let ended = Arc::new(Mutex::new(Vec::new()));
    let (starter, late, last) = (lifecycle.clone(), Arc::clone(&ended), Arc::clone(&ended));
    lifecycle.spawn(Stage::Intake, "dispatcher", |stop| async move {
        stop.cancelled().await;
        starter.spawn(Stage::Intake, "send", |_| async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            lock(&late).push("send");
        });
    });
    lifecycle.spawn(Stage::Support, "watch", |stop| async move {
        stop.cancelled().await;
        lock(&last).push("watch");
    });
    assert!(lifecycle.finish(TEST_TIMEOUT).await);
    assert_eq!(*lock(&ended), ["send", "watch"]);
}

#[tokio::test]
async fn finish_returns_after_the_grace_period_and_names_the_remaining_tasks() {
    let lifecycle = Lifecycle::new();
    lifecycle.spawn(Stage::Intake, "stubborn", |_| std::future::pending());
    lifecycle.spawn(Stage::Intake, "quick", |_| async {});
    tokio::task::yield_now().await;
    assert!(!lifecycle.finish(Duration::from_millis(50)).await);
    assert_eq!(lifecycle.0.names(), ["stubborn"]);
}

#[tokio::test]
async fn a_failure_stops_the_process_in_order_and_is_returned() {
    let (lifecycle, health) = (Lifecycle::new(), Health::new());
    let finished = Arc::new(Mutex::new(false));
    let (failing, set) = (lifecycle.clone(), Arc::clone(&finished));
    lifecycle.spawn(Stage::Intake, "server", |_| async move {
        failing.fail(anyhow::anyhow!("the server has failed"));
        failing.fail(anyhow::anyhow!("a consequence"));
    });
    lifecycle.spawn(Stage::Queues, "queue", |stop| async move {
        stop.cancelled().await;
        *lock(&set) = true;
    });
    let error = lifecycle.run(&health, TEST_TIMEOUT).await.unwrap_err();
    assert_eq!(error.to_string(), "the server has failed");
    assert!(*lock(&finished));
    assert_eq!(health.report().status, crate::ops::Status::Unavailable);
}

#[tokio::test]
async fn finish_without_tasks_returns_at_once() {
    assert!(Lifecycle::new().finish(Duration::ZERO).await);
}

#[test]
fn the_first_signal_stops_gracefully() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut child = ChildProcess::start("graceful");
        child.wait_for("ready");
        child.send(signal);
        assert_eq!(child.end().code(), Some(0), "{signal:?}");
    }
}

#[test]
fn a_second_signal_ends_the_process_at_once() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let mut child = ChildProcess::start("stubborn");
        child.wait_for("ready");
        child.send(signal);
        child.wait_for("stopping");
        child.send(signal);
        assert_eq!(child.end().code(), Some(code));
    }
}

#[test]
fn a_panic_anywhere_ends_the_process() {
    for role in ["panic-in-task", "panic-in-thread", "panic-in-handler"] {
        let mut child = ChildProcess::start(role);
        assert_eq!(child.end().code(), Some(PANIC_EXIT_CODE), "{role}");
    }
}

/// The panic message in these tests, which must not be logged.
const PANIC_MESSAGE: &str = "correct-horse-battery-staple";

#[test]
fn a_panic_within_a_boundary_is_logged_without_its_message_and_the_process_continues() {
    for role in ["caught", "caught-without-a-log"] {
        let mut child = ChildProcess::start_with(role, &[]);
        let log = child.log();
        assert_eq!(child.end().code(), Some(0), "{role}: {log}");
        // One panic in a thread, one in a task after an await, one in a task that another task joins.
        assert!(log.matches("lifecycle/tests.rs").count() >= 3, "{role}: {log}");
        assert!(log.contains("lifecycle::tests::panic_with_a_secret"), "{role}: the log names no function: {log}");
        assert!(!log.contains(PANIC_MESSAGE), "{role}: {log}");
    }
}

#[test]
fn a_panic_that_ends_the_process_is_logged_without_its_message() {
    for role in ["unguarded", "unguarded-without-a-log"] {
        let mut child = ChildProcess::start_with(role, &[]);
        let log = child.log();
        assert_eq!(child.end().code(), Some(PANIC_EXIT_CODE), "{role}: {log}");
        assert!(log.contains("lifecycle/tests.rs") && log.contains("the process ends"), "{role}: {log}");
        assert!(log.contains("lifecycle::tests::panic_with_a_secret"), "{role}: the log names no function: {log}");
        assert!(!log.contains(PANIC_MESSAGE), "{role}: {log}");
    }
}

#[cfg(debug_assertions)]
#[test]
fn a_fail_point_kills_the_process() {
    use std::os::unix::process::ExitStatusExt as _;
    let mut child = ChildProcess::start_with("fail-point", &[("FAILPOINTS", "there=1*off->return")]);
    child.wait_for("passed once");
    assert_eq!(child.end().signal(), Some(Signal::KILL.as_raw()));
}

#[cfg(debug_assertions)]
#[test]
fn fail_points_that_cannot_be_understood_are_refused() {
    let mut child = ChildProcess::start_with("fail-point", &[("FAILPOINTS", "there=explode")]);
    assert_eq!(child.end().code(), Some(9));
}

/// This test binary, started in a role.
struct ChildProcess {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl ChildProcess {
    fn start(role: &str) -> Self {
        Self::start_with(role, &[])
    }

    fn start_with(role: &str, variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["lifecycle::tests::child", "--exact", "--ignored", "--nocapture"])
            .env(ROLE, role)
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output }
    }

    fn wait_for(&mut self, word: &str) {
        let mut line = String::new();
        while self.output.read_line(&mut line).unwrap() > 0 {
            if line.contains(word) {
                return;
            }
            line.clear();
        }
        panic!("the child process ended before it printed {word}");
    }

    fn send(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn end(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Returns what the process writes to standard error until it ends.
    fn log(&mut self) -> String {
        std::io::read_to_string(self.child.stderr.take().unwrap()).unwrap()
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
#[ignore = "started by other tests as their child process"]
fn child() {
    let Ok(role) = env::var(ROLE) else { return };
    install_panic_hook();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    // The child process ends even if the code under test does not end it.
    let code = match role.as_str() {
        "graceful" => runtime.block_on(serve(false)),
        "stubborn" => runtime.block_on(serve(true)),
        "panic-in-task" => {
            runtime.spawn(async { panic!("in a task") });
            wait()
        }
        "panic-in-thread" => {
            thread::spawn(|| panic!("in a thread"));
            wait()
        }
        "panic-in-handler" => runtime.block_on(panic_in_handler()),
        "caught" => with_log(|| runtime.block_on(panic_within_boundaries())),
        "caught-without-a-log" => runtime.block_on(panic_within_boundaries()),
        "unguarded" => with_log(panic_with_a_secret),
        "unguarded-without-a-log" => panic_with_a_secret(),
        "fail-point" => pass_fail_point(),
        other => panic!("unknown role {other}"),
    };
    process::exit(code);
}

fn wait() -> i32 {
    thread::sleep(TEST_TIMEOUT);
    1
}

fn with_log(role: impl FnOnce() -> i32) -> i32 {
    let log = crate::LogConfig { level: "info".to_owned(), format: crate::config::LogFormat::Json };
    crate::telemetry::init(&log).unwrap();
    role()
}

#[inline(never)]
fn panic_with_a_secret() -> i32 {
    let quoted = PANIC_MESSAGE.to_owned();
    panic!("{quoted}")
}

async fn panic_within_boundaries() -> i32 {
    assert!(catch("thread", panic_with_a_secret).is_err());
    let waits = async {
        tokio::task::yield_now().await;
        panic_with_a_secret()
    };
    assert!(catch_future("task", waits).await.is_err());
    let joined = tokio::spawn(catch_future("joined", async { panic_with_a_secret() }));
    assert!(joined.await.is_ok_and(|caught| caught.is_err()));
    println!("still here");
    0
}

async fn serve(stubborn: bool) -> i32 {
    let lifecycle = Lifecycle::new();
    lifecycle.watch_signals().unwrap();
    lifecycle.spawn(Stage::Intake, "worker", |stop| async move {
        stop.cancelled().await;
        println!("stopping");
        if stubborn {
            std::future::pending::<()>().await;
        }
    });
    println!("ready");
    if tokio::time::timeout(TEST_TIMEOUT, lifecycle.stopping().cancelled()).await.is_err() {
        return 1;
    }
    i32::from(!lifecycle.finish(TEST_TIMEOUT).await)
}

async fn panic_in_handler() -> i32 {
    use actix_web::{App, HttpServer, web};
    async fn handler() -> &'static str {
        panic!("in a handler")
    }
    let app = || App::new().route("/", web::get().to(handler));
    let server = HttpServer::new(app).workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
    let address = server.addrs()[0];
    tokio::spawn(server.run());
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut stream, request).await.unwrap();
    tokio::time::sleep(TEST_TIMEOUT).await;
    1
}

fn pass_fail_point() -> i32 {
    if crate::fail_points::setup().is_err() {
        return 9;
    }
    crate::fail_point!("there");
    println!("passed once");
    crate::fail_point!("there");
    0
}
