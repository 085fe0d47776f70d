//! The calls to MongoDB of a mail, as counted by the database's profiler: at most three, for a lone mail and in a
//! burst. A change that adds a call has to change this test.

use std::time::{Duration, Instant};

use bson::{Document, doc};
use e2e::{mail_scene::MailScene, profiler};
use test_support::{DEADLINE, ServiceSpec, find_all, wait_for};

/// The shortest time between two claims of an idle service, which look for mails that have become due.
const SHORTEST_POLL: Duration = Duration::from_millis(600);

#[tokio::test(flavor = "multi_thread")]
async fn a_lone_mail_makes_three_calls_and_no_empty_claim_follows_it() {
    const MAILS: usize = 20;
    let scene = MailScene::new("mailcalls").await;
    let service = spec(&scene).start().await;
    wait_for(DEADLINE, "smtp: ok", async || (service.check("smtp").await == "ok").then_some(())).await;
    let database = scene.world.email_database().await;
    profiler::wait_for_index(&database, "suppressions", "retention").await;
    // The first mail of a connection, and of a consumer, may be slow.
    send(&scene, "first").await;
    profiler::record(&database).await;

    let since = Instant::now();
    for n in 0..MAILS {
        send(&scene, &format!("lone{n}")).await;
    }
    let commands = commands(&scene).await;
    let (polls, commands): (Vec<String>, _) = commands.into_iter().partition(|it| it == "claim that finds nothing");
    let most_polls = since.elapsed().as_millis() / SHORTEST_POLL.as_millis() + 1;
    assert!(polls.len() as u128 <= most_polls, "{} claims that find nothing in {:?}", polls.len(), since.elapsed());
    let of_one = ["insert as claimed", "to data", "to sent"];
    assert_eq!(commands, of_one.map(|it| vec![it.to_owned(); MAILS]).concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_of_a_burst_makes_at_most_three_calls_on_average() {
    const MAILS: usize = 300;
    let scene = MailScene::new("mailburst").await;
    let mut service = spec(&scene).start().await;
    let database = scene.world.email_database().await;
    profiler::wait_for_index(&database, "suppressions", "retention").await;
    service.terminate().await;
    for n in 0..MAILS {
        let address = scene.world.address(&format!("burst{n}"));
        scene.publisher.publish(&scene.publisher.notice(&address)).await;
    }
    profiler::record(&database).await;
    service.restart().await;
    let mails = scene.ledger.wait_until_all_terminal(DEADLINE).await;
    assert!(mails.len() == MAILS && mails.iter().all(|mail| mail.state == "sent"));
    let mut commands = commands(&scene).await;
    commands.retain(|it| it != "claim that finds nothing");
    let average = commands.len() as f64 / MAILS as f64;
    println!("a mail of the burst makes {average:.2} calls");
    commands.dedup();
    assert!(average <= 3.0, "{average} calls per mail: {commands:?}");
    assert_eq!(scene.smtp.deliveries().len(), MAILS);
}

fn spec(scene: &MailScene) -> ServiceSpec {
    scene.world.email_service()
}

/// Publishes a mail and waits until it is sent.
async fn send(scene: &MailScene, name: &str) {
    let address = scene.world.address(name);
    scene.publisher.publish(&scene.publisher.notice(&address)).await;
    scene.ledger.wait_for_state(&address, "sent", DEADLINE).await;
}

/// Returns what the service's commands did, sorted.
async fn commands(scene: &MailScene) -> Vec<String> {
    let database = scene.world.email_database().await;
    profiler::set_level(&database, 0).await;
    let profile = database.collection::<Document>("system.profile");
    let rows = find_all(&profile, doc! { "appName": "email-service" }).await;
    let mut commands: Vec<String> = rows.iter().filter_map(describe).collect();
    commands.sort();
    commands
}

/// Describes a command, or returns `None` if it belongs to a background task: recovery, gauges, the refresh of the
/// suppressions in memory, `/readyz`. The statements of an update command are rows of their own.
fn describe(row: &Document) -> Option<String> {
    let collection = row.get_str("ns").ok()?.split_once('.')?.1;
    let (op, command) = (row.get_str("op").ok()?, row.get_document("command").ok()?);
    let found = ["nMatched", "nModified", "keysInserted"].iter().any(|key| row.get_i32(key).is_ok_and(|n| n > 0));
    let is_set = |key: &str| command.get_bool(key).is_ok_and(|value| value);
    let to = format!("{command:?}");
    let to =
        ["data", "sent", "preparing"].into_iter().find(|state| to.contains(&format!("\"state\": String(\"{state}\")")));
    match (collection, op) {
        ("mailJobs", "insert") => Some("insert".to_owned()),
        ("mailJobs", "update") if is_set("upsert") => Some("insert as claimed".to_owned()),
        ("mailJobs", "update") if is_set("multi") => found.then(|| "change of many".to_owned()),
        ("mailJobs", "update") => Some(format!("to {}", to.unwrap_or("another state"))),
        ("mailJobs", "command") if command.contains_key("aggregate") => None,
        ("mailJobs", "command") if found => Some("claim".to_owned()),
        ("mailJobs", "command") => Some("claim that finds nothing".to_owned()),
        // The gauge of the longest wait.
        ("mailJobs", "query")
            if command.get_document("projection").is_ok_and(|it| it.contains_key("nextAttemptAt")) =>
        {
            None
        }
        ("suppressions", "query") if command.get_document("filter").is_ok_and(|it| it.contains_key("until")) => None,
        ("mailJobs" | "suppressions", _) => Some(format!("{collection} {op}")),
        _ => None,
    }
}
