//! Tests of the scripts on machines that lack programs: PATH contains only what the test puts there.

use std::{
    env, fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

/// The programs that every machine has.
const BASIC_PROGRAMS: [&str; 24] = [
    "bash", "basename", "cat", "chmod", "cp", "cut", "dirname", "env", "find", "flock", "grep", "head", "ln", "mkdir",
    "mktemp", "mv", "rm", "rmdir", "sed", "sleep", "sort", "tail", "timeout", "tr",
];

/// A clone with the scripts, and a PATH with only the basic programs.
struct TestMachine {
    root: TempDir,
}

impl TestMachine {
    fn new() -> Self {
        let machine = Self { root: tempfile::tempdir().expect("a temporary directory") };
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
        copy_files(&workspace.join("scripts"), &machine.path("clone/scripts"));
        copy_files(&workspace.join(".ci"), &machine.path("clone/.ci"));
        copy_files(
            &workspace.join("crates/dev/local-stack/parts"),
            &machine.path("clone/crates/dev/local-stack/parts"),
        );
        fs::create_dir_all(machine.path("bin")).expect("a temporary directory");
        for name in BASIC_PROGRAMS {
            symlink(find_on_path(name), machine.path("bin").join(name)).expect("a new name");
        }
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Adds a program to PATH.
    fn with_program(self, name: &str, script: &str) -> Self {
        self.write_program(&format!("bin/{name}"), script);
        self
    }

    fn write_program(&self, name: &str, script: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a temporary directory");
        fs::write(&path, format!("#!/usr/bin/env bash\n{script}\n")).expect("a new file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("our own file");
    }

    /// Adds Java 17 and this Maven to PATH.
    fn with_java_17(self, maven: &str) -> Self {
        let java = "echo 'Picked up something' >&2; echo 'openjdk version \"17.0.15\" 2025-04-15' >&2";
        self.with_program("java", java).with_program("mvn", maven)
    }

    fn with_fetched_mongod(self) -> Self {
        self.write_program("parts/mongod-6.0.5/mongod", "");
        self
    }

    fn run(&self, script: &str, arguments: &[&str]) -> (Output, String) {
        self.run_with(&[], script, arguments)
    }

    /// Runs a script with these variables in its environment.
    fn run_with(&self, variables: &[(&str, &str)], script: &str, arguments: &[&str]) -> (Output, String) {
        // The scripts are called from another directory, because they must not depend on the current one.
        let output = Command::new(self.path("clone/scripts").join(script))
            .args(arguments)
            .current_dir("/")
            .env_clear()
            .env("PATH", self.path("bin"))
            .env("LOCAL_STACK_PARTS", self.path("parts"))
            .env("CALLS", self.path("calls"))
            .envs(variables.iter().copied())
            .output()
            .expect("the script runs");
        let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        (output, text)
    }

    /// Returns the number of calls of programs that append a line to `$CALLS`.
    fn call_count(&self) -> usize {
        fs::read_to_string(self.path("calls")).unwrap_or_default().lines().count()
    }
}

fn copy_files(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a temporary directory");
    for entry in fs::read_dir(from).expect("a directory of the workspace").flatten() {
        fs::copy(entry.path(), to.join(entry.file_name())).expect("a file of the workspace");
    }
}

fn find_on_path(name: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).map(|directory| directory.join(name)).find(|program| program.is_file());
    found.unwrap_or_else(|| panic!("{name} is not on PATH"))
}

/// Returns the script of a `cargo` whose `deny` subcommands end with these statuses and append their arguments to
/// `$CALLS`.
fn fake_cargo_deny(fetch: i32, advisories: i32) -> String {
    format!(
        r#"echo "$@" >>"$CALLS"
        case "$*" in
          *"fetch db"*) exit {fetch} ;;
          *advisories*) exit {advisories} ;;
        esac"#
    )
}

#[test]
fn advisories_are_checked_where_their_database_can_be_fetched() {
    for (fetch, advisories, succeeds, skips) in [(0, 0, true, false), (0, 1, false, false), (1, 1, true, true)] {
        let machine = TestMachine::new().with_program("cargo", &fake_cargo_deny(fetch, advisories));
        let (output, text) = machine.run("../.ci/run", &["dependencies"]);
        let case = format!("the fetch ends with {fetch}, the check with {advisories}: {text}");
        assert_eq!(output.status.success(), succeeds, "{case}");
        assert_eq!(text.contains("SKIPPED: advisories"), skips, "{case}");
        let calls = fs::read_to_string(machine.path("calls")).expect("cargo was called");
        assert!(calls.contains("check licenses bans sources"), "{calls}");
        assert_eq!(calls.contains("check --disable-fetch advisories"), !skips, "{calls}");
    }
}

