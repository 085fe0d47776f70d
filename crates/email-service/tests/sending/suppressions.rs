//! Suppressed addresses in memory: which of them cost a query, and when a change is seen.

use std::time::Duration;

use bson::{DateTime, Document, doc};
use email_service::ledger::{Suppressions, indexes};
use jiff::SignedDuration;
use service_kit::mongo::ensure_indexes;
use test_support::{ProxyMode, TcpProxy, wait_for};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::setup::Store;

/// Longer than the interval of the refreshes.
const SOON: Duration = Duration::from_secs(15);

/// Starts to keep the suppressions in memory.
fn keep_in_memory(suppressions: &Suppressions) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(suppressions.clone().keep_in_memory(CancellationToken::new())))
}

async fn is_suppressed(suppressions: &Suppressions, address: &str) -> bool {
    suppressions.are_suppressed(&[address]).await.unwrap()[0]
}

#[tokio::test(flavor = "multi_thread")]
async fn only_addresses_that_may_be_suppressed_cost_a_query() {
    let store = Store::new("inmemory").await;
    store.suppressions().add("gone@example.com", "550 5.1.1 gone", "x/welcome").await.unwrap();
    let proxy = TcpProxy::start(&store.upstream()).await.unwrap();
    let suppressions = store.suppressions_through(&proxy.address()).await;
    proxy.set_mode(ProxyMode::Refuse);
    assert!(suppressions.are_suppressed(&["ada@example.com"]).await.is_err(), "nothing was read yet");
    proxy.set_mode(ProxyMode::Pass);
    // It reads at once, and then every few seconds.
    let _task = keep_in_memory(&suppressions);
    wait_for(SOON, "the suppressions in memory", async || {
        tokio::time::sleep(Duration::from_secs(1)).await;
        proxy.set_mode(ProxyMode::Refuse);
        let known = suppressions.are_suppressed(&["ada@example.com", "bob@example.com"]).await.ok();
        proxy.set_mode(ProxyMode::Pass);
        known.is_some_and(|known| known == [false, false]).then_some(())
    })
    .await;
    proxy.set_mode(ProxyMode::Refuse);
    assert!(suppressions.are_suppressed(&["gone@example.com"]).await.is_err(), "a hit is looked up");
    proxy.set_mode(ProxyMode::Pass);
    wait_for(SOON, "the database", async || {
        (suppressions.are_suppressed(&["ada@example.com", "gone@Example.com"]).await.ok()? == [false, true])
            .then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn suppressions_of_other_processes_are_seen_soon_and_removals_at_once() {
    let store = Store::new("seen").await;
    ensure_indexes(&store.database, &indexes::all(Duration::from_secs(3_600))).await.unwrap();
    let (ours, theirs) = (store.suppressions(), store.suppressions());
    let _task = keep_in_memory(&ours);
    ours.add("ours@example.com", "550 5.1.1 gone", "x/welcome").await.unwrap();
    assert!(is_suppressed(&ours, "ours@example.com").await, "what this process adds is seen at once");
    theirs.add("theirs@example.com", "550 5.1.1 gone", "x/welcome").await.unwrap();
    // A row of the release that stored the local part in lower case.
    let until = store.clock.now() + SignedDuration::from_hours(30 * 24);
    let old = doc! { "_id": "old@example.com", "until": DateTime::from_jiff(until) };
    store.database.collection::<Document>("suppressions").insert_one(old).await.unwrap();
    for address in ["theirs@example.com", "OLD@example.com"] {
        wait_for(SOON, address, async || is_suppressed(&ours, address).await.then_some(())).await;
    }
    for address in ["ours@example.com", "theirs@example.com", "old@example.com"] {
        assert!(theirs.remove(address).await.unwrap());
        assert!(!is_suppressed(&ours, address).await, "{address} was removed by another process");
    }
    // Suppressed again: the address is still in memory.
    theirs.add("theirs@example.com", "550 5.1.1 gone", "x/welcome").await.unwrap();
    assert!(is_suppressed(&ours, "theirs@example.com").await);
}
