//! The brand of an operator: on pages and mails, read again at SIGHUP, refused with file and line if it is broken, and
//! begun from the built-in files.

mod export;
mod mails;
mod pages;

use std::{fs, path::Path};

use tempfile::TempDir;
use test_support::ServiceSpec;

/// A folder with a brand, which a test may change.
pub(crate) struct BrandFolder(TempDir);

impl BrandFolder {
    /// Returns an empty folder.
    pub(crate) fn empty() -> Self {
        Self(tempfile::tempdir().expect("a directory can be created"))
    }

    /// Returns a copy of the example brand of this repository.
    pub(crate) fn example() -> Self {
        let folder = Self::empty();
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../examples/branding"), folder.0.path());
        folder
    }

    /// Writes a file, and replaces one of this name.
    pub(crate) fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> &Self {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().expect("it is below the folder")).expect("a directory can be created");
        fs::write(path, contents).expect("the file can be written");
        self
    }

    /// Removes a file.
    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.0.path().join(name)).expect("the file can be removed");
    }

    /// Returns the text of a file.
    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.path().join(name)).expect("the file can be read")
    }

    /// Replaces a text in a file, which must be there.
    pub(crate) fn replace(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "{name} has no {from:?}");
        self.write(name, text.replacen(from, to, 1));
    }

    /// Returns the path of a file, as the services name it.
    pub(crate) fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().expect("the path is UTF-8").to_owned()
    }

    /// Configures a service with this brand.
    pub(crate) fn on(&self, spec: ServiceSpec) -> ServiceSpec {
        spec.set("BRANDING__DIRECTORY", self.0.path().to_str().expect("the path is UTF-8"))
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("the folder can be read") {
        let entry = entry.expect("an entry can be read");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir(&target).expect("a directory can be created");
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("the file can be copied");
        }
    }
}
