//! The pool of hash threads: hashes passwords, and verifies them.

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
    check::{Attempt, Verification},
    hash_error::HashError,
    metrics::HashMetrics,
    password_hash::PasswordHash,
    policy::HashPolicy,
    queue::{AdmissionError, HashRequester, Queue, QueueLane},
    settings::{HashingSettings, InvalidSetting},
};
use crate::domain::Password;

/// Maximum value of `Retry-After`.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);

/// A handle to a fixed number of threads, each with its own memory. The threads end with [`HashPool::shutdown`], or
/// when the last handle is dropped.
///
/// Memory is bounded: one arena for each thread, one temporary arena of at most `foreign_max_memory_kib` for all
/// threads together, and a bounded queue.
#[derive(Clone)]
pub struct HashPool(Arc<Pool>);

struct Pool {
    queue: Arc<Queue<HashJob>>,
    policy: Arc<HashPolicy>,
    /// A hash that matches no password, in its stored form: it is parsed like any other.
    unmatchable_hash: PasswordHash,
    metrics: HashMetrics,
    max_wait: Duration,
    #[cfg_attr(not(test), expect(dead_code, reason = "only tests watch the threads end"))]
    threads: Vec<thread::JoinHandle<()>>,
}

/// The reason why the pool does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Setting(#[from] InvalidSetting),
    #[error("a hash thread could not be started")]
    Thread(#[source] std::io::Error),
}

impl HashPool {
    /// Starts the threads. Computes one hash to measure the speed of this machine, and blocks as long as that takes.
    ///
    /// # Errors
    /// Returns [`StartError`] if a setting is out of range, or if a thread cannot be started.
    pub fn start(settings: &HashingSettings, metrics: HashMetrics) -> Result<Self, StartError> {
        let threads = settings.thread_count()?;
        Self::start_threads(settings, metrics, threads)
    }

    /// Starts only `running` of the configured threads.
    fn start_threads(settings: &HashingSettings, metrics: HashMetrics, running: usize) -> Result<Self, StartError> {
        let policy = Arc::new(HashPolicy::new(settings)?);
        let max_wait = settings.validated_max_wait()?;
        let threads = settings.thread_count()?;
        let queue = Arc::new(Queue::new(threads, max_wait, nanos_per_unit(&policy), metrics.queue_length.clone()));
        let threads = (0..running)
            .map(|index| worker::spawn(index, Arc::clone(&queue), Arc::clone(&policy), metrics.clone()))
            .collect::<Result<Vec<_>, _>>()
            .inspect_err(|_| queue.close())
            .map_err(StartError::Thread)?;
        tracing::info!(
            threads = threads.len(),
            memory_kib = settings.memory_kib,
            implementation = %Implementation::detect(),
            "hash threads started"
        );
        let unmatchable_hash = policy.unmatchable_hash();
        Ok(Self(Arc::new(Pool { queue, policy, unmatchable_hash, metrics, max_wait, threads })))
    }

    /// Admits a request whose password will be hashed or verified soon. A request asks for this before any other work,
    /// so that a request that the queue would reject costs nothing: under overload, the processor works only for
    /// admitted requests.
    ///
    /// # Errors
    /// Returns [`HashError::Overloaded`] or [`HashError::ShuttingDown`].
    pub fn admit(&self) -> Result<AdmissionPermit, HashError> {
        let cost = self.0.policy.cost();
        self.0.queue.reserve(cost).map_err(|refused| self.to_hash_error(refused))?;
        Ok(AdmissionPermit { pool: Arc::clone(&self.0), cost })
    }

    /// Hashes a password with Argon2id, the current parameters, a random 16-byte salt and a 32-byte output. Returns a
    /// PHC string.
    ///
    /// Dropping the future removes the job from the queue.
    ///
    /// # Errors
    /// Returns [`HashError::Overloaded`], [`HashError::ShuttingDown`] or [`HashError::Failed`].
    pub async fn hash(&self, password: &Password) -> Result<PasswordHash, HashError> {
        let password = password.clone();
        self.submit(QueueLane::Shared, self.0.policy.cost(), None, |reply| HashJob::Hash { password, reply }).await
    }

    /// Returns a hash that matches no password. It looks like a new hash and takes the same work to verify.
    #[must_use]
    pub fn unmatchable_hash(&self) -> PasswordHash {
        self.0.policy.unmatchable_hash()
    }

    /// Verifies a password against a stored hash.
    ///
    /// If there is no stored hash (because there is no such account), it does the same work in the same queue against a
    /// hash that matches no password, and returns [`Verification::Mismatch`]. It does the same for a stored hash that
    /// cannot be used (malformed, of an unknown algorithm, or beyond the configured limits), and logs a warning: the
    /// owner can reset the password, and the response reveals nothing to others.
    ///
    /// A check that does not fit into the memory of a thread uses the single lane, in which `requester` has at most two
    /// checks waiting, or one expensive check.
    ///
    /// Dropping the future removes the job from the queue.
    ///
    /// # Errors
    /// Returns [`HashError::Overloaded`], [`HashError::ShuttingDown`] or [`HashError::Failed`].
    pub async fn verify(
        &self,
        password: &Password,
        stored: Option<&PasswordHash>,
        requester: HashRequester,
    ) -> Result<Verification, HashError> {
        let stored = stored.unwrap_or(&self.0.unmatchable_hash);
        let attempt = self.attempt(stored, password).unwrap_or_else(|| self.0.policy.dummy_attempt(password));
        let (lane, cost) = (attempt.lane, attempt.cost);
        self.submit(lane, cost, Some(requester), |reply| HashJob::Verify { attempt: Box::new(attempt), reply }).await
    }

    /// Stops the threads, each after its current job. Waiting jobs fail with [`HashError::ShuttingDown`]. Does not
    /// block.
    pub fn shutdown(&self) {
        self.0.queue.close();
    }

    fn attempt(&self, stored: &PasswordHash, password: &Password) -> Option<Attempt> {
        self.0
            .policy
            .attempt(stored, password)
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
        // The expected wait is wrong if other processes use the processor. A job still queued after twice `max_wait` is
        // abandoned.
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
        // The header is in whole seconds, and an immediate retry would not reduce the load.
        let seconds = wait.as_secs_f64().ceil().max(1.0);
        HashError::Overloaded { retry_after: Duration::from_secs_f64(seconds).min(MAX_RETRY_AFTER) }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// The admission of one job, which counts as waiting while this permit exists. The holder must drop the permit when it
/// queues the job, or if the job will not come.
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

/// Removes a job from the queue when its caller stops waiting.
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

/// Measures the speed of this machine with one hash.
fn nanos_per_unit(policy: &HashPolicy) -> f64 {
    let mut arena = policy.arena();
    let empty_password =
        Password::parse_attempt(&String::new().into()).expect("an empty password is within the upper bounds");
    let dummy = policy.dummy_attempt(&empty_password);
    let started = Instant::now();
    dummy.verify(&mut arena);
    started.elapsed().as_nanos() as f64 / dummy.cost as f64
}

#[cfg(test)]
mod tests;
