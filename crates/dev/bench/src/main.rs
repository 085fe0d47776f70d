//! Everything that is said about speed, measured: what the services do next to what the
//! same machine could do at most, taken in runs in the same run. Machines are noisy;
//! ratios of neighbours are less so.

mod alternating_runs;
mod bare_server;
mod database;
mod environment;
mod http_client;
mod kafka;
mod limits;
mod load;
mod machine;
mod processes;
mod report;
mod rows;
mod sampling;
mod smtp_sink;
mod test_users;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::{environment::Environment, report::Report};

/// Measures the services next to the limits of this machine.
#[derive(Parser)]
#[command(name = "scripts/bench")]
pub(crate) struct Arguments {
    /// A few seconds a row: whether the benchmark works, not how fast anything is.
    #[arg(long)]
    quick: bool,
    /// Only these groups of rows.
    #[arg(long, value_name = "GROUP", num_args = 1..)]
    only: Vec<rows::Group>,
    /// Of the largest database whose requests are measured.
    #[arg(long, value_name = "COUNT", default_value_t = 1_000_000)]
    users: usize,
    /// Where `results.json` goes.
    #[arg(long, value_name = "FILE", default_value = "target/bench/results.json")]
    results: PathBuf,
    /// Writes the table into this Markdown file, between the markers `<!-- bench:begin -->`
    /// and `<!-- bench:end -->`, and the plots into `images/` beside it.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    #[command(subcommand)]
    helper: Option<HelperProcess>,
}

/// Parts that are processes of their own, so that their processor time is told apart.
#[derive(Subcommand)]
enum HelperProcess {
    /// A mail server that takes everything and tells when.
    #[command(hide = true)]
    SmtpSink {
        #[arg(long)]
        port: u16,
    },
    /// A handler that does nothing but read a user.
    #[command(hide = true)]
    BareServer {
        #[arg(long)]
        uri: String,
        #[arg(long)]
        database: String,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    match &arguments.helper {
        Some(HelperProcess::SmtpSink { port }) => return smtp_sink::serve(*port).await,
        Some(HelperProcess::BareServer { uri, database }) => return bare_server::serve(uri, database).await,
        None => {}
    }
    let environment = Environment::new(arguments.quick, arguments.users)?;
    let mut report = Report::new(machine::describe()?, arguments.quick);
    for group in rows::chosen(&arguments.only) {
        eprintln!("-- {group}");
        report.extend(group.measure(&environment).await?);
    }
    print!("{report}");
    report.write_json(&arguments.results)?;
    if let Some(path) = &arguments.report {
        report.write_markdown(path)?;
    }
    Ok(())
}
