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
const CAPACITY: usize = 4096;
/// What one network, and one account, may have waiting in the single lane: two checks, or one expensive one.
const MAX_WAITING_WEIGHT: u32 = 2;
/// A check that probably takes more than this part of the longest wait is expensive.
const EXPENSIVE_PART: u32 = 4;
/// Weight of the latest job in the moving average of speed.
const SMOOTHING: f64 = 0.2;

/// Which threads may take a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
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
    state: Mutex<State<T>>,
    ready: Condvar,
    threads: usize,
    max_wait: Duration,
    length: IntGauge,
}

/// A job on its way through the queue.
pub(super) struct Entry<T> {
    pub(super) item: T,
    pub(super) lane: Lane,
    pub(super) cost: u64,
    pub(super) queued_at: Instant,
    requester: Option<HashRequester>,
    ticket: u64,
}

/// Why a job was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// It would wait too long, probably this long.
    Busy(Duration),
    Closed,
}

struct State<T> {
    shared: Line<T>,
    single: Line<T>,
    single_taken: bool,
    /// Of those who were let in and whose jobs are still to come, in the shared lane.
    reserved: Reserved,
    next_ticket: u64,
    closed: bool,
}

#[derive(Default)]
struct Reserved {
    jobs: usize,
    cost: u64,
}

struct Line<T> {
    /// In the order of their tickets.
    entries: VecDeque<Entry<T>>,
    cost: u64,
    nanos_per_unit: f64,
}

impl<T> Queue<T> {
    /// `nanos_per_unit`: the speed to assume until jobs have shown a better one.
    pub(super) fn new(threads: usize, max_wait: Duration, nanos_per_unit: f64, length: IntGauge) -> Self {
        let line = || Line { entries: VecDeque::new(), cost: 0, nanos_per_unit };
        let (shared, single) = (line(), line());
        let state =
            State { shared, single, single_taken: false, reserved: Reserved::default(), next_ticket: 0, closed: false };
        Self { state: Mutex::new(state), ready: Condvar::new(), threads, max_wait, length }
    }

    /// Takes a job, unless it would wait too long, or its requester has as much waiting in the single lane as one may
    /// have; gives its ticket for [`Queue::withdraw`].
    pub(super) fn push(
        &self,
        lane: Lane,
        cost: u64,
        requester: Option<HashRequester>,
        item: T,
    ) -> Result<u64, Refused> {
        let mut state = self.state.lock();
        self.admits(&state, lane)?;
        if let (Lane::Single, Some(requester)) = (lane, requester)
            && !state.single.has_room_for(requester, cost, self.max_wait)
        {
            return Err(Refused::Busy(state.expected_wait(lane, self.threads)));
        }
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        state.line(lane).push(Entry { item, lane, cost, queued_at: Instant::now(), requester, ticket });
        self.report(&state);
        drop(state);
        self.ready.notify_one();
        Ok(ticket)
    }

    /// Lets somebody in whose job is still to come: from now on it counts as if it waited
    /// in the shared lane, until [`Queue::release`]. So no more are let in than can be served.
    pub(super) fn reserve(&self, cost: u64) -> Result<(), Refused> {
        let mut state = self.state.lock();
        self.admits(&state, Lane::Shared)?;
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

    fn admits(&self, state: &State<T>, lane: Lane) -> Result<(), Refused> {
        if state.closed {
            return Err(Refused::Closed);
        }
        let wait = state.expected_wait(lane, self.threads);
        if wait > self.max_wait || state.len() + state.reserved.jobs >= CAPACITY {
            return Err(Refused::Busy(wait));
        }
        Ok(())
    }

    /// The next job for the calling thread, when there is one; `None` once the queue is
    /// closed. Each job is to be answered by [`Queue::finished`].
    pub(super) fn pop(&self) -> Option<Entry<T>> {
        let mut state = self.state.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(entry) = state.take_next() {
                self.report(&state);
                return Some(entry);
            }
            self.ready.wait(&mut state);
        }
    }

    /// Learns how long a popped job took, and lets the next one of its lane in.
    pub(super) fn finished(&self, lane: Lane, cost: u64, took: Duration) {
        let mut state = self.state.lock();
        if lane == Lane::Single {
            state.single_taken = false;
        }
        state.line(lane).learn(cost, took);
        drop(state);
        self.ready.notify_one();
    }

