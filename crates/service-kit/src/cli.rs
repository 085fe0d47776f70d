//! Pieces of the command line that both services have: `--config`, exit codes.

use std::{path::PathBuf, process::ExitCode};

/// The option that every command with a configuration takes.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ConfigArgs {
    /// TOML file that overrides the built-in defaults; the environment overrides it
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
}

/// A command line that cannot be obeyed for what it says: exit code 2, as clap's own.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// Ends a command: 0 done, 1 failed, 2 usage. A failure is one line on standard
/// error, its causes joined by colons.
pub fn exit_code(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(if error.is::<UsageError>() { 2 } else { 1 })
        }
    }
}

/// Runs a service or a command to its end on a runtime of its own, and leaves that as it is: taken apart,
/// the tasks of MongoDB's driver go one by one, and one that misses another panics, which would turn a
/// clean end into exit code 101. A look-up of a name that hangs is not waited for either.
///
/// # Errors
/// Those of `future`, or when there is no runtime to be had.
pub fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(future);
    std::mem::forget(runtime);
    result
}

/// The version of the calling package; ends in `+fail-points` where these are
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