/// Builds with cargo, as scripts/up, scripts/test and `cargo run -p` do, and returns what had to be compiled.
fn compiled_by(arguments: &[&str]) -> Vec<String> {
    let mut cargo = Command::new(env!("CARGO"));
    // Build scripts run again when a variable changes that `cargo test` sets for this test.
    let set_by_cargo = |name: &str| name.starts_with("CARGO_MANIFEST_") || name.starts_with("CARGO_PKG_");
    for (name, _) in env::vars_os().filter(|(name, _)| set_by_cargo(&name.to_string_lossy())) {
        cargo.env_remove(name);
    }
    let output = cargo
        .args(["build", "--locked", "--message-format=json-render-diagnostics"])
        .args(arguments)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.."))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let messages = output.stdout.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
    let compiled = messages.filter(|message: &serde_json::Value| message["fresh"] == false);
    compiled.map(|message| message["package_id"].to_string()).collect()
}

#[test]
fn cargo_run_compiles_nothing_after_a_build_of_the_workspace() {
    compiled_by(&["--workspace", "--bins"]);
    for package in ["user-service", "email-service", "local-stack"] {
        let compiled = compiled_by(&["--package", package]);
        assert_eq!(compiled, [""; 0], "{package} has other features alone: run `cargo hakari generate`");
    }
}

/// Checks the Dockerfile: `docker exec CONTAINER user-service …` looks for the program in the container's `PATH`, and
/// the images contain only what the Dockerfile puts there.
#[test]
fn each_image_has_its_program_on_its_path() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let dockerfile = fs::read_to_string(workspace.join("Dockerfile")).expect("there is a Dockerfile");
    let stages: Vec<&str> = dockerfile.split("\nFROM ").collect();
    let stage = |name: &str| {
        let ends = format!(" AS {name}");
        let found = stages.iter().find(|stage| stage.lines().next().is_some_and(|line| line.ends_with(&ends)));
        *found.unwrap_or_else(|| panic!("no stage {name}"))
    };
    let path_of = |stage: &str| stage.lines().find_map(|line| Some(line.strip_prefix("ENV PATH=")?.to_owned()));
    for service in ["user-service", "email-service"] {
        let own = stage(service);
        assert!(own.starts_with("runtime "), "{own}");
        let path = path_of(own).or_else(|| path_of(stage("runtime"))).expect("the image sets PATH");
        let program = own.lines().find_map(|line| line.strip_prefix("COPY --from=build ")?.split(' ').nth(1));
        let program = Path::new(program.expect("the program is copied"));
        assert_eq!(program.file_name().and_then(|name| name.to_str()), Some(service));
        let found = env::split_paths(&path).any(|directory| program.parent() == Some(directory.as_path()));
        assert!(found, "{} is not on {path}", program.display());
    }
}

#[test]
fn without_java_the_embedded_broker_is_chosen_and_reported() {
    let machine = TestMachine::new().with_fetched_mongod();
    let (output, text) = machine.run("parts", &[]);
    assert!(output.status.success(), "{text}");
    for line in ["parts: MongoDB  mongod 6.0.5", "parts: Kafka    embedded broker: Java 17 or later is not installed"] {
        assert!(text.lines().any(|printed| printed == line), "{line} is not in: {text}");
    }
    let link = fs::read_link(machine.path("clone/.local/parts")).expect("a link");
    assert_eq!(link, machine.path("parts"));
}

#[test]
fn without_mongod_and_pip_the_message_says_what_to_install() {
    let (output, text) = TestMachine::new().run("parts", &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("apt-get install -y python3 python3-pip"), "{text}");
}

#[test]
fn a_mongod_on_path_is_used_as_it_is() {
    let machine = TestMachine::new().with_program("mongod", "");
    let (output, text) = machine.run("parts", &[]);
    assert!(output.status.success() && text.contains("bin/mongod, from PATH"), "{text}");
}

#[test]
fn a_kafka_that_cannot_be_fetched_is_retried_once_a_day_or_on_request() {
    let machine = TestMachine::new().with_fetched_mongod().with_java_17("echo mvn >>\"$CALLS\"; exit 1");
    let (output, text) = machine.run("parts", &[]);
    assert!(output.status.success() && text.contains("embedded broker: Maven could not fetch Apache Kafka"), "{text}");
    let (_, text) = machine.run("parts", &[]);
    assert!(text.contains("(scripts/parts --retry)"), "{text}");
    assert_eq!(machine.call_count(), 1);
    machine.run("parts", &["--retry"]);
    assert_eq!(machine.call_count(), 2);
}

