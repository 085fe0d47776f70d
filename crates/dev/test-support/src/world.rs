//! The isolated environment of one test: a topic, two databases, a consumer group, keys and email addresses.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use bson::Document;
use mongodb::{Collection, Database};

use crate::{
    api::{Api, TestUser},
    kafka::{TopicReader, create_topic, create_topic_with_settings},
    mailbox::Mailbox,
    service::{Service, ServiceSpec, binary},
    stack::{BrokerKind, Stack, mongodb_client},
};

/// The isolated environment of one test. All names are unique in a run, so no clean-up is needed.
#[derive(Debug, Clone)]
pub struct World {
    stack: Stack,
    tag: String,
    topic: String,
    /// The topic of states, if the user services publish them.
    state_topic: Option<String>,
    brokers: String,
    mongodb_uri: String,
    smtp_urls: String,
    broker_kind: BrokerKind,
}

impl World {
    /// Returns a world whose topic exists, with 12 partitions. `name` is a short word for logs and names.
    pub async fn new(stack: &Stack, name: &str) -> Self {
        let world = Self::without_topic(stack, name);
        world.create_topic().await;
        world
    }

    /// Returns a world without its topic, which the user service creates. On the embedded broker the service cannot
    /// create it, so call [`World::create_topic`].
    #[must_use]
    pub fn without_topic(stack: &Stack, name: &str) -> Self {
        let tag = unique_tag(name);
        let world = Self {
            stack: stack.clone(),
            topic: format!("user.events.{tag}"),
            state_topic: None,
            brokers: stack.brokers.clone(),
            mongodb_uri: stack.mongodb_uri.clone(),
            smtp_urls: format!("smtp://{}", stack.smtp_address),
            broker_kind: stack.broker_kind.clone(),
            tag,
        };
        world.create_keys();
        world
    }

    /// Returns this world on another broker: an isolated one, or one behind a proxy. Its topic must be created there.
    #[must_use]
    pub fn on_brokers(mut self, brokers: impl Into<String>, broker_kind: BrokerKind) -> Self {
        self.brokers = brokers.into();
        self.broker_kind = broker_kind;
        self
    }

    /// Returns this world on another MongoDB, or on one behind a proxy.
    #[must_use]
    pub fn on_mongodb(mut self, uri: impl Into<String>) -> Self {
        self.mongodb_uri = uri.into();
        self
    }

    /// Returns this world with other SMTP servers: one URL, or several separated by commas.
    #[must_use]
    pub fn on_smtp(mut self, urls: impl Into<String>) -> Self {
        self.smtp_urls = urls.into();
        self
    }

    /// Returns this world with a topic of states, to which the user services publish. It must be created as the other
    /// one.
    #[must_use]
    pub fn with_states(mut self) -> Self {
        self.state_topic = Some(format!("user.state.{}", self.tag));
        self
    }

    /// Creates the topic with 12 partitions, and the topic of states if the world has one.
    pub async fn create_topic(&self) {
        create_topic(&self.brokers, &self.broker_kind, &self.topic, 12).await;
        let Some(states) = &self.state_topic else { return };
        match self.broker_kind {
            // It deletes no record, compacted or not.
            BrokerKind::Embedded { .. } => create_topic(&self.brokers, &self.broker_kind, states, 12).await,
            BrokerKind::Real => {
                create_topic_with_settings(&self.brokers, states, 12, &[("cleanup.policy", "compact")]).await;
            }
        }
    }

    /// Returns the shared dependencies.
    #[must_use]
    pub fn stack(&self) -> &Stack {
        &self.stack
    }

    /// Returns the tag that makes all names of this world unique.
    #[must_use]
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// Returns the name of the topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Returns the name of the topic of states, if the world has one.
    #[must_use]
    pub fn state_topic(&self) -> Option<&str> {
        self.state_topic.as_deref()
    }

    /// Returns `host:port` of the broker.
    #[must_use]
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    /// Returns the kind of the broker.
    #[must_use]
    pub fn broker_kind(&self) -> &BrokerKind {
        &self.broker_kind
    }

    /// Returns the consumer group of the email service.
    #[must_use]
    pub fn group(&self) -> String {
        format!("email-{}", self.tag)
    }

    /// Returns the directory of the keys: `encryption.key`, `sealing.public`, `sealing.private`.
    #[must_use]
    pub fn keys(&self) -> PathBuf {
        self.stack.directory.join("keys").join(&self.tag)
    }

    /// Returns a key in the form in which the services read it.
    ///
    /// # Panics
    /// Panics if there is no key of this name.
    #[must_use]
    pub fn read_key(&self, name: &str) -> String {
        fs::read_to_string(self.keys().join(name)).expect("the world has created its keys").trim().to_owned()
    }

