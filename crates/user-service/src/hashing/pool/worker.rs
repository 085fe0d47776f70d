//! A hash thread: processes jobs from the queue until the queue is closed.

use std::{io, sync::Arc, thread, time::Instant};

use argon2_simd::Arena;
use service_kit::{fail_point, panics};
use tokio::sync::oneshot;

use super::HashError;
use crate::{
    domain::Password,
    hashing::{
        check::{Attempt, Verification},
        metrics::HashMetrics,
        password_hash::PasswordHash,
        policy::HashPolicy,
        queue::Queue,
    },
};

/// Niceness of the hash threads. Request threads have 0 and therefore take precedence.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// A job with its own copy of the password, which is wiped when the job is dropped.
pub(super) enum HashJob {
    Hash {
        password: Password,
        reply: ReplySender<PasswordHash>,
    },
    Verify {
        attempt: Box<Attempt>,
        reply: ReplySender<Verification>,
    },
    #[cfg(test)]
    Panic {
        reply: ReplySender<Verification>,
    },
}

pub(super) type ReplySender<T> = oneshot::Sender<Result<T, HashError>>;

/// A result and the channel to its caller. If the caller is gone, the result is dropped.
enum FinishedJob {
    Hash(ReplySender<PasswordHash>, Result<PasswordHash, HashError>),
    Verification(ReplySender<Verification>, Result<Verification, HashError>),
}

/// Starts the thread `hash-<index>`.
pub(super) fn spawn(
    index: usize,
    queue: Arc<Queue<HashJob>>,
    policy: Arc<HashPolicy>,
    metrics: HashMetrics,
) -> io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().name(format!("hash-{index}")).spawn(move || {
        lower_priority();
        // The thread allocates its arena itself, so that the memory is near its core.
        run_jobs(&queue, &policy, &metrics, &mut policy.arena());
    })
}

fn run_jobs(queue: &Queue<HashJob>, policy: &HashPolicy, metrics: &HashMetrics, arena: &mut Arena) {
    while let Some(entry) = queue.pop() {
        let started = Instant::now();
        metrics.wait_seconds.observe((started - entry.queued_at).as_secs_f64());
        let finished = entry.item.compute(policy, arena);
        let took = started.elapsed();
        metrics.hash_seconds.observe(took.as_secs_f64());
        metrics.blocks.inc_by(entry.cost);
        queue.finish(entry.lane, entry.cost, took);
        if finished.has_failed() {
            // After a panic, the memory is in an undefined state.
            *arena = policy.arena();
        }
        finished.deliver();
    }
}

/// Runs one job. A panic is logged, counted and returned as an error, so that it does not end the thread.
fn catch_panic<T>(job: impl FnOnce() -> T) -> Result<T, HashError> {
    let result = panics::catch("hash", || {
        fail_point!("hash.compute");
        job()
    });
    result.map_err(|_| HashError::Failed)
}

impl HashJob {
    fn compute(self, policy: &HashPolicy, arena: &mut Arena) -> FinishedJob {
        match self {
            Self::Hash { password, reply } => FinishedJob::Hash(reply, catch_panic(|| policy.hash(&password, arena))),
            Self::Verify { attempt, reply } => FinishedJob::Verification(reply, catch_panic(|| attempt.verify(arena))),
            #[cfg(test)]
            Self::Panic { reply } => FinishedJob::Verification(reply, catch_panic(|| panic!("in a hash thread"))),
        }
    }
}

impl FinishedJob {
    fn has_failed(&self) -> bool {
        matches!(self, Self::Hash(_, Err(_)) | Self::Verification(_, Err(_)))
    }

    fn deliver(self) {
        match self {
            Self::Hash(reply, hash) => drop(reply.send(hash)),
            Self::Verification(reply, verification) => drop(reply.send(verification)),
        }
    }
}

/// Lowers the priority of the calling thread. On Linux, niceness belongs to the thread and not to the process.
#[cfg(target_os = "linux")]
fn lower_priority() {
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS) {
        tracing::warn!(%error, "the hash thread keeps the priority of the request threads");
    }
}

#[cfg(not(target_os = "linux"))]
fn lower_priority() {}

#[cfg(test)]
mod tests {
    #[cfg(target_os = "linux")]
    #[test]
    fn only_the_hash_thread_gets_a_lower_priority() {
        use rustix::{process::getpriority_process, thread::gettid};

        let before = getpriority_process(Some(gettid())).unwrap();
        let lowered = std::thread::spawn(|| {
            super::lower_priority();
            getpriority_process(Some(gettid())).unwrap()
        });
        assert_eq!(lowered.join().unwrap(), super::NICENESS);
        assert_eq!(getpriority_process(Some(gettid())).unwrap(), before);
    }
}
