//! Both services with TLS to MongoDB, and with TLS and SASL/SCRAM to Kafka, configured only by the connection string
//! and librdkafka properties.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::{fs, path::PathBuf};

use test_support::{IsolatedKafka, IsolatedMongod, Port, SecureListener, ServiceSpec, Stack, World, report_skipped};

/// Files with a certificate authority and a server certificate for this host.
struct Certificates {
    authority: PathBuf,
    server: PathBuf,
}

impl Certificates {
    fn make(stack: &Stack, name: &str) -> Self {
        let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        authority.distinguished_name.push(rcgen::DnType::CommonName, "test authority");
        let authority_key = rcgen::KeyPair::generate().unwrap();
        let authority_pem = authority.self_signed(&authority_key).unwrap().pem();
        let issuer = rcgen::Issuer::new(authority, authority_key);

        let hosts = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let server_key = rcgen::KeyPair::generate().unwrap();
        let server = rcgen::CertificateParams::new(hosts).unwrap().signed_by(&server_key, &issuer).unwrap();

        let directory = stack.directory().join("certificates").join(name);
        fs::create_dir_all(&directory).unwrap();
        let files = Self { authority: directory.join("authority.pem"), server: directory.join("server.pem") };
        fs::write(&files.authority, &authority_pem).unwrap();
        // Kafka needs the whole chain; MongoDB accepts it.
        let server = format!("{}{}{authority_pem}", server_key.serialize_pem(), server.pem());
        fs::write(&files.server, server).unwrap();
        files
    }
}

/// Starts both services and checks that a registration causes a mail.
async fn a_registration_becomes_a_mail(world: &World, secured: impl Fn(ServiceSpec) -> ServiceSpec) {
    let user_service = secured(world.user_service()).start().await;
    let _email_service = secured(world.email_service()).start().await;
    let user = world.test_user("ada");
    let _ = user_service.api().register(&user).await.expect(201);
    world.mailbox(&user.email).wait_for_mails(1).await;
    assert_eq!(user_service.check("kafka").await, "ok");
}

#[tokio::test]
async fn both_services_use_tls_to_mongodb_and_refuse_an_untrusted_certificate() {
    let stack = Stack::from_env();
    let (ours, strangers) = (Certificates::make(&stack, "mongodb"), Certificates::make(&stack, "stranger"));
    let mongod = IsolatedMongod::start_with_tls(&stack, "tls", ours.server).await;
    let uri =
        |authority: &PathBuf| format!("mongodb://{}/?tls=true&tlsCAFile={}", mongod.address(), authority.display());
    let world = World::new(&stack, "mongodb-tls").await;

    let secured = |spec: ServiceSpec| spec.set("MONGODB__URI", uri(&ours.authority));
    a_registration_becomes_a_mail(&world, secured).await;

    let refused = world.user_service().set("MONGODB__URI", uri(&strangers.authority)).start_until_live().await;
    assert_eq!(refused.check("mongodb").await, "down");
}

#[tokio::test]
async fn both_services_use_tls_and_scram_to_kafka() {
    let stack = Stack::from_env();
    if stack.is_embedded() {
        return report_skipped("both_services_use_tls_and_scram_to_kafka", "the embedded broker has no TLS");
    }
    let certificates = Certificates::make(&stack, "kafka");
    let port = Port::free().unwrap();
    let secure = SecureListener {
        port: port.number(),
        pem: certificates.server,
        user: "services".to_owned(),
        password: "only-the-services-know".to_owned(),
    };
    let password = secure.password.clone();
    let kafka = IsolatedKafka::start_secure(&stack, "scram", secure).await;
    let world = World::without_topic(&stack, "kafka-tls").on_brokers(kafka.brokers(), kafka.broker_kind());
    let brokers = format!("127.0.0.1:{}", port.number());

    a_registration_becomes_a_mail(&world, |spec| {
        spec.set("KAFKA__BROKERS", brokers.clone())
            .set("KAFKA__PROPERTIES__SECURITY_PROTOCOL", "SASL_SSL")
            .set("KAFKA__PROPERTIES__SASL_MECHANISM", "SCRAM-SHA-256")
            .set("KAFKA__PROPERTIES__SASL_USERNAME", "services")
            .set("KAFKA__PROPERTIES__SASL_PASSWORD", password.clone())
            .set("KAFKA__PROPERTIES__SSL_CA_LOCATION", certificates.authority.display().to_string())
    })
    .await;
}
