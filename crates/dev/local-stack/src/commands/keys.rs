//! The keys of a local stack: made once by the services' own `keygen`, where their default configuration looks.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use super::workspace::Workspace;

const KEYGENS: [(&str, &[&str]); 2] =
    [("user-service", &["encryption.key"]), ("email-service", &["sealing.public", "sealing.private"])];

/// Makes the keys that are missing.
pub(crate) fn ensure_keys(workspace: &Workspace) -> Result<()> {
    let directory = workspace.keys();
    for (service, files) in KEYGENS {
        if files.iter().all(|file| directory.join(file).is_file()) {
            continue;
        }
        let made = Command::new(workspace.binary(service)?)
            .args(["keygen", "--out"])
            .arg(&directory)
            .current_dir(workspace.root())
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("cannot run {service} keygen"))?;
        ensure!(
            made.status.success(),
            "{service} keygen --out {} failed: {}",
            directory.display(),
            String::from_utf8_lossy(&made.stderr).trim()
        );
    }
    Ok(())
}
