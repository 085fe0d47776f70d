//! The bounded queue in front of the hash threads: who is next, who is turned away.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};
use prometheus::IntGauge;
use uuid::Uuid;

use crate::domain::IpPrefix;

/// Whatever the expected wait: each entry holds a password of at most a kilobyte.
const MAX_JOBS: usize = 4096;
/// What one network, and one account, may have waiting in the single lane: two checks, or one expensive one.
const MAX_WAITING_WEIGHT: u32 = 2;
/// A check that probably takes more than this part of the longest wait is expensive.
const EXPENSIVE_FRACTION: u32 = 4;
/// Weight of the latest job in the moving average of speed.
const SMOOTHING_FACTOR: f64 = 0.2;

/// Which threads may take a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum QueueLane {
    /// Any.
    Shared,
    /// Any, while no other thread has a job of this lane: it brings memory of its own.
    Single,
}

/// Who asks for a check, so that neither this network nor this account can fill the single lane for the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashRequester {
    pub network: IpPrefix,
    /// Whose stored hash it is, if the account exists.
    pub account: Option<Uuid>,
}

/// First come, first served within the bounds. Costs are in any unit of work; how long a
/// unit takes is learnt from the jobs that finish.
pub(super) struct Queue<T> {
    state: Mutex<QueueState<T>>,
    ready: Condvar,
    threads: usize,
    max_wait: Duration,
    length: IntGauge,
}

/// A job on its way through the queue.
pub(super) struct QueuedJob<T> {
    pub(super) item: T,
    pub(super) lane: QueueLane,
    pub(super) cost: u64,
    pub(super) queued_at: Instant,
    requester: Option<HashRequester>,
    ticket: u64,
}

/// Why a job was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AdmissionError {
    /// It would wait too long, probably this long.
    Busy(Duration),
    Closed,
}

struct QueueState<T> {
    shared: LaneQueue<T>,
    single: LaneQueue<T>,
    single_taken: bool,
    /// Of those who were let in and whose jobs are still to come, in the shared lane.
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
    /// In the order of their tickets.
    entries: VecDeque<QueuedJob<T>>,
    cost: u64,
    nanos_per_unit: f64,
}

impl<T> Queue<T> {
    /// `nanos_per_unit`: the speed to assume until jobs have shown a better one.
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

    /// Takes a job, unless it would wait too long, or its requester has as much waiting in the single lane as one may
    /// have; gives its ticket for [`Queue::withdraw`].
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

    /// Lets somebody in whose job is still to come: from now on it counts as if it waited
    /// in the shared lane, until [`Queue::release`]. So no more are let in than can be served.
    pub(super) fn reserve(&self, cost: u64) -> Result<(), AdmissionError> {
        let mut state = self.state.lock();
        self.check_admission(&state, QueueLane::Shared)?;
        state.reserved.jobs += 1;
        state.reserved.cost += cost;
        Ok(())
    }

    /// What was reserved is pushed now, or will not come.
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

    /// The next job for the calling thread, when there is one; `None` once the queue is
    /// closed. Each job is to be answered by [`Queue::finish`].
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

    /// Learns how long a popped job took, and lets the next one of its lane in.
    pub(super) fn finish(&self, lane: QueueLane, cost: u64, took: Duration) {
        let mut state = self.state.lock();
        if lane == QueueLane::Single {
            state.single_taken = false;
        }
        state.lane_mut(lane).record_duration(cost, took);
        drop(state);
        self.ready.notify_one();
    }

    /// Drops a job that still waits; `false` when a thread has it, or had it.
    pub(super) fn withdraw(&self, ticket: u64) -> bool {
        let mut state = self.state.lock();
        let withdrawn = state.shared.remove(ticket).or_else(|| state.single.remove(ticket));
        self.report_length(&state);
        drop(state);
        withdrawn.is_some()
    }

    /// Takes no more jobs, drops those that wait, and lets the threads go.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        let dropped = (state.shared.clear(), state.single.clear());
        self.report_length(&state);
        drop(state);
        drop(dropped);
        self.ready.notify_all();
    }

    /// How long a job would wait that came now.
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
            // While the single lane has work, one of the threads is busy with that.
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

    /// Whether the jobs of this network, and those of this account, leave room for one of this cost.
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

    /// How much of a requester's share a job takes.
    fn weight(&self, cost: u64, max_wait: Duration) -> u32 {
        let expensive = cost as f64 * self.nanos_per_unit > (max_wait / EXPENSIVE_FRACTION).as_nanos() as f64;
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

    /// Of the jobs that wait, and of so much more.
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
