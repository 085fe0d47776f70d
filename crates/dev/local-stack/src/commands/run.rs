//! `local-stack run`: runs a command with its own dependencies and leaves no process behind.

use std::{
    fs,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{ExitCode, ExitStatus},
    time::Duration,
};

use anyhow::{Context as _, Result};
use clap::Args;
use local_stack::{
    dependencies::{AlreadyRunning, Dependencies, DependenciesSpec, DependencyPorts, RunningDependencies},
    network::ports::Port,
    process::{
        child::{Child, ChildSpec, Output},
        process_tree,
    },
};
use rustix::process::Signal;

use super::{
    stop_signals::{StopSignal, StopSignals},
    workspace::Workspace,
};

/// How long the command may take to end after Ctrl-C.
const GRACE: Duration = Duration::from_secs(10);
const KILL_DEADLINE: Duration = Duration::from_secs(10);
/// How many directories of failed runs are kept with their logs.
const KEPT_RUNS: usize = 5;

#[derive(Args)]
pub(crate) struct RunArgs {
    /// Keep the current version of this binary for the run, because a build may replace it meanwhile. It was built
    /// into the same directory as local-stack. The command finds it in the directory TEST_BINARIES.
    #[arg(long = "binary", value_name = "NAME")]
    pub(crate) binaries: Vec<String>,
    /// Use the embedded broker even if Apache Kafka is available.
    #[arg(long)]
    pub(crate) embedded: bool,
    /// The command and its arguments.
    #[arg(last = true, required = true)]
    pub(crate) command: Vec<String>,
}

/// Starts the dependencies and the command, waits for the command, and stops everything.
pub(crate) async fn run(arguments: &RunArgs) -> Result<ExitCode> {
    let mut signals = StopSignals::install()?;
    process_tree::adopt_orphans();
    let workspace = Workspace::find()?;
    let directory = RunDirectory::create(&workspace)?;
    directory.link_binaries(&workspace, &arguments.binaries)?;
    let outcome = tokio::select! {
        stop_signal = signals.next() => Ok(RunOutcome::Stopped(stop_signal)),
        started = start(arguments, &directory) => match started {
            Err(error) => Err(error),
            Ok((dependencies, _ports, mut child)) => {
                let outcome = wait_or_forward_signal(&mut child, &mut signals).await;
                child.kill().await;
                dependencies.kill().await;
                Ok(outcome)
            }
        },
    };
    let clean = process_tree::kill_descendants(KILL_DEADLINE);
    if !clean {
        eprintln!("local-stack: some processes could not be stopped");
    }
    directory.clean_up(matches!(&outcome, Ok(RunOutcome::Ended(status)) if status.success()));
    Ok(ExitCode::from(outcome?.exit_code()))
}

enum RunOutcome {
    Ended(ExitStatus),
    Stopped(StopSignal),
}

impl RunOutcome {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Stopped(stop_signal) => stop_signal.exit_code(),
            Self::Ended(status) => {
                let by_signal = status.signal().map(|signal| 128 + signal);
                status.code().or(by_signal).and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
            }
        }
    }
}

async fn start(arguments: &RunArgs, directory: &RunDirectory) -> Result<(RunningDependencies, Vec<Port>, Child)> {
    let reserved: Vec<Port> = (0..5).map(|_| Port::free()).collect::<Result<_>>()?;
    let port = |n: usize| reserved.get(n).map_or(0, Port::number);
    let spec = DependenciesSpec {
        programs: Dependencies::locate(arguments.embedded)?,
        ports: DependencyPorts {
            mongodb: port(0),
            kafka: port(1),
            kafka_control: port(2),
            smtp: port(3),
            mail: port(4),
        },
        data: directory.path().join("data"),
        logs: directory.path().join("logs"),
        already_running: AlreadyRunning::default(),
    };
    let mut dependencies = RunningDependencies::start(&spec).await?;
    for (name, description) in dependencies.descriptions() {
        eprintln!("local-stack: {name:<8} {description}");
    }
    let (program, rest) = arguments.command.split_first().context("a command is needed")?;
    let mut command = ChildSpec::new(program, program, Output::Inherit).args(rest);
    for (name, value) in environment(&dependencies, directory.path()) {
        command = command.env(name, value);
    }
    // Benchmarks attribute processor time to processes.
    let pids: Vec<String> = dependencies.pids().into_iter().map(|(name, pid)| format!("{name}={pid}")).collect();
    command = command.env("TEST_PIDS", pids.join(","));
    if !arguments.binaries.is_empty() {
        command = command.env("TEST_BINARIES", directory.binaries());
    }
    let child = command.start()?;
    Ok((dependencies, reserved, child))
}