    /// Drops a job that still waits; `false` when a thread has it, or had it.
    pub(super) fn withdraw(&self, ticket: u64) -> bool {
        let mut state = self.state.lock();
        let withdrawn = state.shared.remove(ticket).or_else(|| state.single.remove(ticket));
        self.report(&state);
        drop(state);
        withdrawn.is_some()
    }

    /// Takes no more jobs, drops those that wait, and lets the threads go.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        let dropped = (state.shared.clear(), state.single.clear());
        self.report(&state);
        drop(state);
        drop(dropped);
        self.ready.notify_all();
    }

    /// How long a job would wait that came now.
    pub(super) fn expected_wait(&self, lane: Lane) -> Duration {
        self.state.lock().expected_wait(lane, self.threads)
    }

    fn report(&self, state: &State<T>) {
        self.length.set(i64::try_from(state.len()).unwrap_or(i64::MAX));
    }
}

impl<T> State<T> {
    fn line(&mut self, lane: Lane) -> &mut Line<T> {
        match lane {
            Lane::Shared => &mut self.shared,
            Lane::Single => &mut self.single,
        }
    }

    fn len(&self) -> usize {
        self.shared.entries.len() + self.single.entries.len()
    }

    fn take_next(&mut self) -> Option<Entry<T>> {
        let shared = self.shared.first_ticket();
        let single = self.single.first_ticket().filter(|_| !self.single_taken);
        if single.is_some_and(|single| shared.is_none_or(|shared| single < shared)) {
            self.single_taken = true;
            return self.single.pop();
        }
        self.shared.pop()
    }

    fn expected_wait(&self, lane: Lane, threads: usize) -> Duration {
        let (shared, single) = (self.shared.nanos_with(self.reserved.cost), self.single.nanos_with(0));
        let all = (shared + single) / threads as f64;
        let nanos = match lane {
            Lane::Single => single.max(all),
            // While the single lane has work, one of the threads is busy with that.
            Lane::Shared if threads > 1 && (self.single_taken || single > 0.0) => shared / (threads - 1) as f64,
            Lane::Shared => all,
        };
        Duration::from_secs_f64(nanos / 1e9)
    }
}

impl<T> Line<T> {
    fn first_ticket(&self) -> Option<u64> {
        self.entries.front().map(|entry| entry.ticket)
    }

    /// Whether the jobs of this network, and those of this account, leave room for one of this cost.
    fn has_room_for(&self, requester: HashRequester, cost: u64, max_wait: Duration) -> bool {
        let waiting = |by: &dyn Fn(HashRequester) -> bool| -> u32 {
            let theirs = self.entries.iter().filter(|entry| entry.requester.is_some_and(by));
            theirs.map(|entry| self.weight(entry.cost, max_wait)).sum()
        };
        let room = MAX_WAITING_WEIGHT - self.weight(cost, max_wait);
        let of_network = waiting(&|other| other.network == requester.network);
        let of_account = waiting(&|other| requester.account.is_some() && other.account == requester.account);
        of_network.max(of_account) <= room
    }

    /// How much of a requester's share a job takes.
    fn weight(&self, cost: u64, max_wait: Duration) -> u32 {
        let expensive = cost as f64 * self.nanos_per_unit > (max_wait / EXPENSIVE_PART).as_nanos() as f64;
        if expensive { MAX_WAITING_WEIGHT } else { 1 }
    }

    fn push(&mut self, entry: Entry<T>) {
        self.cost += entry.cost;
        self.entries.push_back(entry);
    }

    fn pop(&mut self) -> Option<Entry<T>> {
        let entry = self.entries.pop_front()?;
        self.cost -= entry.cost;
        Some(entry)
    }

    fn remove(&mut self, ticket: u64) -> Option<Entry<T>> {
        let index = self.entries.binary_search_by_key(&ticket, |entry| entry.ticket).ok()?;
        let entry = self.entries.remove(index)?;
        self.cost -= entry.cost;
        Some(entry)
    }

    fn clear(&mut self) -> VecDeque<Entry<T>> {
        self.cost = 0;
        std::mem::take(&mut self.entries)
    }

    /// Of the jobs that wait, and of so much more.
    fn nanos_with(&self, more: u64) -> f64 {
        (self.cost + more) as f64 * self.nanos_per_unit
    }

