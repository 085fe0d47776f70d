//! Lines that an import refuses.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::PermissionsExt as _,
    process::Output,
};

use e2e::commands::{json_lines, stdout_of};
use serde_json::{Value, json};
use test_support::{Stack, World};

use crate::files::{Files, PASSWORD, documents, run_users_command, summary, test_user, user_line, with_member};

#[tokio::test(flavor = "multi_thread")]
async fn refused_lines_are_reported_one_by_one_and_the_others_are_imported() {
    let world = World::new(&Stack::from_env(), "refused").await;
    let files = Files::new();
    let service = world.user_service().start().await;
    let holder = world.test_user("holder");
    let _ = service.api().register(&holder).await.expect(201);

    let blowfish = "ksMzF5T1GreQtTXV/JSTrOWUcnoZY5391MQQprrPbL5mpLKkZdc2y";
    let lines = [
        user_line(&world, "first").to_string(),
        String::new(),
        with_member(user_line(&world, "taken"), "email", json!(holder.email.to_uppercase())).to_string(),
        json!({ "username": holder.username, "email": world.address("taken-name") }).to_string(),
        with_member(user_line(&world, "First"), "email", json!(world.address("FIRST"))).to_string(),
        "{\"username\":".to_owned(),
        with_member(user_line(&world, "costly"), "passwordHash", json!(format!("$2b$15${blowfish}"))).to_string(),
        with_member(user_line(&world, "weak"), "passwordHash", json!("md5$seasalt2$80fef0aa4805d23838480e040ce0f027"))
            .to_string(),
        with_member(user_line(&world, "plain"), "password", json!("hunter2-hunter2")).to_string(),
        with_member(user_line(&world, "large"), "displayName", json!("x".repeat(200_000))).to_string(),
        json!({ "username": "x", "email": "nowhere", "timezone": "Mars/Olympus" }).to_string(),
        with_member(user_line(&world, "root"), "roles", json!(["admin"])).to_string(),
        with_member(user_line(&world, "last"), "passwordHash", json!(format!("$2b$04${blowfish}"))).to_string(),
    ];
    let file = files.write_text("users.ndjson", lines.join("\n"));
    let expected: BTreeMap<u64, Vec<(&str, &str)>> = BTreeMap::from([
        (3, vec![("#/email", "email-taken")]),
        (4, vec![("#/username", "username-taken")]),
        (5, vec![("#/email", "duplicate-line"), ("#/username", "duplicate-line")]),
        (6, vec![("#", "malformed-line")]),
        (7, vec![("#/passwordHash", "beyond-bounds")]),
        (8, vec![("#/passwordHash", "unsupported-hash")]),
        (9, vec![("#/password", "unknown")]),
        (10, vec![("#", "too-long")]),
        (11, vec![("#/username", "too-short"), ("#/email", "not-an-address"), ("#/timezone", "not-a-time-zone")]),
        (12, vec![("#/roles", "not-allowed")]),
    ]);
    let assert_refused = |refused: &[Value]| {
        let codes = |line: &Value| -> BTreeSet<(String, String)> {
            let text = |error: &Value, member: &str| error[member].as_str().unwrap_or_default().to_owned();
            let errors = line["errors"].as_array().expect("there are errors");
            errors.iter().map(|error| (text(error, "pointer"), text(error, "code"))).collect()
        };
        let found: BTreeMap<u64, _> =
            refused.iter().map(|line| (line["line"].as_u64().expect("the value is a number"), codes(line))).collect();
        let owned = |codes: &Vec<(&str, &str)>| codes.iter().map(|(p, c)| ((*p).to_owned(), (*c).to_owned())).collect();
        assert_eq!(found, expected.iter().map(|(line, codes)| (*line, owned(codes))).collect());
    };

    // A dry run reports the same and writes nothing.
    let text = run_users_command(service.spec(), &["import", &file, "--dry-run", "--json"], 1).await;
    let mut dry = json_lines(&text);
    let summary_line = dry.pop().expect("there is a summary");
    assert_eq!(
        (&summary_line["dryRun"], &summary_line["imported"], &summary_line["refused"]),
        (&json!(true), &json!(2), &json!(10))
    );
    assert_refused(&dry);
    assert_eq!(documents(&world, "users").await.len(), 1);
    assert_eq!(documents(&world, "imports").await.len(), 0);

    let report = files.path("refused.ndjson").display().to_string();
    let text = run_users_command(service.spec(), &["import", &file, "--report", &report, "--json"], 1).await;
    let summary_line = summary(&text);
    assert_eq!(
        (&summary_line["dryRun"], &summary_line["imported"], &summary_line["refused"]),
        (&json!(false), &json!(2), &json!(10))
    );
    assert_eq!(json_lines(&text).len(), 1, "the refused lines are not in the report");
    assert_refused(&files.read("refused.ndjson"));
    let report = fs::read_to_string(files.path("refused.ndjson")).expect("the report exists");
    for value in [blowfish, "hunter2", "80fef0aa", "Mars"] {
        assert!(!report.contains(value), "{report}");
    }
    let mode = fs::metadata(files.path("refused.ndjson")).expect("the report exists").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let emails: BTreeSet<String> = documents(&world, "users")
        .await
        .iter()
        .filter_map(|user| user.get_str("email").ok().map(str::to_owned))
        .collect();
    assert_eq!(emails, BTreeSet::from([holder.email.clone(), world.address("first"), world.address("last")]));
    service.api().login(&test_user(&world, "last", PASSWORD)).await;

    // Without `--json`, standard error has readable sentences, and the exit codes are the same.
    let output = service.spec().command(&["users", "import", &file, "--again"]).await;
    assert_eq!(assert_readable_report(&output), (Some(1), true, true));
    let missing = files.path("missing").display().to_string();
    let _ = run_users_command(service.spec(), &["import", &missing], 2).await;
    let _ = run_users_command(service.spec(), &["import"], 2).await;
}

/// Checks the readable output, and returns the exit code, whether standard output has the summary, and whether
/// standard error has a refused line.
fn assert_readable_report(output: &Output) -> (Option<i32>, bool, bool) {
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let summary = out.starts_with("0 imported, 10 refused, 2 were there already (13 lines, ");
    let assert_refused =
        error.contains("line 3: #/email: Another account has it.") && error.ends_with("10 of 13 lines refused\n");
    assert!(summary && assert_refused, "{out}\n{error}");
    (output.status.code(), summary, assert_refused)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_causes_a_panic_is_refused_and_the_others_are_imported() {
    const PANIC_MESSAGE: &str = "what-the-panic-of-an-import-says";
    let world = World::new(&Stack::from_env(), "line-panic").await;
    let files = Files::new();
    let file = files.write("users.ndjson", &["ann", "bob", "cyd"].map(|name| user_line(&world, name)));
    let spec = world.user_service().fail_points(&format!("import.read_line=1*off->1*panic({PANIC_MESSAGE})->off"));
    let output = spec.command(&["users", "import", &file, "--json"]).await;
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("panic in thread") && !error.contains(PANIC_MESSAGE), "{error}");
    let lines = json_lines(&stdout_of(&output, 1));
    let [refused, done] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!((&refused["line"], &refused["errors"][0]["code"]), (&json!(2), &json!("processing-failed")));
    assert_eq!((&done["imported"], &done["refused"]), (&json!(2), &json!(1)));
    assert_eq!(documents(&world, "users").await.len(), 2);
}
