//! `keygen`: writes a new key-encryption key to a file that only its owner may read.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use anyhow::Context;
use base64::{Engine, prelude::BASE64_STANDARD};
use service_kit::cli::print_result;
use zeroize::Zeroizing;

const FILE: &str = "encryption.key";

/// Writes `encryption.key` to the directory, and creates the directory if it is missing. With `if_missing`, an existing
/// key is a success.
///
/// # Errors
/// Returns an error if the file exists: an overwritten key cannot be recovered.
pub(super) fn run(directory: &Path, if_missing: bool, json: bool) -> anyhow::Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("{} cannot be created", directory.display()))?;
    let path = directory.join(FILE);
    if if_missing && path.try_exists().with_context(|| path.display().to_string())? {
        return report(&path, false, json);
    }
    let key = Zeroizing::new(service_kit::random_bytes::<32>());
    let text = Zeroizing::new(format!("{}\n", BASE64_STANDARD.encode(key.as_slice())));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .with_context(|| format!("{} cannot be written", path.display()))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    report(&path, true, json)
}

fn report(path: &Path, created: bool, json: bool) -> anyhow::Result<()> {
    let value = serde_json::json!({ "file": path, "created": created });
    let exists = if created { "" } else { " already exists" };
    print_result(json, &value, format_args!("{}{exists}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_generated_once_and_never_overwritten() {
        let directory = std::env::temp_dir().join(format!("encryption-key-{}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        let path = directory.join(FILE);

        run(&directory, true, false).unwrap();
        let key = fs::read_to_string(&path).unwrap();
        assert_eq!(BASE64_STANDARD.decode(key.trim_end()).unwrap().len(), 32);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

        run(&directory, true, false).unwrap();
        assert!(run(&directory, false, false).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), key);
        fs::remove_dir_all(directory).unwrap();
    }
}
