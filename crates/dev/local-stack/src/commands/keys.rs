//! Creates the keys of a local stack with the services' own `keygen` command, where their default configuration
//! expects them.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use super::workspace::Workspace;

const KEYGENS: [(&str, &[&str]); 2] =
    [("user-service", &["encryption.key"]), ("email-service", &["sealing.public", "sealing.private"])];

/// Creates the keys that are missing.
pub(crate) fn ensure_keys(workspace: &Workspace) -> Result<()> {
    let directory = workspace.keys();
    for (service, files) in KEYGENS {
        if files.iter().all(|file| directory.join(file).is_file()) {
            continue;
        }
        let output = Command::new(workspace.binary(service)?)
            .args(["keygen", "--out"])
            .arg(&directory)
            .current_dir(workspace.root())
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("cannot run {service} keygen"))?;
        ensure!(
            output.status.success(),
            "{service} keygen --out {} failed: {}",
            directory.display(),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}