fn environment(dependencies: &RunningDependencies, directory: &Path) -> Vec<(&'static str, String)> {
    let control = dependencies.broker_control();
    let kind = if control.is_some() { "embedded" } else { "real" };
    let mut variables = vec![
        ("TEST_MONGODB_URI", dependencies.mongodb_uri()),
        ("TEST_KAFKA_BROKERS", dependencies.brokers()),
        ("TEST_KAFKA_KIND", kind.to_owned()),
        ("TEST_SMTP_ADDRESS", dependencies.smtp_address()),
        ("TEST_MAIL_API", dependencies.mail_url()),
        ("TEST_STACK_DIR", directory.display().to_string()),
    ];
    variables.extend(control.map(|url| ("TEST_KAFKA_CONTROL", url)));
    variables
}

/// Waits for the command. The first signal is forwarded to its process group; after a second signal, or after
/// [`GRACE`], the caller kills it.
async fn wait_or_forward_signal(child: &mut Child, signals: &mut StopSignals) -> RunOutcome {
    let stop_signal = tokio::select! {
        status = child.wait() => return RunOutcome::Ended(status),
        stop_signal = signals.next() => stop_signal,
    };
    child.signal_group(match stop_signal {
        StopSignal::Interrupt => Signal::INT,
        StopSignal::Terminate => Signal::TERM,
    });
    tokio::select! {
        _ = child.wait_within(GRACE) => {}
        _ = signals.next() => {}
    }
    RunOutcome::Stopped(stop_signal)
}

/// The directory `.local/runs/<pid>`: removed after a success; its logs are kept after a failure.
struct RunDirectory {
    path: PathBuf,
}

impl RunDirectory {
    fn create(workspace: &Workspace) -> Result<Self> {
        let runs = workspace.local().join("runs");
        let path = runs.join(std::process::id().to_string());
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join("logs")).with_context(|| format!("cannot make {}", path.display()))?;
        remove_old_runs(&runs);
        Ok(Self { path })
    }

    fn path(&self) -> &Path {
        &self.path
    }

    fn binaries(&self) -> PathBuf {
        self.path.join("bin")
    }

    /// Makes hard links to the binaries. A later build writes new files and does not change the linked ones.
    fn link_binaries(&self, workspace: &Workspace, names: &[String]) -> Result<()> {
        fs::create_dir_all(self.binaries())?;
        for name in names {
            let (from, to) = (workspace.binary(name)?, self.binaries().join(name));
            fs::hard_link(&from, &to)
                .or_else(|_other_file_system| fs::copy(&from, &to).map(drop))
                .with_context(|| format!("cannot keep {}", from.display()))?;
        }
        Ok(())
    }

    fn clean_up(&self, success: bool) {
        if success {
            let _ = fs::remove_dir_all(&self.path);
        } else {
            let _ = fs::remove_dir_all(self.path.join("data"));
            let _ = fs::remove_dir_all(self.binaries());
            eprintln!("local-stack: logs of this run are kept in {}", self.path.join("logs").display());
        }
    }
}

/// Removes the directories of ended runs, except for the newest [`KEPT_RUNS`].
fn remove_old_runs(runs: &Path) {
    let Ok(entries) = fs::read_dir(runs) else { return };
    let mut ended: Vec<_> = entries
        .flatten()
        .filter(|entry| !Path::new("/proc").join(entry.file_name()).exists())
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    ended.sort();
    for (_, path) in ended.iter().rev().skip(KEPT_RUNS) {
        let _ = fs::remove_dir_all(path);
    }
}
