//! Fault 23. MongoDB's disk is full: requests get 503, no acknowledged change is lost, and the service recovers
//! when there is space again.

use std::time::Instant;

use faults::{Client, assert_promises_kept};
use test_support::{DEADLINE, IsolatedMongod, Stack, TestUser, report_skipped, wait_for};

use crate::setup::*;

const DISK_MIB: u32 = 48;

#[tokio::test(flavor = "multi_thread")]
async fn fault_23_a_full_disk_of_mongodb_is_answered_with_503_and_loses_no_acknowledged_change() {
    let stack = Stack::from_env();
    let mut mongod = match IsolatedMongod::start_on_small_disk(&stack, "fulldisk", DISK_MIB).await {
        Ok(mongod) => mongod,
        Err(why) => return report_skipped("fault_23", &why),
    };
    let run = run_on_mongodb(&stack, "fulldisk", mongod.uri()).await;
    let (mut service, _emails) = start(&run).await;
    let mut ada = logged_in_client(&run, &service, "ada").await;
    wait_until_nothing_is_pending(&run.world).await;

    mongod.fill_disk();
    // mongod continues with the space that its journal has reserved, and exits when it can no longer write it.
    let (mut clients, mut refused): (Vec<Client>, Vec<(Client, TestUser)>) = Default::default();
    let end = Instant::now() + DEADLINE;
    while mongod.is_running() {
        assert!(Instant::now() < end, "the disk is full, but mongod is still running");
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
        // The note is long and cannot be compressed by the journal.
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
    wait_for(DEADLINE, "the outage to be reported", async || (service.check("mongodb").await == "down").then_some(()))
        .await;

    // This is what an operator who frees space, and a supervisor that restarts mongod, would do.
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
    let history = assert_promises_kept(&run, RECOVERY_DEADLINE).await;
    assert_eq!(history.users.len(), clients.len() + refused.len() + 1);
}
