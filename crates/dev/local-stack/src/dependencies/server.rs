//! A server that runs as a child process and can be started again.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result};

use crate::process::child::{Child, Output};

/// How to run a server.
#[expect(async_fn_in_trait, reason = "the futures are used with concrete types only")]
pub trait ServerSpec {
    /// How long a stopped server may take before it is killed.
    const STOP_DEADLINE: Duration;

    /// Starts the process.
    async fn launch(&self) -> Result<Child>;

    /// Waits until the process can be used.
    async fn wait_until_ready(&self, child: &mut Child) -> Result<()>;
}

/// The files of a server.
#[derive(Debug, Clone)]
pub struct ServerFiles {
    /// The data directory; it is created if it is missing, and kept.
    pub data: PathBuf,
    /// The log file.
    pub log: PathBuf,
}

impl ServerFiles {
    /// Creates the data directory if it is missing.
    pub(super) fn create_data(&self) -> Result<()> {
        fs::create_dir_all(&self.data).with_context(|| format!("cannot make {}", self.data.display()))
    }

    /// Returns the output of the process.
    pub(super) fn output(&self) -> Output {
        Output::File(self.log.clone())
    }
}

/// A running server.
#[derive(Debug)]
pub struct Server<S> {
    pub(super) spec: S,
    pub(super) child: Child,
}

impl<S: ServerSpec> Server<S> {
    /// Starts a server and waits until it can be used.
    ///
    /// # Errors
    /// Returns an error if it does not start, with the end of its log.
    pub async fn start(spec: S) -> Result<Self> {
        let mut child = spec.launch().await?;
        spec.wait_until_ready(&mut child).await?;
        Ok(Self { spec, child })
    }

    /// Starts it again with the same data and ports after it was stopped or killed.
    ///
    /// # Errors
    /// Returns an error under the conditions of [`Server::start`].
    pub async fn restart(&mut self) -> Result<()> {
        self.relaunch().await?;
        self.spec.wait_until_ready(&mut self.child).await
    }

    /// Starts it again like [`Server::restart`], and does not wait until it can be used.
    ///
    /// # Errors
    /// Returns an error if the process cannot be started.
    pub async fn relaunch(&mut self) -> Result<()> {
        self.child = self.spec.launch().await?;
        Ok(())
    }

    /// Returns the child process, for signals.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Shuts it down cleanly, and kills it if that takes too long.
    pub async fn stop(&mut self) {
        self.child.stop(S::STOP_DEADLINE).await;
    }
}