#[test]
fn a_kafka_that_was_fetched_is_used_the_next_time() {
    let maven = r#"echo mvn >>"$CALLS"
        for argument in "$@"; do
          case $argument in -DoutputDirectory=*) libs=${argument#*=} ;; esac
        done
        mkdir -p "$libs" && echo jar >"$libs/kafka_2.13-4.1.0.jar""#;
    let machine = TestMachine::new().with_fetched_mongod().with_java_17(maven);
    assert!(machine.run("parts", &[]).1.contains("Apache Kafka 4.1.0 fetched"));
    assert!(machine.run("parts", &[]).1.contains("parts: Kafka    Apache Kafka 4.1.0\n"));
    assert_eq!(machine.call_count(), 1);
    assert!(machine.path("parts/kafka-4.1.0/libs/kafka_2.13-4.1.0.jar").is_file());
}

#[test]
fn the_embedded_broker_is_chosen_if_java_is_too_old_or_maven_fails() {
    let old = "echo 'openjdk version \"11.0.2\" 2019-01-15' >&2";
    let machine = TestMachine::new().with_fetched_mongod().with_program("java", old).with_program("mvn", "exit 1");
    assert!(machine.run("parts", &[]).1.contains("embedded broker: Java 11 is older than 17"));
    let machine = TestMachine::new().with_fetched_mongod().with_java_17("echo '[ERROR] no network'; exit 1");
    let (output, text) = machine.run("parts", &[]);
    assert!(
        output.status.success() && text.contains("Maven could not fetch Apache Kafka: [ERROR] no network"),
        "{text}"
    );
}

/// A `mvn` that fetches only Apache Kafka 3.9.1.
const FAKE_MAVEN: &str = r#"
    for argument in "$@"; do
      case $argument in
        -Dkafka.version=*) version=${argument#*=} ;;
        -DoutputDirectory=*) libs=${argument#*=} ;;
      esac
    done
    echo "mvn $version" >>"$CALLS"
    if [[ $version != 3.9.1 ]]; then echo "[ERROR] there is no $version"; exit 1; fi
    mkdir -p "$libs"
    echo jar >"$libs/kafka_2.13-$version.jar""#;

#[test]
fn a_requested_version_of_kafka_is_fetched_into_its_own_directory_or_the_script_fails() {
    let java = "echo 'openjdk version \"17.0.15\" 2025-04-15' >&2";
    let machine = TestMachine::new().with_fetched_mongod().with_program("java", java).with_program("mvn", FAKE_MAVEN);
    for report in ["parts: Kafka    Apache Kafka 3.9.1 fetched\n", "parts: Kafka    Apache Kafka 3.9.1\n"] {
        let (output, text) = machine.run_with(&[("KAFKA_VERSION", "3.9.1")], "parts", &[]);
        assert!(output.status.success() && text.contains(report), "{text}");
    }
    assert_eq!(machine.call_count(), 1);
    assert!(machine.path("parts/kafka-3.9.1/libs/kafka_2.13-3.9.1.jar").is_file());

    for (version, reason) in [("3.9.99", "[ERROR] there is no 3.9.99"), ("../3.9.1", "this is not a version")] {
        // It is tried each time, and the error does not depend on an earlier one.
        for _ in 0..2 {
            let (output, text) = machine.run_with(&[("KAFKA_VERSION", version)], "parts", &[]);
            assert_eq!(output.status.code(), Some(1), "{text}");
            let message = format!("no Apache Kafka {version}, which KAFKA_VERSION requests: ");
            assert!(text.contains(&message) && text.contains(reason) && !text.contains("embedded"), "{text}");
        }
    }
    assert_eq!(machine.call_count(), 3);
    let (output, text) = machine.run_with(&[("KAFKA_VERSION", "3.9.99")], "parts", &["--embedded"]);
    assert!(output.status.success() && text.contains("embedded broker, as requested"), "{text}");

    let without_java = TestMachine::new().with_fetched_mongod().with_program("mvn", FAKE_MAVEN);
    let (output, text) = without_java.run_with(&[("KAFKA_VERSION", "3.9.1")], "parts", &[]);
    assert!(output.status.code() == Some(1) && text.contains("Java 17 or later is not installed"), "{text}");
}

#[test]
fn a_requested_mongod_is_used_and_its_version_shown_or_the_script_fails() {
    let version = "echo 'db version v8.0.4'; echo 'Build Info: {'";
    let machine = TestMachine::new().with_fetched_mongod().with_program("mongod", "").with_program("other", version);
    let other = machine.path("bin/other").display().to_string();
    let (output, text) = machine.run_with(&[("MONGOD", &other)], "parts", &[]);
    let report = format!("parts: MongoDB  mongod 8.0.4, {other}, from MONGOD\n");
    assert!(output.status.success() && text.contains(&report), "{text}");

    let no_mongod = machine.path("bin/cat").display().to_string();
    let missing = machine.path("bin/missing").display().to_string();
    for mongod in ["bin/other", &no_mongod, &missing] {
        let (output, text) = machine.run_with(&[("MONGOD", mongod)], "parts", &[]);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(&format!("MONGOD={mongod} is not the absolute path of a mongod")), "{text}");
    }
}

