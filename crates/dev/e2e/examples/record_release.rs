//! Records the documents that a release stores: it runs the services of the release through the lives of some accounts
//! and mails, and writes every collection to `crates/<service>/tests/released/<version>/`.
//!
//! `scripts/released record VERSION` runs it.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use bson::{Bson, DateTime, Document, doc};
use e2e::{
    accounts::{
        confirm_email_change, confirm_reset, count_users_with_pending_events, delete_account, request_reset,
        request_verification, try_login, user_document, verify_email, with_email, with_new_password,
    },
    administrators::{Admin, create_admin},
    commands::stdout_of,
    event_publisher::EventPublisher,
    ledger::Ledger,
    oversized_event::wait_until_parked,
    totp::{enable_totp, start_setup},
};
use mongodb::Database;
use serde_json::json;
use test_support::{
    Api, Behavior, DEADLINE, Phase, ScriptedSmtp, Service, ServiceSpec, SmtpRule, Stack, TestUser, World, find_all,
    remember_secret, wait_for,
};

/// 32 bytes: 1, 2, … 32. The recorded keys are no secrets, because the tests must open what they have sealed.
const KEY: &str = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";
const WEEK: std::time::Duration = std::time::Duration::from_secs(8 * 24 * 60 * 60);

struct Recorder {
    world: World,
    smtp: ScriptedSmtp,
    binaries: PathBuf,
}

#[tokio::main]
async fn main() {
    let version = env::var("RELEASE_VERSION").expect("scripts/released sets RELEASE_VERSION");
    let binaries = PathBuf::from(env::var_os("RELEASE_BINARIES").expect("scripts/released sets RELEASE_BINARIES"));
    let smtp = ScriptedSmtp::start().await;
    let world = World::new(&Stack::from_env(), "record").await.on_smtp(smtp.url());
    let private = events::sealing::PrivateKey::from_base64(KEY).expect("32 bytes");
    for (name, key) in
        [("encryption.key", KEY), ("sealing.private", KEY), ("sealing.public", &private.public().to_base64())]
    {
        let path = world.keys().join(name);
        fs::write(path, key).expect("the directory of the keys is writable");
    }
    let recorder = Recorder { world, smtp, binaries };
    recorder.record_mails().await;
    recorder.record_users().await;
    for (service, database) in [
        ("user-service", recorder.world.user_database().await),
        ("email-service", recorder.world.email_database().await),
    ] {
        write_collections(&directory(service, &version), &database).await;
    }
}

impl Recorder {
    fn email_service(&self) -> ServiceSpec {
        let spec = self.world.email_service().with_binaries(Some(&self.binaries));
        spec.set("SMTP__STEP_TIMEOUT", "2m").set("SMTP__DOT_TIMEOUT", "2m").set("SENDER__LEASE", "10m")
    }

    /// Every hash costs little, and an account is locked soon.
    fn user_service(&self) -> ServiceSpec {
        let spec = self.world.user_service().with_binaries(Some(&self.binaries));
        spec.set("HASHING__MEMORY_KIB", "64")
            .set("HASHING__ITERATIONS", "1")
            .set("RELAY__SWEEP_INTERVAL", "200ms")
            .set("RELAY__SWEEP_MIN_AGE", "500ms")
            .set("LIMITS__ENABLED", "true")
            .set("LIMITS__ACCOUNT_FREE_FAILURES", "3")
    }

