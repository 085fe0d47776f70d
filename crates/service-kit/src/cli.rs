//! Command line parts that both services share: `--config` and exit codes.

use std::{path::PathBuf, process::ExitCode};

/// The `--config` option of every command that reads a configuration.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ConfigArgs {
    /// TOML file that overrides the built-in defaults; the environment overrides it
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
}

/// A command line with invalid arguments. It ends the process with exit code 2, like clap's own errors.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// Returns the exit code of a command: 0 for success, 1 for a failure, 2 for a usage error.
/// Prints a failure as one line on standard error, with its causes joined by colons.
pub fn exit_code(result: anyhow::Result<()>) -> ExitCode {
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
    use super::*;

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
