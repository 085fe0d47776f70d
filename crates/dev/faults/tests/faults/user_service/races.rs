//! Faults 5 and 24. Many concurrent writers on one account, and logins that wait while their precondition
//! changes.

use std::collections::BTreeSet;

use bson::{Document, doc};
use e2e::administrators::listed_admins;
use faults::checker::{Action, History, Outcome};
use faults::{Client, FaultRun, assert_promises_kept};
use futures_util::future::join_all;
use mongodb::Collection;
use reqwest::Method;
use serde_json::{Value, json};
use test_support::{DEADLINE, Service, ServiceSpec, TestUser, World, remember_secret, wait_for};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::setup::*;

async fn sessions(world: &World) -> Collection<Document> {
    world.user_database().await.collection("sessions")
}

async fn wait_for_session_count(world: &World, count: u64) {
    let sessions = sessions(world).await;
    wait_for(DEADLINE, &format!("{count} session rows"), async || {
        (sessions.count_documents(doc! {}).await.expect("sessions can be counted") == count).then_some(())
    })
    .await;
}

async fn stored_hash(world: &World, person: &TestUser) -> String {
    let user = users(world).await.find_one(doc! { "email": &person.email }).await.expect("users can be read");
    user.and_then(|user| Some(user.get_str("passwordHash").ok()?.to_owned())).expect("the user has a hash")
}

/// Returns the user with a new password, which is not set yet.
fn with_new_password(person: &TestUser) -> TestUser {
    let user = TestUser { password: format!("{} renewed", person.password), ..person.clone() };
    remember_secret("password", &user.password);
    user
}

fn count_logins(history: &History) -> usize {
    history.records.iter().filter(|record| event_type(record) == "user.logged_in.v1").count()
}

#[tokio::test]
async fn fault_05_fifty_writers_on_one_account_lose_nothing() {
    const WRITERS: usize = 50;
    let run = run_without_mails("writers").await;
    let service = with_short_intervals(run.world.user_service()).start().await;
    let (mut ada, _) = logged_in_client(&run, &service, "ada").await;
    let id = ada.user().expect("she is signed in");
    assert_status(&ada.read_me().await, 200);
    let before = ada.last_response().expect("a response").json()["version"].as_u64().expect("a version");

    let writer = async |n: usize| {
        let body = json!({ "attributes": { format!("writer{n}"): n } });
        let request = ada.request(Method::PATCH, "/api/users/me").json(&body);
        client(&run, &service).send(Action::UpdateProfile, Some(id), request).await
    };
    let answers = join_all((0..WRITERS).map(writer)).await;
    let version = |outcome: &Outcome| {
        assert_status(outcome, 200);
        response_of(outcome)?.version
    };
    let versions: BTreeSet<u64> = answers.iter().filter_map(version).collect();
    let last = before + WRITERS as u64;
    assert_eq!(versions, (before + 1..=last).collect());
    assert_status(&ada.read_me().await, 200);
    let now = ada.last_response().expect("a response").json();
    assert_eq!(now["version"], last);
    let expected: Value = (0..WRITERS).map(|n| (format!("writer{n}"), json!(n))).collect();
    assert_eq!(now["attributes"], expected);

    let history = assert_promises_kept(&run, DEADLINE).await;
    let mut topic = run.world.topic_reader();
    let of_ada: Vec<u64> = topic.read_all().await.iter().map(test_support::Record::sequence).collect();
    assert_eq!(of_ada, (1..=last).collect::<Vec<u64>>(), "I3, without duplicates");
    assert_eq!(history.users[0].version, last);
}

/// Returns a replica whose logins pause between the verification of the hash and the write that starts the
/// session. It is a separate replica, because the fail point blocks a thread on which other requests would wait
/// too.
fn with_slow_logins(spec: &ServiceSpec) -> ServiceSpec {
    spec.replica().fail_points("login.before_commit=sleep(4000)")
}

/// Starts a service, and a replica of it with slow logins and these other settings.
async fn start_with_slow_replica(run: &FaultRun, settings: &[(&str, &str)]) -> (Service, Service) {
    let now = with_short_intervals(run.world.user_service());
    let later = settings.iter().fold(with_slow_logins(&now), |spec, (key, value)| spec.set(key, *value));
    tokio::join!(now.start(), later.start())
}

/// A login that has verified the password and has not started its session.
struct WaitingLogin(JoinHandle<Outcome>);

impl WaitingLogin {
    /// Sends the login, while another session exists.
    async fn begin(run: &FaultRun, mut client: Client, person: &TestUser) -> Self {
        let person = person.clone();
        let waiting = Self(tokio::spawn(async move { client.login(&person).await }));
        wait_for_session_count(&run.world, 2).await;
        waiting
    }

    /// Checks that the login still waited, and that it is refused.
    async fn assert_refused(self, status: u16, problem: &str) {
        assert!(!self.0.is_finished(), "the login was not slow enough for this test");
        assert_problem(&self.0.await.expect("a login does not panic"), status, problem);
    }
}

#[tokio::test]
async fn fault_24_a_login_whose_password_is_changed_while_it_waits_gets_no_session() {
    let run = run_without_mails("latelogin").await;
    let (now, later) = start_with_slow_replica(&run, &[]).await;
    let (mut me, mut ada) = logged_in_client(&run, &now, "ada").await;

    let waiting = WaitingLogin::begin(&run, client(&run, &later), &ada).await;
    let new = with_new_password(&ada).password;
    assert_status(&me.change_password(&mut ada, &new).await, 204);
    waiting.assert_refused(401, "invalid-credentials").await;
    wait_for_session_count(&run.world, 1).await;
    assert_status(&me.read_me().await, 200);
    let history = assert_promises_kept(&run, DEADLINE).await;
    assert_eq!(count_logins(&history), 1);
}

