//! What the wrong order costs: a newer user service beside an older email service, and the rollback of a service that
//! has left behind what the older release does not know.

use std::{sync::Arc, time::Duration};

use bson::{DateTime, doc};
use e2e::{
    accounts::{confirm_reset, request_reset, try_login, user_document},
    administrators::{Admin, create_admin},
    commands::{json_lines, stdout_of},
    event_publisher::EventPublisher,
    ledger::{HistoryEntry, Ledger, MailJob},
    sealed_tokens::SealedTokens,
};
use events::{Event, Recipient, UserRecoveryCodesRenewed};
use faults::{
    FaultRun, Recorder, assert_promises_kept,
    checker::{self, Limits, Promise},
    collect_history, wait_until_idle,
};
use serde_json::json;
use service_kit::{Clock, Ids};
use test_support::{
    Behavior, DEADLINE, Phase, ScriptedSmtp, Service, SmtpRule, Stack, World, remember_secret, wait_for,
};

use crate::{
    accounts::{Account, Target},
    system::{IDLE_DEADLINE, Release, System, assert_status, email_service, previous_release, user_service},
};

const RENEWED: &str = "user.recovery_codes_renewed.v1";

/// The user service first: the older email service acknowledges an event of a type that it does not know, and counts
/// it. Its mail is never sent, also not by a newer email service, because the offset is committed. A member that the
/// older release does not know is ignored: the notice has no undo link.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: run by scripts/nightly"]
async fn an_older_email_service_never_sends_the_mails_of_events_that_it_does_not_know() {
    let system = Arc::new(System::start("userfirst", Release::Present, Release::Previous).await);
    let mut account = Account::register(&system, "ada", Target::Any).await;
    account.verify_email().await;
    account.login().await;
    account.change_password("without").await;
    let notice = notice_of_change(&system, &account, 1).await;
    assert!(!notice.contains("/undo-change"), "the older release does not know the undo link");
    account.enable_totp(Target::Any).await;
    account.renew_recovery_codes().await;
    wait_until_idle(&system.run, IDLE_DEADLINE).await;
    assert_eq!(system.email_metric("email_records_total", "outcome=\"unknown_type\"").await, 1.0);
    assert_eq!(system.email_metric("email_dead_letters_total", "").await, 0.0);

    for number in 0..2 {
        system.replace_email_service(number, Release::Present).await;
    }
    account.change_password("with").await;
    let notice = notice_of_change(&system, &account, 2).await;
    assert!(notice.contains("/undo-change"), "the newer release sends the link");
    wait_until_idle(&system.run, IDLE_DEADLINE).await;
    let history = collect_history(&system.run).await;
    assert!(history.mails.iter().all(|mail| mail.template != "recovery-codes-renewed"));
    // The checker finds the lost mail, and nothing else. It knows that the offset behind it is committed.
    let report = checker::check(&history);
    assert_eq!(report.broken(), [Promise::I4, Promise::I9], "{report}");
    assert_eq!((report.count(Promise::I4), report.count(Promise::I9)), (1, 1), "{report}");
}

/// The text of the notice number `nth` of a password change.
async fn notice_of_change(system: &System, account: &Account, nth: usize) -> String {
    let ledger = Ledger::for_world(&system.run.world).await;
    let address = &account.person.email;
    wait_for(DEADLINE, "the notice of the password change", async || {
        let rows = ledger.mails_to(address).await;
        let sent = rows.iter().filter(|mail| mail.id.ends_with("/password-changed") && mail.state == "sent");
        let newest = sent.clone().max_by_key(|mail| mail.terminal_at)?;
        let deliveries = system.run.smtp.deliveries_to(address);
        let delivery =
            deliveries.into_iter().find(|delivery| delivery.mail.header("Message-ID") == newest.message_id)?;
        (sent.count() == nth).then_some(delivery.mail.text)
    })
    .await
}

