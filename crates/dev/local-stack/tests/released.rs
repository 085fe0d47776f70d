//! Tests of `scripts/released`, and of the file that says which commit is which release.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..").canonicalize().expect("the workspace exists")
}

/// Returns the versions and commits in `releases.toml`, oldest first.
fn releases() -> Vec<(String, String)> {
    let path = workspace().join("crates/events/released/releases.toml");
    let text = fs::read_to_string(path).expect("the file can be read");
    let entry = |line: &str| {
        let (version, commit) = line.split_once(" = ")?;
        Some((version.trim_matches('"').to_owned(), commit.trim_matches('"').to_owned()))
    };
    text.lines().filter(|line| line.starts_with('"')).filter_map(entry).collect()
}

/// Runs the script of a clone without fetched dependencies.
fn run(clone: &Path, parts: &TempDir, arguments: &[&str]) -> (Output, String) {
    let mut command = Command::new(clone.join("scripts/released"));
    let output = command.args(arguments).env("LOCAL_STACK_PARTS", parts.path()).output().expect("the script runs");
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    (output, String::from_utf8_lossy(&text).into_owned())
}

fn directory() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

#[test]
fn every_release_has_a_full_commit_id_and_its_records() {
    let releases = releases();
    assert!(!releases.is_empty());
    for (version, commit) in releases {
        assert!(commit.len() == 40 && commit.chars().all(|c| c.is_ascii_hexdigit()), "{version}: {commit}");
        for records in ["events/released", "user-service/tests/released", "email-service/tests/released"] {
            let path = workspace().join("crates").join(records).join(&version);
            assert!(path.is_dir(), "{} is missing: scripts/released record {version}", path.display());
        }
        let changelog = fs::read_to_string(workspace().join("CHANGELOG.md")).expect("the file can be read");
        assert!(changelog.contains(&format!("## [{version}]")) && changelog.contains(&commit), "CHANGELOG.md");
    }
}

#[test]
fn a_release_that_is_not_built_or_not_known_is_an_error_that_says_what_to_do() {
    let parts = directory();
    let (output, text) = run(&workspace(), &parts, &["path"]);
    let (version, _) = releases().pop().expect("there is a release");
    assert!(!output.status.success() && text.contains(&format!("scripts/released build {version}")), "{text}");
    let (output, text) = run(&workspace(), &parts, &["build", "99.0.0"]);
    assert!(!output.status.success() && text.contains("99.0.0 is not in"), "{text}");
    let (output, text) = run(&workspace(), &parts, &["record"]);
    assert!(!output.status.success() && text.contains("VERSION"), "{text}");
}

#[test]
fn a_release_that_is_built_is_found_without_a_build() {
    let parts = directory();
    let (version, commit) = releases().pop().expect("there is a release");
    let built = parts.path().join(format!("release-{version}")).join(commit);
    fs::create_dir_all(&built).expect("a temporary directory");
    for service in ["user-service", "email-service"] {
        fs::copy("/bin/true", built.join(service)).expect("a new file");
    }
    for command in ["path", "build"] {
        let (output, text) = run(&workspace(), &parts, &[command]);
        assert!(output.status.success() && text.trim() == built.display().to_string(), "{text}");
    }
}

#[test]
fn a_shallow_clone_says_how_to_get_the_commit_of_the_release() {
    let (clone, parts) = (directory(), directory());
    let source = format!("file://{}", workspace().display());
    let cloned = Command::new("git").args(["clone", "--quiet", "--depth", "1", &source]).arg(clone.path()).output();
    let cloned = cloned.expect("git runs");
    assert!(cloned.status.success(), "{}", String::from_utf8_lossy(&cloned.stderr));
    // The script as it is here, which may not be committed yet.
    for file in ["scripts/released", "scripts/environment", "crates/events/released/releases.toml"] {
        let target = clone.path().join(file);
        fs::create_dir_all(target.parent().expect("a directory")).expect("a temporary directory");
        fs::copy(workspace().join(file), target).expect("the file can be copied");
    }
    let (output, text) = run(clone.path(), &parts, &["build"]);
    assert!(!output.status.success() && text.contains("git fetch --unshallow"), "{text}");
}

#[test]
fn a_copy_without_git_says_that_it_has_no_source_of_the_release() {
    let (copy, parts) = (directory(), directory());
    for file in ["scripts/released", "scripts/environment", "crates/events/released/releases.toml"] {
        let target = copy.path().join(file);
        fs::create_dir_all(target.parent().expect("a directory")).expect("a temporary directory");
        fs::copy(workspace().join(file), target).expect("the file can be copied");
    }
    let (output, text) = run(copy.path(), &parts, &["build"]);
    assert!(!output.status.success() && text.contains("is no git clone"), "{text}");
}