    /// Mails in every state, dead letters in each state, and a suppression.
    async fn record_mails(&self) {
        let (publisher, ledger) = (EventPublisher::new(&self.world), Ledger::for_world(&self.world).await);
        let mut service = self.email_service().start().await;
        let address = |name: &str| self.world.address(name);
        let [refused, unknown, later, discarded] = ["refused", "unknown", "later", "discarded"].map(address);
        self.smtp.add_rule(SmtpRule::once(Phase::Rcpt, Behavior::reply("550 5.1.1 no such user")).to(&refused));
        self.smtp.add_rule(SmtpRule::once(Phase::Dot, Behavior::Drop).to(&unknown));
        for busy in [&later, &discarded] {
            self.smtp.add_rule(SmtpRule::always(Phase::Rcpt, Behavior::reply("452 4.2.2 mailbox full")).to(busy));
        }
        for address in [&refused, &unknown, &later, &discarded] {
            publisher.publish(&publisher.notice(address)).await;
        }
        publisher.publish(&publisher.welcome_with_age(&address("expired"), WEEK)).await;
        ledger.wait_for_state(&refused, "failed", DEADLINE).await;
        publisher.publish(&publisher.notice(&refused)).await;
        ledger.wait_for_state(&unknown, "unknown", DEADLINE).await;
        for busy in [&later, &discarded] {
            ledger
                .wait_for_mail(busy, "queued again", DEADLINE, |mail| mail.state == "queued" && mail.attempts > 0)
                .await;
        }
        let resolve = ["mail", "resolve", "--state", "queued", "--to", &discarded, "--as", "discarded", "--yes"];
        let _ = stdout_of(&service.spec().command(&resolve).await, 0);

        let welcome = publisher.welcome(&address("letters"));
        publisher.publish_truncated(&welcome).await;
        publisher.publish_raw(0, "no key of ours", Some(b"{}"), &[]).await;
        wait_for(DEADLINE, "two dead letters", async || (ledger.dead_letters().await.len() == 2).then_some(())).await;
        let discard = ["dead-letters", "discard", "--reason", "not-json", "--yes", "--note", "recorded"];
        let _ = stdout_of(&service.spec().command(&discard).await, 0);
        service.terminate().await;
    }

    async fn record_users(&self) {
        let (user, email) = (self.user_service(), self.email_service());
        let (mut service, mut emails) = tokio::join!(user.start(), email.start());
        let api = service.api();
        self.record_accounts(&api).await;
        self.record_administration(&service, &api).await;
        self.record_import(&service).await;
        wait_for(DEADLINE, "every event to be published", async || {
            (count_users_with_pending_events(&self.world).await == 0).then_some(())
        })
        .await;
        self.record_parked(&api).await;
        let ledger = Ledger::for_world(&self.world).await;
        let later = self.world.address("later");
        wait_for(DEADLINE, "every mail but one to be terminal", async || {
            ledger.mails().await.iter().all(|mail| mail.is_terminal() || mail.to == later).then_some(())
        })
        .await;
        self.record_held_mails(&ledger).await;
        // Killed, so that leases and the states of held mails stay.
        emails.kill().await;
        service.kill().await;
        self.record_pending_events().await;
    }

    async fn register(&self, api: &Api, name: &str) -> TestUser {
        let person = self.world.test_user(name);
        let _ = api.register(&person).await.expect(201);
        person
    }

    async fn token(&self, address: &str, page: &str) -> String {
        let link = format!("{page}?token=");
        wait_for(DEADLINE, &format!("a mail to {address} with a link to {page}"), async || {
            let deliveries = self.smtp.deliveries_to(address);
            deliveries.iter().rfind(|delivery| delivery.mail.text.contains(&link)).map(|found| found.mail.token(page))
        })
        .await
    }

    async fn register_verified(&self, api: &Api, name: &str) -> (TestUser, Api) {
        let person = self.register(api, name).await;
        let _ = verify_email(api, &self.token(&person.email, "/verify-email").await).await.expect(204);
        let me = api.logged_in_as(&person).await;
        (person, me)
    }

