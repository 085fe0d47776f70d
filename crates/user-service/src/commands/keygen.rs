//! `keygen`: a new key-encryption key in a file that only its owner may read.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use anyhow::Context;
use base64::{Engine, prelude::BASE64_STANDARD};
use zeroize::Zeroizing;

const FILE: &str = "encryption.key";

/// Writes `encryption.key` into the directory, which is made if it is missing.
///
/// # Errors
/// When the file exists: a lost key cannot be had again.
pub(super) fn run(directory: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("{} cannot be made", directory.display()))?;
    let path = directory.join(FILE);
    let mut key = Zeroizing::new([0_u8; 32]);
    getrandom::fill(key.as_mut())?;
    let text = Zeroizing::new(format!("{}\n", BASE64_STANDARD.encode(key.as_slice())));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .with_context(|| format!("{} is not written", path.display()))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    println!("{}", path.display());
    Ok(())
}
