//! Command line parts that both services share: the options of every command, the commands that every
//! service has, and exit codes.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde::{Serialize, de::DeserializeOwned};

use crate::{ConfigSource, fail_points, install_panic_hook, ops, telemetry};

/// The options of every command.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct GlobalArgs {
    /// Read this TOML file. It overrides the built-in defaults, and the environment overrides it
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// Print JSON, one object per line
    #[arg(long, global = true)]
    pub json: bool,
}

/// The commands that every service has.
#[derive(Clone, Copy, Debug, clap::Subcommand)]
pub enum ServiceCommand {
    /// Run the service; the default without a command
    Serve,
    /// Print the effective configuration with redacted secrets; exit with code 1 if it is invalid
    CheckConfig,
    /// Request /readyz of the running service; exit with code 0 if it is ready or degraded
    Healthcheck,
}

impl ServiceCommand {
    /// Runs the command. `check` makes the parts that depend on the configuration, and `serve` runs the
    /// service to its end.
    ///
    /// # Errors
    /// Returns an error for the operator.
    pub fn run<C: DeserializeOwned>(
        self,
        source: &ConfigSource,
        file: Option<&Path>,
        check: impl AsyncFnOnce(&C) -> anyhow::Result<()>,
        serve: impl AsyncFnOnce(C) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        match self {
            Self::Serve => {
                let config = source.load(file)?;
                telemetry::init(&source.load_section("log", file)?)?;
                block_on(serve(config))
            }
            Self::CheckConfig => {
                let config = source.load(file)?;
                block_on(check(&config))?;
                Ok(print_line(source.effective(file, source.process_env()?)?.trim_end())?)
            }
            Self::Healthcheck => {
                let config = source.load_section("ops", file)?;
                block_on(async { ops::healthcheck(&config).await.map_err(anyhow::Error::msg) })
            }
        }
    }
}

/// Runs the command line of a service: the body of its `main`.
pub fn main<C: clap::Parser>(run: impl FnOnce(C) -> anyhow::Result<()>) -> ExitCode {
    install_panic_hook();
    let cli = C::parse();
    exit_code(fail_points::setup().map_err(anyhow::Error::from).and_then(|()| run(cli)))
}

/// Writes a line to standard output. A closed reader (`| head`) ends the command.
///
/// # Errors
/// Returns an error if the line cannot be written.
pub fn print_line(text: impl std::fmt::Display) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{text}")
}

/// Prints the result of a command: `value` with `--json`, otherwise `text`.
///
/// # Errors
/// Returns an error if the result cannot be written.
pub fn print_result(json: bool, value: &impl Serialize, text: impl std::fmt::Display) -> anyhow::Result<()> {
    Ok(if json { print_line(serde_json::to_string(value)?) } else { print_line(text) }?)
}

/// A command line with invalid arguments. It ends the process with exit code 2, like clap's own errors.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// Returns the exit code of a command: 0 for success, 1 for a failure, 2 for a usage error.
/// Prints a failure as one line on standard error, with its causes joined by colons.
fn exit_code(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(if error.is::<UsageError>() { 2 } else { 1 })
        }
    }
}

/// Runs a service or a command to completion on its own runtime.
///
/// The runtime is leaked on purpose. Shutting it down would drop the tasks of MongoDB's driver one by
/// one; a task whose peer is gone panics, which would turn a clean exit into exit code 101. Leaking
/// also avoids waiting for a hanging name lookup.
///
/// # Errors
/// Returns the error of `future`, or an error if no runtime can be built.
pub fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(future);
    std::mem::forget(runtime);
    result
}

/// Expands to the version of the calling package. It ends in `+fail-points` if fail points are
/// compiled in, so that such a binary is not released by mistake.
#[macro_export]
macro_rules! version {
    () => {
        if $crate::fail_points_compiled() {
            concat!(env!("CARGO_PKG_VERSION"), "+fail-points")
        } else {
            env!("CARGO_PKG_VERSION")
        }
    };
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        global: GlobalArgs,
        #[command(subcommand)]
        command: Option<ServiceCommand>,
    }

    #[test]
    fn the_options_of_every_command_stand_before_or_after_it() {
        Cli::command().debug_assert();
        for arguments in
            [["--config", "file", "--json", "check-config"], ["check-config", "--json", "--config", "file"]]
        {
            let cli = <Cli as clap::Parser>::try_parse_from([&["service"][..], &arguments].concat()).unwrap();
            assert!(cli.global.json && cli.global.config.is_some());
            assert!(matches!(cli.command, Some(ServiceCommand::CheckConfig)));
        }
    }

    fn shown(result: anyhow::Result<()>) -> String {
        format!("{:?}", exit_code(result))
    }

    #[test]
    fn a_failure_is_1_and_a_usage_error_2() {
        assert_eq!(shown(Ok(())), format!("{:?}", ExitCode::SUCCESS));
        assert_eq!(shown(Err(anyhow::anyhow!("no"))), format!("{:?}", ExitCode::from(1)));
        assert_eq!(shown(Err(UsageError("no such id".into()).into())), format!("{:?}", ExitCode::from(2)));
    }
}
