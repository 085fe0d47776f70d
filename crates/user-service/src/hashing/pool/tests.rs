//! Tests of the whole pool, with little memory.

use std::{
    future::Future,
    net::Ipv4Addr,
    pin::pin,
    sync::atomic::{AtomicU32, Ordering},
    task::Poll,
};

use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use prometheus::Registry;

use super::*;
use crate::domain::IpPrefix;

fn settings() -> HashingSettings {
    HashingSettings {
        iterations: 2,
        threads: 2,
        max_wait: Duration::from_secs(60),
        foreign_max_memory_kib: 256,
        foreign_max_cost: 4,
        ..HashingSettings::for_test()
    }
}

fn metrics() -> HashMetrics {
    HashMetrics::register(&Registry::new()).unwrap()
}

fn started() -> HashPool {
    HashPool::start(&settings(), metrics()).unwrap()
}

/// Returns a pool whose jobs stay in the queue.
fn without_threads(settings: &HashingSettings) -> HashPool {
    HashPool::start_threads(settings, metrics(), 0).unwrap()
}

async fn verify(pool: &HashPool, typed: &str, stored: Option<&PasswordHash>) -> Verification {
    pool.verify(&password(typed), stored, requester()).await.unwrap()
}

fn password(text: &str) -> Password {
    Password::parse_attempt(&text.into()).unwrap()
}

/// Returns a different requester for each call, so that no test reaches the limit of the single lane.
fn requester() -> HashRequester {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let address = Ipv4Addr::from(CALLS.fetch_add(1, Ordering::Relaxed));
    HashRequester { network: IpPrefix::for_rate_limit(address.into()), account: None }
}

fn made_by_the_crate(memory_kib: u32, iterations: u32) -> PasswordHash {
    let params = Params::new(memory_kib, iterations, 1, None).unwrap();
    let phc = Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password(b"correct horse").unwrap();
    PasswordHash::parse(phc.to_string()).unwrap()
}

/// Polls the future once, so that its job is in the queue.
async fn begin<F: Future>(future: &mut std::pin::Pin<&mut F>) {
    futures_util::future::poll_fn(|context| {
        assert!(future.as_mut().poll(context).is_pending());
        Poll::Ready(())
    })
    .await;
}

#[tokio::test]
async fn a_hash_matches_only_its_password() {
    let pool = started();
    let hash = pool.hash(&password("correct horse")).await.unwrap();
    assert!(Argon2::default().verify_password(b"correct horse", hash.expose()).is_ok());
    assert_eq!(verify(&pool, "correct horse", Some(&hash)).await, Verification::Match { needs_rehash: false });
    assert_eq!(verify(&pool, "correct house", Some(&hash)).await, Verification::Mismatch);
}

#[tokio::test]
async fn a_hash_with_other_parameters_needs_a_rehash() {
    let pool = started();
    for (memory_kib, iterations) in [(64, 1), (32, 2), (128, 1), (256, 4)] {
        let stored = made_by_the_crate(memory_kib, iterations);
        assert_eq!(
            verify(&pool, "correct horse", Some(&stored)).await,
            Verification::Match { needs_rehash: true },
            "m={memory_kib} t={iterations}"
        );
        assert_eq!(verify(&pool, "correct house", Some(&stored)).await, Verification::Mismatch);
    }
}

#[tokio::test]
async fn an_unknown_user_costs_the_same_as_a_known_one() {
    let pool = started();
    let hash = pool.hash(&password("correct horse")).await.unwrap();
    let mut costs = Vec::new();
    for stored in [Some(&hash), None, Some(&PasswordHash::from_stored("no hash at all".into()))] {
        let before = (pool.0.metrics.hash_seconds.get_sample_count(), pool.0.metrics.blocks.get());
        assert_eq!(verify(&pool, "correct house", stored).await, Verification::Mismatch);
        let after = (pool.0.metrics.hash_seconds.get_sample_count(), pool.0.metrics.blocks.get());
        costs.push((after.0 - before.0, after.1 - before.1));
    }
    assert_eq!(costs, [(1, 64 * 2); 3]);
    assert_eq!(pool.0.metrics.unusable.get(), 1);
}

#[tokio::test]
async fn a_hash_beyond_the_limits_matches_no_password() {
    let pool = started();
    for stored in [made_by_the_crate(257, 1), made_by_the_crate(8, 129)] {
        assert_eq!(verify(&pool, "correct horse", Some(&stored)).await, Verification::Mismatch);
    }
    assert_eq!(pool.0.metrics.unusable.get(), 2);
}

#[tokio::test]
async fn a_job_whose_client_is_gone_is_skipped() {
    let pool = without_threads(&settings());
    let secret = password("correct horse");
    {
        let mut gone = pin!(pool.hash(&secret));
        begin(&mut gone).await;
        assert_eq!(pool.0.metrics.queue_length.get(), 1);
    }
    assert_eq!(pool.0.metrics.queue_length.get(), 0);
    assert_eq!(pool.0.metrics.abandoned.get(), 1);

    let mut stays = pin!(pool.hash(&secret));
    begin(&mut stays).await;
    let thread =
        worker::spawn(0, Arc::clone(&pool.0.queue), Arc::clone(&pool.0.policy), pool.0.metrics.clone()).unwrap();
    assert!(stays.await.is_ok());
    assert_eq!(pool.0.metrics.hash_seconds.get_sample_count(), 1);
    assert_eq!(pool.0.metrics.abandoned.get(), 1);
    pool.shutdown();
    thread.join().unwrap();
}

