//! `local-stack run`: a command next to parts of its own, and nothing left afterwards.

use std::{
    fs,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{ExitCode, ExitStatus},
    time::Duration,
};

use anyhow::{Context as _, Result};
use local_stack::{
    child::{Child, ChildSpec, Output},
    descendants,
    infra::{Infra, Plan, Ports, Running},
    parts::Parts,
    ports::Port,
};
use rustix::process::Signal;

use crate::{
    RunArgs,
    signals::{Asked, Signals},
    workspace::Workspace,
};

/// How long the command may take to end after Ctrl-C.
const GRACE: Duration = Duration::from_secs(10);
const SWEEP_DEADLINE: Duration = Duration::from_secs(10);
/// Directories of failed runs that are kept for a look at their logs.
const KEPT_RUNS: usize = 5;

pub(crate) async fn run(arguments: &RunArgs) -> Result<ExitCode> {
    let mut signals = Signals::catch()?;
    descendants::adopt_orphans();
    let workspace = Workspace::find()?;
    let directory = RunDirectory::make(&workspace)?;
    directory.keep_binaries(&workspace, &arguments.binaries)?;
    let outcome = tokio::select! {
        asked = signals.next() => Ok(Outcome::Stopped(asked)),
        started = start(arguments, &directory) => match started {
            Err(error) => Err(error),
            Ok((infra, _ports, mut child)) => {
                let outcome = follow(&mut child, &mut signals).await;
                child.kill().await;
                infra.kill().await;
                Ok(outcome)
            }
        },
    };
    let clean = descendants::kill_all(SWEEP_DEADLINE);
    if !clean {
        eprintln!("local-stack: some processes could not be ended");
    }
    directory.finish(matches!(&outcome, Ok(Outcome::Ended(status)) if status.success()));
    Ok(ExitCode::from(outcome?.exit_code()))
}

enum Outcome {
    Ended(ExitStatus),
    Stopped(Asked),
}

impl Outcome {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Stopped(asked) => asked.exit_code(),
            Self::Ended(status) => {
                let by_signal = status.signal().map(|signal| 128 + signal);
                status.code().or(by_signal).and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
            }
        }
    }
}

async fn start(arguments: &RunArgs, directory: &RunDirectory) -> Result<(Infra, Vec<Port>, Child)> {
    let reserved: Vec<Port> = (0..5).map(|_| Port::free()).collect::<Result<_>>()?;
    let port = |n: usize| reserved.get(n).map_or(0, Port::number);
    let plan = Plan {
        parts: Parts::locate(arguments.embedded)?,
        ports: Ports { mongodb: port(0), kafka: port(1), kafka_side: port(2), smtp: port(3), mail: port(4) },
        data: directory.path().join("data"),
        logs: directory.path().join("logs"),
        running: Running::default(),
    };
    let mut infra = Infra::start(&plan).await?;
    for (part, choice) in infra.choices() {
        eprintln!("local-stack: {part:<8} {choice}");
    }
    let (program, rest) = arguments.command.split_first().context("a command is needed")?;
    let mut spec = ChildSpec::new(program, program, Output::Inherit).args(rest);
    for (name, value) in environment(&infra, directory.path()) {
        spec = spec.env(name, value);
    }
    // Who takes processor time is to be told apart.
    let pids: Vec<String> = infra.pids().into_iter().map(|(name, pid)| format!("{name}={pid}")).collect();
    spec = spec.env("TEST_PIDS", pids.join(","));
    if !arguments.binaries.is_empty() {
        spec = spec.env("TEST_BINARIES", directory.binaries());
    }
    let child = spec.start()?;
    Ok((infra, reserved, child))
}

fn environment(infra: &Infra, directory: &Path) -> Vec<(&'static str, String)> {
    let control = infra.broker_control();
    let kind = if control.is_some() { "embedded" } else { "real" };
    let mut variables = vec![
        ("TEST_MONGODB_URI", infra.mongodb_uri()),
        ("TEST_KAFKA_BROKERS", infra.brokers()),
        ("TEST_KAFKA_KIND", kind.to_owned()),
        ("TEST_SMTP_ADDRESS", infra.smtp_address()),
        ("TEST_MAIL_API", infra.mail_url()),
        ("TEST_STACK_DIR", directory.display().to_string()),
    ];
    variables.extend(control.map(|url| ("TEST_KAFKA_CONTROL", url)));
    variables
}

/// Waits for the command; a signal is passed on to its process group, a second one kills it.
async fn follow(child: &mut Child, signals: &mut Signals) -> Outcome {
    let asked = tokio::select! {
        status = child.wait() => return Outcome::Ended(status),
        asked = signals.next() => asked,
    };
    child.signal_group(match asked {
        Asked::Interrupt => Signal::INT,
        Asked::Terminate => Signal::TERM,
    });
    tokio::select! {
        _ = child.wait_within(GRACE) => {}
        _ = signals.next() => {}
    }
    Outcome::Stopped(asked)
}

/// `.local/runs/<pid>`: removed after a success, kept after a failure.
struct RunDirectory {
    path: PathBuf,
}

impl RunDirectory {
    fn make(workspace: &Workspace) -> Result<Self> {
        let runs = workspace.local().join("runs");
        let path = runs.join(std::process::id().to_string());
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join("logs")).with_context(|| format!("cannot make {}", path.display()))?;
        prune(&runs);
        Ok(Self { path })
    }

    fn path(&self) -> &Path {
        &self.path
    }

    fn binaries(&self) -> PathBuf {
        self.path.join("bin")
    }

    /// A link costs nothing and stays what it is: a build writes a new file.
    fn keep_binaries(&self, workspace: &Workspace, names: &[String]) -> Result<()> {
        fs::create_dir_all(self.binaries())?;
        for name in names {
            let (from, to) = (workspace.binary(name)?, self.binaries().join(name));
            fs::hard_link(&from, &to)
                .or_else(|_other_file_system| fs::copy(&from, &to).map(drop))
                .with_context(|| format!("cannot keep {}", from.display()))?;
        }
        Ok(())
    }

    fn finish(&self, success: bool) {
        if success {
            let _ = fs::remove_dir_all(&self.path);
        } else {
            let _ = fs::remove_dir_all(self.path.join("data"));
            let _ = fs::remove_dir_all(self.binaries());
            eprintln!("local-stack: logs of this run are kept in {}", self.path.join("logs").display());
        }
    }
}

/// Removes the oldest directories of runs that have ended.
fn prune(runs: &Path) {
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
