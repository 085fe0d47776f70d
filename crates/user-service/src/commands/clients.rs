//! `clients create|list|rotate-secret|drop-old-secret|disable|enable`: the programs that may use the API.

use clap::Subcommand;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use service_kit::{
    Clock, Ids,
    cli::{UsageError, print_line, print_result},
};
use uuid::Uuid;

use super::open_store;
use crate::{
    config::Config,
    domain::{Client, ClientName, Scopes},
    outbox::Origin,
    problem::Problem,
    usecase::{ClientManagement, ClientWithSecret, NewClient, Writes},
};

/// The number of clients that are read together.
const PAGE_SIZE: u32 = 100;

/// The commands for clients.
#[derive(Subcommand)]
pub(super) enum ClientsCommand {
    /// Create a client and print its id and its secret; the secret cannot be printed again
    Create {
        /// Name it so in lists: one line of at most 100 characters
        #[arg(long)]
        name: String,
        /// Allow this: `users:read`, `users:create`, `users:write`, `users:disable`, `users:invite`, `sessions:end` or
        /// `tokens:introspect`; several with commas or by repetition
        #[arg(long = "scope", value_name = "SCOPE", required = true, value_delimiter = ',')]
        scopes: Vec<String>,
    },
    /// List all clients, the newest first
    List,
    /// Make a new secret and print it; the one before stays valid, and an older one is dropped
    RotateSecret {
        /// Make it for the client with this id
        client: Uuid,
    },
    /// Drop the older one of two secrets
    DropOldSecret {
        /// Drop it for the client with this id
        client: Uuid,
    },
    /// Disable a client: it gets no token, and the service no longer accepts those that it has
    Disable {
        /// Disable the client with this id
        client: Uuid,
    },
    /// Enable a client: it gets tokens again
    Enable {
        /// Enable the client with this id
        client: Uuid,
    },
}

/// Runs the command. Each change is in the log, which is standard error. Secrets are only on standard output.
///
/// # Errors
/// Returns a [`UsageError`] (exit code 2) if the arguments are not valid, and another error (exit code 1) if there is no
/// such client or the database is unavailable.
pub(super) async fn run(config: &Config, command: ClientsCommand, json: bool) -> anyhow::Result<()> {
    let (_, store) = open_store(config).await?;
    let clients =
        ClientManagement { store, clock: Clock::system(), ids: Ids::random(), writes: Writes::on_current_runtime() };
    let origin = Origin::operator();
    match command {
        ClientsCommand::Create { name, scopes } => {
            let usage_error = |invalid: crate::domain::Invalid| UsageError(invalid.detail);
            ClientName::parse(&name).map_err(usage_error)?;
            Scopes::parse(&scopes).map_err(usage_error)?;
            print_secret(json, &clients.create(NewClient { name, scopes }, &origin).await?)
        }
        ClientsCommand::List => list(&clients, json).await,
        ClientsCommand::RotateSecret { client } => {
            let made = clients.rotate_secret(client.into(), &origin).await.map_err(not_found)?;
            print_secret(json, &made)
        }
        ClientsCommand::DropOldSecret { client } => {
            let client = clients.drop_old_secret(client.into(), &origin).await.map_err(not_found)?;
            print_result(json, &value(&client), format_args!("client {} has one secret", client.id))
        }
        ClientsCommand::Disable { client } => {
            let client = clients.disable(client.into(), &origin).await.map_err(not_found)?;
            print_result(json, &value(&client), format_args!("client {} is disabled", client.id))
        }
        ClientsCommand::Enable { client } => {
            let client = clients.enable(client.into(), &origin).await.map_err(not_found)?;
            print_result(json, &value(&client), format_args!("client {} is active", client.id))
        }
    }
}

fn not_found(problem: Problem) -> anyhow::Error {
    match problem {
        Problem::NotFound => anyhow::anyhow!("there is no such client"),
        other => other.into(),
    }
}

fn print_secret(json: bool, made: &ClientWithSecret) -> anyhow::Result<()> {
    let ClientWithSecret { client, secret } = made;
    let (mut value, secret) = (value(client), secret.expose_secret());
    value["secret"] = secret.into();
    print_result(json, &value, format_args!("client_id:     {}\nclient_secret: {secret}", client.id))
}

async fn list(clients: &ClientManagement, json: bool) -> anyhow::Result<()> {
    if !json {
        print_line(format_args!(
            "{:<36}  {:<8}  {:>7}  {:<24}  {:<30}  SCOPES",
            "ID", "STATUS", "SECRETS", "CREATED", "NAME"
        ))?;
    }
    let mut after = None;
    loop {
        let page = clients.list(after, PAGE_SIZE).await?;
        for client in &page.clients {
            let Client { id, name, scopes, created_at, secrets, .. } = client;
            if json {
                print_line(value(client))?;
            } else {
                let (status, secrets) = (status(client), secrets.len());
                print_line(format_args!("{id}  {status:<8}  {secrets:>7}  {created_at:<24}  {name:<30}  {scopes}"))?;
            }
        }
        let Some(next) = page.next else { return Ok(()) };
        after = Some(next);
    }
}

const fn status(client: &Client) -> &'static str {
    if client.disabled { "disabled" } else { "active" }
}

fn value(client: &Client) -> Value {
    json!({
        "clientId": Uuid::from(client.id),
        "name": client.name,
        "scopes": client.scopes.names().collect::<Vec<_>>(),
        "status": status(client),
        "createdAt": client.created_at,
        "secrets": client.secrets,
    })
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser};

    use super::*;
    use crate::domain::Scope;

    #[derive(Parser)]
    struct Cli {
        #[command(subcommand)]
        command: ClientsCommand,
    }

    #[test]
    fn the_help_of_create_names_every_scope() {
        let mut command = Cli::command();
        let create = command.find_subcommand_mut("create").expect("the command exists");
        let help = create.render_long_help().to_string();
        for scope in Scope::ALL {
            assert!(help.contains(&format!("`{}`", scope.as_str())), "{help}");
        }
    }

    #[test]
    fn scopes_are_given_with_commas_or_by_repetition() {
        let arguments = ["x", "create", "--name", "n", "--scope", "users:read,users:write", "--scope", "sessions:end"];
        let ClientsCommand::Create { scopes, .. } = Cli::parse_from(arguments).command else { panic!("create") };
        assert_eq!(scopes, ["users:read", "users:write", "sessions:end"]);
    }
}
