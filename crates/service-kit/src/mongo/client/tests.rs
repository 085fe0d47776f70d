//! Tests of the client's options. Tests that need a server are in `tests/mongodb.rs`.

#![expect(clippy::disallowed_methods, reason = "a test waits for its own tasks")]

use std::{future::pending, path::PathBuf};

use mongodb::options::Tls;

use super::*;

fn config(uri: &str) -> MongoConfig {
    MongoConfig { uri: uri.into(), database: "users".into(), operation_timeout: Duration::from_secs(2) }
}

async fn parse(uri: &str) -> Result<ClientOptions, MongoConfigError> {
    options(&config(uri), "user-service").await
}

#[tokio::test]
async fn the_guarantees_are_set() {
    let options = parse("mongodb://127.0.0.1:27017/?replicaSet=rs0").await.unwrap();
    let concern = options.write_concern.unwrap();
    assert_eq!(concern.w, Some(Acknowledgment::Majority));
    assert_eq!(concern.journal, Some(true));
    assert_eq!(options.read_concern, Some(ReadConcern::majority()));
    assert_eq!(options.max_pool_size, Some(64));
    assert_eq!(options.server_selection_timeout, Some(Duration::from_secs(2)));
    assert_eq!(options.connect_timeout, Some(Duration::from_secs(2)));
    assert_eq!(options.heartbeat_freq, Some(Duration::from_millis(500)));
    assert!(matches!(options.server_monitoring_mode, Some(ServerMonitoringMode::Poll)));
    assert_eq!(options.app_name.as_deref(), Some("user-service"));
    assert_eq!(options.repl_set_name.as_deref(), Some("rs0"));
}

#[tokio::test]
async fn a_uri_that_changes_a_guarantee_is_refused() {
    for option in ["w=1", "w=majority", "journal=false", "readConcernLevel=local", "readPreference=secondary"] {
        let error = parse(&format!("mongodb://u:hunter2@h/?{option}")).await.unwrap_err();
        assert!(matches!(error, MongoConfigError::Guarantee(_)), "{option}: {error}");
        assert!(!error.to_string().contains("hunter2"));
    }
    assert!(parse("mongodb://h/?readPreference=primary&maxPoolSize=5").await.is_ok());
    let configured = parse("mongodb://h/?heartbeatFrequencyMS=10000").await.unwrap();
    assert_eq!(configured.heartbeat_freq, Some(Duration::from_secs(10)));
}

#[tokio::test]
async fn tls_comes_from_the_uri() {
    let options = parse("mongodb://h/?tls=true&tlsCAFile=/etc/ca.pem").await.unwrap();
    let Some(Tls::Enabled(tls)) = options.tls else { panic!("TLS is not enabled") };
    assert_eq!(tls.ca_file_path, Some(PathBuf::from("/etc/ca.pem")));
}

#[tokio::test]
async fn credentials_are_not_quoted() {
    for uri in [
        "mongodb://hunter2@",
        "mongodb://hunter1:hunter2",
        "mongodb://hunter1:hunter2/x@h",
        "hunter1:hunter2@h",
        "mongodb://hunter1:hun%zzter2@h",
    ] {
        let error = parse(uri).await.unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("hun%zzter2"), "{uri}: {shown}");
    }
}

#[tokio::test]
async fn an_invalid_option_is_named() {
    let error = parse("mongodb://ada:hunter2@db.example:27017/?retryWrites=perhaps").await.unwrap_err();
    assert!(error.to_string().to_lowercase().contains("retrywrites"), "{error}");
}

#[tokio::test]
async fn a_client_does_not_wait_for_a_server() {
    client(&config("mongodb://127.0.0.1:9"), "user-service").await.unwrap();
}

#[tokio::test]
async fn an_operation_is_abandoned_at_its_deadline() {
    let result = with_deadline(Duration::from_millis(50), pending::<mongodb::error::Result<()>>()).await;
    let error = result.unwrap_err();
    assert!(matches!(error, StoreError::Timeout));
    assert!(error.outcome_unknown());
}

#[tokio::test]
async fn the_monitor_reports_an_unreachable_store_and_stops() {
    let health = crate::Health::new();
    let check = health.required("mongodb");
    check.set(CheckState::Ok);
    let mut config = config("mongodb://127.0.0.1:9");
    config.operation_timeout = Duration::from_millis(50);
    let client = client(&config, "user-service").await.unwrap();
    let stop = CancellationToken::new();
    let probe = client.database("users").collection("readiness");
    let monitor = tokio::spawn(monitor(probe, check, stop.clone()));
    let down = async {
        while health.report().checks[0].1 != CheckState::Down {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(5), down).await.expect("the check becomes down");
    stop.cancel();
    timeout(Duration::from_secs(1), monitor).await.expect("the monitor stops").unwrap();
}