    fn learn(&mut self, cost: u64, took: Duration) {
        let latest = took.as_nanos() as f64 / cost.max(1) as f64;
        self.nanos_per_unit += SMOOTHING * (latest - self.nanos_per_unit);
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, thread};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// One unit of work takes one second; nobody waits longer than three.
    fn queue(threads: usize) -> Queue<&'static str> {
        Queue::new(threads, 3 * SECOND, 1e9, IntGauge::new("length", "length").unwrap())
    }

    #[test]
    fn the_first_to_come_is_the_first_served() {
        let queue = queue(1);
        queue.push(Lane::Shared, 1, None, "a").unwrap();
        queue.push(Lane::Single, 1, None, "b").unwrap();
        queue.push(Lane::Shared, 1, None, "c").unwrap();
        assert_eq!(queue.length.get(), 3);
        let order: Vec<_> = (0..3).map(|_| queue.pop().unwrap().item).collect();
        assert_eq!(order, ["a", "b", "c"]);
        assert_eq!(queue.length.get(), 0);
    }

    #[test]
    fn a_job_that_would_wait_too_long_is_turned_away() {
        let queue = queue(2);
        for _ in 0..7 {
            queue.push(Lane::Shared, 1, None, "job").unwrap();
        }
        // Seven seconds of work on two threads.
        let refused = Refused::Busy(Duration::from_millis(3500));
        assert_eq!(queue.reserve(1), Err(refused));
        assert_eq!(queue.push(Lane::Shared, 1, None, "late"), Err(refused));
        queue.pop().unwrap();
        assert!(queue.push(Lane::Shared, 1, None, "next").is_ok());
    }

    #[test]
    fn no_more_are_let_in_than_can_be_served_when_their_jobs_arrive() {
        let queue = queue(2);
        for _ in 0..7 {
            queue.reserve(1).unwrap();
        }
        let refused = Refused::Busy(Duration::from_millis(3500));
        assert_eq!(queue.reserve(1), Err(refused));
        assert_eq!(queue.push(Lane::Shared, 1, None, "not expected"), Err(refused));
        queue.release(1);
        assert!(queue.push(Lane::Shared, 1, None, "expected").is_ok());
        assert_eq!(queue.reserve(1), Err(refused));
        // This one does not come.
        queue.release(1);
        assert_eq!(queue.reserve(1), Ok(()));
    }

    #[test]
    fn the_expected_wait_follows_the_speed_of_late() {
        let queue = queue(1);
        queue.push(Lane::Shared, 2, None, "job").unwrap();
        assert_eq!(queue.expected_wait(Lane::Shared), 2 * SECOND);
        for _ in 0..50 {
            queue.finished(Lane::Shared, 1, SECOND / 2);
        }
        assert!(queue.expected_wait(Lane::Shared).abs_diff(SECOND) < SECOND / 100);
    }

    #[test]
    fn the_length_is_bounded_even_if_hashing_takes_no_time() {
        let queue = Queue::new(1, SECOND, 0.0, IntGauge::new("length", "length").unwrap());
        for index in 0..CAPACITY {
            queue.push(Lane::Shared, 1, None, index).unwrap();
        }
        assert!(matches!(queue.push(Lane::Shared, 1, None, CAPACITY), Err(Refused::Busy(_))));
    }

    #[test]
    fn only_one_thread_at_a_time_has_a_job_of_the_single_lane() {
        let queue = queue(4);
        queue.push(Lane::Single, 1, None, "large 1").unwrap();
        queue.push(Lane::Single, 1, None, "large 2").unwrap();
        queue.push(Lane::Shared, 1, None, "small").unwrap();
        assert_eq!(queue.pop().unwrap().item, "large 1");
        assert_eq!(queue.pop().unwrap().item, "small");
        queue.finished(Lane::Single, 1, SECOND);
        assert_eq!(queue.pop().unwrap().item, "large 2");
    }

    #[test]
    fn large_jobs_wait_for_one_another_and_not_for_all_threads() {
        let queue = queue(4);
        queue.push(Lane::Single, 2, None, "large").unwrap();
        assert_eq!(queue.expected_wait(Lane::Single), 2 * SECOND);
        assert_eq!(queue.expected_wait(Lane::Shared), Duration::ZERO);
        queue.push(Lane::Shared, 6, None, "small").unwrap();
        assert_eq!(queue.expected_wait(Lane::Shared), 2 * SECOND);
    }

    fn requester(network: &str, account: u128) -> Option<HashRequester> {
        let network = IpPrefix::for_rate_limit(network.parse().unwrap());
        Some(HashRequester { network, account: Some(Uuid::from_u128(account)) })
    }

    /// A queue in which one unit of work is far below a quarter of the longest wait.
    fn patient_queue() -> Queue<&'static str> {
        Queue::new(4, 100 * SECOND, 1e9, IntGauge::new("length", "length").unwrap())
    }

    #[test]
    fn a_network_has_two_waiting_in_the_single_lane_and_leaves_the_rest_to_others() {
        let queue = patient_queue();
        for account in 0..2 {
            queue.push(Lane::Single, 1, requester("198.51.100.1", account), "attacker").unwrap();
        }
        let refused = queue.push(Lane::Single, 1, requester("198.51.100.1", 2), "attacker");
        assert_eq!(refused, Err(Refused::Busy(2 * SECOND)));
        queue.push(Lane::Single, 1, requester("198.51.100.2", 3), "other").unwrap();
        // Jobs in the shared lane are not counted.
        for _ in 0..5 {
            queue.push(Lane::Shared, 1, requester("198.51.100.1", 4), "own hash").unwrap();
        }
        // A check that a thread has taken waits no longer.
        assert_eq!(queue.pop().unwrap().item, "attacker");
        queue.push(Lane::Single, 1, requester("198.51.100.1", 2), "attacker").unwrap();
    }

    #[test]
    fn an_account_has_two_waiting_in_the_single_lane_from_however_many_networks() {
        let queue = patient_queue();
        queue.push(Lane::Single, 1, requester("198.51.100.1", 7), "attacked").unwrap();
        let second = queue.push(Lane::Single, 1, requester("198.51.100.2", 7), "attacked").unwrap();
        assert!(queue.push(Lane::Single, 1, requester("198.51.100.3", 7), "attacked").is_err());
        queue.push(Lane::Single, 1, requester("198.51.100.3", 8), "other").unwrap();
        assert!(queue.withdraw(second));
        queue.push(Lane::Single, 1, requester("198.51.100.4", 7), "attacked").unwrap();
    }

    #[test]
    fn an_expensive_check_takes_the_whole_share_of_its_network() {
        // More than a quarter of the longest wait.
        const EXPENSIVE: u64 = 26;
        let queue = patient_queue();
        queue.push(Lane::Single, EXPENSIVE, requester("198.51.100.1", 1), "expensive").unwrap();
        assert!(queue.push(Lane::Single, 1, requester("198.51.100.1", 2), "cheap").is_err());
        queue.push(Lane::Single, 1, requester("198.51.100.2", 3), "cheap").unwrap();
        assert!(queue.push(Lane::Single, EXPENSIVE, requester("198.51.100.2", 4), "expensive").is_err());
        queue.push(Lane::Single, EXPENSIVE, requester("198.51.100.3", 5), "expensive").unwrap();
    }

    #[test]
    fn a_withdrawn_job_is_gone_and_no_longer_counts() {
        let queue = queue(1);
        let first = queue.push(Lane::Shared, 1, None, "first").unwrap();
        let second = queue.push(Lane::Shared, 2, None, "second").unwrap();
        assert!(queue.withdraw(second));
        assert!(!queue.withdraw(second));
        assert_eq!(queue.expected_wait(Lane::Shared), SECOND);
        assert_eq!(queue.pop().unwrap().item, "first");
        assert!(!queue.withdraw(first));
    }

    #[test]
    fn closing_wakes_the_threads_and_drops_what_waits() {
        let queue = Arc::new(queue(1));
        let waiting = thread::spawn({
            let queue = Arc::clone(&queue);
            move || queue.pop().is_none()
        });
        queue.close();
        assert!(waiting.join().unwrap());
        assert_eq!(queue.reserve(1), Err(Refused::Closed));
        assert_eq!(queue.push(Lane::Shared, 1, None, "late"), Err(Refused::Closed));
        assert_eq!(queue.length.get(), 0);
    }
}
