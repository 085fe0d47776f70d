//! What tests share: real parts, real binaries, scripted peers, and waiting for a condition with a deadline.
//!
//! A test begins with [`Stack::from_env`] (`scripts/test` has started the parts) and a [`World`] of its own:
//! a topic, two databases, keys and addresses that no other test uses. It starts services with
//! [`World::user_service`] and [`World::email_service`], talks to them through [`Api`], reads what they
//! published with [`TopicReader`] and what they mailed with [`Mailbox`]. Everything here panics with a
//! sentence instead of returning an error: in a test that is the report.

mod api;
mod isolated_stack;
mod kafka;
mod layers;
mod mailbox;
mod scripted_smtp;
mod secrets;
mod service;
mod stack;
mod world;

pub use api::{Api, ApiResponse, TestUser, Tokens};
pub use isolated_stack::{IsolatedKafka, IsolatedMongod, IsolatedReplicaSet};
pub use kafka::{Producer, Record, TopicReader, add_partitions, create_topic, delete_topic, produce, try_create_topic};
pub use layers::{Layer, assert_every_module_is_a_layer, assert_layers};
pub use local_stack::{
    dependencies::{kafka::SecureListener, mock_kafka::MockKafka},
    network::{
        ports::Port,
        tcp_proxy::{ProxyMode, TcpProxy},
    },
    wait_for::{DEADLINE, wait_for},
};
pub use mailbox::{Mailbox, ReceivedMail};
pub use scripted_smtp::{
    Behavior, CertificateAuthority, Delivery, Phase, ScriptedSmtp, SmtpOptions, SmtpRule, SmtpSession, SmtpStep,
    SmtpTransaction,
};
pub use secrets::{Leak, find_leaks, find_leaks_everywhere, remember_secret, secrets_used};
pub use service::{Service, ServiceSpec};
pub use stack::{BrokerKind, Stack, report_skipped};
pub use world::World;