/// The email service first going back: the older release cannot read a row of the newer one. Mails that it claims
/// together with this row wait for the end of a lease, and the row waits for the newer release, which sends it. Nothing
/// is lost or doubled.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: run by scripts/nightly"]
async fn an_older_email_service_delays_mails_beside_a_row_that_it_cannot_read_and_leaves_the_row_to_a_newer_one() {
    const LEASE: Duration = Duration::from_secs(5);
    let (run, publisher, ledger) = mails_only("emailback").await;
    let busy = SmtpRule::always(Phase::Mail, Behavior::reply("451 4.3.0 not now"));
    run.smtp.add_rule(busy);
    let mut service = email_service(&run.world).start().await;
    let [first, renewed, second, third] = ["first", "renewed", "second", "third"].map(|name| run.world.address(name));
    publisher.publish(&publisher.notice(&first)).await;
    publisher.publish(&renewal(&renewed)).await;
    publisher.publish(&publisher.notice(&second)).await;
    publisher.publish(&publisher.notice(&third)).await;
    for address in [&first, &renewed, &second, &third] {
        ledger.wait_for_mail(address, "queued again", DEADLINE, |mail| mail.state == "queued").await;
    }
    service.terminate().await;
    run.smtp.clear_rules();
    make_due_in_order(&run.world, &[&first, &renewed, &second, &third]).await;

    let previous = previous_release();
    service.restart_with(|spec| spec.with_binaries(Some(&previous))).await;
    for address in [&first, &second, &third] {
        ledger.wait_for_state(address, "sent", IDLE_DEADLINE).await;
    }
    let delayed = ledger.wait_for_state(&second, "sent", DEADLINE).await;
    let abandoned = |step: &&HistoryEntry| step.note.as_deref() == Some("the sender disappeared before the fence");
    // Once for each time that it was claimed together with the row that cannot be read.
    assert!(delayed.history.iter().any(|step| abandoned(&step)), "its lease had to end: {delayed:#?}");
    assert!(longest_wait(&delayed) >= LEASE, "{delayed:#?}");
    assert_eq!(run.smtp.deliveries_to(&renewed).len(), 0);

    service.terminate().await;
    service.restart_with(|spec| spec.with_binaries(None)).await;
    // Each time the older release claims the row in vain, the next attempt is later. Its last lease has to end first.
    ledger.wait_for_mail(&renewed, "recovered", IDLE_DEADLINE, |mail| mail.state != "preparing").await;
    make_due_in_order(&run.world, &[&renewed]).await;
    ledger.wait_for_state(&renewed, "sent", IDLE_DEADLINE).await;
    let _ = assert_promises_kept(&run, IDLE_DEADLINE).await;
}

/// A run without a user service, on which the test publishes the events.
async fn mails_only(name: &str) -> (FaultRun, EventPublisher, Ledger) {
    let smtp = ScriptedSmtp::start().await;
    let world = World::new(&Stack::from_env(), name).await.on_smtp(smtp.url());
    let (publisher, ledger) = (EventPublisher::new(&world), Ledger::for_world(&world).await);
    let limits = Limits { no_user_service: true, ..Limits::default() };
    (FaultRun { world, recorder: Recorder::new(), smtp, limits }, publisher, ledger)
}

fn renewal(to: &str) -> Event {
    let (ids, now) = (Ids::random(), Clock::system().now());
    let recipient = Recipient { email: to.to_owned(), display_name: None, locale: None };
    let data = UserRecoveryCodesRenewed { user_id: ids.v7(now), recipient, undo: None };
    Event::new(ids.v7(now), now, 2, None, data.into())
}

/// Makes the mails to these addresses due, each a second after the one before.
async fn make_due_in_order(world: &World, addresses: &[&String]) {
    let mails = world.email_collection("mailJobs").await;
    let start = DateTime::now().timestamp_millis() - 60_000;
    for (address, place) in addresses.iter().zip(0_i64..) {
        let due = doc! { "$set": { "nextAttemptAt": DateTime::from_millis(start + 1_000 * place) } };
        let updated = mails.update_one(doc! { "to": address }, due).await.expect("mails can be written");
        assert_eq!(updated.matched_count, 1);
    }
}

