//! The hash threads, and the two things one can ask of them.

mod worker;

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use argon2_simd::Implementation;
use tokio::{sync::oneshot, time::timeout};

use self::worker::{HashJob, ReplySender};
use super::{
    check::HashCheck,
    hash_error::HashError,
    metrics::HashMetrics,
    password_hash::PasswordHash,
    policy::HashPolicy,
    queue::{AdmissionError, HashRequester, Queue, QueueLane},
    settings::{HashingSettings, InvalidSetting},
};
use crate::domain::Password;

/// The longest that a client is told to stay away.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);

/// Fixed threads, each with its own memory. Cloning gives another handle; the threads end
/// with [`HashPool::shutdown`], or with the last handle.
///
/// Memory is bounded by construction: one arena for each thread, one temporary arena of
/// at most `foreign_max_memory_kib` in all, and a bounded queue.
#[derive(Clone)]
pub struct HashPool(Arc<Pool>);

struct Pool {
    queue: Arc<Queue<HashJob>>,
    policy: Arc<HashPolicy>,
    dummy_check: HashCheck,
    /// A hash in its stored form, of no password: it is read as any other.
    unmatchable_hash: PasswordHash,
    metrics: HashMetrics,
    max_wait: Duration,
    #[cfg_attr(not(test), expect(dead_code, reason = "only tests watch the threads end"))]
    threads: Vec<thread::JoinHandle<()>>,
}

/// What a verification found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verification {
    Match {
        /// The hash was made with other parameters than a new one: make a new one.
        needs_rehash: bool,
    },
    Mismatch,
}

/// Why the pool does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Setting(#[from] InvalidSetting),
    #[error("a hash thread could not be started")]
    Thread(#[source] std::io::Error),
}

impl HashPool {
    /// Starts the threads, and measures one hash to know what a place in the queue is
    /// worth: this blocks for as long as a hash takes.
    ///
    /// # Errors
    /// For settings out of bounds, and when the system gives no thread.
    pub fn start(settings: HashingSettings, metrics: HashMetrics) -> Result<Self, StartError> {
        let threads = settings.thread_count()?;
        Self::start_threads(&settings, metrics, threads)
    }

    /// `running` threads of those that the settings name.
    fn start_threads(settings: &HashingSettings, metrics: HashMetrics, running: usize) -> Result<Self, StartError> {
        let policy = Arc::new(HashPolicy::new(settings)?);
        let max_wait = settings.validated_max_wait()?;
        let threads = settings.thread_count()?;
        let dummy_check = policy.dummy_check();
        let queue = Arc::new(Queue::new(
            threads,
            max_wait,
            nanos_per_unit(&policy, &dummy_check),
            metrics.queue_length.clone(),
        ));
        let threads = (0..running)
            .map(|index| worker::spawn(index, Arc::clone(&queue), Arc::clone(&policy), metrics.clone()))
            .collect::<Result<Vec<_>, _>>()
            .inspect_err(|_| queue.close())
            .map_err(StartError::Thread)?;
        tracing::info!(
            threads = threads.len(),
            memory_kib = settings.memory_kib,
            implementation = %Implementation::of_this_machine(),
            "hash threads started"
        );
        let unmatchable_hash = policy.unmatchable_hash();
        Ok(Self(Arc::new(Pool { queue, policy, dummy_check, unmatchable_hash, metrics, max_wait, threads })))
    }

    /// Lets a password in that is to be hashed or verified soon. Asked first of all, so that
    /// what would be refused at the queue costs nothing before it: under overload the
    /// processor belongs to those who are served.
    ///
    /// # Errors
    /// [`HashError::Overloaded`] or [`HashError::ShuttingDown`].
    pub fn admit(&self) -> Result<AdmissionPermit, HashError> {
        let cost = self.0.policy.cost();
        self.0.queue.reserve(cost).map_err(|refused| self.to_hash_error(refused))?;
        Ok(AdmissionPermit { pool: Arc::clone(&self.0), cost })
    }

    /// A new hash: Argon2id with the current parameters, a random 16-byte salt and a
    /// 32-byte output, as a PHC string.
    ///
    /// Dropping the future takes the job out of the queue.
    ///
    /// # Errors
    /// [`HashError::Overloaded`], [`HashError::ShuttingDown`] or [`HashError::Failed`].
    pub async fn hash(&self, password: &Password) -> Result<PasswordHash, HashError> {
        let password = password.clone();
        self.submit(QueueLane::Shared, self.0.policy.cost(), None, |reply| HashJob::Hash { password, reply }).await
    }

    /// A hash that no password fits and that looks, and costs to check, as any new one.
    #[must_use]
    pub fn unmatchable_hash(&self) -> PasswordHash {
        self.0.policy.unmatchable_hash()
    }

