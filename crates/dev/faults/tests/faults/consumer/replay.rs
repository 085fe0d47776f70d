//! The whole topic is read again.

use std::time::Duration;

use e2e::offsets;
use test_support::{Behavior, DEADLINE, Phase, SmtpRule, wait_for};

use super::poison::poison_records;
use crate::mail_fixture::MailFixture;

const A_WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

#[tokio::test(flavor = "multi_thread")]
async fn fault_21_reading_the_whole_topic_again_from_offset_0_sends_no_mail_again() {
    let fixture = MailFixture::new("replay").await;
    let mut service = fixture.service().start().await;
    // The topic contains every possible outcome of a mail and every kind of poison record.
    let publisher = &fixture.publisher;
    let victims = publisher.welcome(&fixture.address("victim"));
    publisher.publish_to(0, &victims).await;
    let poison_records = poison_records(&fixture, &victims);
    for poison in &poison_records {
        poison.publish(publisher).await;
    }
    fixture.one_mail_in_each_partition("sent").await;
    let (refused, unknown, twice) = (fixture.address("refused"), fixture.address("unknown"), fixture.address("twice"));
    fixture.smtp().add_rule(SmtpRule::once(Phase::Rcpt, Behavior::reply("550 5.1.1 no such user")).to(&refused));
    fixture.smtp().add_rule(SmtpRule::once(Phase::Dot, Behavior::Drop).to(&unknown));
    fixture.smtp().add_rule(SmtpRule::once(Phase::Dot, Behavior::Drop).to(&twice));
    publisher.publish(&publisher.notice(&refused)).await;
    publisher.publish(&publisher.notice(&unknown)).await;
    publisher.publish(&publisher.welcome(&twice)).await;
    publisher.publish(&publisher.welcome_with_age(&fixture.address("old"), A_WEEK + Duration::from_secs(60))).await;
    fixture.ledger.wait_for_state(&refused, "failed", DEADLINE).await;
    publisher.publish(&publisher.notice(&refused)).await;
    let history = fixture.assert_promises_kept().await;
    let states = |history: &faults::checker::History| -> Vec<(String, String)> {
        history.mails.iter().map(|mail| (mail.id.clone(), mail.state.clone())).collect()
    };
    for state in ["sent", "failed", "unknown", "expired", "suppressed"] {
        assert!(history.mails.iter().any(|mail| mail.state == state), "no mail is {state}");
    }
    let (dots, commands) = (fixture.smtp().deliveries().len(), fixture.smtp().count(Phase::Mail));
    let read = service.metric("email_records_total", "").await;

    service.terminate().await;
    if fixture.run.world.stack().is_embedded() {
        // The embedded broker accepts offset commits from members only. A group without offsets also starts at the
        // beginning.
        let group = format!("{}-again", fixture.run.world.group());
        service.restart_with(|spec| spec.set("KAFKA__GROUP", group)).await;
    } else {
        offsets::reset_to_beginning(&fixture.run.world).await;
        service.restart().await;
    }
    wait_for(DEADLINE, "every record to be read again", async || {
        (service.metric("email_records_total", "").await >= read).then_some(())
    })
    .await;
    let again = fixture.assert_promises_kept().await;
    assert_eq!(states(&again), states(&history));
    assert_eq!(again.dead_letters, history.dead_letters);
    assert_eq!(again.dead_letters.len(), poison_records.len());
    assert_eq!(fixture.smtp().deliveries().len(), dots, "a mail was sent again");
    assert_eq!(fixture.smtp().count(Phase::Mail), commands, "the mail server got more commands");
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_21_a_record_that_is_read_again_while_its_mail_is_being_sent_changes_nothing() {
    let fixture = MailFixture::new("reread").await;
    let service = fixture.start_idle(fixture.service()).await;
    fixture.smtp().add_rule(SmtpRule::once(Phase::Data, Behavior::Delay(Duration::from_millis(900))));
    let address = fixture.address("ada");
    let event = fixture.publisher.notice(&address);
    fixture.publish(&event).await;
    fixture.smtp().wait_for_phase(Phase::Rcpt, 1).await;
    for _ in 0..2 {
        fixture.publish(&event).await;
    }
    wait_for(DEADLINE, "the record to be read three times", async || {
        (service.metric("email_ledger_rows_total", "state=\"known\"").await >= 2.0).then_some(())
    })
    .await;
    let mail = fixture.assert_result(&address, ("sent", 1, 0), "read again").await;
    assert_eq!(mail.states(), ["queued", "preparing", "data", "sent"]);
    fixture.assert_promises_kept().await;
}
