//! The bounded queue of the hash threads: decides which job is next, and which jobs are rejected.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};
use prometheus::IntGauge;
use uuid::Uuid;

use crate::domain::IpPrefix;

/// Maximum number of jobs, whatever the expected wait. Each holds a password of at most 1 KiB.
const MAX_JOBS: usize = 4096;
/// Maximum weight that one network, and one account, may have waiting in the single lane: two checks, or one expensive
/// check.
const MAX_WAITING_WEIGHT: u32 = 2;
/// A check is expensive if it is expected to take longer than the maximum wait divided by this number.
const EXPENSIVE_DIVISOR: u32 = 4;
/// Weight of the latest job in the moving average of the speed.
const SMOOTHING_FACTOR: f64 = 0.2;

/// The lane of a job, which decides how many threads may work on such jobs at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum QueueLane {
    /// Any number of threads.
    Shared,
    /// One thread at a time, because each job of this lane allocates its own memory.
    Single,
}

/// The origin of a check, so that no network and no account can fill the single lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashRequester {
    pub network: IpPrefix,
    /// The owner of the stored hash, if the account exists.
    pub account: Option<Uuid>,
}

/// A bounded first-in, first-out queue. The unit of cost is arbitrary: the queue learns the time for a unit from
/// finished jobs.
pub(super) struct Queue<T> {
    state: Mutex<QueueState<T>>,
    ready: Condvar,
    threads: usize,
    max_wait: Duration,
    length: IntGauge,
}

/// A job in the queue, or one that a thread has taken from it.
pub(super) struct QueuedJob<T> {
    pub(super) item: T,
    pub(super) lane: QueueLane,
    pub(super) cost: u64,
    pub(super) queued_at: Instant,
    requester: Option<HashRequester>,
    ticket: u64,
}

/// The reason why a job was rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AdmissionError {
    /// The job would wait too long. Contains the expected wait.
    Busy(Duration),
    Closed,
}

struct QueueState<T> {
    shared: LaneQueue<T>,
    single: LaneQueue<T>,
    single_taken: bool,
    /// The admitted jobs that are not queued yet. They will use the shared lane.
    reserved: ReservedWork,
    next_ticket: u64,
    closed: bool,
}

#[derive(Default)]
struct ReservedWork {
    jobs: usize,
    cost: u64,
}

struct LaneQueue<T> {
    /// The jobs, ordered by ticket.
    entries: VecDeque<QueuedJob<T>>,
    cost: u64,
    nanos_per_unit: f64,
}

impl<T> Queue<T> {
    /// Creates a queue. `nanos_per_unit` is the initial estimate of the speed.
    pub(super) fn new(threads: usize, max_wait: Duration, nanos_per_unit: f64, length: IntGauge) -> Self {
        let lane = || LaneQueue { entries: VecDeque::new(), cost: 0, nanos_per_unit };
        let (shared, single) = (lane(), lane());
        let state = QueueState {
            shared,
            single,
            single_taken: false,
            reserved: ReservedWork::default(),
            next_ticket: 0,
            closed: false,
        };
        Self { state: Mutex::new(state), ready: Condvar::new(), threads, max_wait, length }
    }

    /// Queues a job and returns its ticket for [`Queue::withdraw`]. Rejects the job if it would wait too long, or if
    /// its requester already has the maximum weight waiting in the single lane.
    pub(super) fn push(
        &self,
        lane: QueueLane,
        cost: u64,
        requester: Option<HashRequester>,
        item: T,
    ) -> Result<u64, AdmissionError> {
        let mut state = self.state.lock();
        self.check_admission(&state, lane)?;
        if let (QueueLane::Single, Some(requester)) = (lane, requester)
            && !state.single.has_room_for(requester, cost, self.max_wait)
        {
            return Err(AdmissionError::Busy(state.expected_wait(lane, self.threads)));
        }
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        state.lane_mut(lane).push(QueuedJob { item, lane, cost, queued_at: Instant::now(), requester, ticket });
        self.report_length(&state);
        drop(state);
        self.ready.notify_one();
        Ok(ticket)
    }

    /// Admits a job that will be queued later. It counts as waiting in the shared lane until [`Queue::release`], so
    /// that no more jobs are admitted than can be served.
    pub(super) fn reserve(&self, cost: u64) -> Result<(), AdmissionError> {
        let mut state = self.state.lock();
        self.check_admission(&state, QueueLane::Shared)?;
        state.reserved.jobs += 1;
        state.reserved.cost += cost;
        Ok(())
    }

    /// Ends a reservation, because its job is queued now or will not come.
    pub(super) fn release(&self, cost: u64) {
        let mut state = self.state.lock();
        state.reserved.jobs -= 1;
        state.reserved.cost -= cost;
    }

    fn check_admission(&self, state: &QueueState<T>, lane: QueueLane) -> Result<(), AdmissionError> {
        if state.closed {
            return Err(AdmissionError::Closed);
        }
        let wait = state.expected_wait(lane, self.threads);
        if wait > self.max_wait || state.len() + state.reserved.jobs >= MAX_JOBS {
            return Err(AdmissionError::Busy(wait));
        }
        Ok(())
    }