    /// Returns the directory of the logs of the services.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.stack.directory.join("logs").join(&self.tag)
    }

    /// Returns an email address that only this world uses.
    #[must_use]
    pub fn address(&self, local_part: &str) -> String {
        format!("{local_part}-{}@example.org", self.tag)
    }

    /// Returns a user with a unique username, email address and password.
    #[must_use]
    pub fn test_user(&self, name: &str) -> TestUser {
        TestUser::new(name, &self.tag, self.address(name))
    }

    /// Returns the database of the user service.
    pub async fn user_database(&self) -> Database {
        mongodb_client(&self.mongodb_uri).await.database(&self.user_database_name())
    }

    /// Returns the database of the email service.
    pub async fn email_database(&self) -> Database {
        mongodb_client(&self.mongodb_uri).await.database(&self.email_database_name())
    }

    /// Returns a collection of the user service.
    pub async fn user_collection(&self, name: &str) -> Collection<Document> {
        self.user_database().await.collection(name)
    }

    /// Returns a collection of the email service.
    pub async fn email_collection(&self, name: &str) -> Collection<Document> {
        self.email_database().await.collection(name)
    }

    /// Returns the mailbox of an address on the shared mail server.
    #[must_use]
    pub fn mailbox(&self, address: &str) -> Mailbox {
        Mailbox::new(&self.stack, address)
    }

    /// Returns a reader of the topic from its beginning.
    #[must_use]
    pub fn topic_reader(&self) -> TopicReader {
        TopicReader::new(&self.brokers, &self.topic)
    }

    /// Returns a reader of the topic of states from its beginning, if the world has one.
    #[must_use]
    pub fn state_reader(&self) -> Option<TopicReader> {
        Some(TopicReader::new(&self.brokers, self.state_topic()?))
    }

    /// Returns the spec of a user service in this world.
    #[must_use]
    pub fn user_service(&self) -> ServiceSpec {
        let keys = self.keys();
        let spec = self.service("user-service", "USER_SERVICE");
        // A release without this key does not start with it.
        let spec = match &self.state_topic {
            Some(topic) => spec.set("KAFKA__STATE_TOPIC", topic),
            None => spec,
        };
        spec.with_http()
            .set("MONGODB__DATABASE", self.user_database_name())
            .set("KEYS__ENCRYPTION_KEY_FILE", path_string(&keys.join("encryption.key")))
            .set("SEALING__PUBLIC_KEY_FILE", path_string(&keys.join("sealing.public")))
            // Tests log in more often than the rate limits allow; the tests of the limits enable them again.
            .set("LIMITS__ENABLED", "false")
    }

    /// Returns the spec of an email service in this world.
    #[must_use]
    pub fn email_service(&self) -> ServiceSpec {
        self.service("email-service", "EMAIL_SERVICE")
            .set("MONGODB__DATABASE", self.email_database_name())
            .set("KAFKA__GROUP", self.group())
            .set("SMTP__URL", &self.smtp_urls)
            .set("SEALING__PRIVATE_KEY_FILE", path_string(&self.keys().join("sealing.private")))
    }

    /// Starts both services, waits until they are ready, and returns them with a client of the user service. Links
    /// in mails point to that user service.
    pub async fn start_both(&self) -> (Service, Service, Api) {
        self.start_both_with(self.user_service()).await
    }

    /// Does the same as [`World::start_both`] with a changed configuration of the user service.
    pub async fn start_both_with(&self, user_service: ServiceSpec) -> (Service, Service, Api) {
        let email_service = self.email_service().set("MAIL__LINK_BASE_URL", user_service.base_url());
        let (user_service, email_service) = tokio::join!(user_service.start(), email_service.start());
        let api = user_service.api();
        (user_service, email_service, api)
    }

    fn service(&self, name: &'static str, prefix: &'static str) -> ServiceSpec {
        ServiceSpec::new(name, prefix, &self.logs())
            .set("MONGODB__URI", &self.mongodb_uri)
            .set("KAFKA__BROKERS", &self.brokers)
            .set("KAFKA__TOPIC", &self.topic)
            .set("LOG__FORMAT", "json")
    }

    fn user_database_name(&self) -> String {
        format!("user-{}", self.tag)
    }

    fn email_database_name(&self) -> String {
        format!("email-{}", self.tag)
    }

    /// Creates the keys with the `keygen` commands of the services, as an operator does.
    fn create_keys(&self) {
        let directory = self.keys();
        fs::create_dir_all(&directory).expect("the directory of the run is writable");
        for service in ["user-service", "email-service"] {
            let output = Command::new(binary(service))
                .args(["keygen", "--out"])
                .arg(&directory)
                .stdin(Stdio::null())
                .output()
                .expect("the service's binary runs");
            assert!(output.status.success(), "{service} keygen: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

fn path_string(path: &Path) -> String {
    path.display().to_string()
}

/// Returns `name` with a suffix that is unique to this process and this call.
fn unique_tag(name: &str) -> String {
    static PROCESS: OnceLock<String> = OnceLock::new();
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let process = PROCESS.get_or_init(|| {
        let random = fs::read_to_string("/proc/sys/kernel/random/uuid").expect("Linux has this file");
        random.chars().filter(char::is_ascii_hexdigit).take(8).collect()
    });
    format!("{name}-{process}-{}", CALLS.fetch_add(1, Ordering::Relaxed))
}
