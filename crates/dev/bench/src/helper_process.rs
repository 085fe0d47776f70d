//! This program in another process, as a server whose work must not be counted with the client's.

use std::process::Stdio;

use anyhow::{Context as _, Result};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

/// A server in its own process, which is killed when `child` is dropped.
pub(crate) struct HelperProcess {
    pub(crate) child: Child,
    pub(crate) port: u16,
    /// The lines that it prints after the first one, which is the port.
    pub(crate) output: Lines<BufReader<ChildStdout>>,
}

/// Starts this program with these arguments.
pub(crate) async fn start(arguments: &[&str]) -> Result<HelperProcess> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut output = BufReader::new(child.stdout.take().context("the output must be a pipe")?).lines();
    let port = output.next_line().await?.with_context(|| format!("{arguments:?} has ended"))?.parse()?;
    Ok(HelperProcess { child, port, output })
}
