//! Shared support for tests: real dependencies, real binaries, scripted peers, and waiting for conditions with a
//! deadline.
//!
//! A test begins with [`Stack::from_env`], which finds the dependencies that `scripts/test` has started, and its own
//! [`World`]: a topic, two databases, keys and email addresses that no other test uses. It starts services with
//! [`World::user_service`] and [`World::email_service`], calls them through [`Api`], reads the published events with
//! [`TopicReader`] and the sent mails with [`Mailbox`]. Functions of this crate panic with a message instead of
//! returning an error, because the message is the report of the test.

mod api;
mod browser;
mod catalogues;
mod documents;
mod hostile_names;
mod isolated_stack;
mod kafka;
mod layers;
mod mailbox;
mod released_documents;
mod scripted_smtp;
mod secrets;
mod service;
mod shifted_clock;
mod stack;
mod world;

pub use api::{Api, ApiResponse, TestUser, Tokens};
pub use browser::{Browser, Cookie};
pub use catalogues::{LANGUAGES, assert_catalogues};
pub use documents::{count, find_all, wait_for_count};
pub use hostile_names::HOSTILE_NAMES;
pub use isolated_stack::{IsolatedCluster, IsolatedKafka, IsolatedMongod, IsolatedReplicaSet};
pub use kafka::{
    Producer, Record, TopicReader, add_partitions, create_topic, create_topic_with_settings, delete_topic,
};
pub use layers::{Layer, assert_layers};
pub use local_stack::{
    dependencies::{
        Cluster, Isolation, KafkaCluster, MemberRole, PartitionState, ReplicaSet, Takeover, kafka::SecureListener,
        mock_kafka::MockKafka,
    },
    network::{
        ports::Port,
        tcp_proxy::{ProxyMode, TcpProxy},
    },
    wait_for::{DEADLINE, wait_for},
};
pub use mailbox::{Mailbox, ReceivedMail};
pub use released_documents::{
    DocumentBreach, DocumentRule, ReleasedCollection, check_stored_document, released_collections,
};
pub use scripted_smtp::{
    Behavior, CertificateAuthority, Delivery, Phase, ScriptedSmtp, SmtpOptions, SmtpRule, SmtpSession, SmtpStep,
    SmtpTransaction,
};
pub use secrets::{Leak, find_leaks, find_leaks_everywhere, remember_secret, secrets_used};
pub use service::{Service, ServiceSpec, binary};
pub use stack::{BrokerKind, Stack, report_skipped};
pub use world::World;