/// Returns the longest time between two steps of a mail.
fn longest_wait(mail: &MailJob) -> Duration {
    let times: Vec<i64> = mail.history.iter().map(|step| step.at.timestamp_millis()).collect();
    let longest = times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0);
    Duration::from_millis(u64::try_from(longest).unwrap_or(0))
}

/// The user service going back while events wait: the older relay parks the user at an event of a type that it does not
/// know, and the user's later events wait behind it. The newer release publishes all of them, in order.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: run by scripts/nightly"]
async fn an_older_user_service_parks_a_user_at_an_event_that_it_does_not_know_until_a_newer_one_publishes_it() {
    let system = Arc::new(System::start("userback", Release::Present, Release::Present).await);
    let mut account = Account::register(&system, "ada", Target::Any).await;
    account.verify_email().await;
    account.login().await;
    account.enable_totp(Target::Any).await;
    wait_until_idle(&system.run, IDLE_DEADLINE).await;
    // Kafka is away for the newer user service, so its event waits in the account.
    let brokers = system.run.world.brokers().to_owned();
    let mut service = system.users[0].service.lock().await;
    system.users[1].service.lock().await.terminate().await;
    service.terminate().await;
    service.relaunch_with(|spec| spec.set("KAFKA__BROKERS", "127.0.0.1:1"));
    wait_until_live(&service).await;
    account.target = Target::Fixed(service.api());
    account.renew_recovery_codes().await;

    service.terminate().await;
    let previous = previous_release();
    service.restart_with(|spec| spec.set("KAFKA__BROKERS", &brokers).with_binaries(Some(&previous))).await;
    // The installation began with the newer release, whose signing keys the older one does not read.
    account.refresh().await;
    account.update_profile("Behind it").await;
    let user = account.client.user().expect("the account is known").to_string();
    let parked = wait_until_parked(&service, &user).await;
    assert_eq!(parked[0]["type"], RENEWED, "{parked:?}");
    assert_eq!(parked[1]["type"], "user.profile_updated.v1", "later events wait too: {parked:?}");
    let error = parked[0]["error"].as_str().unwrap_or_default().to_owned();
    assert!(error.contains("an event type that this version does not know"), "{error}");

    service.terminate().await;
    service.restart_with(|spec| spec.with_binaries(None)).await;
    let _ = stdout_of(&service.spec().command(&["events", "retry", &user]).await, 0);
    drop(service);
    let history = assert_promises_kept(&system.run, IDLE_DEADLINE).await;
    assert!(history.mails.iter().any(|mail| mail.template == "recovery-codes-renewed" && mail.state == "sent"));
}

async fn wait_until_live(service: &Service) {
    wait_for(DEADLINE, "the user service to respond", async || service.readiness().await).await;
}

/// Waits until the events of a user are parked, and returns them as `events list` does.
async fn wait_until_parked(service: &Service, user: &str) -> Vec<serde_json::Value> {
    wait_for(DEADLINE, "the user to be parked", async || {
        let listed = stdout_of(&service.spec().command(&["events", "list", "--user", user, "--json"]).await, 0);
        let events = json_lines(&listed);
        (events.len() == 2 && events[0]["error"].is_string()).then_some(events)
    })
    .await
}

