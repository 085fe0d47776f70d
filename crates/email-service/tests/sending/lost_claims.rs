//! A claim that takes effect although its answer is lost, while the database is unreachable.

use std::{sync::Arc, time::Duration};

use email_service::ledger::State;
use test_support::{ProxyMode, ScriptedSmtp, TcpProxy, wait_for};
use tokio::time::{Instant, sleep};

use crate::{
    servers::{RunningSender, wait_for_state},
    setup::Store,
};

/// Longer than the test may take: a mail that waits for the end of this lease is late.
const LONG_LEASE: Duration = Duration::from_secs(120);
/// The length of the outage: longer than the first check for unknown claims.
const OUTAGE: Duration = Duration::from_secs(2);
const SOON: Duration = Duration::from_secs(15);

/// The first bytes of a claim of one mail in MongoDB's protocol.
fn claim_command_bytes() -> Vec<u8> {
    let name = b"mailJobs\0";
    let length = i32::try_from(name.len()).unwrap().to_le_bytes();
    [b"\x02findAndModify\0", &length[..], name].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_whose_claim_was_never_answered_is_sent_once_when_the_ledger_is_back() {
    let store = Store::new("lostclaims").await;
    let proxy = TcpProxy::start(&store.upstream()).await.unwrap();
    let smtp = ScriptedSmtp::start().await;
    let mut sender = store.sender_to(&smtp.url(), store.impatient_ledger_through(&proxy.address(), "sender").await);
    Arc::get_mut(&mut sender).unwrap().lease = LONG_LEASE;
    let id = store.queue(store.notice("ada@example.com")).await;
    proxy.lose_reply_to_and_refuse(claim_command_bytes());
    let _running = RunningSender::start(sender);
    wait_for_state(&store, &id, State::Preparing, SOON).await;
    wait_for(SOON, "a lost reply", async || (proxy.lost_replies() == 1).then_some(())).await;
    sleep(OUTAGE).await;
    assert_eq!((store.row(&id).await.state, smtp.deliveries().len()), (State::Preparing, 0));

    proxy.set_mode(ProxyMode::Pass);
    let back = Instant::now();
    wait_for_state(&store, &id, State::Sent, SOON).await;
    assert!(back.elapsed() < SOON, "{:?}", back.elapsed());
    let row = store.row(&id).await;
    assert!(row.history.iter().any(|step| step.note.as_deref() == Some("the answer to the claim was lost")));
    assert_eq!((row.attempts, smtp.deliveries().len()), (1, 1));
}
