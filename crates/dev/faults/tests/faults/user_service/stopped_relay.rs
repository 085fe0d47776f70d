//! Fault 3. A replica is paused while it publishes, for longer than its lease, while another replica is running.

use faults::{Client, assert_promises_kept};
use test_support::{DEADLINE, TestUser};

use crate::setup::*;

#[tokio::test(flavor = "multi_thread")]
async fn fault_03_a_relay_stopped_beyond_its_lease_repeats_events_and_reorders_none() {
    const PEOPLE: usize = 3;
    let run = run("stopped").await;
    // The first list to be published is delayed; the others wait behind it.
    let first = with_short_intervals(run.world.user_service()).fail_points("relay.before_publish=1*sleep(4000)->off");
    let (mut first, _emails) = tokio::join!(first.start(), with_short_timeouts(run.world.email_service()).start());
    let mut clients: Vec<(Client, TestUser)> = Vec::new();
    for n in 0..PEOPLE {
        let (mut client, person) = (client(&run, &first), run.world.test_user(&format!("p{n}")));
        assert_status(&client.register(&person, None).await, 201);
        clients.push((client, person));
    }
    first.pause();
    assert!(run.world.topic_reader().read_all().await.is_empty(), "the first replica was not delayed long enough");

    // The second replica takes the expired lease and publishes what the first one has read but not published.
    let second = with_short_intervals(run.world.user_service()).start().await;
    wait_until_nothing_is_pending(&run.world).await;
    for (client, person) in &mut clients {
        client.use_api(second.api());
        assert_status(&client.login(person).await, 200);
        assert_status(&client.update_profile("While it was stopped").await, 200);
    }
    wait_until_nothing_is_pending(&run.world).await;

    // The first replica continues with lists that it read before.
    first.resume();
    for round in 0..4 {
        for (client, _) in &mut clients {
            client.use_api(if round % 2 == 0 { first.api() } else { second.api() });
            assert_status(&client.update_profile(&format!("Change {round}")).await, 200);
        }
    }
    let held = async || {
        let mut reader = run.world.topic_reader();
        let read = reader.read_all().await;
        let registered = read.iter().filter(|record| record.event_type() == "user.registered.v1").count();
        // This is the event that the first replica was about to publish. It leaves the other lists to the sweep,
        // because they are too old.
        (registered > PEOPLE).then_some(())
    };
    test_support::wait_for(DEADLINE, "the delayed event to be published again", held).await;
    let history = assert_promises_kept(&run, DEADLINE).await;
    assert_eq!(history.mails.len(), PEOPLE);
    for (client, person) in &clients {
        assert_eq!(types_of(&history, client.user().expect("signed in")).len(), 3 + 4);
        assert_eq!(mails_to(&run, &person.email), 1);
    }
}
