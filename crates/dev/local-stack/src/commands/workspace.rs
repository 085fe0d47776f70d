//! Where things are: this workspace, its `.local` directory, and the binaries built beside this one.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};

/// The workspace's paths.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// `LOCAL_STACK_ROOT`, which the scripts set, or the nearest directory above that holds this crate.
    pub(crate) fn find() -> Result<Self> {
        if let Some(root) = env::var_os("LOCAL_STACK_ROOT").filter(|root| !root.is_empty()) {
            return Ok(Self { root: PathBuf::from(root) });
        }
        let here = env::current_dir()?;
        let root = here.ancestors().find(|directory| directory.join("crates/dev/local-stack/Cargo.toml").is_file());
        Ok(Self { root: root.context("not inside the workspace; set LOCAL_STACK_ROOT")?.to_owned() })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Everything that is made at run time; ignored by git.
    pub(crate) fn local(&self) -> PathBuf {
        self.root.join(".local")
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.local().join("logs")
    }

    pub(crate) fn keys(&self) -> PathBuf {
        self.local().join("keys")
    }

    /// A service's binary: built into the same directory as this program.
    pub(crate) fn binary(&self, name: &str) -> Result<PathBuf> {
        let own = env::current_exe()?;
        let path = own.with_file_name(name);
        ensure!(path.is_file(), "{} is not built; scripts/up builds it, or: cargo build -p {name}", path.display());
        Ok(path)
    }
}
