//! Paths of the workspace: its root, its `.local` directory, and the compiled binaries.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};

/// The paths of the workspace.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// Finds the workspace: `LOCAL_STACK_ROOT`, which the scripts set, or the nearest parent of the current directory
    /// that contains this crate.
    pub(crate) fn find() -> Result<Self> {
        if let Some(root) = env::var_os("LOCAL_STACK_ROOT").filter(|root| !root.is_empty()) {
            return Ok(Self { root: PathBuf::from(root) });
        }
        let current = env::current_dir()?;
        let root = current.ancestors().find(|directory| directory.join("crates/dev/local-stack/Cargo.toml").is_file());
        Ok(Self { root: root.context("not inside the workspace; set LOCAL_STACK_ROOT")?.to_owned() })
    }

    /// Returns the root directory.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the directory of all files that are created at run time; git ignores it.
    pub(crate) fn local(&self) -> PathBuf {
        self.root.join(".local")
    }

    /// Returns the directory of the logs of `up`.
    pub(crate) fn logs(&self) -> PathBuf {
        self.local().join("logs")
    }

    /// Returns the directory of the keys.
    pub(crate) fn keys(&self) -> PathBuf {
        self.local().join("keys")
    }

    /// Returns the path of a service's binary, which is built into the same directory as this program.
    pub(crate) fn binary(&self, name: &str) -> Result<PathBuf> {
        let this_program = env::current_exe()?;
        let path = this_program.with_file_name(name);
        ensure!(path.is_file(), "{} is not built; scripts/up builds it, or: cargo build -p {name}", path.display());
        Ok(path)
    }
}
