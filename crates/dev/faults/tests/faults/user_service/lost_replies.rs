//! Fault 4. The reply to the insert is lost: a client that retries with the same idempotency key gets the one
//! account.

use faults::checker::History;
use faults::{FaultRun, assert_promises_kept};
use test_support::{DEADLINE, IsolatedMongod, Stack, TcpProxy};

use crate::setup::*;

/// Returns the bytes with which an insert into `users` begins in MongoDB's wire protocol.
fn insert_of_a_user() -> Vec<u8> {
    let name = b"users\0";
    let length = i32::try_from(name.len()).expect("it is short").to_le_bytes();
    [b"\x02insert\0", &length[..], name].concat()
}

fn assert_one_account_one_event_one_mail(run: &FaultRun, history: &History, address: &str) {
    assert_eq!(history.users.len(), 1, "{:#?}", history.users);
    assert_eq!(history.users[0].version, 1);
    assert_eq!(history.records.len(), 1, "{:#?}", history.records);
    assert_eq!(mails_to(run, address), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_04_a_lost_reply_to_the_insert_leaves_one_account_and_one_event() {
    let stack = Stack::from_env();
    let upstream = stack.mongodb_uri().trim_start_matches("mongodb://").split(['/', '?']).next().unwrap_or_default();
    let proxy = TcpProxy::start(upstream).await.expect("a proxy can listen");
    let uri = format!("mongodb://{}/?directConnection=true", proxy.address());
    let run = run_on_mongodb(&stack, "lostinsert", uri).await;
    let (service, _emails) = start(&run).await;
    let (mut client, person) = (client(&run, &service), run.world.test_user("ada"));

    proxy.lose_reply_to(insert_of_a_user());
    let asked = std::time::Instant::now();
    let first = client.register(&person, Some("one-key")).await;
    assert_eq!(proxy.lost_replies(), 1);
    // The outcome is unknown, so the service reports neither success nor failure.
    assert_unavailable(&first, asked);
    assert_status(&client.register(&person, Some("one-key")).await, 201);
    // No request has offered the event to the relay, so the sweep must find it.
    wait_until_nothing_is_pending(&run.world).await;
    assert_status(&client.login(&person).await, 200);
    // Without the key it is a different request.
    assert_problem(&client.register(&person, None).await, 409, "email-taken");
    let history = assert_promises_kept(&run, DEADLINE).await;
    let mut registered = history.clone();
    registered.records.retain(|record| event_type(record) == "user.registered.v1");
    registered.users[0].version -= 1;
    assert_one_account_one_event_one_mail(&run, &registered, &person.email);
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_04_on_a_replica_set_the_driver_retries_the_insert_and_the_client_sees_no_error() {
    let stack = Stack::from_env();
    let mongod = IsolatedMongod::start_replica_set(&stack, "lostinsert").await;
    let proxy = TcpProxy::start(&mongod.address()).await.expect("a proxy can listen");
    let uri = format!("mongodb://{}/?directConnection=true", proxy.address());
    let run = run_on_mongodb(&stack, "lostinsert-rs", uri).await;
    let (service, _emails) = start(&run).await;
    let (mut client, person) = (client(&run, &service), run.world.test_user("ada"));
    proxy.lose_reply_to(insert_of_a_user());
    assert_status(&client.register(&person, Some("one-key")).await, 201);
    assert_eq!(proxy.lost_replies(), 1);
    assert_status(&client.register(&person, Some("one-key")).await, 201);
    let history = assert_promises_kept(&run, DEADLINE).await;
    assert_one_account_one_event_one_mail(&run, &history, &person.email);
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_04_a_response_that_the_client_never_receives_is_repeated_for_the_same_idempotency_key() {
    let run = run("lostanswer").await;
    let (service, _emails) = start(&run).await;
    let proxy = TcpProxy::start(service.base_url().trim_start_matches("http://")).await.expect("a proxy can listen");
    let through = test_support::Api::new(format!("http://{}", proxy.address()));
    let (mut client, person) = (run.recorder.client(through), run.world.test_user("ada"));
    proxy.lose_reply_to("POST /api/users");
    let first = client.register(&person, Some("one-key")).await;
    assert_eq!((status(&first), proxy.lost_replies()), (None, 1), "{first:?}");
    assert_status(&client.register(&person, Some("one-key")).await, 201);
    let history = assert_promises_kept(&run, DEADLINE).await;
    assert_one_account_one_event_one_mail(&run, &history, &person.email);
}
