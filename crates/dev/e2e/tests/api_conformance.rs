//! The service behaves as its OpenAPI document says: schemathesis sends requests that match the document and requests
//! that do not.
//!
//! This needs schemathesis, which `scripts/check-api` fetches.

use std::{env, path::Path, process::Stdio, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use e2e::{administrators::create_admin, clients::TestClient, start::start_user_service};
use tokio::{process::Command, time::timeout};

const CONFIGURATION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/api_conformance.toml");
const DEADLINE: Duration = Duration::from_secs(600);

#[tokio::test]
#[ignore = "needs schemathesis: run scripts/check-api"]
async fn schemathesis_finds_nothing() {
    let schemathesis = env::var("SCHEMATHESIS").expect("scripts/check-api sets SCHEMATHESIS");
    let examples = env::var("EXAMPLES").unwrap_or_else(|_| "20".to_owned());
    let (world, service, _api) = start_user_service("conformance").await;
    let admin = create_admin(&world, &service, "admin").await;
    let client = TestClient::create(&admin, &["users:read", "tokens:introspect"]).await;
    let credentials = BASE64_STANDARD.encode(format!("{}:{}", client.id, client.secret));
    let token = admin.tokens.access;

    let run = Command::new(schemathesis)
        .arg("--config-file")
        .arg(CONFIGURATION)
        .args(["run", "--no-color", "--max-examples", &examples])
        .args(["--header", &format!("Authorization: Bearer {token}")])
        .arg(format!("{}/api/openapi.json", service.base_url()))
        .env("CLIENT_CREDENTIALS", credentials)
        // Schemathesis writes files into its working directory.
        .current_dir(world.logs().parent().unwrap_or(Path::new(".")))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let run = timeout(DEADLINE, run).await.expect("the process ends in time").expect("schemathesis runs");
    let report = String::from_utf8_lossy(&run.stdout);
    println!("{report}");
    assert!(run.status.success(), "{report}{}", String::from_utf8_lossy(&run.stderr));
}
