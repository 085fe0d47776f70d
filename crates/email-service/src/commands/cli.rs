//! The commands and their options.

use std::path::PathBuf;

use branding::BrandingCommand;
use clap::{Parser, Subcommand};
use service_kit::cli::{GlobalArgs, ServiceCommand, block_on, print_result};

use super::{
    dead_letters::{self, DeadLettersCommand},
    keygen,
    mail::{self, MailCommand},
    preview::{self, PreviewArgs},
    suppressions::{self, SuppressionsCommand},
};
use crate::{
    app::{self, Application},
    config::SOURCE,
    renderer,
};

/// Read account events from Kafka and send the mails that they cause, each mail once
#[derive(Debug, Parser)]
#[command(name = "email-service", version = service_kit::version!())]
pub struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Service(ServiceCommand),
    /// Create the key pair for the sealed tokens in events; never overwrite an existing one
    Keygen {
        /// Write `sealing.private` and `sealing.public` to this directory
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Write `sealing.public` to this directory instead, so that its readers cannot reach the private half
        #[arg(long, value_name = "DIR")]
        public_out: Option<PathBuf>,
        /// Succeed without a change if the key pair exists
        #[arg(long)]
        if_missing: bool,
    },
    /// Show every mail in every language with example data, as a page or in the browser, or send one
    ///
    /// Uses the same code as the mails that are sent. Needs no database, no Kafka and no key; of the configuration only
    /// [mail] and [branding] matter, and [smtp] for --to.
    Preview(PreviewArgs),
    /// Write the built-in files of the mails, as a starting point for a brand
    #[command(subcommand)]
    Branding(BrandingCommand),
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

/// Runs the command.
///
/// # Errors
/// Returns an error for the operator.
pub fn run(cli: Cli) -> anyhow::Result<()> {
    let GlobalArgs { config, json } = cli.global;
    let file = config.as_deref();
    match cli.command.unwrap_or(Command::Service(ServiceCommand::Serve)) {
        Command::Service(command) => {
            command.run(&SOURCE, file, app::check, async |config| Application::build(config).await?.run().await)
        }
        Command::Keygen { out, public_out, if_missing } => keygen::run(&out, public_out.as_deref(), if_missing, json),
        Command::Branding(command) => {
            let exported = command.run(&renderer::built_in_files())?;
            print_result(json, &exported, &exported)
        }
        Command::Preview(args) => block_on(preview::run(file, args, json)),
        Command::Mail(command) => block_on(mail::run(file, command, json)),
        Command::DeadLetters(command) => block_on(dead_letters::run(file, command, json)),
        Command::Suppressions(command) => block_on(suppressions::run(file, command, json)),
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
