//! The service behaves as its OpenAPI document says: schemathesis sends requests that match the document and requests
//! that do not.
//!
//! This needs schemathesis, which `scripts/check-api` fetches.

use std::{env, path::Path, process::Stdio, time::Duration};

use test_support::{Stack, World};
use tokio::{process::Command, time::timeout};

const CONFIGURATION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/api_conformance.toml");
const DEADLINE: Duration = Duration::from_secs(600);

#[tokio::test]
#[ignore = "needs schemathesis: run scripts/check-api"]
async fn schemathesis_finds_nothing() {
    let schemathesis = env::var("SCHEMATHESIS").expect("scripts/check-api sets SCHEMATHESIS");
    let examples = env::var("EXAMPLES").unwrap_or_else(|_| "20".to_owned());
    let stack = Stack::from_env();
    let world = World::new(&stack, "conformance").await;
    let service = world.user_service().start().await;
    let api = service.api();
    let admin = world.test_user("admin");
    let _ = api.register(&admin).await.expect(201);
    let granted = service.spec().command(&["grant-role", &admin.email, "admin"]).await;
    assert!(granted.status.success(), "{}", String::from_utf8_lossy(&granted.stderr));
    let token = api.login(&admin).await.access;

    let run = Command::new(schemathesis)
        .arg("--config-file")
        .arg(CONFIGURATION)
        .args(["run", "--no-color", "--max-examples", &examples])
        .args(["--header", &format!("Authorization: Bearer {token}")])
        .arg(format!("{}/api/openapi.json", service.base_url()))
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
