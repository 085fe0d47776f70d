//! The topic or the email service there later than the rest: everybody is mailed, once.

use std::time::{Duration, Instant};

use e2e::ledger::Ledger;
use test_support::{Api, DEADLINE, Stack, TestUser, World};

/// With hashing, on a busy machine; producing to a broker that is away would take longer.
const WITHOUT_WAITING: Duration = Duration::from_secs(3);

async fn sign_up(api: &Api, world: &World, names: &[&str]) -> Vec<TestUser> {
    let mut people = Vec::new();
    for name in names {
        let person = world.test_user(name);
        let started = Instant::now();
        let _ = api.register(&person).await.expect(201);
        assert!(started.elapsed() < WITHOUT_WAITING, "a registration took {:?}", started.elapsed());
        people.push(person);
    }
    people
}

#[tokio::test(flavor = "multi_thread")]
async fn an_email_service_that_is_older_than_the_topic_mails_within_fifteen_seconds() {
    let stack = Stack::from_env();
    let world = World::without_topic(&stack, "topic-later");
    let _emails = world.email_service().start().await;
    let users = world.user_service().start().await;
    if stack.is_embedded() {
        // Only a real broker lets the user service make it.
        world.create_topic().await;
    }
    let person = world.test_user("early");
    let _ = users.api().register(&person).await.expect(201);
    let mails = world.mailbox(&person.email).wait_for_mails_within(Duration::from_secs(15), 1).await;
    assert_eq!(mails.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_email_service_that_starts_later_mails_what_happened_before() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "emails-later").await;
    let users = world.user_service().start().await;
    let people = sign_up(&users.api(), &world, &["one", "two", "three"]).await;
    world.topic_reader().read_type("user.registered.v1", 3).await;
    let _emails = world.email_service().start().await;
    for person in &people {
        world.mailbox(&person.email).wait_for_mails(1).await;
    }
    let mails = Ledger::for_world(&world).await.wait_until_all_terminal(DEADLINE).await;
    assert_eq!(mails.iter().filter(|mail| mail.state == "sent").count(), 3);
    for person in &people {
        assert_eq!(world.mailbox(&person.email).mails().await.len(), 1);
    }
}