#[test]
fn the_embedded_broker_needs_no_maven() {
    let machine = TestMachine::new()
        .with_fetched_mongod()
        .with_program("java", "exit 1")
        .with_program("mvn", "echo mvn >>\"$CALLS\"");
    assert!(machine.run("parts", &["--embedded"]).1.contains("embedded broker, as requested"));
    assert_eq!(machine.call_count(), 0);
}

#[test]
fn partial_downloads_are_removed() {
    let maven = r#"for argument in "$@"; do
          case $argument in -DoutputDirectory=*) libs=${argument#*=} ;; esac
        done
        mkdir -p "$libs" && echo half >"$libs/kafka_2.13-4.1.0.jar"; exit 1"#;
    let machine = TestMachine::new().with_fetched_mongod().with_java_17(maven);
    machine.run("parts", &[]);
    let left = fs::read_dir(machine.path("parts")).expect("the directory exists").flatten();
    let mut names: Vec<String> = left.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    assert_eq!(names, [".lock", "kafka-4.1.0.missing", "mongod-6.0.5"]);
}

#[test]
fn without_rust_or_a_compiler_the_message_says_what_to_install() {
    for script in ["up", "test", "generate"] {
        let (output, text) = TestMachine::new().run(script, &[]);
        assert_eq!(output.status.code(), Some(1));
        assert!(text.contains(&format!("{script}: Rust is missing")), "{text}");
        let (output, text) =
            TestMachine::new().with_program("cargo", "echo cargo >>\"$CALLS\"").with_program("cc", "").run(script, &[]);
        assert_eq!(output.status.code(), Some(1));
        assert!(
            text.contains("a C++ compiler")
                && text.contains("apt-get install -y build-essential libssl-dev pkg-config"),
            "{text}"
        );
    }
}

#[test]
fn without_node_the_rest_is_generated_and_the_message_says_what_is_skipped() {
    let mut machine = TestMachine::new();
    for tool in ["cargo", "cc", "c++", "make", "perl"] {
        machine = machine.with_program(tool, "");
    }
    machine.write_program("clone/target/debug/user-service", "echo '{}'");
    let (output, text) = machine.run("generate", &[]);
    assert!(output.status.success() && text.contains("SKIPPED: the TypeScript types"), "{text}");
    assert_eq!(fs::read_to_string(machine.path("clone/docs/openapi.json")).expect("written"), "{}\n");
    let (output, text) = machine.run("contract", &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("Node.js 20 with npm is missing"), "{text}");
}

#[test]
fn the_openssl_of_the_system_is_used_where_its_headers_are_and_compiled_elsewhere() {
    let mut machine = TestMachine::new();
    for tool in ["cc", "c++", "make", "perl"] {
        machine = machine.with_program(tool, "");
    }
    let machine = machine.with_program("cargo", "exit 1").with_program("pkg-config", "exit 0");
    let choice = machine.path("clone/.local/openssl.toml");
    machine.run("generate", &[]);
    assert_eq!(fs::read_to_string(&choice).expect("written"), "[env]\nOPENSSL_NO_VENDOR = \"1\"\n");
    let machine = machine.with_program("pkg-config", "exit 1");
    let (_, text) = machine.run("generate", &[]);
    assert!(!choice.exists() && text.contains("compiling OpenSSL"), "{text}");
}

#[test]
fn an_unknown_option_is_a_usage_error() {
    for script in ["up", "parts", "pictures", "nightly", "verify-examples", "contract"] {
        let (output, text) = TestMachine::new().run(script, &["--nonsense"]);
        assert_eq!(output.status.code(), Some(2));
        assert!(text.contains("--nonsense"), "{text}");
    }
}

#[test]
fn help_shows_the_usage_of_a_script() {
    for script in ["up", "test", "parts", "pictures", "faults", "nightly", "verify-examples"] {
        let (output, text) = TestMachine::new().run(script, &["--help"]);
        assert!(output.status.success() && text.contains(&format!("scripts/{script} [")), "{text}");
    }
}

#[test]
fn down_without_a_build_has_nothing_to_stop() {
    let (output, text) = TestMachine::new().run("down", &[]);
    assert!(output.status.success() && text.contains("nothing of this clone runs"), "{text}");
}
