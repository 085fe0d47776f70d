//! Fault 40. The primary is cut off from its majority: for about ten more seconds it answers pings and reads, but
//! cannot complete a write. `/readyz` reports it, and requests are answered in time.

use std::time::{Duration, Instant};

use faults::assert_promises_kept;
use test_support::{DEADLINE, IsolatedReplicaSet, Stack, wait_for};

use crate::setup::*;

/// How long `/readyz` may take to report the outage; its status is at most 4 seconds old.
const DETECTION_DEADLINE: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn fault_40_a_primary_without_its_majority_is_detected_before_it_steps_down_and_requests_get_503_in_time() {
    let stack = Stack::from_env();
    let mut mongo = IsolatedReplicaSet::start(&stack, "majority").await;
    let run = run_on_mongodb(&stack, "majority", mongo.uri()).await;
    let (mut service, mut emails) = start(&run).await;
    let (mut ada, person) = logged_in_client(&run, &service, "ada").await;
    let newcomer = run.world.test_user("bob");
    let mut anonymous = client(&run, &service);

    mongo.pause_secondaries();
    let cut = Instant::now();
    let refused = async {
        let change = async { assert_unavailable(&ada.update_profile("Cut off").await, cut) };
        let registration = async { assert_unavailable(&anonymous.register(&newcomer, None).await, cut) };
        tokio::join!(change, registration);
    };
    let seen = async {
        for service in [&service, &emails] {
            wait_for(DETECTION_DEADLINE, "an unwritable MongoDB to be reported", async || {
                (service.readiness().await?.0 == 503).then_some(())
            })
            .await;
            assert_eq!(service.check("mongodb").await, "down");
        }
        println!("reported after {:?}", cut.elapsed());
    };
    tokio::join!(refused, seen);

    mongo.resume_secondaries();
    service.wait_until_ready().await;
    emails.wait_until_ready().await;
    wait_for(DEADLINE, "a change after the outage", async || {
        (status(&ada.update_profile("Healed").await) == Some(200)).then_some(())
    })
    .await;
    assert_status(&ada.login(&person).await, 200);
    assert_promises_kept(&run, RECOVERY_DEADLINE).await;
}
