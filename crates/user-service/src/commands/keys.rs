//! `keys algorithm`: changes how access tokens are signed.

use clap::{Subcommand, builder::PossibleValuesParser, builder::TypedValueParser as _};
use jiff::SignedDuration;
use service_kit::cli::print_result;

use super::open_store;
use crate::{
    config::Config,
    domain::SigningAlgorithm,
    keys::{AlgorithmChange, KeyEncryptionKey, change_algorithm},
};

/// The commands for the signing keys.
#[derive(Subcommand)]
pub(super) enum KeysCommand {
    /// Sign access tokens with another algorithm from now on
    ///
    /// The next signing key has the algorithm. Every replica publishes it within a minute, and it signs ten minutes after
    /// this command; no session ends, and no token becomes invalid. Run this only when no replica of release 0.1.0 is
    /// left: that release does not know the new key. The same command again changes nothing.
    Algorithm {
        /// Sign with this algorithm
        #[arg(value_parser = algorithm_parser())]
        name: SigningAlgorithm,
    },
}

fn algorithm_parser() -> impl clap::builder::TypedValueParser<Value = SigningAlgorithm> {
    PossibleValuesParser::new(SigningAlgorithm::ALL.map(SigningAlgorithm::name))
        .map(|name| SigningAlgorithm::from_name(&name).expect("a possible value is a name"))
}

/// Runs the command.
///
/// # Errors
/// Returns an error if there are no keys, they cannot be opened, or the database is unavailable.
pub(super) async fn run(config: &Config, command: KeysCommand, json: bool) -> anyhow::Result<()> {
    let KeysCommand::Algorithm { name } = command;
    let encryption = KeyEncryptionKey::from_base64(&config.keys.encryption_key)?;
    let (_, store) = open_store(config).await?;
    let ttl = SignedDuration::try_from(config.auth.longest_token_ttl())?;
    let change = change_algorithm(&store.keys, &encryption, name, ttl).await?;
    report(name, &change, json)
}

fn report(algorithm: SigningAlgorithm, change: &AlgorithmChange, json: bool) -> anyhow::Result<()> {
    let AlgorithmChange { changed, kid, signs_from, now } = change;
    let name = algorithm.name();
    let value = serde_json::json!({ "algorithm": name, "keyId": kid, "signsFrom": signs_from, "changed": changed });
    let already = if *changed { "" } else { "nothing was changed: " };
    let signs = if signs_from > now { format!("signs from {signs_from} on") } else { "signs".to_owned() };
    print_result(json, &value, format_args!("{already}the newest key, {kid}, is for {name} and {signs}"))
}
