//! The `local-stack` program: runs the dependencies of the services, and the services, for development and tests.

mod commands;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::commands::{
    down,
    run::{self, RunArgs},
    up::{self, UpArgs},
};

#[derive(Parser)]
#[command(about = "Runs MongoDB, Kafka, a mail catcher and both services natively; see scripts/up and scripts/test.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start everything on the default ports, keep it running, and stop it on Ctrl-C.
    Up(UpArgs),
    /// Stop everything that `up` has started in this clone.
    Down,
    /// Run a command with its own MongoDB, Kafka and mail server on free ports, then stop everything.
    ///
    /// The command finds their addresses in TEST_MONGODB_URI, TEST_KAFKA_BROKERS, TEST_KAFKA_KIND (real or embedded),
    /// TEST_KAFKA_CONTROL (embedded only), TEST_SMTP_ADDRESS, TEST_MAIL_API and TEST_STACK_DIR, a directory
    /// for logs. The exit status is the command's.
    Run(RunArgs),
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Up(arguments) if arguments.detach => up::run_detached(&arguments).await,
        Command::Up(arguments) => up::run_in_foreground(&arguments).await,
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
