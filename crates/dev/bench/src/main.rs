//! The benchmark: measures the services next to the limits of the same machine, alternating between both in one
//! run. Machines are noisy, but the ratio of adjacent measurements is less so.

mod alternating_runs;
mod bare_server;
mod database;
mod environment;
mod helper_process;
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
    /// Runs a few seconds per row, to test the benchmark itself; the figures are not meaningful.
    #[arg(long)]
    quick: bool,
    /// Measures only these groups of rows.
    #[arg(long, value_name = "GROUP", num_args = 1..)]
    only: Vec<rows::Group>,
    /// Measures only how costs grow with the number of users, up to this number (such as 10M); other runs use 1M.
    #[arg(long, value_name = "USERS", value_parser = parse_count)]
    growth: Option<usize>,
    /// The path of `results.json`.
    #[arg(long, value_name = "FILE", default_value = "target/bench/results.json")]
    results: PathBuf,
    /// Writes the table into this Markdown file, between the markers `<!-- bench:begin -->` and `<!-- bench:end -->`,
    /// and the plots into `images/` beside it.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    #[command(subcommand)]
    helper: Option<HelperProcess>,
}

/// Helpers in their own processes, so that their processor time is counted separately.
#[derive(Subcommand)]
enum HelperProcess {
    /// A mail server that accepts everything and reports when.
    #[command(hide = true)]
    SmtpSink {
        #[arg(long)]
        port: u16,
    },
    /// A handler that only reads a user.
    #[command(hide = true)]
    BareServer {
        #[arg(long)]
        uri: String,
        #[arg(long)]
        database: String,
    },
}

/// The number of users in the largest database, unless another one is given.
const DEFAULT_GROWTH: usize = 1_000_000;

/// Parses a number such as `10M`, `100k` or `5000`.
fn parse_count(text: &str) -> Result<usize, String> {
    let (digits, factor) = match text.strip_suffix(['k', 'K']) {
        Some(digits) => (digits, 1_000),
        None => text.strip_suffix('M').map_or((text, 1), |digits| (digits, 1_000_000)),
    };
    let count = digits.parse::<usize>().ok().and_then(|number| number.checked_mul(factor));
    count.filter(|count| *count > 0).ok_or_else(|| "expected a number such as 10M, 100k or 5000".to_owned())
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
    let environment = Environment::new(arguments.quick, arguments.growth.unwrap_or(DEFAULT_GROWTH))?;
    environment.warm_broker().await?;
    let mut report = Report::new(machine::describe()?, arguments.quick);
    for group in rows::selected(&arguments.only, arguments.growth.is_some()) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_users_may_have_a_suffix() {
        assert_eq!(parse_count("10M"), Ok(10_000_000));
        assert_eq!(parse_count("100k"), Ok(100_000));
        assert_eq!(parse_count("5000"), Ok(5_000));
        for text in ["", "0", "M", "1G", "-1", "99999999999999999999", "18446744073709551615M"] {
            assert!(parse_count(text).is_err(), "{text}");
        }
    }
}
