//! A consumer that stands still for longer than the group waits for it.

use test_support::DEADLINE;

use crate::mail_scene::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn fault_12_consumer_stopped_beyond_max_poll_interval_rejoins() {
    let scene = Scene::new("standstill").await;
    let mut service = scene.service().start().await;
    let before = scene.one_mail_in_each_partition("before").await;
    scene.until_all(&before, "sent", DEADLINE).await;

    // In the middle of its work.
    let mut burst = Vec::new();
    for number in 0..40 {
        burst.push(scene.notice(&format!("burst{number}")).await);
    }
    service.pause();
    let during = scene.one_mail_in_each_partition("during").await;
    // That another one reads all partitions shows that the group has given it up.
    let mut other = scene.service().replica().start().await;
    scene.until_all(&during, "sent", DEADLINE).await;

    service.resume();
    // That it reads all of them again shows that it has come back.
    other.terminate().await;
    let after = scene.one_mail_in_each_partition("after").await;
    scene.until_all(&after, "sent", DEADLINE).await;
    let history = scene.judge().await;
    assert_eq!(history.mails.len(), before.len() + burst.len() + during.len() + after.len());
    let not_sent: Vec<_> = history.mails.iter().filter(|mail| mail.state != "sent").collect();
    // What it had behind the fence when it was stopped is of unknown outcome until it wakes.
    assert!(not_sent.iter().all(|mail| mail.state == "unknown") && not_sent.len() <= 8, "{not_sent:#?}");
}
