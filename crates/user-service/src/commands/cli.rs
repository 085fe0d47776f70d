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
    http::openapi::document::openapi_json,
};

/// The user service: registration, login, sessions and profiles over HTTP, with an event on Kafka for every change.
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
    /// Run the service (the default).
    Serve,
    /// Print the effective configuration with redacted secrets; exit with code 1 if it is invalid.
    CheckConfig,
    /// Request /readyz of the running service; exit with code 0 if it is ready or degraded.
    Healthcheck,
    /// Print the OpenAPI document.
    Openapi,
    /// Generate the key-encryption key; never overwrite an existing one.
    Keygen {
        /// Write `encryption.key` to this directory.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Succeed without a change if the key already exists.
        #[arg(long)]
        if_missing: bool,
    },
    /// Grant a role to an account, for example to create the first administrator.
    GrantRole(grant_role::GrantRole),
    /// List and handle events that wait to be published.
    Events {
        /// Print one JSON object per line.
        #[arg(long, global = true)]
        json: bool,
        #[command(subcommand)]
        command: events::EventsCommand,
    },
    /// Import and export users, or remove the second factor of one user.
    Users {
        /// Print one JSON object per line.
        #[arg(long, global = true)]
        json: bool,
        #[command(subcommand)]
        command: users::UsersCommand,
    },
}

/// Runs the command.
///
/// # Errors
/// Returns an error for the operator.
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
            println!("{}", openapi_json());
            Ok(())
        }
        Command::Keygen { out, if_missing } => keygen::run(&out, if_missing),
        Command::GrantRole(args) => {
            let config: Config = SOURCE.load(file)?;
            block_on(grant_role::run(&config, args))
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
