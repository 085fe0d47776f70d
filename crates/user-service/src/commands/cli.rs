//! The commands and their options.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use service_kit::{
    cli::{ConfigArgs, block_on},
    ops, telemetry,
};

use super::{events, grant_role, keygen, users};
use crate::{
    app::{self, Application},
    config::{Config, SOURCE},
    http::openapi::document::document,
};

/// Registration, login, sessions and profiles over HTTP; every change is also an event
/// on Kafka.
#[derive(Parser)]
#[command(name = "user-service", version = service_kit::version!())]
pub struct Cli {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the service (the default)
    Serve,
    /// Prints the effective configuration, secrets redacted; exit code 1 if it is not valid
    CheckConfig,
    /// Asks the running service's /readyz; exit code 0 for ready and degraded
    Healthcheck,
    /// Prints the OpenAPI document
    Openapi,
    /// Makes the key-encryption key; never overwrites one
    Keygen {
        /// The directory that gets `encryption.key`
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Be content with a key that is there already
        #[arg(long)]
        if_missing: bool,
    },
    /// Gives an account a role: so the first administrator is made
    GrantRole(grant_role::GrantRole),
    /// Events that wait to be published
    Events {
        /// One JSON object a line
        #[arg(long, global = true)]
        json: bool,
        #[command(subcommand)]
        command: events::EventsCommand,
    },
    /// All users at once, or one user's second factor
    Users {
        /// One JSON object a line
        #[arg(long, global = true)]
        json: bool,
        #[command(subcommand)]
        command: users::UsersCommand,
    },
}

/// Runs the command.
///
/// # Errors
/// What went wrong, for the operator.
pub fn run(cli: Cli) -> anyhow::Result<()> {
    let file = cli.config.config.as_deref();
    match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => {
            let config: Config = SOURCE.load(file)?;
            config.validate()?;
            telemetry::init(&config.log)?;
            block_on(async { Application::build(config).await?.run().await })
        }
        Command::CheckConfig => {
            let config: Config = SOURCE.load(file)?;
            block_on(app::check(&config))?;
            print!("{}", SOURCE.effective(file, SOURCE.process_env()?)?);
            Ok(())
        }
        Command::Healthcheck => {
            let config = SOURCE.load_section("ops", file)?;
            block_on(async { ops::healthcheck(&config).await.map_err(anyhow::Error::msg) })
        }
        Command::Openapi => {
            println!("{}", document());
            Ok(())
        }
        Command::Keygen { out, if_missing } => keygen::run(&out, if_missing),
        Command::GrantRole(typed) => {
            let config: Config = SOURCE.load(file)?;
            block_on(grant_role::run(&config, typed))
        }
        Command::Events { json, command } => {
            let config: Config = SOURCE.load(file)?;
            block_on(events::run(&config, command, json))
        }
        Command::Users { json, command } => {
            let config: Config = SOURCE.load(file)?;
            block_on(users::run(&config, command, json))
        }
    }
}
