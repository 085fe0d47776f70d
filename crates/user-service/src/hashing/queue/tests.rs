use std::{sync::Arc, thread};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// Returns a queue in which one unit of work takes one second, and the maximum wait is three seconds.
fn queue(threads: usize) -> Queue<&'static str> {
    Queue::new(threads, 3 * SECOND, 1e9, IntGauge::new("length", "length").unwrap())
}

/// Returns such a queue with a job of one unit of work for each item.
fn queue_of(threads: usize, jobs: &[(QueueLane, &'static str)]) -> Queue<&'static str> {
    let queue = queue(threads);
    for (lane, item) in jobs {
        queue.push(*lane, 1, None, item).unwrap();
    }
    queue
}

#[test]
fn jobs_are_served_in_the_order_of_arrival() {
    let queue = queue_of(1, &[(QueueLane::Shared, "a"), (QueueLane::Single, "b"), (QueueLane::Shared, "c")]);
    assert_eq!(queue.length.get(), 3);
    let order: Vec<_> = (0..3).map(|_| queue.pop().unwrap().item).collect();
    assert_eq!(order, ["a", "b", "c"]);
    assert_eq!(queue.length.get(), 0);
}

#[test]
fn a_job_that_would_wait_too_long_is_rejected() {
    let queue = queue(2);
    for _ in 0..7 {
        queue.push(QueueLane::Shared, 1, None, "job").unwrap();
    }
    // Seven seconds of work on two threads.
    let refused = AdmissionError::Busy(Duration::from_millis(3500));
    assert_eq!(queue.reserve(1), Err(refused));
    assert_eq!(queue.push(QueueLane::Shared, 1, None, "late"), Err(refused));
    queue.pop().unwrap();
    assert!(queue.push(QueueLane::Shared, 1, None, "next").is_ok());
}

#[test]
fn no_more_jobs_are_admitted_than_can_be_served() {
    let queue = queue(2);
    for _ in 0..7 {
        queue.reserve(1).unwrap();
    }
    let refused = AdmissionError::Busy(Duration::from_millis(3500));
    assert_eq!(queue.reserve(1), Err(refused));
    assert_eq!(queue.push(QueueLane::Shared, 1, None, "not expected"), Err(refused));
    queue.release(1);
    assert!(queue.push(QueueLane::Shared, 1, None, "expected").is_ok());
    assert_eq!(queue.reserve(1), Err(refused));
    // The job of this reservation does not come.
    queue.release(1);
    assert_eq!(queue.reserve(1), Ok(()));
}

#[test]
fn the_expected_wait_follows_the_recent_speed() {
    let queue = queue(1);
    queue.push(QueueLane::Shared, 2, None, "job").unwrap();
    assert_eq!(queue.expected_wait(QueueLane::Shared), 2 * SECOND);
    for _ in 0..50 {
        queue.finish(QueueLane::Shared, 1, SECOND / 2);
    }
    assert!(queue.expected_wait(QueueLane::Shared).abs_diff(SECOND) < SECOND / 100);
}

#[test]
fn the_length_is_bounded_even_if_hashing_takes_no_time() {
    let queue = Queue::new(1, SECOND, 0.0, IntGauge::new("length", "length").unwrap());
    for index in 0..MAX_JOBS {
        queue.push(QueueLane::Shared, 1, None, index).unwrap();
    }
    assert!(matches!(queue.push(QueueLane::Shared, 1, None, MAX_JOBS), Err(AdmissionError::Busy(_))));
}

#[test]
fn only_one_thread_at_a_time_has_a_job_of_the_single_lane() {
    let lanes = [(QueueLane::Single, "large 1"), (QueueLane::Single, "large 2"), (QueueLane::Shared, "small")];
    let queue = queue_of(4, &lanes);
    assert_eq!(queue.pop().unwrap().item, "large 1");
    assert_eq!(queue.pop().unwrap().item, "small");
    queue.finish(QueueLane::Single, 1, SECOND);
    assert_eq!(queue.pop().unwrap().item, "large 2");
}

#[test]
fn large_jobs_wait_for_one_another_and_not_for_all_threads() {
    let queue = queue(4);
    queue.push(QueueLane::Single, 2, None, "large").unwrap();
    assert_eq!(queue.expected_wait(QueueLane::Single), 2 * SECOND);
    assert_eq!(queue.expected_wait(QueueLane::Shared), Duration::ZERO);
    queue.push(QueueLane::Shared, 6, None, "small").unwrap();
    assert_eq!(queue.expected_wait(QueueLane::Shared), 2 * SECOND);
}

fn requester(network: &str, account: u128) -> Option<HashRequester> {
    let network = IpPrefix::for_rate_limit(network.parse().unwrap());
    Some(HashRequester { network, account: Some(Uuid::from_u128(account)) })
}

/// Returns a queue in which one unit of work takes far less than a quarter of the maximum wait.
fn patient_queue() -> Queue<&'static str> {
    Queue::new(4, 100 * SECOND, 1e9, IntGauge::new("length", "length").unwrap())
}

#[test]
fn a_network_has_at_most_two_jobs_waiting_in_the_single_lane() {
    let queue = patient_queue();
    for account in 0..2 {
        queue.push(QueueLane::Single, 1, requester("198.51.100.1", account), "attacker").unwrap();
    }
    let refused = queue.push(QueueLane::Single, 1, requester("198.51.100.1", 2), "attacker");
    assert_eq!(refused, Err(AdmissionError::Busy(2 * SECOND)));
    queue.push(QueueLane::Single, 1, requester("198.51.100.2", 3), "other").unwrap();
    // Jobs in the shared lane are not counted.
    for _ in 0..5 {
        queue.push(QueueLane::Shared, 1, requester("198.51.100.1", 4), "own hash").unwrap();
    }
    // A check that a thread has taken is not waiting any more.
    assert_eq!(queue.pop().unwrap().item, "attacker");
    queue.push(QueueLane::Single, 1, requester("198.51.100.1", 2), "attacker").unwrap();
}

#[test]
fn an_account_has_at_most_two_jobs_waiting_in_the_single_lane_from_all_networks() {
    let queue = patient_queue();
    queue.push(QueueLane::Single, 1, requester("198.51.100.1", 7), "attacked").unwrap();
    let second = queue.push(QueueLane::Single, 1, requester("198.51.100.2", 7), "attacked").unwrap();
    assert!(queue.push(QueueLane::Single, 1, requester("198.51.100.3", 7), "attacked").is_err());
    queue.push(QueueLane::Single, 1, requester("198.51.100.3", 8), "other").unwrap();
    assert!(queue.withdraw(second));
    queue.push(QueueLane::Single, 1, requester("198.51.100.4", 7), "attacked").unwrap();
}

#[test]
fn an_expensive_check_takes_the_whole_share_of_its_network() {
    // More than a quarter of the maximum wait.
    const EXPENSIVE: u64 = 26;
    let queue = patient_queue();
    queue.push(QueueLane::Single, EXPENSIVE, requester("198.51.100.1", 1), "expensive").unwrap();
    assert!(queue.push(QueueLane::Single, 1, requester("198.51.100.1", 2), "cheap").is_err());
    queue.push(QueueLane::Single, 1, requester("198.51.100.2", 3), "cheap").unwrap();
    assert!(queue.push(QueueLane::Single, EXPENSIVE, requester("198.51.100.2", 4), "expensive").is_err());
    queue.push(QueueLane::Single, EXPENSIVE, requester("198.51.100.3", 5), "expensive").unwrap();
}

#[test]
fn a_withdrawn_job_is_gone_and_no_longer_counts() {
    let queue = queue(1);
    let first = queue.push(QueueLane::Shared, 1, None, "first").unwrap();
    let second = queue.push(QueueLane::Shared, 2, None, "second").unwrap();
    assert!(queue.withdraw(second));
    assert!(!queue.withdraw(second));
    assert_eq!(queue.expected_wait(QueueLane::Shared), SECOND);
    assert_eq!(queue.pop().unwrap().item, "first");
    assert!(!queue.withdraw(first));
}

#[test]
fn closing_wakes_the_threads_and_drops_waiting_jobs() {
    let queue = Arc::new(queue(1));
    let waiting = thread::spawn({
        let queue = Arc::clone(&queue);
        move || queue.pop().is_none()
    });
    queue.close();
    assert!(waiting.join().unwrap());
    assert_eq!(queue.reserve(1), Err(AdmissionError::Closed));
    assert_eq!(queue.push(QueueLane::Shared, 1, None, "late"), Err(AdmissionError::Closed));
    assert_eq!(queue.length.get(), 0);
}
