//! Tests of the configuration of Kafka clients.

use super::*;

fn configure(properties: &[(&str, &str)], fixed: &[(&str, &str)]) -> Result<ClientConfig, KafkaConfigError> {
    let properties = properties.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    client_config("127.0.0.1:9092", &properties, fixed)
}

#[test]
fn tls_with_scram_passes_through() {
    let properties = [
        ("security.protocol", "sasl_ssl"),
        ("sasl.mechanism", "SCRAM-SHA-512"),
        ("sasl.username", "user"),
        ("sasl.password", "hunter2"),
        ("ssl.ca.location", "/etc/ca.pem"),
        ("client.id", "one"),
    ];
    let config = configure(&properties, &[("acks", "all")]).unwrap();
    assert_eq!(config.get("security.protocol"), Some("sasl_ssl"));
    assert_eq!(config.get("bootstrap.servers"), Some("127.0.0.1:9092"));
    assert_eq!(config.get("acks"), Some("all"));
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn tls_trusts_the_authorities_of_the_system_unless_others_are_configured() {
    let config = configure(&[("security.protocol", "ssl")], &[]).unwrap();
    assert_eq!(config.get("ssl.ca.location"), Some("probe"));
    let config = configure(&[("security.protocol", "ssl"), ("ssl.ca.location", "/etc/ca.pem")], &[]).unwrap();
    assert_eq!(config.get("ssl.ca.location"), Some("/etc/ca.pem"));
    configure(&[("security.protocol", "ssl"), ("ssl.ca.pem", "-----BEGIN CERTIFICATE-----")], &[]).unwrap();
}

#[test]
fn properties_that_the_guarantees_depend_on_cannot_be_configured() {
    for name in [
        "acks",
        "request.required.acks",
        "enable.idempotence",
        "enable.auto.commit",
        "auto.commit.enable",
        "enable.auto.offset.store",
        "allow.auto.create.topics",
        "partitioner",
        "isolation.level",
        "group.id",
        "bootstrap.servers",
        "metadata.broker.list",
        "partition.assignment.strategy",
        "max.in.flight",
    ] {
        let error = configure(&[(name, "1")], &[]).unwrap_err();
        assert!(matches!(&error, KafkaConfigError::SetByService(property) if property == name), "{error}");
    }
}

#[test]
fn properties_set_by_the_service_cannot_be_configured_under_any_alias() {
    for (fixed, configured) in [
        ("linger.ms", "linger.ms"),
        ("linger.ms", "queue.buffering.max.ms"),
        ("message.timeout.ms", "delivery.timeout.ms"),
        ("compression.type", "compression.codec"),
    ] {
        let error = configure(&[(configured, "1")], &[(fixed, "1")]).unwrap_err();
        assert!(matches!(&error, KafkaConfigError::SetByService(property) if property == configured), "{error}");
    }
}

#[test]
fn a_property_that_librdkafka_refuses_is_named() {
    for (name, value) in [("no.such.property", "1"), ("socket.timeout.ms", "soon")] {
        let error = configure(&[(name, value)], &[]).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
}

#[test]
fn the_value_of_a_secret_is_not_quoted() {
    let error = KafkaError::ClientConfig(
        rdkafka::types::RDKafkaConfRes::RD_KAFKA_CONF_INVALID,
        "Invalid value hunter2".into(),
        "sasl.password".into(),
        "hunter2".into(),
    );
    let error = property_error(&error);
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    let properties = Properties([("sasl.password".to_owned(), "hunter2".to_owned())].into());
    assert_eq!(format!("{properties:?}"), r#"{"sasl.password"}"#);
}
