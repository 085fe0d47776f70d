//! The `local-stack` command: everything the services need, natively, for development and for tests.

mod down;
mod instances;
mod keys;
mod run;
mod services;
mod signals;
mod up;
mod workspace;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Runs MongoDB, Kafka, a mail catcher and both services natively; see scripts/up and scripts/test.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start everything on the default ports, keep it running, stop all of it on Ctrl-C.
    Up(UpArgs),
    /// Stop what `up` has started in this clone.
    Down,
    /// Run a command next to MongoDB, Kafka and SMTP of its own on free ports, then stop everything.
    ///
    /// The command finds them in TEST_MONGODB_URI, TEST_KAFKA_BROKERS, TEST_KAFKA_KIND (real or embedded),
    /// TEST_KAFKA_CONTROL (embedded only), TEST_SMTP_ADDRESS, TEST_MAIL_API and TEST_STACK_DIR, a directory
    /// for logs. The exit status is the command's.
    Run(RunArgs),
}

#[derive(Args)]
struct UpArgs {
    /// Only MongoDB, Kafka and mail, without the services.
    #[arg(long)]
    infra: bool,
    /// Use the embedded broker even where Apache Kafka could run.
    #[arg(long)]
    embedded: bool,
    /// Return once everything is ready; `scripts/down` stops it.
    #[arg(long)]
    detach: bool,
    /// Added to every default port, to run beside another stack.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u16).range(..=38_000))]
    port_offset: u16,
    /// Set by `--detach` for the process that stays.
    #[arg(long, hide = true)]
    background: bool,
}

#[derive(Args)]
struct RunArgs {
    /// A binary built beside this one, to be kept for the run as it is now: a build by somebody else may
    /// replace it meanwhile. The command finds it in the directory TEST_BINARIES.
    #[arg(long = "binary", value_name = "NAME")]
    binaries: Vec<String>,
    /// Use the embedded broker even where Apache Kafka could run.
    #[arg(long)]
    embedded: bool,
    /// The command and its arguments.
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Up(arguments) if arguments.detach => up::detached(&arguments).await,
        Command::Up(arguments) => up::foreground(&arguments).await,
        Command::Down => down::down().await,
        Command::Run(arguments) => run::run(&arguments).await,
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("local-stack: {error:#}");
            ExitCode::FAILURE
        }
    }
}