    /// Whether the password is the one that was hashed.
    ///
    /// Without a stored hash (nobody has that name) it does the same work in the same
    /// queue against a dummy of the current parameters, and answers
    /// [`Verification::Mismatch`]. So it does for a stored hash that cannot be used (broken,
    /// of an unknown algorithm, beyond the configured bounds), with a warning in the log:
    /// its owner gets in by a password reset, and nobody else learns anything.
    ///
    /// A check that does not fit the threads' own memory waits for one of them; of these, `requester` has at most two
    /// waiting, or one expensive one.
    ///
    /// Dropping the future takes the job out of the queue.
    ///
    /// # Errors
    /// [`HashError::Overloaded`], [`HashError::ShuttingDown`] or [`HashError::Failed`].
    pub async fn verify(
        &self,
        password: &Password,
        stored: Option<&PasswordHash>,
        requester: HashRequester,
    ) -> Result<Verification, HashError> {
        let stored = stored.unwrap_or(&self.0.unmatchable_hash);
        let check = self.parse_stored(stored).unwrap_or_else(|| self.0.dummy_check.clone());
        let password = password.clone();
        let (lane, cost) = (check.lane(), check.cost());
        self.submit(lane, cost, Some(requester), |reply| HashJob::Verify { password, check: Box::new(check), reply })
            .await
    }

    /// Ends the threads, each after the job that it is at; jobs that wait are answered
    /// with [`HashError::ShuttingDown`]. Does not block.
    pub fn shutdown(&self) {
        self.0.queue.close();
    }

    fn parse_stored(&self, stored: &PasswordHash) -> Option<HashCheck> {
        self.0
            .policy
            .parse(stored)
            .inspect_err(|reason| {
                self.0.metrics.unusable.inc();
                tracing::warn!(%reason, "a stored password hash cannot be used; the password counts as wrong");
            })
            .ok()
    }

    async fn submit<T>(
        &self,
        lane: QueueLane,
        cost: u64,
        requester: Option<HashRequester>,
        job: impl FnOnce(ReplySender<T>) -> HashJob,
    ) -> Result<T, HashError> {
        let (reply, mut answer) = oneshot::channel();
        let ticket =
            self.0.queue.push(lane, cost, requester, job(reply)).map_err(|refused| self.to_hash_error(refused))?;
        let _withdraw = WithdrawOnDrop { pool: &self.0, ticket };
        // The expectation can be wrong, if other processes take the processor away. Who
        // has not got a thread after twice the time gives up.
        if let Ok(answer) = timeout(self.0.max_wait * 2, &mut answer).await {
            return answer.unwrap_or(Err(HashError::ShuttingDown));
        }
        if self.0.queue.withdraw(ticket) {
            return Err(self.overloaded(self.0.queue.expected_wait(lane)));
        }
        answer.await.unwrap_or(Err(HashError::ShuttingDown))
    }

    fn to_hash_error(&self, refused: AdmissionError) -> HashError {
        match refused {
            AdmissionError::Busy(wait) => self.overloaded(wait),
            AdmissionError::Closed => HashError::ShuttingDown,
        }
    }

    fn overloaded(&self, wait: Duration) -> HashError {
        self.0.metrics.shed.inc();
        // A header in whole seconds; to come back at once would be no relief.
        let seconds = wait.as_secs_f64().ceil().max(1.0);
        HashError::Overloaded { retry_after: Duration::from_secs_f64(seconds).min(MAX_RETRY_AFTER) }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// Somebody was let in: one job counts as waiting, so that what is let in after it is what
/// can be served besides. To be dropped when the job is handed over, or is not to come.
#[must_use]
pub struct AdmissionPermit {
    pool: Arc<Pool>,
    cost: u64,
}

impl Drop for AdmissionPermit {
    fn drop(&mut self) {
        self.pool.queue.release(self.cost);
    }
}

/// A job's place in the queue, given up when nobody waits for the answer any more.
struct WithdrawOnDrop<'a> {
    pool: &'a Pool,
    ticket: u64,
}

impl Drop for WithdrawOnDrop<'_> {
    fn drop(&mut self) {
        if self.pool.queue.withdraw(self.ticket) {
            self.pool.metrics.abandoned.inc();
        }
    }
}

/// How fast this machine is, from one hash.
fn nanos_per_unit(policy: &HashPolicy, dummy_check: &HashCheck) -> f64 {
    let mut arena = policy.arena();
    let empty_password = Password::parse_attempt(String::new()).expect("an empty password is within the upper bounds");
    let started = Instant::now();
    dummy_check.verify(&empty_password, &mut arena);
    started.elapsed().as_nanos() as f64 / dummy_check.cost() as f64
}

#[cfg(test)]
mod tests;
