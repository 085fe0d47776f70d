//! `keygen`: the key pair of the sealed tokens.

use std::{
    fs::{self, OpenOptions},
    io::{ErrorKind, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail, ensure};
use events::sealing::{PrivateKey, PublicKey};
use secrecy::{ExposeSecret as _, SecretString};
use service_kit::cli::print_result;

/// Creates the key pair and prints its id. With `if_missing`, an existing pair is a success.
///
/// # Errors
/// Returns an error if a file exists or cannot be written: an overwritten key cannot be recovered.
pub(super) fn run(out: &Path, public_out: Option<&Path>, if_missing: bool, json: bool) -> anyhow::Result<()> {
    let files = KeyPairFiles::new(out, public_out);
    let kid = if if_missing { files.create_if_missing()? } else { files.create()? };
    let value = serde_json::json!({ "kid": kid, "directory": out });
    print_result(json, &value, format_args!("key {kid} is in {}", out.display()))
}

const PUBLIC: &str = "sealing.public";
const PRIVATE: &str = "sealing.private";

/// The files of the two halves: in one directory or in two, so that readers of the public half
/// cannot reach the private one.
#[derive(Debug)]
pub struct KeyPairFiles {
    private: PathBuf,
    public: PathBuf,
}

impl KeyPairFiles {
    /// Names the files: `sealing.private` in `out`, `sealing.public` in `public_out` or else in
    /// `out`.
    #[must_use]
    pub fn new(out: &Path, public_out: Option<&Path>) -> Self {
        Self { private: out.join(PRIVATE), public: public_out.unwrap_or(out).join(PUBLIC) }
    }

    /// Creates a key pair, and missing directories. Returns the key's id.
    ///
    /// # Errors
    /// Returns an error if one of the files exists (then neither is written), or cannot be written.
    pub fn create(&self) -> anyhow::Result<String> {
        for path in [&self.private, &self.public] {
            if path.try_exists().with_context(|| path.display().to_string())? {
                bail!("{} exists already: a key is never overwritten", path.display());
            }
        }
        let (private, public) = PrivateKey::generate();
        write(&self.private, private.to_base64().expose_secret(), 0o600)?;
        self.write_public(&public)
    }

    /// Creates a key pair unless one exists. A missing public half is derived from the private one,
    /// so that a start interrupted between the two can be repeated.
    ///
    /// # Errors
    /// Returns an error if the existing halves do not match, only the public one exists, or a file
    /// cannot be read or written.
    pub fn create_if_missing(&self) -> anyhow::Result<String> {
        let Some(text) = read(&self.private)? else { return self.create() };
        let private = PrivateKey::from_base64(text.expose_secret())
            .with_context(|| format!("{} is not a key", self.private.display()))?;
        let public = private.public();
        let Some(text) = read(&self.public)? else { return self.write_public(&public) };
        let found = PublicKey::from_base64(text.expose_secret())
            .with_context(|| format!("{} is not a key", self.public.display()))?;
        ensure!(found.kid() == public.kid(), "{} does not belong to {}", self.public.display(), self.private.display());
        Ok(public.kid().to_owned())
    }

    fn write_public(&self, public: &PublicKey) -> anyhow::Result<String> {
        write(&self.public, &public.to_base64(), 0o644)?;
        Ok(public.kid().to_owned())
    }
}

/// Returns the text of a file, or `None` if it does not exist.
fn read(path: &Path) -> anyhow::Result<Option<SecretString>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.into())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

fn write(path: &Path, key: &str, mode: u32) -> anyhow::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
    }
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

    use super::*;

    fn directory() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    fn read(directory: &tempfile::TempDir, name: &str) -> String {
        fs::read_to_string(directory.path().join(name)).unwrap()
    }

    #[test]
    fn the_key_pair_matches_and_only_the_owner_can_read_the_private_half() {
        let directory = directory();
        let files = KeyPairFiles::new(directory.path(), None);
        let kid = files.create().unwrap();

        let mode = |name| fs::metadata(directory.path().join(name)).unwrap().permissions().mode() & 0o777;
        let private = PrivateKey::from_base64(&read(&directory, PRIVATE)).unwrap();
        assert_eq!(private.public().kid(), kid);
        assert_eq!(PublicKey::from_base64(&read(&directory, PUBLIC)).unwrap().kid(), kid);
        assert_eq!((mode(PRIVATE), mode(PUBLIC)), (0o600, 0o644));

        let before = read(&directory, PRIVATE);
        let error = files.create().unwrap_err().to_string();
        assert!(error.contains("never overwritten"), "{error}");
        fs::remove_file(directory.path().join(PUBLIC)).unwrap();
        assert!(files.create().is_err(), "an incomplete pair is not completed by `create`");
        assert_eq!(read(&directory, PRIVATE), before);
        assert!(!directory.path().join(PUBLIC).exists());
    }

    #[test]
    fn a_missing_half_is_created_and_an_existing_half_is_kept() {
        let directory = directory();
        let (out, public_out) = (directory.path().join("private"), directory.path().join("public"));
        let files = KeyPairFiles::new(&out, Some(&public_out));

        let kid = files.create_if_missing().unwrap();
        let (private, public) =
            (read(&directory, "private/sealing.private"), read(&directory, "public/sealing.public"));
        assert!(!public_out.join(PRIVATE).exists() && !out.join(PUBLIC).exists(), "each half is in its own directory");
        assert_eq!(files.create_if_missing().unwrap(), kid);

        fs::remove_file(public_out.join(PUBLIC)).unwrap();
        assert_eq!(files.create_if_missing().unwrap(), kid);
        assert_eq!(read(&directory, "private/sealing.private"), private);
        assert_eq!(read(&directory, "public/sealing.public"), public);
    }

    #[test]
    fn mismatched_key_halves_are_refused() {
        let directory = directory();
        let files = KeyPairFiles::new(directory.path(), None);
        files.create().unwrap();
        let (_, other) = PrivateKey::generate();
        fs::write(directory.path().join(PUBLIC), other.to_base64()).unwrap();
        let error = files.create_if_missing().unwrap_err().to_string();
        assert!(error.contains("does not belong"), "{error}");

        fs::remove_file(directory.path().join(PRIVATE)).unwrap();
        assert!(files.create_if_missing().is_err(), "the private half is missing");
        assert!(!directory.path().join(PRIVATE).exists());
    }
}
