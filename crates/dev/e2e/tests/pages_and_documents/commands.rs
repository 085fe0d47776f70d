//! The commands of both services.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use e2e::commands::{assert_start_refused, stdout_of};
use test_support::{Stack, World};

#[tokio::test]
async fn the_configuration_is_checked_and_shown_without_secrets() {
    let world = World::without_topic(&Stack::from_env(), "config");
    let spec = world.user_service();
    let secret_uri = "mongodb://root:hunter2hunter2@db.example.org:27017";
    let shown =
        spec.clone().set("MONGODB__URI", secret_uri).set("AUTH__RESET_TTL", "45m").command(&["check-config"]).await;
    let out = stdout_of(&shown, 0);
    assert!(!out.contains("hunter2") && !out.contains(&world.read_key("encryption.key")), "{out}");
    assert!(out.contains("uri = \"<redacted>\"") && out.contains("reset_ttl = \"45m\""), "{out}");

    for (variable, value, expected) in [
        ("HTTP__PROT", "1", "HTTP__PORT"),
        ("RELAY__SWEEP_INTERVALL", "1s", "SWEEP_INTERVAL"),
        ("HTTP__PORT", "a lot", "HTTP__PORT"),
        ("HTTP__CLIENT_ADDRESS_HEADER", "authorization", "http.client_address_header"),
        ("HTTP__CLIENT_ADDRESS_HEADER", "x forwarded for", "http.client_address_header"),
        ("HTTP__MAILS_URL", "127.0.0.1:8025", "HTTP__MAILS_URL"),
        ("HTTP__MAILS_URL", "javascript:alert(1)", "http.mails_url"),
        ("AUTH__ACCESS_TOKEN_TTL", "soon", "AUTH__ACCESS_TOKEN_TTL"),
        ("KAFKA__PROPERTIES__ENABLE_IDEMPOTENCE", "false", "enable.idempotence"),
        ("MONGODB__URI", "mongodb://root:hunter2hunter2@h/?w=1", "mongodb.uri"),
        ("KEYS__ENCRYPTION_KEY", "bm90IDMyIGJ5dGVz", "encryption_key"),
    ] {
        let error = assert_start_refused(&spec.clone().set(variable, value), &[expected]).await;
        assert!(!error.contains("hunter2"), "{error}");
    }
    let file = tempfile::NamedTempFile::new().expect("a file can be created");
    fs::write(file.path(), "[http]\nprot = 1\n").expect("the file can be written");
    let path = file.path().to_str().expect("the path is UTF-8");
    let refused = spec.command(&["check-config", "--config", path]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        text(&refused.stderr).contains(path) && text(&refused.stderr).contains("port"),
        "{}",
        text(&refused.stderr)
    );
    fs::write(file.path(), "[audit]\nretention = \"7d\"\n").expect("the file can be written");
    let shown = spec.command(&["check-config", "--config", path]).await;
    assert!(text(&shown.stdout).contains("retention = \"7d\""), "{}", text(&shown.stdout));
}

#[tokio::test]
async fn keygen_creates_private_files_and_never_overwrites_them() {
    let world = World::without_topic(&Stack::from_env(), "keygen");
    let directory = tempfile::tempdir().expect("a directory can be created");
    let out = directory.path().join("new").join("keys");
    let path = out.to_str().expect("the path is UTF-8");
    for (spec, files) in [
        (world.user_service(), &[("encryption.key", 0o600)][..]),
        (world.email_service(), &[("sealing.private", 0o600), ("sealing.public", 0o644)]),
    ] {
        let made = spec.command(&["keygen", "--out", path]).await;
        let printed = stdout_of(&made, 0);
        let contents: Vec<String> = files.iter().map(|(file, mode)| read_key(&out.join(file), *mode)).collect();
        for content in &contents {
            assert!(!printed.contains(content), "a key is printed");
        }
        let again = spec.command(&["keygen", "--out", path]).await;
        assert_eq!(again.status.code(), Some(1));
        assert!(text(&again.stderr).contains(files[0].0), "{}", text(&again.stderr));
        let after: Vec<String> = files.iter().map(|(file, mode)| read_key(&out.join(file), *mode)).collect();
        assert_eq!(after, contents, "a key was overwritten");
    }
    assert_eq!(fs::read_dir(&out).expect("the directory exists").count(), 3, "there are other files than the keys");
}

/// Checks the mode of a key file and that it has 32 bytes in base64, and returns its text.
fn read_key(path: &Path, mode: u32) -> String {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    let metadata = fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(metadata.permissions().mode() & 0o777, mode, "{}", path.display());
    let text = fs::read_to_string(path).expect("a key is text").trim().to_owned();
    assert_eq!(BASE64_STANDARD.decode(&text).map(|bytes| bytes.len()), Ok(32), "{}", path.display());
    text
}

#[tokio::test]
async fn every_command_has_a_help_text() {
    let world = World::without_topic(&Stack::from_env(), "help");
    let user_commands: &[&[&str]] = &[
        &[],
        &["serve"],
        &["check-config"],
        &["healthcheck"],
        &["openapi"],
        &["keygen"],
        &["keys"],
        &["keys", "algorithm"],
        &["events"],
        &["events", "list"],
        &["events", "retry"],
        &["events", "skip"],
        &["events", "snapshot"],
        &["clients"],
        &["clients", "create"],
        &["clients", "list"],
        &["clients", "rotate-secret"],
        &["clients", "drop-old-secret"],
        &["clients", "disable"],
        &["clients", "enable"],
    ];
    let email_commands: &[&[&str]] = &[
        &[],
        &["serve"],
        &["check-config"],
        &["healthcheck"],
        &["keygen"],
        &["mail"],
        &["mail", "list"],
        &["mail", "show"],
        &["dead-letters"],
        &["dead-letters", "list"],
        &["dead-letters", "show"],
    ];
    for (spec, commands) in [(world.user_service(), user_commands), (world.email_service(), email_commands)] {
        for command in commands {
            let help = stdout_of(&spec.command(&[command, &["--help"][..]].concat()).await, 0);
            assert!(help.contains("Usage:"), "{command:?}");
        }
        for command in [&["nonsense"][..], &["serve", "--nonsense"], &["keygen"], &["--config"]] {
            let _ = stdout_of(&spec.command(command).await, 2);
        }
        let version = stdout_of(&spec.command(&["--version"]).await, 0);
        assert!(version.contains(env!("CARGO_PKG_VERSION")), "{version}");
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
