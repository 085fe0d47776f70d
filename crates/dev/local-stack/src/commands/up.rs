//! `local-stack up`: runs the dependencies and the services on the default ports until Ctrl-C.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    path::Path,
    process::{Command, ExitCode, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use local_stack::{
    dependencies::{AlreadyRunning, Dependencies, DependenciesSpec, DependencyPorts, RunningDependencies, readiness},
    network::ports,
    process::process_tree,
};

use super::{
    instance_file::{ProcessIdentity, StackInstance},
    keys,
    services::{ServicePorts, Services},
    stop_signals::StopSignals,
    workspace::Workspace,
};

const PROBE_DEADLINE: Duration = Duration::from_secs(3);
const CRASH_POLL: Duration = Duration::from_millis(200);
const DETACH_DEADLINE: Duration = Duration::from_secs(240);
const KILL_DEADLINE: Duration = Duration::from_secs(10);

#[derive(Args)]
pub(crate) struct UpArgs {
    /// Start only MongoDB, Kafka and the mail server, without the services.
    #[arg(long)]
    pub(crate) infra: bool,
    /// Use the embedded broker even if Apache Kafka is available.
    #[arg(long)]
    pub(crate) embedded: bool,
    /// Run in the background and return when everything is ready; `scripts/down` stops it.
    #[arg(long)]
    pub(crate) detach: bool,
    /// Add this number to every default port, to run beside another stack.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u16).range(..=38_000))]
    pub(crate) port_offset: u16,
    /// Set by `--detach` for the background process.
    #[arg(long, hide = true)]
    pub(crate) background: bool,
}

/// Starts everything and runs until a signal arrives or a process crashes.
pub(crate) async fn run_in_foreground(arguments: &UpArgs) -> Result<ExitCode> {
    if arguments.background {
        // In its own session the process outlives the terminal.
        rustix::process::setsid().context("cannot leave the terminal's session")?;
    }
    let mut signals = StopSignals::install()?;
    process_tree::adopt_orphans();
    let workspace = Workspace::find()?;
    if let Some(running) = find_running(&workspace, arguments) {
        println!("already running (pid {}); scripts/down stops it", running.supervisor.pid);
        return Ok(ExitCode::SUCCESS);
    }
    let mut instance = StackInstance {
        supervisor: ProcessIdentity::from_pid("local-stack up", std::process::id())
            .context("this process was not found in /proc")?,
        children: Vec::new(),
        services: !arguments.infra,
        ready: false,
    };
    let result = tokio::select! {
        stop_signal = signals.next() => Ok(ExitCode::from(stop_signal.exit_code())),
        started = start(&workspace, arguments, &mut instance) => match started {
            Err(error) => Err(error),
            Ok(stack) => wait_for_stop(stack, &mut signals).await,
        },
    };
    process_tree::kill_descendants(KILL_DEADLINE);
    instance.delete(&workspace);
    result
}

struct Stack {
    dependencies: RunningDependencies,
    services: Option<Services>,
}

fn find_running(workspace: &Workspace, arguments: &UpArgs) -> Option<StackInstance> {
    StackInstance::load_all(workspace)
        .into_iter()
        .find(|instance| instance.supervisor.is_running() && (instance.services || arguments.infra))
}

async fn start(workspace: &Workspace, arguments: &UpArgs, instance: &mut StackInstance) -> Result<Stack> {
    let programs = Dependencies::locate(arguments.embedded)?;
    let ports = DependencyPorts::DEFAULT.with_offset(arguments.port_offset);
    let service_ports = ServicePorts::new(arguments.port_offset);
    let already_running = check_ports(ports, (!arguments.infra).then_some(service_ports)).await?;
    // The keys are needed with `--infra` too: `cargo run -p user-service` reads the same files.
    keys::ensure_keys(workspace)?;
    rotate_logs(&workspace.logs());
    instance.save(workspace)?;
    println!("starting MongoDB, Kafka and the mail server ...");
    let spec = DependenciesSpec {
        programs,
        ports,
        data: workspace.local().join("data"),
        logs: workspace.logs(),
        already_running,
    };
    let mut dependencies = RunningDependencies::start(&spec).await?;
    for (name, description) in dependencies.descriptions() {
        println!("  {name:<8} {description}");
    }
    instance.children =
        dependencies.children().iter().filter_map(|c| ProcessIdentity::from_pid(c.name(), c.pid())).collect();
    instance.save(workspace)?;
    let services = if arguments.infra {
        None
    } else {
        println!("starting user-service and email-service ...");
        Some(Services::start(workspace, &dependencies, service_ports, !arguments.background).await?)
    };
    instance
        .children
        .extend(services.iter().flat_map(Services::pids).filter_map(|(n, pid)| ProcessIdentity::from_pid(n, pid)));
    print_summary(workspace, &dependencies, service_ports, arguments);
    instance.ready = true;
    instance.save(workspace)?;
    Ok(Stack { dependencies, services })
}

/// Waits for a signal or a crash, then stops everything. The services stop first, while their dependencies still run.
async fn wait_for_stop(mut stack: Stack, signals: &mut StopSignals) -> Result<ExitCode> {
    let crash = tokio::select! {
        _ = signals.next() => None,
        crash = wait_for_crash(&mut stack) => Some(crash),
    };
    match &crash {
        Some(what) => eprintln!("\nlocal-stack: {what}\nstopping everything ..."),
        None => println!("\nstopping ... (Ctrl-C again: stop at once)"),
    }
    let stop = async {
        if let Some(services) = stack.services {
            services.stop().await;
        }
        stack.dependencies.stop().await;
    };
    tokio::select! {
        () = stop => println!("stopped"),
        _ = signals.next() => println!("stopped at once"),
    }
    Ok(if crash.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn wait_for_crash(stack: &mut Stack) -> String {
    loop {
        if let Some((name, status)) = stack.services.as_mut().and_then(Services::find_exited) {
            return format!("{name} ended with {status}");
        }
        if let Some((name, status, log)) = stack.dependencies.find_exited() {
            return format!("{name} ended with {status}; the end of its log:\n{log}");
        }
        tokio::time::sleep(CRASH_POLL).await;
    }
}

/// Returns which dependencies already run on their ports. A port that another program uses is an error that names the
/// program.
async fn check_ports(ports: DependencyPorts, services: Option<ServicePorts>) -> Result<AlreadyRunning> {
    let DependencyPorts { mongodb, kafka, kafka_control, smtp, mail } = ports;
    let running = AlreadyRunning {
        mongodb: !ports::is_free(mongodb) && readiness::is_mongodb_ready(mongodb).await,
        kafka: !ports::is_free(kafka) && readiness::is_kafka_ready(&format!("127.0.0.1:{kafka}"), PROBE_DEADLINE).await,
        mail: !ports::is_free(smtp) && readiness::is_smtp_ready(smtp).await && readiness::is_http_ready(mail).await,
    };
    let mut needed = Vec::new();
    if !running.mongodb {
        needed.push((mongodb, "MongoDB"));
    }
    if !running.kafka {
        needed.extend([(kafka, "Kafka"), (kafka_control, "Kafka's controller")]);
    }
    if !running.mail {
        needed.extend([(smtp, "SMTP"), (mail, "the mail page")]);
    }
    needed.extend(services.iter().flat_map(ServicePorts::purposes));
    let conflicts: Vec<String> = needed.iter().filter_map(|(port, purpose)| port_conflict(*port, purpose)).collect();
    ensure!(conflicts.is_empty(), "{}", conflicts.join("\n"));
    Ok(running)
}

fn port_conflict(port: u16, purpose: &str) -> Option<String> {
    if ports::is_free(port) {
        return None;
    }
    let by = ports::owner_of(port).map_or_else(|| "another process".to_owned(), |owner| owner.to_string());
    Some(format!("port {port}, needed for {purpose}, is taken by {by}"))
}

/// Renames the logs of the previous start, so that each start writes new ones.
fn rotate_logs(logs: &Path) {
    let Ok(entries) = fs::read_dir(logs) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        // `up.log` is the output of this process when it runs in the background.
        if path.extension().is_some_and(|extension| extension == "log") && path.file_stem().is_some_and(|s| s != "up") {
            let _ = fs::rename(&path, path.with_extension("log.1"));
        }
    }
}

fn print_summary(workspace: &Workspace, dependencies: &RunningDependencies, ports: ServicePorts, arguments: &UpArgs) {
    let until = if arguments.background { "scripts/down stops it." } else { "Ctrl-C stops everything." };
    println!("\nReady. {until} Logs: {}\n", workspace.logs().display());
    println!("  mails          {}", dependencies.mail_url());
    if arguments.infra {
        println!(
            "\nNow start the services, each in its own terminal:\n  cargo run -p user-service\n  \
             cargo run -p email-service\n"
        );
        return;
    }
    let ServicePorts { http, user_ops, email_ops, .. } = ports;
    // The host of the links in the mails, so that a browser has one session on all pages.
    println!("  user-service   http://localhost:{http}/   (ready: http://127.0.0.1:{user_ops}/readyz)");
    println!("  email-service  (ready: http://127.0.0.1:{email_ops}/readyz)");
    println!(
        "\nCreate an account: open http://localhost:{http}/, or use the API (http://localhost:{http}/docs).\n\
         The welcome mail appears at {}:\n  curl -i http://127.0.0.1:{http}/api/users \\\n    \
         -H 'content-type: application/json' \\\n    \
         -d '{{\"username\":\"ada\",\"email\":\"ada@example.org\",\"password\":\"correct horse battery staple\"}}'\n",
        dependencies.mail_url()
    );
}

/// Starts the stack in the background, prints its output, and returns when it is ready.
pub(crate) async fn run_detached(arguments: &UpArgs) -> Result<ExitCode> {
    let workspace = Workspace::find()?;
    if let Some(running) = find_running(&workspace, arguments) {
        println!("already running (pid {}); scripts/down stops it", running.supervisor.pid);
        return Ok(ExitCode::SUCCESS);
    }
    let log = workspace.logs().join("up.log");
    fs::create_dir_all(workspace.logs())?;
    let out = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["up", "--background"]).current_dir(workspace.root()).env("LOCAL_STACK_ROOT", workspace.root());
    command.args(arguments.infra.then_some("--infra")).args(arguments.embedded.then_some("--embedded"));
    command.args(["--port-offset", &arguments.port_offset.to_string()]);
    let mut child = command.stdin(Stdio::null()).stderr(out.try_clone()?).stdout(out).spawn()?;
    let mut output = File::open(&log)?;
    let ready = local_stack::wait_for::try_wait_for(DETACH_DEADLINE, "the stack to be ready", async || {
        print_new_output(&mut output)?;
        if let Some(status) = child.try_wait()? {
            print_new_output(&mut output)?;
            bail!("the background process ended with {status}");
        }
        Ok(StackInstance::load(&workspace, child.id()).filter(|instance| instance.ready))
    })
    .await;
    if let Err(error) = ready {
        if let Some(process) = ProcessIdentity::from_pid("local-stack up", child.id()) {
            process.signal(rustix::process::Signal::TERM);
        }
        return Err(error);
    }
    print_new_output(&mut output)?;
    Ok(ExitCode::SUCCESS)
}

fn print_new_output(log: &mut File) -> Result<()> {
    let mut text = Vec::new();
    log.read_to_end(&mut text)?;
    std::io::stdout().write_all(&text)?;
    Ok(())
}
