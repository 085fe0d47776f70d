//! The administration of clients on the command line.

use e2e::{
    clients::{TestClient, expect_oauth_error},
    commands::{json_lines, stdout_of},
    start::start_user_service,
};
use serde_json::{Value, json};
use test_support::{Service, remember_secret};

async fn run(service: &Service, arguments: &[&str]) -> std::process::Output {
    service.spec().clone().without_fail_points().command(&[&["clients"], arguments].concat()).await
}

/// Runs a command that succeeds, with `--json`. Returns the object that it prints.
async fn run_json(service: &Service, arguments: &[&str]) -> Value {
    let output = run(service, &[arguments, &["--json"]].concat()).await;
    let mut printed = json_lines(&stdout_of(&output, 0));
    assert_eq!(printed.len(), 1, "{printed:?}");
    let printed = printed.remove(0);
    if let Some(secret) = printed["secret"].as_str() {
        remember_secret("client secret", secret);
        assert!(!String::from_utf8_lossy(&output.stderr).contains(secret), "the log has the secret");
    }
    printed
}

fn client(printed: &Value) -> TestClient {
    let member = |name: &str| printed[name].as_str().expect("a string").to_owned();
    TestClient { id: member("clientId"), secret: member("secret") }
}

#[tokio::test]
async fn an_operator_creates_lists_rotates_and_disables_clients() {
    let (_world, service, api) = start_user_service("clientcommands").await;
    let printed = run_json(&service, &["create", "--name", "billing", "--scope", "users:read,users:write"]).await;
    assert_eq!((&printed["name"], &printed["scopes"]), (&json!("billing"), &json!(["users:read", "users:write"])));
    let first = client(&printed);
    let _ = first.request_token(&api).await.expect(200);

    let second = client(&run_json(&service, &["rotate-secret", &first.id]).await);
    let _ = second.request_token(&api).await.expect(200);
    let dropped = run_json(&service, &["drop-old-secret", &first.id]).await;
    assert_eq!(dropped["secrets"].as_array().map(Vec::len), Some(1));
    expect_oauth_error(&first.request_token(&api).await, 401, "invalid_client");

    assert_eq!(run_json(&service, &["disable", &first.id]).await["status"], "disabled");
    expect_oauth_error(&second.request_token(&api).await, 401, "invalid_client");
    assert_eq!(run_json(&service, &["list"]).await["status"], "disabled");
    assert_eq!(run_json(&service, &["enable", &first.id]).await["status"], "active");
    let _ = second.request_token(&api).await.expect(200);

    let listed = run(&service, &["list"]).await;
    let lines: Vec<String> = stdout_of(&listed, 0).lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[1].contains(&first.id) && lines[1].contains("billing"), "{}", lines[1]);
}

#[tokio::test]
async fn a_secret_is_only_on_standard_output_and_the_change_is_in_the_log() {
    let (_world, service, api) = start_user_service("clientoutput").await;
    let created = run(&service, &["create", "--name", "n", "--scope", "users:read"]).await;
    let (out, log) = (stdout_of(&created, 0), String::from_utf8_lossy(&created.stderr).into_owned());
    let after =
        |label: &str| out.split(label).nth(1).and_then(|rest| rest.split_whitespace().next()).map(str::to_owned);
    let (id, secret) = (after("client_id:").expect("an id"), after("client_secret:").expect("a secret"));
    remember_secret("client secret", &secret);
    assert!(log.contains("a client was changed") && log.contains("client_created"), "{log}");
    assert!(log.contains("operator") && log.contains(&id) && !log.contains(&secret), "{log}");
    let _ = TestClient { id, secret }.request_token(&api).await.expect(200);
}

#[tokio::test]
async fn wrong_arguments_change_nothing() {
    let (_world, service, _api) = start_user_service("clientusage").await;
    let unknown = "019f2b4c-7a10-7c3e-9b1d-5f2a8e6d4c31";
    let long = "x".repeat(101);
    for arguments in [
        &["create", "--name", "n"][..],
        &["create", "--scope", "users:read"],
        &["create", "--name", "", "--scope", "users:read"],
        &["create", "--name", "a\nb", "--scope", "users:read"],
        &["create", "--name", &long, "--scope", "users:read"],
        &["create", "--name", "n", "--scope", "roles:write"],
        &["create", "--name", "n", "--scope", ""],
        &["disable"],
        &["disable", "not-an-id"],
        &["nonsense"],
    ] {
        let _ = stdout_of(&run(&service, arguments).await, 2);
    }
    for action in ["rotate-secret", "drop-old-secret", "disable", "enable"] {
        let refused = run(&service, &[action, unknown]).await;
        assert_eq!(stdout_of(&refused, 1), "");
        assert!(String::from_utf8_lossy(&refused.stderr).contains("there is no such client"));
    }
    assert_eq!(stdout_of(&run(&service, &["list", "--json"]).await, 0), "");
}
