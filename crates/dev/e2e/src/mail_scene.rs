//! A world without a user service: the test writes the events, and a scripted mail server receives the mails.

use test_support::{ScriptedSmtp, Stack, World};

use crate::{event_publisher::EventPublisher, ledger::Ledger};

/// The parts of a world in which a test writes the events and a scripted mail server receives the mails.
pub struct MailScene {
    /// The world. Its email services send to the mail server.
    pub world: World,
    /// The mail server.
    pub smtp: ScriptedSmtp,
    /// The writer of the events.
    pub publisher: EventPublisher,
    /// The collections of the email service.
    pub ledger: Ledger,
}

impl MailScene {
    /// Starts a mail server, and creates a world that uses it.
    pub async fn new(name: &str) -> Self {
        Self::on(&Stack::from_env(), name).await
    }

    /// Does the same as [`MailScene::new`] on these dependencies.
    pub async fn on(stack: &Stack, name: &str) -> Self {
        let smtp = ScriptedSmtp::start().await;
        let world = World::new(stack, name).await.on_smtp(smtp.url());
        Self { publisher: EventPublisher::new(&world), ledger: Ledger::for_world(&world).await, world, smtp }
    }
}
