//! A run without a user service: the test writes the events, a scripted server gets the mails.

use std::time::Duration;

use e2e::{event_publisher::EventPublisher, ledger::Ledger};
use events::Event;
use faults::checker::{History, Limits};
use faults::{Recorder, Run};
use test_support::{ScriptedSmtp, ServiceSpec, Stack, World};

/// Within this every mail of a run is over: leases, sessions of killed members, the pause
/// before a resend, and a slow machine.
pub(crate) const AT_REST: Duration = Duration::from_secs(60);

/// What the test of a mail fault has.
pub(crate) struct Scene {
    pub(crate) run: Run,
    pub(crate) publisher: EventPublisher,
    pub(crate) ledger: Ledger,
}

impl Scene {
    pub(crate) async fn new(name: &str) -> Self {
        let smtp = ScriptedSmtp::start().await;
        let world = World::new(&Stack::from_env(), name).await.on_smtp(smtp.url());
        Self::of(world, smtp).await
    }

    pub(crate) async fn of(world: World, smtp: ScriptedSmtp) -> Self {
        let (publisher, ledger) = (EventPublisher::new(&world), Ledger::for_world(&world).await);
        let limits = Limits { no_user_service: true, ..Limits::default() };
        Self { run: Run { world, recorder: Recorder::new(), smtp, limits }, publisher, ledger }
    }

    /// An email service with short deadlines, so that what a killed or silent peer held is
    /// soon taken over.
    pub(crate) fn service(&self) -> ServiceSpec {
        let spec = self.run.world.email_service();
        spec.set("SMTP__STEP_TIMEOUT", "1s")
            .set("SMTP__DOT_TIMEOUT", "1s")
            .set("SENDER__LEASE", "3s")
            .set("MAIL__BACKOFF", "200ms")
            // The group waits no longer than this for a member that was killed.
            .set("INGEST__MAX_POLL_INTERVAL", "6s")
    }

    pub(crate) fn smtp(&self) -> &ScriptedSmtp {
        &self.run.smtp
    }

    pub(crate) fn address(&self, name: &str) -> String {
        self.run.world.address(name)
    }

    pub(crate) async fn publish(&self, event: &Event) {
        self.publisher.publish(event).await;
    }

    /// Publishes a mail that is held if its delivery is unknown, and returns its address.
    pub(crate) async fn notice(&self, name: &str) -> String {
        let address = self.address(name);
        self.publish(&self.publisher.notice(&address)).await;
        address
    }

    /// Publishes a mail that is sent again once if its delivery is unknown.
    pub(crate) async fn welcome(&self, name: &str) -> String {
        let address = self.address(name);
        self.publish(&self.publisher.welcome(&address)).await;
        address
    }

    /// One mail to each partition: whoever reads them reads the whole topic.
    pub(crate) async fn one_mail_in_each_partition(&self, name: &str) -> Vec<String> {
        let mut addresses = Vec::new();
        for partition in 0..events::topic::DEFAULT_PARTITIONS {
            let address = self.address(&format!("{name}-{partition}"));
            self.publisher.publish_to(partition, &self.publisher.notice(&address)).await;
            addresses.push(address);
        }
        addresses
    }

    pub(crate) async fn until_all(&self, addresses: &[String], state: &str, within: Duration) {
        for address in addresses {
            self.ledger.wait_for_state(address, state, within).await;
        }
    }

    pub(crate) async fn judge(&self) -> History {
        faults::judge(&self.run, AT_REST).await
    }
}
