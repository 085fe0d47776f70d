//! Many concurrent registrations: none is lost and none is repeated, in the database, in the topic and in the mails.

use std::{collections::BTreeSet, time::Duration};

use bson::doc;
use e2e::{ledger::Ledger, topic_order::first_occurrences};
use test_support::{ScriptedSmtp, Stack, TestUser, World, count};

const REGISTRATIONS: usize = 500;
const CLIENTS: usize = 32;
const BURST_DEADLINE: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_registrations_loses_and_repeats_none() {
    let smtp = ScriptedSmtp::start().await;
    let world = World::new(&Stack::from_env(), "burst").await.on_smtp(smtp.url());
    let spec = world.user_service().set("HASHING__MEMORY_KIB", "1024").set("HASHING__ITERATIONS", "1");
    let (users, _emails) = tokio::join!(spec.set("HASHING__MAX_WAIT", "60s").start(), world.email_service().start());
    let people: Vec<TestUser> = (0..REGISTRATIONS).map(|number| world.test_user(&format!("b{number}"))).collect();

    let mut clients = tokio::task::JoinSet::new();
    for client in 0..CLIENTS {
        let api = users.api();
        let own_users: Vec<TestUser> = people.iter().skip(client).step_by(CLIENTS).cloned().collect();
        clients.spawn(async move {
            for user in &own_users {
                let _ = api.register(user).await.expect(201);
            }
        });
    }
    clients.join_all().await;

    assert_eq!(count(&world.user_collection("users").await, doc! {}).await, REGISTRATIONS as u64);
    let mut reader = world.topic_reader();
    reader.read_until(BURST_DEADLINE, "an event of each", |records| records.len() >= REGISTRATIONS).await;
    let mails = Ledger::for_world(&world).await;
    let rows = mails.wait_until_all_terminal(BURST_DEADLINE).await;
    let records = reader.read_all().await;
    assert_eq!((records.len(), first_occurrences(records).len()), (REGISTRATIONS, REGISTRATIONS));
    assert_eq!(rows.len(), REGISTRATIONS);
    let deliveries = smtp.deliveries();
    assert_eq!(deliveries.len(), REGISTRATIONS);
    let mailed: BTreeSet<&str> = deliveries.iter().flat_map(|delivery| &delivery.mail.to).map(String::as_str).collect();
    let registered: BTreeSet<&str> = people.iter().map(|user| user.email.as_str()).collect();
    assert_eq!(mailed, registered);
}
