//! The commands and their options.

use std::path::PathBuf;

use branding::BrandingCommand;
use clap::{Parser, Subcommand};
use service_kit::{
    cli::{GlobalArgs, ServiceCommand, block_on, print_line, print_result},
    telemetry,
};

use super::{clients, events, grant_role, keygen, keys, users};
use crate::{
    app::{self, Application},
    config::{Config, SOURCE},
    http::{openapi::document::openapi_json, pages},
};

/// Manage accounts, sessions and profiles over HTTP, and publish an event on Kafka for every change
#[derive(Parser)]
#[command(name = "user-service", version = service_kit::version!())]
pub struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    #[command(flatten)]
    Service(ServiceCommand),
    /// Print the OpenAPI document
    Openapi,
    /// Create the key-encryption key; never overwrite an existing one
    Keygen {
        /// Write `encryption.key` to this directory
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Succeed without a change if the key exists
        #[arg(long)]
        if_missing: bool,
    },
    /// Write the built-in files of the pages, as a starting point for a brand
    #[command(subcommand)]
    Branding(BrandingCommand),
    /// Change how access tokens are signed
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Grant a role to an account, for example to create the first administrator
    GrantRole(grant_role::GrantRole),
    /// List and handle events that wait to be published
    #[command(subcommand)]
    Events(events::EventsCommand),
    /// Import and export users, or remove the second factor of one user
    #[command(subcommand)]
    Users(users::UsersCommand),
    /// Create, list and change clients: programs that may use the API
    #[command(subcommand)]
    Clients(clients::ClientsCommand),
}

/// Runs the command.
///
/// # Errors
/// Returns an error for the operator.
pub fn run(cli: Cli) -> anyhow::Result<()> {
    let GlobalArgs { config, json } = cli.global;
    let file = config.as_deref();
    let load = || SOURCE.load::<Config>(file);
    match cli.command.unwrap_or(Command::Service(ServiceCommand::Serve)) {
        Command::Service(command) => {
            command.run(&SOURCE, file, app::check, async |config| Application::build(config).await?.run().await)
        }
        Command::Openapi => Ok(print_line(openapi_json())?),
        Command::Keygen { out, if_missing } => keygen::run(&out, if_missing, json),
        Command::Branding(command) => {
            let exported = command.run(&pages::built_in_files())?;
            print_result(json, &exported, &exported)
        }
        Command::Keys(command) => block_on(keys::run(&load()?, command, json)),
        Command::GrantRole(args) => block_on(grant_role::run(&load()?, args, json)),
        Command::Events(command) => block_on(events::run(&load()?, command, json)),
        Command::Users(command) => block_on(users::run(&load()?, command, json)),
        Command::Clients(command) => {
            let config = load()?;
            telemetry::init(&SOURCE.load_section("log", file)?)?;
            block_on(clients::run(&config, command, json))
        }
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
