//! Fault 23. MongoDB's disk is full: 503, no change that was answered with success is lost, and all goes on
//! when there is space again.

use std::time::Instant;

use faults::{Client, judge};
use test_support::{DEADLINE, IsolatedMongod, Stack, TestUser, World, report_skipped, wait_for};

use crate::setup::*;

const DISK: u32 = 48;

#[tokio::test(flavor = "multi_thread")]
async fn fault_23_a_full_disk_of_mongodb_is_503_and_loses_nothing_that_was_answered() {
    let stack = Stack::from_env();
    let mut mongod = match IsolatedMongod::start_on_small_disk(&stack, "fulldisk", DISK).await {
        Ok(mongod) => mongod,
        Err(why) => return report_skipped("fault_23", &why),
    };
    let run = run_in(World::new(&stack, "fulldisk").await.on_mongodb(mongod.uri())).await;
    let (mut service, _emails) = start(&run).await;
    let mut ada = member(&run, &service, "ada").await;
    until_nothing_is_pending(&run.world).await;

    mongod.fill_disk();
    // For a while it lives on what its journal has reserved; it ends when it cannot write it any more.
    let (mut clients, mut refused): (Vec<Client>, Vec<(Client, TestUser)>) = Default::default();
    let end = Instant::now() + DEADLINE;
    while mongod.is_running() {
        assert!(Instant::now() < end, "the disk is full, and nobody notices");
        let person = run.world.test_user(&format!("p{}", clients.len() + refused.len()));
        let mut client = client(&run, &service);
        let asked = Instant::now();
        let outcome = client.register(&person, Some(&person.username)).await;
        if status(&outcome) == Some(201) {
            clients.push(client);
        } else {
            assert_unavailable(&outcome, asked);
            refused.push((client, person));
        }
        let asked = Instant::now();
        // Rather long, and nothing that the journal's compression makes short.
        let note: String = (0..400).map(|_| bson::Uuid::new().to_string()).collect();
        let note = serde_json::json!({ "attributes": { "note": note } });
        let request = ada.0.request(reqwest::Method::PATCH, "/api/users/me").json(&note);
        let outcome = ada.0.send(faults::checker::Action::UpdateProfile, None, request).await;
        if status(&outcome) != Some(200) {
            assert_unavailable(&outcome, asked);
        }
    }
    let asked = Instant::now();
    assert_unavailable(&ada.0.update_profile("No space").await, asked);
    wait_for(DEADLINE, "the word about MongoDB", async || (service.check("mongodb").await == "down").then_some(()))
        .await;

    // As somebody who makes space and whose supervisor starts it again.
    mongod.free_disk();
    mongod.bring_up().await;
    service.wait_until_ready().await;
    wait_for(DEADLINE, "a change after the outage", async || {
        (status(&ada.0.update_profile("There is space").await) == Some(200)).then_some(())
    })
    .await;
    for (client, person) in &mut refused {
        assert_status(&client.register(person, Some(&person.username)).await, 201);
    }
    let history = judge(&run, HEALED).await;
    assert_eq!(history.users.len(), clients.len() + refused.len() + 1);
}
