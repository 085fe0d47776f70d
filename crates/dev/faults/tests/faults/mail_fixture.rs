//! The fixture of the mail faults: a run without a user service, in which the test writes the events and a
//! scripted server receives the mails.

use std::time::Duration;

use e2e::{
    event_publisher::EventPublisher,
    ledger::{Ledger, MailJob},
};
use events::Event;
use faults::checker::{History, Limits};
use faults::{FaultRun, Recorder};
use test_support::{DEADLINE, ScriptedSmtp, Service, ServiceSpec, Stack, World, wait_for};

/// How long a run may take until every mail is in a terminal state. It covers leases, sessions of killed members,
/// the pause before a resend, and a slow machine.
pub(crate) const IDLE_DEADLINE: Duration = Duration::from_secs(60);

/// The longest time between two claims of an idle email service.
const IDLE_POLL: Duration = Duration::from_secs(1);

/// The policy for a mail whose delivery is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MailKind {
    /// The mail is resent once.
    Welcome,
    /// The mail is held.
    Notice,
}

/// The result of a mail whose sender failed: state, number of final dots, number of resends.
pub(crate) type DeliveryResult = (&'static str, usize, usize);

/// The fixture of a mail fault test.
pub(crate) struct MailFixture {
    pub(crate) run: FaultRun,
    pub(crate) publisher: EventPublisher,
    pub(crate) ledger: Ledger,
}

impl MailFixture {
    pub(crate) async fn new(name: &str) -> Self {
        let smtp = ScriptedSmtp::start().await;
        let world = World::new(&Stack::from_env(), name).await.on_smtp(smtp.url());
        Self::in_world(world, smtp).await
    }

    pub(crate) async fn in_world(world: World, smtp: ScriptedSmtp) -> Self {
        let (publisher, ledger) = (EventPublisher::new(&world), Ledger::for_world(&world).await);
        let limits = Limits { no_user_service: true, ..Limits::default() };
        Self { run: FaultRun { world, recorder: Recorder::new(), smtp, limits }, publisher, ledger }
    }

    /// Returns an email service with short timeouts, so that work of a killed or unresponsive peer is soon taken
    /// over.
    pub(crate) fn service(&self) -> ServiceSpec {
        let spec = self.run.world.email_service();
        spec.set("SMTP__STEP_TIMEOUT", "1s")
            .set("SMTP__DOT_TIMEOUT", "1s")
            .set("SENDER__LEASE", "3s")
            .set("MAIL__BACKOFF", "200ms")
            // The group waits no longer than this for a member that was killed.
            .set("INGEST__MAX_POLL_INTERVAL", "6s")
    }

    /// Starts an email service, and waits until it writes new mails as claimed: the mail server is known to be up, and
    /// a claim has found nothing.
    pub(crate) async fn start_idle(&self, spec: ServiceSpec) -> Service {
        let service = spec.start().await;
        wait_for(DEADLINE, "smtp: ok", async || (service.check("smtp").await == "ok").then_some(())).await;
        tokio::time::sleep(IDLE_POLL).await;
        service
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

    /// Publishes a mail that is held if its delivery is unknown. Returns its address.
    pub(crate) async fn notice(&self, name: &str) -> String {
        let address = self.address(name);
        self.publish(&self.publisher.notice(&address)).await;
        address
    }

    /// Publishes a mail that is resent once if its delivery is unknown. Returns its address.
    pub(crate) async fn welcome(&self, name: &str) -> String {
        let address = self.address(name);
        self.publish(&self.publisher.welcome(&address)).await;
        address
    }

    /// Publishes a mail of this kind. Returns its address.
    pub(crate) async fn mail(&self, kind: MailKind, name: &str) -> String {
        match kind {
            MailKind::Welcome => self.welcome(name).await,
            MailKind::Notice => self.notice(name).await,
        }
    }

    /// Waits until the only mail to an address is in a terminal state, and checks its result.
    pub(crate) async fn assert_result(&self, address: &str, expected: DeliveryResult, case: &str) -> MailJob {
        let mail = self.ledger.wait_for_mail(address, "over", IDLE_DEADLINE, MailJob::is_terminal).await;
        let dots = self.smtp().deliveries_to(address).len();
        let result = (mail.state.as_str(), dots, mail.count_transitions("unknown", "queued"));
        assert_eq!(result, expected, "{case}: {mail:#?}");
        mail
    }

    /// Publishes one mail to each partition, so that delivery of all of them proves that all partitions are read.
    /// Returns the addresses.
    pub(crate) async fn one_mail_in_each_partition(&self, name: &str) -> Vec<String> {
        let mut addresses = Vec::new();
        for partition in 0..events::topic::DEFAULT_PARTITIONS {
            let address = self.address(&format!("{name}-{partition}"));
            self.publisher.publish_to(partition, &self.publisher.notice(&address)).await;
            addresses.push(address);
        }
        addresses
    }

    pub(crate) async fn wait_for_states(&self, addresses: &[String], state: &str, within: Duration) {
        for address in addresses {
            self.ledger.wait_for_state(address, state, within).await;
        }
    }

    pub(crate) async fn assert_promises_kept(&self) -> History {
        faults::assert_promises_kept(&self.run, IDLE_DEADLINE).await
    }
}
