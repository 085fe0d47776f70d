//! The setup of each test: a database of its own, a scripted mail server, a sender.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use branding::Branding;
use bson::{Document, doc};
use email_service::{
    ledger::{DeadLetterStore, Ledger, MailJob, NewMail, State, Suppressions},
    mailer::{connection::DeliveryTimeouts, endpoint::Endpoint, server_config::Server, server_pool::Pool},
    metrics::Metrics,
    plan,
    renderer::Renderer,
    sender::delivery::Sender,
};
use events::{
    Event, Payload, Recipient, TokenGrant, UserRegistered, UserTotpEnabled,
    sealing::{KeyRing, PrivateKey, PublicKey, Purpose, TokenPlaintext},
};
use jiff::SignedDuration;
use mongodb::Database;
use service_kit::{Clock, Health, Ids, MongoConfig, backoff::Backoff, mongo, reload::Reloadable};
use test_support::{ScriptedSmtp, Stack};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The deadlines of a sender in these tests.
pub(crate) const STEP: Duration = Duration::from_millis(600);
pub(crate) const TIMEOUTS: DeliveryTimeouts =
    DeliveryTimeouts { body: Duration::from_millis(600), dot: Duration::from_millis(800) };
pub(crate) const LEASE: Duration = Duration::from_secs(3);
pub(crate) const FIRST_WAIT: Duration = Duration::from_secs(10);
pub(crate) const GREYLISTING: Duration = Duration::from_secs(5 * 60);

/// The database of one test.
pub(crate) struct Store {
    pub(crate) uri: String,
    pub(crate) database: Database,
    pub(crate) ids: Ids,
    pub(crate) clock: Clock,
    private: String,
    public: PublicKey,
}

impl Store {
    pub(crate) async fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let uri = Stack::from_env().mongodb_uri().to_owned();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let database = format!("sending-{name}-{}-{count}", std::process::id());
        let database = client(&uri).await.database(&database);
        database.drop().await.unwrap();
        let (private, public) = PrivateKey::generate();
        let private = secrecy::ExposeSecret::expose_secret(&private.to_base64()).to_owned();
        Self { uri, database, ids: Ids::random(), clock: Clock::system(), private, public }
    }

    pub(crate) fn ledger(&self, instance: &str) -> Ledger {
        Ledger::new(&self.database, Duration::from_secs(2), instance.to_owned())
    }

    /// Queues this number of notices, each to another address.
    pub(crate) async fn queue_notices(&self, count: usize) {
        for n in 0..count {
            self.queue(self.notice(&format!("u{n}@example.com"))).await;
        }
    }

    /// Returns a ledger on the same database through another address.
    pub(crate) async fn ledger_through(&self, address: &str, instance: &str) -> Ledger {
        let client = client(&format!("mongodb://{address}/?directConnection=true")).await;
        Ledger::new(&client.database(self.database.name()), Duration::from_millis(700), instance.to_owned())
    }

    /// Returns the suppressions on the same database through another address.
    pub(crate) async fn suppressions_through(&self, address: &str) -> Suppressions {
        let client = client(&format!("mongodb://{address}/?directConnection=true")).await;
        Suppressions::new(&client.database(self.database.name()), Duration::from_millis(700))
    }

    /// Returns a ledger as `ledger_through`, with a short timeout if no server is found.
    pub(crate) async fn impatient_ledger_through(&self, address: &str, instance: &str) -> Ledger {
        let uri = format!("mongodb://{address}/?directConnection=true");
        let config =
            MongoConfig { uri: uri.into(), database: String::new(), operation_timeout: Duration::from_millis(200) };
        let client = mongo::client(&config, "sending-tests").await.unwrap();
        Ledger::new(&client.database(self.database.name()), Duration::from_secs(2), instance.to_owned())
    }

    /// Returns `host:port` of the database.
    pub(crate) fn upstream(&self) -> String {
        let rest = self.uri.split("://").nth(1).unwrap();
        rest.split(['/', '?']).next().unwrap().to_owned()
    }

    /// Returns a mail with a link whose policy is `resend_once`.
    pub(crate) fn welcome(&self, to: &str) -> NewMail {
        let (id, user) = (self.id(), self.id());
        let plaintext =
            TokenPlaintext { token: "t".into(), to: to.into(), purpose: Purpose::EmailVerification, event_id: id };
        let verification = TokenGrant {
            sealed: self.public.seal(&plaintext),
            expires_at: self.clock.now() + SignedDuration::from_hours(1),
        };
        let registered =
            UserRegistered { user_id: user, username: "ada".into(), recipient: recipient(to), verification };
        self.mail_of(id, registered.into())
    }

    /// Returns a mail whose policy is `hold`.
    pub(crate) fn notice(&self, to: &str) -> NewMail {
        self.mail_of(self.id(), UserTotpEnabled { user_id: self.id(), recipient: recipient(to), undo: None }.into())
    }

    fn mail_of(&self, id: Uuid, payload: Payload) -> NewMail {
        let now = self.clock.now();
        let event = Event::new(id, now - SignedDuration::from_secs(1), 1, None, payload);
        let mail = plan::plan(&event, SignedDuration::from_hours(24)).remove(0);
        NewMail::new(&event, mail, false, "example.org", "test", now)
    }

    fn id(&self) -> Uuid {
        self.ids.v7(self.clock.now())
    }

    /// Stores `mail` and returns its id.
    pub(crate) async fn queue(&self, mail: NewMail) -> String {
        assert_eq!(self.ledger("test").insert([&mail].into_iter()).await.unwrap().new, 1);
        mail.id().to_owned()
    }

    pub(crate) async fn row(&self, id: &str) -> MailJob {
        self.ledger("test").find(id).await.unwrap().unwrap()
    }

    /// Changes a row directly in the database.
    pub(crate) async fn change(&self, id: &str, set: Document) {
        let jobs = self.database.collection::<Document>("mailJobs");
        let changed = jobs.update_one(doc! { "_id": id }, vec![doc! { "$set": set }]).await.unwrap();
        assert_eq!(changed.matched_count, 1);
    }

    /// Ends the lease of a row now.
    pub(crate) async fn end_lease(&self, id: &str) {
        self.change(id, doc! { "lease.until": { "$subtract": ["$$NOW", 1_i64] } }).await;
    }

    pub(crate) fn sender(&self, smtp: &[&ScriptedSmtp]) -> Arc<Sender> {
        let urls: Vec<String> = smtp.iter().map(|server| server.url()).collect();
        self.sender_to(&urls.join(","), self.ledger("sender"))
    }

    pub(crate) fn sender_to(&self, urls: &str, ledger: Ledger) -> Arc<Sender> {
        let metrics = Metrics::new();
        let servers = Server::parse_list(urls).unwrap();
        let endpoints = servers.into_iter().map(|server| Endpoint::new(server, None, STEP)).collect();
        Arc::new(Sender {
            suppressions: self.suppressions(),
            renderer: Reloadable::new(
                Renderer::new(
                    "Us <us@example.org>".parse().unwrap(),
                    "http://localhost:3000".parse().unwrap(),
                    &Branding::default(),
                )
                .unwrap(),
            ),
            keys: Arc::new(KeyRing::new(vec![PrivateKey::from_base64(&self.private).unwrap()]).unwrap()),
            pool: Pool::new(endpoints, Health::new().optional("smtp"), metrics.clone()),
            backoff: Backoff::new(vec![FIRST_WAIT]).unwrap(),
            greylisting_pause: GREYLISTING,
            timeouts: TIMEOUTS,
            lease: LEASE,
            clock: self.clock.clone(),
            metrics,
            stop: CancellationToken::new(),
            ledger,
        })
    }

    /// Returns a pool of one server, and the health that it reports to.
    pub(crate) fn pool(smtp: &ScriptedSmtp, step: Duration) -> (Pool, Health) {
        let health = Health::new();
        let endpoint = Endpoint::new(smtp.url().parse().unwrap(), None, step);
        (Pool::new(vec![endpoint], health.optional("smtp"), Metrics::new()), health)
    }

    pub(crate) fn letters(&self) -> DeadLetterStore {
        DeadLetterStore::new(&self.database, Duration::from_secs(2))
    }

    pub(crate) fn suppressions(&self) -> Suppressions {
        Suppressions::new(&self.database, Duration::from_secs(2))
    }
}

