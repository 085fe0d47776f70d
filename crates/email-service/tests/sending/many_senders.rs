//! Several instances with one ledger: every mail arrives once.

use std::{collections::HashMap, sync::Arc, time::Duration};

use email_service::{
    ledger::State,
    sender::{dispatcher::Dispatcher, recovery, send_tasks::SendTasks},
};
use service_kit::{Lifecycle, Stage};
use test_support::{Behavior, Phase, ScriptedSmtp, SmtpRule, wait_for};
use tokio::sync::Notify;

use crate::setup::Store;

const MAILS: usize = 150;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_mail_arrives_once() {
    let (store, smtp) = (Store::new("many").await, ScriptedSmtp::start().await);
    smtp.add_rule(SmtpRule::times(20, Phase::Rcpt, Behavior::Drop));
    let lifecycle = Lifecycle::new();
    for instance in ["one", "two", "three"] {
        let mut sender = store.sender_to(&smtp.url(), store.ledger(instance));
        let quick = service_kit::backoff::Backoff::new(vec![Duration::from_millis(50)]).unwrap();
        Arc::get_mut(&mut sender).unwrap().backoff = quick;
        let pool = sender.pool.clone();
        lifecycle.spawn(Stage::Support, "smtp-watch", |stop| async move { pool.watch(stop).await });
        let wake = Arc::new(Notify::new());
        lifecycle.spawn(Stage::Intake, "recovery", |stop| {
            recovery::run(sender.ledger.clone(), Arc::clone(&wake), sender.metrics.clone(), stop)
        });
        let dispatcher = Dispatcher::new(SendTasks::new(sender, 4, lifecycle.clone()), wake);
        lifecycle.spawn(Stage::Intake, "dispatcher", |stop| dispatcher.run(stop));
    }
    let mails: Vec<_> = (0..MAILS).map(|n| store.welcome(&format!("user{n}@example.com"))).collect();
    assert_eq!(store.ledger("ingest").insert(mails.iter()).await.unwrap().new, MAILS);

    let ledger = store.ledger("test");
    wait_for(Duration::from_secs(30), "all mails to be sent", async || {
        (ledger.count(State::Sent).await.unwrap() == MAILS as u64).then_some(())
    })
    .await;
    let mut arrived: HashMap<String, usize> = HashMap::new();
    for delivery in smtp.deliveries() {
        *arrived.entry(delivery.mail.to[0].clone()).or_default() += 1;
    }
    assert_eq!(arrived.len(), MAILS);
    assert!(arrived.values().all(|count| *count == 1), "{arrived:?}");
    assert!(lifecycle.finish(Duration::from_secs(10)).await);
}