#[tokio::test]
async fn fault_24_a_rehash_while_the_password_is_changed_never_writes_the_old_one_back() {
    let run = run_without_mails("rehashrace").await;
    let (now, later) = start_with_slow_replica(&run, &[("HASHING__ITERATIONS", "2")]).await;
    let (mut me, mut ada) = logged_in_client(&run, &now, "ada").await;

    let waiting = WaitingLogin::begin(&run, client(&run, &later), &ada).await;
    let (before, new) = (ada.clone(), with_new_password(&ada).password);
    assert_status(&me.change_password(&mut ada, &new).await, 204);
    let of_new = stored_hash(&run.world, &ada).await;
    waiting.assert_refused(401, "invalid-credentials").await;
    assert_eq!(stored_hash(&run.world, &ada).await, of_new);
    assert_problem(&client(&run, &now).login(&before).await, 401, "invalid-credentials");
    assert_status(&client(&run, &now).login(&ada).await, 200);
    assert_promises_kept(&run, DEADLINE).await;
}

/// An administrator who is logged in.
struct Admin {
    client: Client,
    person: TestUser,
    id: Uuid,
}

async fn admin(run: &FaultRun, service: &Service, name: &str) -> Admin {
    let (mut client, person) = (client(run, service), run.world.test_user(name));
    assert_status(&client.register(&person, None).await, 201);
    let granted = service.spec().command(&["grant-role", &person.email, "admin"]).await;
    assert!(granted.status.success(), "{}", String::from_utf8_lossy(&granted.stderr));
    assert_status(&client.login(&person).await, 200);
    let id = client.user().expect("it is signed in");
    Admin { client, person, id }
}

impl Admin {
    async fn set_roles(&mut self, of: Uuid, roles: &[&str]) -> Outcome {
        let request = self.client.request(Method::PATCH, &format!("/api/admin/users/{of}"));
        self.client.send(Action::SetRoles, Some(of), request.json(&json!({ "roles": roles }))).await
    }

    async fn post_action(&mut self, action: Action, of: Uuid, path: &str) -> Outcome {
        let request = self.client.request(Method::POST, &format!("/api/admin/users/{of}/{path}"));
        self.client.send(action, Some(of), request.json(&json!({}))).await
    }
}

#[tokio::test]
async fn fault_24_a_login_whose_account_is_disabled_while_it_waits_gets_no_session() {
    let run = run_without_mails("disabled").await;
    let (now, later) = start_with_slow_replica(&run, &[]).await;
    let mut admin = admin(&run, &now, "admin").await;
    let (mut late, ada) = (client(&run, &later), run.world.test_user("ada"));
    assert_status(&late.register(&ada, None).await, 201);
    let id = late.user().expect("she is registered");

    let waiting = WaitingLogin::begin(&run, late, &ada).await;
    assert_status(&admin.post_action(Action::Disable, id, "disable").await, 204);
    waiting.assert_refused(403, "account-disabled").await;
    wait_for_session_count(&run.world, 1).await;
    // The remaining session is the administrator's.
    assert_status(&admin.client.read_me().await, 200);
    let history = assert_promises_kept(&run, DEADLINE).await;
    assert_eq!(types_of(&history, id), ["user.registered.v1", "user.disabled.v1"]);
}

#[tokio::test]
async fn fault_24_two_administrators_who_remove_each_other_at_once_do_not_both_succeed() {
    const ROUNDS: usize = 50;
    let run = run_without_mails("mutual").await;
    let first = with_short_intervals(run.world.user_service());
    let second = first.replica();
    let (first, second) = tokio::join!(first.start(), second.start());
    let (mut ada, mut eve) = (admin(&run, &first, "ada").await, admin(&run, &first, "eve").await);
    let mut won = [0, 0];
    for round in 0..ROUNDS {
        // Every other round uses two replicas. All ways of removal are used except deletion, which cannot be undone.
        eve.client.use_api(if round % 2 == 0 { first.api() } else { second.api() });
        let remove = async |admin: &mut Admin, other: Uuid, disable: bool| match disable {
            true => admin.post_action(Action::Disable, other, "disable").await,
            false => admin.set_roles(other, &[]).await,
        };
        let (adas, eves) = (ada.id, eve.id);
        let (by_ada, by_eve) =
            tokio::join!(remove(&mut ada, eves, round % 4 == 1), remove(&mut eve, adas, round % 4 == 2));
        let code = |outcome: &Outcome| status(outcome).unwrap_or_else(|| panic!("no response: {outcome:?}"));
        let done = [code(&by_ada) / 100 == 2, code(&by_eve) / 100 == 2];
        // The slower one is refused, as the last administrator or because it is no longer one.
        assert_eq!(done.iter().filter(|done| **done).count(), 1, "{by_ada:?} {by_eve:?}");
        let loser = if done[0] { &by_eve } else { &by_ada };
        assert!([401, 403, 409].contains(&code(loser)), "{loser:?}");
        assert_eq!(listed_admins(&run.world).await.len(), 1);
        won[usize::from(done[1])] += 1;
        let (winner, other) = if done[0] { (&mut ada, eves) } else { (&mut eve, adas) };
        assert_status(&winner.set_roles(other, &["admin"]).await, 200);
        assert_status(&winner.post_action(Action::Enable, other, "enable").await, 204);
        assert_eq!(listed_admins(&run.world).await.len(), 2);
        // A disabled administrator has lost their sessions.
        for admin in [&mut ada, &mut eve] {
            admin.client.use_api(first.api());
            assert_status(&admin.client.login(&admin.person).await, 200);
        }
    }
    println!("of {ROUNDS} rounds ada won {}, eve {}", won[0], won[1]);
    assert_promises_kept(&run, DEADLINE).await;
}