async fn client(uri: &str) -> mongodb::Client {
    let config =
        MongoConfig { uri: uri.into(), database: String::new(), operation_timeout: Duration::from_millis(700) };
    mongo::client(&config, "sending-tests").await.unwrap()
}

fn recipient(to: &str) -> Recipient {
    Recipient { email: to.to_owned(), display_name: Some("Ada".into()), locale: None }
}

/// Claims the due mail and sends it.
pub(crate) async fn send_next(sender: &Sender) -> String {
    let job = sender.ledger.claim(sender.lease).await.unwrap().expect("a mail is due");
    sender.send(&job).await;
    job.id
}

/// Claims the due mail and passes the fence, as a sender does before the body.
pub(crate) async fn claim_and_pass_fence(ledger: &Ledger) -> MailJob {
    let job = ledger.claim(LEASE).await.unwrap().expect("a mail is due");
    assert!(ledger.pass_fence(&job, LEASE).await.unwrap());
    job
}

/// Returns a store with a welcome mail that a sender with this ledger has claimed and taken past the fence, and the id
/// of the mail.
pub(crate) async fn welcome_past_fence(name: &str) -> (Store, Ledger, MailJob, String) {
    let store = Store::new(name).await;
    let id = store.queue(store.welcome("ada@example.com")).await;
    let ledger = store.ledger("a");
    let job = claim_and_pass_fence(&ledger).await;
    (store, ledger, job, id)
}

/// Returns a store with a notice that a sender with this ledger has claimed, and the id of the notice.
pub(crate) async fn claimed_notice(name: &str) -> (Store, Ledger, MailJob, String) {
    let store = Store::new(name).await;
    let id = store.queue(store.notice("ada@example.com")).await;
    let ledger = store.ledger("a");
    let job = ledger.claim(LEASE).await.unwrap().unwrap();
    (store, ledger, job, id)
}

/// Returns the states in a row's history, the oldest first.
pub(crate) fn state_history(job: &MailJob) -> Vec<State> {
    job.history.iter().map(|step| step.to).collect()
}