#[tokio::test]
async fn under_overload_a_job_is_rejected_with_a_retry_after() {
    // On any machine, the second job waits longer than a nanosecond.
    let impatient = HashingSettings { max_wait: Duration::from_nanos(1), ..settings() };
    let pool = without_threads(&impatient);
    let secret = password("correct horse");
    let (reply, _receiver) = oneshot::channel();
    let first = HashJob::Hash { password: secret.clone(), reply };
    pool.0.queue.push(QueueLane::Shared, pool.0.policy.cost(), None, first).unwrap();
    let second = pool.hash(&secret).await;
    assert_eq!(second.unwrap_err(), HashError::Overloaded { retry_after: Duration::from_secs(1) });
    assert_eq!(pool.0.metrics.shed.get(), 1);
}

#[tokio::test]
async fn a_job_still_queued_after_twice_the_maximum_wait_is_abandoned() {
    let hasty = HashingSettings { max_wait: Duration::from_millis(20), ..settings() };
    let pool = without_threads(&hasty);
    let started = Instant::now();
    let answer = pool.verify(&password("correct horse"), None, requester()).await;
    assert!(matches!(answer, Err(HashError::Overloaded { .. })));
    assert!(started.elapsed() >= 2 * hasty.max_wait);
    assert_eq!((pool.0.metrics.shed.get(), pool.0.metrics.abandoned.get()), (1, 0));
    assert_eq!(pool.0.metrics.queue_length.get(), 0);
}

#[tokio::test]
async fn shutdown_fails_waiting_jobs_and_ends_the_threads() {
    let idle = without_threads(&settings());
    let secret = password("correct horse");
    let mut waiting = pin!(idle.hash(&secret));
    begin(&mut waiting).await;
    idle.shutdown();
    assert_eq!(waiting.await.unwrap_err(), HashError::ShuttingDown);

    let pool = started();
    let names: Vec<_> = pool.0.threads.iter().map(|thread| thread.thread().name().unwrap().to_owned()).collect();
    assert_eq!(names, ["hash-0", "hash-1"]);
    assert!(pool.hash(&secret).await.is_ok());
    pool.shutdown();
    assert_eq!(pool.hash(&secret).await.unwrap_err(), HashError::ShuttingDown);
    assert_threads_end(&pool);
}

#[tokio::test]
async fn the_threads_end_with_the_last_handle() {
    let pool = started();
    let queue = Arc::downgrade(&pool.0.queue);
    drop(pool.clone());
    assert!(pool.hash(&password("correct horse")).await.is_ok());
    drop(pool);
    wait_until(|| queue.strong_count() == 0);
}

#[tokio::test]
async fn many_concurrent_verifications_have_correct_results() {
    let pool = started();
    let hash = pool.hash(&password("correct horse")).await.unwrap();
    let large = made_by_the_crate(256, 2);
    let (pool, hash, large) = (&pool, &hash, &large);
    let verifications = futures_util::future::join_all((0..64).map(|index| async move {
        let right = index % 3 != 0;
        let typed = password(if right { "correct horse" } else { "correct house" });
        let stored = if index % 2 == 0 { hash } else { large };
        let verification = pool.verify(&typed, Some(stored), requester()).await.unwrap();
        assert_eq!(verification == Verification::Mismatch, !right, "{index}");
    }))
    .await;
    assert_eq!(verifications.len(), 64);
}

#[tokio::test]
async fn a_panic_in_a_hash_thread_fails_only_its_request() {
    let pool = HashPool::start(&HashingSettings { threads: 1, ..settings() }, metrics()).unwrap();
    let hash = pool.hash(&password("correct horse")).await.unwrap();
    for _ in 0..3 {
        let failed = pool.submit(QueueLane::Single, 1, None, |reply| HashJob::Panic { reply }).await;
        assert_eq!(failed.unwrap_err(), HashError::Failed);
        assert_eq!(verify(&pool, "correct horse", Some(&hash)).await, Verification::Match { needs_rehash: false });
    }
}

#[test]
fn settings_out_of_bounds_are_refused() {
    let refused = HashPool::start(&HashingSettings { memory_kib: 4, ..settings() }, metrics()).err().unwrap();
    assert_eq!(refused.to_string(), "hashing.memory_kib: expected 8 to 4194304, not 4");
}

fn assert_threads_end(pool: &HashPool) {
    wait_until(|| pool.0.threads.iter().all(thread::JoinHandle::is_finished));
}

fn wait_until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "it did not happen within ten seconds");
        thread::sleep(Duration::from_millis(2));
    }
}