/// A retry of a registration with the same `Idempotency-Key`: the newer release recognises a registration by the older
/// one, and not the other way round, because it stores only a keyed hash of the key.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: run by scripts/nightly"]
async fn an_older_user_service_does_not_recognise_the_idempotency_key_of_a_newer_one() {
    let smtp = ScriptedSmtp::start().await;
    let world = World::new(&Stack::from_env(), "retries").await.on_smtp(smtp.url());
    let previous = previous_release();
    let (old, new) =
        tokio::join!(user_service(&world).with_binaries(Some(&previous)).start(), user_service(&world).start());
    let run = FaultRun {
        world,
        recorder: Recorder::new(),
        smtp,
        limits: Limits { no_email_service: true, ..Limits::default() },
    };
    for (name, registers, retries, expected) in [("ada", &old, &new, 201), ("bob", &new, &old, 409)] {
        let person = run.world.test_user(name);
        let mut client = run.recorder.client(registers.api());
        let key = format!("key-{name}");
        assert_status(&client.register(&person, Some(&key)).await, 201, name);
        client.use_api(retries.api());
        assert_status(&client.register(&person, Some(&key)).await, expected, name);
    }
    let _ = assert_promises_kept(&run, IDLE_DEADLINE).await;
}

/// A username that an older user service changes is free at once, as it is there. The newer one, which would keep it
/// reserved, does not refuse it to others.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: run by scripts/nightly"]
async fn a_username_that_an_older_user_service_has_changed_can_be_taken_at_a_newer_one() {
    let world = World::new(&Stack::from_env(), "names").await;
    let previous = previous_release();
    let (old, new) =
        tokio::join!(user_service(&world).with_binaries(Some(&previous)).start(), user_service(&world).start());
    let ada = world.test_user("ada");
    let _ = new.api().register(&ada).await.expect(201);
    let me = old.api().logged_in_as(&ada).await;
    let _ = me.patch("/api/users/me", &json!({ "username": format!("x{}", ada.username) })).await.expect(200);
    let mut bob = world.test_user("bob");
    bob.username.clone_from(&ada.username);
    let _ = new.api().register(&bob).await.expect(201);
}

/// An older user service reads an invited account, and lets no password in. A reset there gives the account to the owner
/// of the mailbox, and leaves the invitation in the document; at the newer one it is void from then on.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: run by scripts/nightly"]
async fn an_older_user_service_keeps_an_invited_account_closed_and_its_reset_ends_the_invitation() {
    let world = World::new(&Stack::from_env(), "invited").await;
    let previous = previous_release();
    // The older one begins, so that both have its signing keys.
    let old = user_service(&world).with_binaries(Some(&previous)).start().await;
    let new = user_service(&world).start().await;
    let root = create_admin(&world, &new, "root").await;
    let mut mails = SealedTokens::new(&world);
    let email = world.address("ada");
    let invitation = json!({ "email": email, "invite": true });
    let id = root.api.post("/api/admin/users", &invitation).await.expect(201).string("id");
    let link = mails.wait_for_nth("user.invited.v1", "invitation", &email, 1).await;

    let seen = old.api().with_token(&root.tokens.access).get(&Admin::user_path(&id, "")).await.expect(200);
    let placeholder = seen.string("username");
    assert!(placeholder.starts_with("invited-"), "{placeholder}");
    for identifier in [&email, &placeholder] {
        let refused = try_login(&old.api(), identifier, "a guess of a password").await;
        let _ = refused.expect_problem(401, "invalid-credentials");
    }
    request_reset(&old.api(), &email).await;
    let token = mails.wait_for_nth("user.password_reset_requested.v1", "reset", &email, 1).await;
    let password = format!("ninety quiet geese of {}", world.tag());
    remember_secret("password", &password);
    let _ = confirm_reset(&old.api(), &token, &password).await.expect(204);
    for api in [old.api(), new.api()] {
        let _ = try_login(&api, &email, &password).await.expect(200);
    }
    assert!(user_document(&world, &email).await.contains_key("invitation"), "the older release leaves it");
    let body = json!({ "token": link, "username": "at-last", "password": password });
    let refused = new.api().post("/api/auth/accept-invitation", &body).await;
    let _ = refused.expect_problem(400, "token-invalid");
    assert_eq!(root.api.get(&Admin::user_path(&id, "")).await.expect(200).json()["invited"], json!(false));
}