    async fn record_accounts(&self, api: &Api) {
        let fresh = self.world.test_user("fresh");
        let request = api.request(reqwest::Method::POST, "/api/users").header("Idempotency-Key", "a-key");
        let _ = api.send(request.json(&fresh.registration())).await.expect(201);
        request_verification(api, &fresh.email).await;

        let (_, me) = self.register_verified(api, "profile").await;
        let profile = json!({
            "displayName": "Ada Lovelace", "locale": "de-DE", "timezone": "Europe/Berlin",
            "attributes": { "shoeSize": 38, "$date": "not a date" },
        });
        let _ = me.patch("/api/users/me", &profile).await.expect(200);

        let (factor, me) = self.register_verified(api, "factor").await;
        let codes = enable_totp(&me, &factor).await.1;
        let first = try_login(api, &factor.email, &factor.password).await.expect_problem(401, "mfa-required");
        let mfa_token = first.string("mfaToken");
        remember_secret("mfa token", &mfa_token);
        let second = json!({ "mfaToken": mfa_token, "code": codes[0] });
        let _ = api.post("/api/auth/login/totp", &second).await.expect(200);

        let (without, me) = self.register_verified(api, "without-factor").await;
        let codes = enable_totp(&me, &without).await.1;
        let both = json!({ "password": without.password, "code": codes[0] });
        let _ = me.delete("/api/users/me/totp", Some(&both)).await.expect(204);

        let (setup, me) = self.register_verified(api, "setup").await;
        start_setup(&me, &setup).await;

        let (reset, _) = self.register_verified(api, "reset").await;
        request_reset(api, &reset.email).await;
        let renewed = with_new_password(&reset, "renewed");
        let token = self.token(&reset.email, "/reset-password").await;
        let _ = confirm_reset(api, &token, &renewed.password).await.expect(204);
        request_reset(api, &reset.email).await;

        let (changed, me) = self.register_verified(api, "changed").await;
        let new = self.world.address("changed-new");
        self.request_address(&me, &changed, &new).await;
        let _ = confirm_email_change(api, &self.token(&new, "/confirm-email").await).await.expect(204);
        let me = api.logged_in_as(&with_email(&changed, &new)).await;
        self.request_address(&me, &changed, &self.world.address("changed-newest")).await;
        let new_password = with_new_password(&changed, "changed");
        let body = json!({ "currentPassword": changed.password, "newPassword": new_password.password });
        let _ = me.put("/api/users/me/password", &body).await.expect(204);

        let (undone, me) = self.register_verified(api, "undone").await;
        let new = self.world.address("undone-new");
        self.request_address(&me, &undone, &new).await;
        let _ = confirm_email_change(api, &self.token(&new, "/confirm-email").await).await.expect(204);
        let undo = json!({ "token": self.token(&undone.email, "/undo-email-change").await });
        let _ = api.post("/api/auth/email-change/undo", &undo).await.expect(204);

        let (session, _) = self.register_verified(api, "session").await;
        let tokens = api.login(&session).await;
        let refreshed = test_support::Tokens::from_response(&api.refresh(&tokens.refresh).await.expect(200));
        let _ = api.post("/api/auth/logout", &json!({ "refreshToken": refreshed.refresh })).await.expect(204);
        let tokens = api.login(&session).await;
        let _ = test_support::Tokens::from_response(&api.refresh(&tokens.refresh).await.expect(200));

        let locked = self.register(api, "locked").await;
        for _ in 0..4 {
            let _ = try_login(api, &locked.email, "not the password").await;
        }
        wait_for(DEADLINE, "the account to be locked", async || {
            user_document(&self.world, &locked.email).await.contains_key("lockedUntil").then_some(())
        })
        .await;

        let (deleted, me) = self.register_verified(api, "deleted").await;
        delete_account(&me, &deleted).await;
    }

    async fn request_address(&self, me: &Api, person: &TestUser, new: &str) {
        let body = json!({ "newEmail": new, "password": person.password });
        let _ = me.put("/api/users/me/email", &body).await.expect(202);
    }

