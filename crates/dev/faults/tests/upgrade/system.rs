//! Two replicas of each service, each of the previous or the present release, and the replacement of one by the other.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use faults::{
    FaultRun, Recorder,
    checker::{Limits, Outcome},
};
use test_support::{Api, DEADLINE, ScriptedSmtp, Service, ServiceSpec, Stack, World};
use tokio::{
    sync::{Mutex, OwnedRwLockReadGuard, RwLock},
    time::{Instant, sleep},
};

/// How long to wait until all work is done after the load has ended.
pub(crate) const IDLE_DEADLINE: Duration = Duration::from_secs(60);

/// A release of the services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Release {
    /// The newest one in `crates/events/released/releases.toml`.
    Previous,
    /// The one that was built with this test.
    Present,
}

/// One replica of the user service. Requests take turns with its replacement, as behind a load balancer that removes a
/// replica before it is stopped.
pub(crate) struct UserReplica {
    pub(crate) api: Api,
    pub(crate) service: Mutex<Service>,
    open: Arc<RwLock<()>>,
    served: AtomicU64,
}

/// All processes of a test.
pub(crate) struct System {
    pub(crate) run: FaultRun,
    pub(crate) users: Vec<UserReplica>,
    pub(crate) emails: Vec<Mutex<Service>>,
    previous: PathBuf,
}

impl System {
    /// Starts two replicas of each service.
    pub(crate) async fn start(name: &str, users: Release, emails: Release) -> Self {
        let previous = previous_release();
        let smtp = ScriptedSmtp::start().await;
        let world = World::new(&Stack::from_env(), name).await.on_smtp(smtp.url());
        let run = FaultRun { world, recorder: Recorder::new(), smtp, limits: Limits::default() };
        let first_user = user_service(&run.world).with_binaries(directory(users, &previous));
        let first_email = email_service(&run.world).with_binaries(directory(emails, &previous));
        let (second_user, second_email) = (first_user.replica(), first_email.replica());
        let (one, two, three, four) =
            tokio::join!(first_user.start(), second_user.start(), first_email.start(), second_email.start());
        let replica = |service: Service| UserReplica {
            api: service.api(),
            service: Mutex::new(service),
            open: Arc::default(),
            served: AtomicU64::new(0),
        };
        Self {
            run,
            users: vec![replica(one), replica(two)],
            emails: vec![Mutex::new(three), Mutex::new(four)],
            previous,
        }
    }

    /// Returns a replica that takes requests. It is not replaced before the guard is dropped. `choice` selects one of
    /// several.
    pub(crate) async fn open_replica(&self, choice: usize) -> (Api, OwnedRwLockReadGuard<()>) {
        let count = self.users.len();
        poll("a replica that takes requests", || {
            let mut candidates = (0..count).filter_map(|n| self.users.get((choice + n) % count));
            candidates.find_map(|replica| {
                let guard = Arc::clone(&replica.open).try_read_owned().ok()?;
                replica.served.fetch_add(1, Ordering::Relaxed);
                Some((replica.api.clone(), guard))
            })
        })
        .await
    }

    /// Replaces one replica of the user service.
    pub(crate) async fn replace_user_service(&self, number: usize, release: Release) {
        let replica = self.users.get(number).expect("there are two replicas");
        // Requests that have begun are answered first, and new ones go to the other replica.
        let _closed = replica.open.write().await;
        self.replace(&replica.service, release).await;
    }

    /// Replaces one replica of the email service.
    pub(crate) async fn replace_email_service(&self, number: usize, release: Release) {
        self.replace(self.emails.get(number).expect("there are two replicas"), release).await;
    }

    async fn replace(&self, service: &Mutex<Service>, release: Release) {
        let mut service = service.lock().await;
        let ended = service.terminate().await;
        assert_eq!(ended.code(), Some(0), "{ended:?}");
        service.restart_with(|spec| spec.with_binaries(directory(release, &self.previous))).await;
    }

