//! Files of users, the `users` command, and the stored documents.

use std::{fs, path::PathBuf};

use bson::{Document, doc};
use e2e::commands::{json_lines, stdout_of};
use serde_json::{Value, json};
use test_support::{ServiceSpec, TestUser, World, find_all};

/// The password of all hashes in these tests.
pub(crate) const PASSWORD: &str = "correct horse";

/// The files of one test, in a temporary directory.
pub(crate) struct Files(pub(crate) tempfile::TempDir);

impl Files {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory can be created"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, lines: &[Value]) -> String {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        self.write_text(name, text)
    }

    pub(crate) fn write_text(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::write(&path, text).expect("a file can be written");
        path.display().to_string()
    }

    /// Reads a file with one JSON object per line.
    pub(crate) fn read(&self, name: &str) -> Vec<Value> {
        json_lines(&fs::read_to_string(self.path(name)).expect("the file exists"))
    }
}

/// Runs `users …`, checks its exit code, and returns its standard output.
pub(crate) async fn run_users_command(spec: &ServiceSpec, arguments: &[&str], code: i32) -> String {
    let all: Vec<&str> = ["users"].into_iter().chain(arguments.iter().copied()).collect();
    stdout_of(&spec.command(&all).await, code)
}

/// Returns the last line of the `--json` output.
pub(crate) fn summary(text: &str) -> Value {
    json_lines(text).pop().unwrap_or_else(|| panic!("there is no output"))
}

pub(crate) fn user_line(world: &World, name: &str) -> Value {
    json!({ "username": name, "email": world.address(name) })
}

pub(crate) fn with_member(mut line: Value, member: &str, value: Value) -> Value {
    line[member] = value;
    line
}

pub(crate) async fn documents(world: &World, collection: &str) -> Vec<Document> {
    find_all(&world.user_collection(collection).await, doc! {}).await
}

pub(crate) fn test_user(world: &World, name: &str, password: &str) -> TestUser {
    TestUser { username: name.to_owned(), email: world.address(name), password: password.to_owned() }
}

/// Makes the sweep run often.
pub(crate) fn with_frequent_sweep(spec: ServiceSpec) -> ServiceSpec {
    spec.set("RELAY__SWEEP_INTERVAL", "100ms").set("RELAY__SWEEP_MIN_AGE", "0s")
}