    /// Waits for the next job of the calling thread. Returns `None` once the queue is closed. The thread must call
    /// [`Queue::finish`] after each job.
    pub(super) fn pop(&self) -> Option<QueuedJob<T>> {
        let mut state = self.state.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(entry) = state.take_next() {
                self.report_length(&state);
                return Some(entry);
            }
            self.ready.wait(&mut state);
        }
    }

    /// Records how long a job took, and frees its lane for the next job.
    pub(super) fn finish(&self, lane: QueueLane, cost: u64, took: Duration) {
        let mut state = self.state.lock();
        if lane == QueueLane::Single {
            state.single_taken = false;
        }
        state.lane_mut(lane).record_duration(cost, took);
        drop(state);
        self.ready.notify_one();
    }

    /// Removes a job that is still waiting. Returns `false` if a thread has already taken it.
    pub(super) fn withdraw(&self, ticket: u64) -> bool {
        let mut state = self.state.lock();
        let withdrawn = state.shared.remove(ticket).or_else(|| state.single.remove(ticket));
        self.report_length(&state);
        drop(state);
        withdrawn.is_some()
    }

    /// Closes the queue: it rejects new jobs, drops the waiting ones, and wakes the threads so that they end.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        let dropped = (state.shared.clear(), state.single.clear());
        self.report_length(&state);
        drop(state);
        drop(dropped);
        self.ready.notify_all();
    }

    /// Returns the expected wait of a job that is queued now.
    pub(super) fn expected_wait(&self, lane: QueueLane) -> Duration {
        self.state.lock().expected_wait(lane, self.threads)
    }

    fn report_length(&self, state: &QueueState<T>) {
        self.length.set(i64::try_from(state.len()).unwrap_or(i64::MAX));
    }
}

impl<T> QueueState<T> {
    fn lane_mut(&mut self, lane: QueueLane) -> &mut LaneQueue<T> {
        match lane {
            QueueLane::Shared => &mut self.shared,
            QueueLane::Single => &mut self.single,
        }
    }

    fn len(&self) -> usize {
        self.shared.entries.len() + self.single.entries.len()
    }

    fn take_next(&mut self) -> Option<QueuedJob<T>> {
        let shared = self.shared.first_ticket();
        let single = self.single.first_ticket().filter(|_| !self.single_taken);
        if single.is_some_and(|single| shared.is_none_or(|shared| single < shared)) {
            self.single_taken = true;
            return self.single.pop();
        }
        self.shared.pop()
    }

    fn expected_wait(&self, lane: QueueLane, threads: usize) -> Duration {
        let (shared, single) = (self.shared.total_nanos(self.reserved.cost), self.single.total_nanos(0));
        let all = (shared + single) / threads as f64;
        let nanos = match lane {
            QueueLane::Single => single.max(all),
            // While the single lane has work, it occupies one of the threads.
            QueueLane::Shared if threads > 1 && (self.single_taken || single > 0.0) => shared / (threads - 1) as f64,
            QueueLane::Shared => all,
        };
        Duration::from_secs_f64(nanos / 1e9)
    }
}

impl<T> LaneQueue<T> {
    fn first_ticket(&self) -> Option<u64> {
        self.entries.front().map(|entry| entry.ticket)
    }

    /// Returns whether a job of this cost fits into what its network and its account may have waiting.
    fn has_room_for(&self, requester: HashRequester, cost: u64, max_wait: Duration) -> bool {
        let waiting = |matches: &dyn Fn(HashRequester) -> bool| -> u32 {
            let matching = self.entries.iter().filter(|entry| entry.requester.is_some_and(matches));
            matching.map(|entry| self.weight(entry.cost, max_wait)).sum()
        };
        let room = MAX_WAITING_WEIGHT - self.weight(cost, max_wait);
        let network_weight = waiting(&|other| other.network == requester.network);
        let account_weight = waiting(&|other| requester.account.is_some() && other.account == requester.account);
        network_weight.max(account_weight) <= room
    }

    /// Returns the weight of a job in its requester's share.
    fn weight(&self, cost: u64, max_wait: Duration) -> u32 {
        let expensive = cost as f64 * self.nanos_per_unit > (max_wait / EXPENSIVE_DIVISOR).as_nanos() as f64;
        if expensive { MAX_WAITING_WEIGHT } else { 1 }
    }

    fn push(&mut self, entry: QueuedJob<T>) {
        self.cost += entry.cost;
        self.entries.push_back(entry);
    }

    fn pop(&mut self) -> Option<QueuedJob<T>> {
        let entry = self.entries.pop_front()?;
        self.cost -= entry.cost;
        Some(entry)
    }

    fn remove(&mut self, ticket: u64) -> Option<QueuedJob<T>> {
        let index = self.entries.binary_search_by_key(&ticket, |entry| entry.ticket).ok()?;
        let entry = self.entries.remove(index)?;
        self.cost -= entry.cost;
        Some(entry)
    }

    fn clear(&mut self) -> VecDeque<QueuedJob<T>> {
        self.cost = 0;
        std::mem::take(&mut self.entries)
    }

    /// Returns the estimated time for the waiting jobs and `additional_cost` together.
    fn total_nanos(&self, additional_cost: u64) -> f64 {
        (self.cost + additional_cost) as f64 * self.nanos_per_unit
    }

    fn record_duration(&mut self, cost: u64, took: Duration) {
        let latest = took.as_nanos() as f64 / cost.max(1) as f64;
        self.nanos_per_unit += SMOOTHING_FACTOR * (latest - self.nanos_per_unit);
    }
}

#[cfg(test)]
mod tests;
