//! `local-stack up`: parts, keys and services on the default ports, until Ctrl-C.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    path::Path,
    process::{Command, ExitCode, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use local_stack::{
    descendants,
    infra::{Infra, Plan, Ports, Running},
    mongo_wire,
    parts::Parts,
    ports, probes,
};

use crate::{
    UpArgs,
    instances::{Instance, Process},
    keys,
    services::{ServicePorts, Services},
    signals::Signals,
    workspace::Workspace,
};

const PROBE_DEADLINE: Duration = Duration::from_secs(3);
const CRASH_POLL: Duration = Duration::from_millis(200);
const DETACH_DEADLINE: Duration = Duration::from_secs(240);
const SWEEP_DEADLINE: Duration = Duration::from_secs(10);

/// Starts everything and stays until a signal or a crash.
pub(crate) async fn foreground(arguments: &UpArgs) -> Result<ExitCode> {
    if arguments.background {
        // A session of its own: the terminal's end does not reach it.
        rustix::process::setsid().context("cannot leave the terminal's session")?;
    }
    let mut signals = Signals::catch()?;
    descendants::adopt_orphans();
    let workspace = Workspace::find()?;
    if let Some(running) = already_running(&workspace, arguments) {
        println!("already running (pid {}); scripts/down stops it", running.supervisor.pid);
        return Ok(ExitCode::SUCCESS);
    }
    let mut instance = Instance {
        supervisor: Process::observe("local-stack up", std::process::id()).context("own process not found")?,
        children: Vec::new(),
        services: !arguments.infra,
        ready: false,
    };
    let result = tokio::select! {
        asked = signals.next() => Ok(ExitCode::from(asked.exit_code())),
        started = start(&workspace, arguments, &mut instance) => match started {
            Err(error) => Err(error),
            Ok(stack) => stay(stack, &mut signals).await,
        },
    };
    descendants::kill_all(SWEEP_DEADLINE);
    instance.forget(&workspace);
    result
}

struct Stack {
    infra: Infra,
    services: Option<Services>,
}

fn already_running(workspace: &Workspace, arguments: &UpArgs) -> Option<Instance> {
    Instance::all(workspace)
        .into_iter()
        .find(|instance| instance.supervisor.is_running() && (instance.services || arguments.infra))
}

async fn start(workspace: &Workspace, arguments: &UpArgs, instance: &mut Instance) -> Result<Stack> {
    let parts = Parts::locate(arguments.embedded)?;
    let ports = Ports::DEFAULT.moved_by(arguments.port_offset);
    let addresses = ServicePorts::new(arguments.port_offset);
    let running = look_at_ports(ports, (!arguments.infra).then_some(addresses)).await?;
    // Without the services too: `cargo run -p user-service` looks for them where these are.
    keys::ensure_keys(workspace)?;
    keep_previous_logs(&workspace.logs());
    instance.record(workspace)?;
    println!("starting MongoDB, Kafka and mail ...");
    let plan = Plan { parts, ports, data: workspace.local().join("data"), logs: workspace.logs(), running };
    let mut infra = Infra::start(&plan).await?;
    for (part, choice) in infra.choices() {
        println!("  {part:<8} {choice}");
    }
    instance.children = infra.children().iter().filter_map(|c| Process::observe(c.name(), c.pid())).collect();
    instance.record(workspace)?;
    let services = if arguments.infra {
        None
    } else {
        println!("starting user-service and email-service ...");
        Some(Services::start(workspace, &infra, addresses, !arguments.background).await?)
    };
    instance.children.extend(services.iter().flat_map(Services::pids).filter_map(|(n, pid)| Process::observe(n, pid)));
    banner(workspace, &infra, addresses, arguments);
    instance.ready = true;
    instance.record(workspace)?;
    Ok(Stack { infra, services })
}

/// Waits for a signal or a crash, then stops all: the services first, while what they need still runs.
async fn stay(mut stack: Stack, signals: &mut Signals) -> Result<ExitCode> {
    let crash = tokio::select! {
        _ = signals.next() => None,
        crash = crash(&mut stack) => Some(crash),
    };
    match &crash {
        Some(what) => eprintln!("\nlocal-stack: {what}\nstopping everything ..."),
        None => println!("\nstopping ... (again: at once)"),
    }
    let stop = async {
        if let Some(services) = stack.services {
            services.stop().await;
        }
        stack.infra.stop().await;
    };
    tokio::select! {
        () = stop => println!("stopped"),
        _ = signals.next() => println!("stopped at once"),
    }
    Ok(if crash.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn crash(stack: &mut Stack) -> String {
    loop {
        if let Some((name, status)) = stack.services.as_mut().and_then(Services::ended) {
            return format!("{name} ended with {status}");
        }
        if let Some((name, status, log)) = stack.infra.ended() {
            return format!("{name} ended with {status}; the end of its log:\n{log}");
        }
        tokio::time::sleep(CRASH_POLL).await;
    }
}

/// Which parts answer already. A port that something else holds is an error that names it.
async fn look_at_ports(ports: Ports, services: Option<ServicePorts>) -> Result<Running> {
    let Ports { mongodb, kafka, kafka_side, smtp, mail } = ports;
    let running = Running {
        mongodb: !ports::is_free(mongodb) && mongo_wire::answers(mongodb).await,
        kafka: !ports::is_free(kafka) && probes::kafka(&format!("127.0.0.1:{kafka}"), PROBE_DEADLINE).await,
        mail: !ports::is_free(smtp) && probes::smtp(smtp).await && probes::mail_page(mail).await,
    };
    let mut needed = Vec::new();
    if !running.mongodb {
        needed.push((mongodb, "MongoDB"));
    }
    if !running.kafka {
        needed.extend([(kafka, "Kafka"), (kafka_side, "Kafka's controller")]);
    }
    if !running.mail {
        needed.extend([(smtp, "SMTP"), (mail, "the mail page")]);
    }
    needed.extend(services.iter().flat_map(ServicePorts::purposes));
    let taken: Vec<String> = needed.iter().filter_map(|(port, purpose)| taken(*port, purpose)).collect();
    ensure!(taken.is_empty(), "{}", taken.join("\n"));
    Ok(running)
}

fn taken(port: u16, purpose: &str) -> Option<String> {
    if ports::is_free(port) {
        return None;
    }
    let by = ports::holder(port).map_or_else(|| "another process".to_owned(), |holder| holder.to_string());
    Some(format!("port {port}, needed for {purpose}, is taken by {by}"))
}

/// Each start writes new logs; the ones before stay for one more start.
fn keep_previous_logs(logs: &Path) {
    let Ok(entries) = fs::read_dir(logs) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        // The log of `--detach` itself is being written.
        if path.extension().is_some_and(|extension| extension == "log") && path.file_stem().is_some_and(|s| s != "up") {
            let _ = fs::rename(&path, path.with_extension("log.1"));
        }
    }
}

fn banner(workspace: &Workspace, infra: &Infra, ports: ServicePorts, arguments: &UpArgs) {
    let until = if arguments.background { "scripts/down stops it." } else { "Ctrl-C stops all of it." };
    println!("\nReady. {until} Logs: {}\n", workspace.logs().display());
    println!("  mails          {}", infra.mail_url());
    if arguments.infra {
        println!("\nNow, each in a terminal of its own:\n  cargo run -p user-service\n  cargo run -p email-service\n");
        return;
    }
    let ServicePorts { http, user_ops, email_ops, .. } = ports;
    println!("  user-service   http://127.0.0.1:{http}/docs   (ready: http://127.0.0.1:{user_ops}/readyz)");
    println!("  email-service  (ready: http://127.0.0.1:{email_ops}/readyz)");
    println!(
        "\nTry it; a welcome mail appears at {}:\n  curl -i http://127.0.0.1:{http}/api/users \\\n    \
         -H 'content-type: application/json' \\\n    \
         -d '{{\"username\":\"ada\",\"email\":\"ada@example.org\",\"password\":\"correct horse battery staple\"}}'\n",
        infra.mail_url()
    );
}

/// Starts the same in the background, shows what it says, and returns once it is ready.
pub(crate) async fn detached(arguments: &UpArgs) -> Result<ExitCode> {
    let workspace = Workspace::find()?;
    if let Some(running) = already_running(&workspace, arguments) {
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
    let mut said = File::open(&log)?;
    let ready = local_stack::wait_for::try_wait_for(DETACH_DEADLINE, "the stack to be ready", async || {
        show_new(&mut said)?;
        if let Some(status) = child.try_wait()? {
            show_new(&mut said)?;
            bail!("it ended with {status}");
        }
        Ok(Instance::read(&workspace, child.id()).filter(|instance| instance.ready))
    })
    .await;
    if let Err(error) = ready {
        if let Some(process) = Process::observe("local-stack up", child.id()) {
            process.signal(rustix::process::Signal::TERM);
        }
        return Err(error);
    }
    show_new(&mut said)?;
    Ok(ExitCode::SUCCESS)
}

fn show_new(log: &mut File) -> Result<()> {
    let mut text = Vec::new();
    log.read_to_end(&mut text)?;
    std::io::stdout().write_all(&text)?;
    Ok(())
}
