//! The whole topic read again.

use std::time::Duration;

use e2e::offsets;
use test_support::{Act, DEADLINE, Phase, Rule, wait_for};

use super::poison::poisons;
use crate::mail_scene::Scene;

const A_WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

#[tokio::test(flavor = "multi_thread")]
async fn fault_21_whole_topic_replayed_from_offset_0_mails_nobody_again() {
    let scene = Scene::new("replay").await;
    let mut service = scene.service().start().await;
    // Every way in which a mail can end, and every kind of poison.
    let publisher = &scene.publisher;
    let victims = publisher.welcome(&scene.address("victim"));
    publisher.publish_to(0, &victims).await;
    let poisons = poisons(&scene, &victims);
    for poison in &poisons {
        poison.publish(publisher).await;
    }
    scene.one_mail_in_each_partition("sent").await;
    let (refused, unknown, twice) = (scene.address("refused"), scene.address("unknown"), scene.address("twice"));
    scene.smtp().rule(Rule::once(Phase::Rcpt, Act::reply("550 5.1.1 no such user")).to(&refused));
    scene.smtp().rule(Rule::once(Phase::Dot, Act::Drop).to(&unknown));
    scene.smtp().rule(Rule::once(Phase::Dot, Act::Drop).to(&twice));
    publisher.publish(&publisher.notice(&refused)).await;
    publisher.publish(&publisher.notice(&unknown)).await;
    publisher.publish(&publisher.welcome(&twice)).await;
    publisher.publish(&publisher.welcome_with_age(&scene.address("old"), A_WEEK + Duration::from_secs(60))).await;
    scene.ledger.wait_for_state(&refused, "failed", DEADLINE).await;
    publisher.publish(&publisher.notice(&refused)).await;
    let history = scene.judge().await;
    let states = |history: &faults::checker::History| -> Vec<(String, String)> {
        history.mails.iter().map(|mail| (mail.id.clone(), mail.state.clone())).collect()
    };
    for state in ["sent", "failed", "unknown", "expired", "suppressed"] {
        assert!(history.mails.iter().any(|mail| mail.state == state), "no mail is {state}");
    }
    let (dots, commands) = (scene.smtp().deliveries().len(), scene.smtp().count(Phase::Mail));
    let read = service.metric("email_records_total", "").await;

    service.terminate().await;
    if scene.run.world.stack().is_embedded() {
        // It lets nobody but members commit; a group without offsets begins there too.
        let group = format!("{}-again", scene.run.world.group());
        service.restart_with(|spec| spec.set("KAFKA__GROUP", group)).await;
    } else {
        offsets::reset_to_beginning(&scene.run.world).await;
        service.restart().await;
    }
    wait_for(DEADLINE, "every record read again", async || {
        (service.metric("email_records_total", "").await >= read).then_some(())
    })
    .await;
    let again = scene.judge().await;
    assert_eq!(states(&again), states(&history));
    assert_eq!(again.dead_letters, history.dead_letters);
    assert_eq!(again.dead_letters.len(), poisons.len());
    assert_eq!(scene.smtp().deliveries().len(), dots, "somebody was mailed again");
    assert_eq!(scene.smtp().count(Phase::Mail), commands, "the server was asked again");
}
