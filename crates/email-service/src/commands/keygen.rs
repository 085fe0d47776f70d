//! `keygen`: the key pair that tokens are sealed with.

use std::{
    fs::OpenOptions,
    io::{ErrorKind, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use anyhow::{Context as _, bail};
use events::sealing::PrivateKey;
use secrecy::ExposeSecret as _;

const PUBLIC: &str = "sealing.public";
const PRIVATE: &str = "sealing.private";

/// Writes `sealing.public` and `sealing.private` into `directory`, which is made if it is
/// not there. Returns the key's id.
///
/// # Errors
/// If one of them is there already (neither is written then), or cannot be written.
pub fn run(directory: &Path) -> anyhow::Result<String> {
    for name in [PRIVATE, PUBLIC] {
        let path = directory.join(name);
        if path.try_exists().with_context(|| path.display().to_string())? {
            bail!("{} exists already: a key is never overwritten", path.display());
        }
    }
    std::fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
    let (private, public) = PrivateKey::generate();
    write(&directory.join(PRIVATE), private.to_base64().expose_secret(), 0o600)?;
    write(&directory.join(PUBLIC), &public.to_base64(), 0o644)?;
    Ok(public.kid().to_owned())
}

fn write(path: &Path, key: &str, mode: u32) -> anyhow::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file = match file {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("{} exists already: a key is never overwritten", path.display())
        }
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    let written = writeln!(file, "{key}").and_then(|()| file.sync_all());
    written.with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use events::sealing::PublicKey;

    use super::*;

    #[test]
    fn the_pair_fits_and_only_the_owner_reads_the_private_half() {
        let directory = std::env::temp_dir().join(format!("keygen-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&directory);
        let kid = run(&directory).unwrap();

        let read = |name| std::fs::read_to_string(directory.join(name)).unwrap();
        let mode = |name| std::fs::metadata(directory.join(name)).unwrap().permissions().mode() & 0o777;
        let private = PrivateKey::from_base64(&read(PRIVATE)).unwrap();
        assert_eq!(private.public().kid(), kid);
        assert_eq!(PublicKey::from_base64(&read(PUBLIC)).unwrap().kid(), kid);
        assert_eq!((mode(PRIVATE), mode(PUBLIC)), (0o600, 0o644));

        let before = read(PRIVATE);
        let error = run(&directory).unwrap_err().to_string();
        assert!(error.contains("never overwritten"), "{error}");
        std::fs::remove_file(directory.join(PUBLIC)).unwrap();
        assert!(run(&directory).is_err(), "half a pair is not completed");
        assert_eq!(read(PRIVATE), before);
        assert!(!directory.join(PUBLIC).exists());
        std::fs::remove_dir_all(directory).unwrap();
    }
}