    async fn record_administration(&self, service: &Service, api: &Api) {
        let admin = create_admin(&self.world, service, "admin").await;
        let (disabled, _) = self.register_verified(api, "disabled").await;
        let found = user_document(&self.world, &disabled.email).await;
        let id = found.get("_id").cloned().map(bson::deserialize_from_bson::<bson::Uuid>).expect("a user has an id");
        let id = id.expect("an id is a UUID").to_string();
        assert_eq!(admin.set_roles(&id, &["editor"]).await, 200);
        let _ = admin.api.post(&Admin::user_path(&id, "/disable"), &json!({})).await.expect(204);
    }

    async fn record_import(&self, service: &Service) {
        let file = self.world.keys().join("users.ndjson");
        let line = json!({
            "username": "imported", "email": self.world.address("imported"), "emailVerified": true,
            "passwordHash": "$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
        });
        fs::write(&file, format!("{line}\n")).expect("the directory of the run is writable");
        let file = file.display().to_string();
        let _ = stdout_of(&service.spec().command(&["users", "import", &file, "--welcome"]).await, 0);
    }

    /// An account whose event the relay refuses, because no release has its type.
    async fn record_parked(&self, api: &Api) {
        let parked = self.register(api, "parked").await;
        wait_for(DEADLINE, "every event to be published", async || {
            (count_users_with_pending_events(&self.world).await == 0).then_some(())
        })
        .await;
        let found = user_document(&self.world, &parked.email).await;
        let id: bson::Uuid =
            bson::deserialize_from_bson(found.get("_id").cloned().expect("a user has an id")).expect("an id is a UUID");
        let entry = doc! {
            "id": bson::Uuid::new(), "type": "user.unheard_of.v1", "at": DateTime::from_millis(0),
            "sequence": found.get_i64("version").expect("a user has a version") + 1,
            "data": json!({ "userId": id.to_string() }).to_string(), "audit": { "actor": "self" },
        };
        let update = doc! { "$push": { "pendingEvents": entry }, "$inc": { "version": 1_i64 } };
        let users = self.world.user_collection("users").await;
        let _ = users.update_one(doc! { "_id": id }, update).await.expect("the user can be changed");
        wait_until_parked(&self.world, &id.to_string(), 1).await;
    }

    /// A mail in `preparing` and one in `data`: their sender waits for the mail server.
    async fn record_held_mails(&self, ledger: &Ledger) {
        let publisher = EventPublisher::new(&self.world);
        for (name, state, phase) in [("preparing", "preparing", Phase::Rcpt), ("data", "data", Phase::Dot)] {
            let address = self.world.address(name);
            self.smtp.add_rule(SmtpRule::always(phase, Behavior::Hang).to(&address));
            publisher.publish(&publisher.notice(&address)).await;
            ledger.wait_for_state(&address, state, DEADLINE).await;
        }
    }

    /// Events that wait, of an account and of a tombstone, because Kafka is away.
    async fn record_pending_events(&self) {
        let mut service = self.user_service().set("KAFKA__BROKERS", "127.0.0.1:1").launch();
        wait_for(DEADLINE, "the user service to respond", async || service.readiness().await).await;
        let api = service.api();
        let waiting = self.register(&api, "waiting").await;
        api.login(&waiting).await;
        let gone = self.register(&api, "gone").await;
        delete_account(&api.logged_in_as(&gone).await, &gone).await;
        service.kill().await;
    }
}

/// Returns the directory of a service's records.
fn directory(service: &str, version: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(service).join("tests/released").join(version)
}

/// Writes each collection to a file, as canonical extended JSON with one document in each line.
async fn write_collections(directory: &Path, database: &Database) {
    fs::create_dir_all(directory).expect("the directory can be created");
    let names = database.list_collection_names().await.expect("the database can be read");
    for name in names {
        let documents: Vec<Document> = find_all(&database.collection(&name), doc! {}).await;
        let lines: Vec<String> =
            documents.into_iter().map(|found| Bson::from(found).into_canonical_extjson().to_string()).collect();
        fs::write(directory.join(format!("{name}.json")), format!("[\n{}\n]\n", lines.join(",\n")))
            .expect("the directory is writable");
        println!("{name}: {} documents", lines.len());
    }
}
