//! The command line of the email service.

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use email_service::{
    app::Application,
    commands::{
        dead_letters::{self, DeadLettersCommand},
        keygen,
        mail::{self, MailCommand},
        preview, print_line,
        suppressions::{self, SuppressionsCommand},
    },
    config::{SOURCE, Settings},
    ingest::client,
};
use service_kit::{
    OpsConfig,
    cli::{ConfigArgs, block_on, exit_code},
    fail_points, install_panic_hook, ops, telemetry,
};

/// Reads account events from Kafka and sends the mails that they cause, each mail once
#[derive(Debug, Parser)]
#[command(name = "email-service", version = service_kit::version!())]
struct Cli {
    #[command(flatten)]
    config: ConfigArgs,
    /// Print JSON, one object per line
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service; the default without a command
    Serve,
    /// Check the configuration and print the effective values, without secrets
    CheckConfig,
    /// Check whether the running service on this machine is ready; exit code 0 if it is
    Healthcheck,
    /// Create the key pair for the sealed tokens in events
    Keygen {
        /// The directory for sealing.public and sealing.private; existing files are never
        /// overwritten
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Another directory for sealing.public, so that its readers cannot reach the private half
        #[arg(long, value_name = "DIR")]
        public_out: Option<PathBuf>,
        /// Succeed without a change if the key pair exists
        #[arg(long)]
        if_missing: bool,
    },
    /// Write every mail in every language, with example data, to one HTML page
    ///
    /// Uses the same code as the mails that are sent. Needs no database, no Kafka and no key; of
    /// the configuration only [mail] matters, for the sender's name and the links.
    Preview {
        /// The directory for index.html; only a page written by this command is replaced
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// List mails, put them back into the queue, resolve unknown ones
    #[command(subcommand)]
    Mail(MailCommand),
    /// List records that could not be processed, replay or discard them
    #[command(subcommand)]
    DeadLetters(DeadLettersCommand),
    /// List suppressed addresses and remove suppressions
    #[command(subcommand)]
    Suppressions(SuppressionsCommand),
}

fn main() -> ExitCode {
    install_panic_hook();
    let cli = Cli::parse();
    exit_code(run(cli))
}

fn run(cli: Cli) -> anyhow::Result<()> {
    fail_points::setup()?;
    let file = cli.config.config.as_deref();
    match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => {
            let settings = Settings::load(file)?;
            telemetry::init(&settings.config.log)?;
            block_on(async { Application::build(settings).await?.run().await })
        }
        Command::CheckConfig => {
            let effective = SOURCE.effective(file, SOURCE.process_env()?)?;
            let settings = Settings::load(file)?;
            client::client_config(&settings.config.kafka, settings.config.ingest.max_poll_interval, "check-config")?;
            Ok(print_line(effective.trim_end())?)
        }
        Command::Healthcheck => {
            let config: OpsConfig = SOURCE.load_section("ops", file)?;
            block_on(async { ops::healthcheck(&config).await.map_err(anyhow::Error::msg) })
        }
        Command::Keygen { out, public_out, if_missing } => {
            let files = keygen::KeyPairFiles::new(&out, public_out.as_deref());
            let kid = if if_missing { files.create_if_missing()? } else { files.create()? };
            let text = format!("key {kid} is in {}", out.display());
            Ok(print_line(if cli.json {
                serde_json::json!({ "kid": kid, "directory": out }).to_string()
            } else {
                text
            })?)
        }
        Command::Preview { out } => {
            let written = preview::write(&out, &SOURCE.load_section("mail", file)?)?;
            if cli.json {
                return Ok(print_line(serde_json::to_string(&written)?)?);
            }
            Ok(print_line(format!(
                "{} mails in {} languages are in {}",
                written.mails,
                written.languages,
                written.file.display()
            ))?)
        }
        Command::Mail(command) => block_on(mail::run(file, command, cli.json)),
        Command::DeadLetters(command) => block_on(dead_letters::run(file, command, cli.json)),
        Command::Suppressions(command) => block_on(suppressions::run(file, command, cli.json)),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_definition_is_consistent() {
        Cli::command().debug_assert();
    }
}