    /// Returns the number of requests that each replica of the user service has served since the last call.
    pub(crate) fn take_served(&self) -> Vec<u64> {
        self.users.iter().map(|replica| replica.served.swap(0, Ordering::Relaxed)).collect()
    }

    /// Returns the spec of a replica of the user service, for a command.
    pub(crate) async fn user_spec(&self, number: usize) -> ServiceSpec {
        self.users.get(number).expect("there are two replicas").service.lock().await.spec().clone()
    }

    /// Returns the spec of a replica of the email service, for a command.
    pub(crate) async fn email_spec(&self, number: usize) -> ServiceSpec {
        self.emails.get(number).expect("there are two replicas").lock().await.spec().clone()
    }

    /// Returns the sum of a metric over both replicas of the email service.
    pub(crate) async fn email_metric(&self, name: &str, labels: &str) -> f64 {
        let mut sum = 0.0;
        for service in &self.emails {
            sum += service.lock().await.metric(name, labels).await;
        }
        sum
    }

    /// Returns the token in the newest mail to `address` that links to `page`, and whose token is not in `used`.
    /// `template` is the kind of the mail, where several kinds link to the page.
    pub(crate) async fn mailed_token(
        &self,
        address: &str,
        page: &str,
        template: Option<&str>,
        used: &[String],
    ) -> String {
        let message_id = template.map(|template| format!(".{template}@")).unwrap_or_default();
        let link = format!("{page}?token=");
        poll(&format!("a mail to {address} with a link to {page}"), || {
            let found = self.run.smtp.latest_delivery(|delivery| {
                let text = &delivery.mail.text;
                let is_recipient = |to: &String| to.eq_ignore_ascii_case(address);
                delivery.mail.to.iter().any(is_recipient)
                    && text.contains(&link)
                    && delivery.mail.header("Message-ID").contains(&message_id)
                    && !used.iter().any(|token| text.contains(token))
            });
            found.map(|delivery| delivery.mail.token(page))
        })
        .await
    }
}

/// Calls `probe` until it returns `Some`. Unlike [`test_support::wait_for`], it can be used in a task.
async fn poll<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < end, "{what}: not within {DEADLINE:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Returns the spec of a user service with short intervals and cheap hashing. Both releases have every key of it.
pub(crate) fn user_service(world: &World) -> ServiceSpec {
    world
        .user_service()
        .set("HASHING__MEMORY_KIB", "64")
        .set("HASHING__ITERATIONS", "1")
        .set("RELAY__SWEEP_INTERVAL", "500ms")
        .set("RELAY__SWEEP_MIN_AGE", "1s")
        .set("RELAY__LEASE", "3s")
}

/// Returns the spec of an email service with a short lease. Both releases have every key of it.
pub(crate) fn email_service(world: &World) -> ServiceSpec {
    world
        .email_service()
        .set("SMTP__STEP_TIMEOUT", "2s")
        .set("SMTP__DOT_TIMEOUT", "2s")
        .set("SENDER__LEASE", "5s")
        .set("INGEST__MAX_POLL_INTERVAL", "10s")
}

pub(crate) fn directory(release: Release, previous: &Path) -> Option<&Path> {
    match release {
        Release::Previous => Some(previous),
        Release::Present => None,
    }
}

/// Returns the directory with the programs of the previous release.
pub(crate) fn previous_release() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../scripts/released");
    let output = Command::new(script).arg("path").output().expect("scripts/released runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
}

/// Returns the status of a response.
pub(crate) fn status(outcome: &Outcome) -> Option<u16> {
    match outcome {
        Outcome::Answered(response) => Some(response.status),
        Outcome::Unknown { .. } => None,
    }
}

/// Checks the status of a response.
#[track_caller]
pub(crate) fn assert_status(outcome: &Outcome, expected: u16, what: &str) {
    assert_eq!(status(outcome), Some(expected), "{what}: {outcome:?}");
}
