//! The consumer lag, in records and in seconds.
//!
//! A record is unread until its batch is safe. For each assigned partition this tracks when
//! the oldest unread record was written into the topic. The time is exact while the record is in
//! memory and cannot be written. Otherwise it is the time of the newest record that
//! is safe, or the last moment without unread records, whichever is later. So the age is never
//! reported too low, except for a newly assigned partition: its age counts from the assignment
//! until one of its records is read.

use std::collections::HashMap;

use jiff::Timestamp;
use rdkafka::statistics;

/// Tracks the lag of the assigned partitions.
#[derive(Debug, Default)]
pub(crate) struct LagTracker {
    partitions: HashMap<(String, i32), PartitionLag>,
}

/// The progress of one partition.
#[derive(Debug, Clone, Copy)]
struct PartitionLag {
    /// All records written before this time are safe, or were there before the assignment.
    safe_until: Timestamp,
    /// The records of the batch that is being written.
    in_write: Option<WriteTimes>,
    /// The records that are read and wait for the next write.
    waiting: Option<WriteTimes>,
}

/// When the oldest and the newest of some records were written into the topic.
#[derive(Debug, Clone, Copy)]
struct WriteTimes {
    oldest: Timestamp,
    newest: Timestamp,
}

impl PartitionLag {
    /// Returns the time of the oldest record that is read and not yet safe.
    fn oldest_in_hand(&self) -> Option<Timestamp> {
        self.in_write.into_iter().chain(self.waiting).map(|span| span.oldest).min()
    }
}

/// The lag over all assigned partitions.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct ConsumerLag {
    /// The total of all partitions.
    pub records: i64,
    /// The highest age of all partitions; 0 if nothing is unread.
    pub seconds: f64,
}

impl LagTracker {
    /// Records that the partition was assigned to this consumer at `now`.
    pub(crate) fn assigned(&mut self, topic: &str, partition: i32, now: Timestamp) {
        let fresh = PartitionLag { safe_until: now, in_write: None, waiting: None };
        self.partitions.entry((topic.to_owned(), partition)).or_insert(fresh);
    }

    /// Records that the partition was revoked.
    pub(crate) fn revoked(&mut self, topic: &str, partition: i32) {
        self.partitions.remove(&(topic.to_owned(), partition));
    }

    /// Adds a record that was read. `written` is the time at which it was written into the topic.
    pub(crate) fn record_read(&mut self, topic: &str, partition: i32, written: Timestamp) {
        let Some(partition_lag) = self.partitions.get_mut(&(topic.to_owned(), partition)) else { return };
        let span = partition_lag.waiting.get_or_insert(WriteTimes { oldest: written, newest: written });
        *span = WriteTimes { oldest: span.oldest.min(written), newest: span.newest.max(written) };
    }

    /// Records that all records that were read are now being written.
    pub(crate) fn write_started(&mut self) {
        for partition_lag in self.partitions.values_mut() {
            partition_lag.in_write = partition_lag.waiting.take();
        }
    }

    /// Records that all records of the write are safe.
    pub(crate) fn write_finished(&mut self) {
        for partition_lag in self.partitions.values_mut() {
            if let Some(span) = partition_lag.in_write.take() {
                partition_lag.safe_until = span.newest;
            }
        }
    }

    /// Returns the lag at `now`. `unread` returns the number of unread records of a partition, as
    /// far as the broker has reported.
    pub(crate) fn measure(&mut self, unread: impl Fn(&str, i32) -> i64, now: Timestamp) -> ConsumerLag {
        let mut behind = ConsumerLag::default();
        for ((topic, partition), partition_lag) in &mut self.partitions {
            let in_hand = partition_lag.oldest_in_hand();
            let records = unread(topic, *partition).max(i64::from(in_hand.is_some()));
            if records == 0 {
                partition_lag.safe_until = partition_lag.safe_until.max(now);
                continue;
            }
            let oldest = in_hand.unwrap_or(partition_lag.safe_until);
            let age = now.duration_since(oldest).as_secs_f64().max(0.0);
            behind = ConsumerLag { records: behind.records + records, seconds: behind.seconds.max(age) };
        }
        behind
    }
}

/// Returns the number of unread records of a partition as librdkafka reports it: up to the end that
/// a reader may see, counted from the stored offset, else from the committed one, else from the
/// beginning.
pub(crate) fn unread_records(partition: &statistics::Partition) -> i64 {
    let known = |offset: i64| (offset >= 0).then_some(offset);
    let end = known(partition.ls_offset).or(known(partition.hi_offset));
    let next = known(partition.stored_offset).or(known(partition.committed_offset)).or(known(partition.lo_offset));
    match (end, next) {
        (Some(end), Some(next)) => (end - next).max(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_900_000_000 + second).unwrap()
    }

    /// Partition 0 of `t`, assigned at 0 without unread records.
    fn lag_without_backlog() -> LagTracker {
        let mut lag = LagTracker::default();
        lag.assigned("t", 0, at(0));
        lag
    }

    fn behind(records: i64, seconds: f64) -> ConsumerLag {
        ConsumerLag { records, seconds }
    }

    #[test]
    fn without_unread_records_there_is_no_lag() {
        let mut lag = lag_without_backlog();
        lag.record_read("t", 0, at(1));
        lag.write_started();
        lag.write_finished();
        assert_eq!(lag.measure(|_, _| 0, at(1_000)), behind(0, 0.0));
        // After days of silence a record arrives: it is no older than the last measurement.
        assert_eq!(lag.measure(|_, _| 1, at(1_001)), behind(1, 1.0));
    }

    #[test]
    fn the_age_of_an_unwritten_record_is_exact_and_rises() {
        let mut lag = lag_without_backlog();
        assert_eq!(lag.measure(|_, _| 0, at(10)), behind(0, 0.0));
        lag.record_read("t", 0, at(12));
        lag.record_read("t", 0, at(14));
        assert_eq!(lag.measure(|_, _| 2, at(15)), behind(2, 3.0));
        lag.write_started();
        assert_eq!(lag.measure(|_, _| 2, at(60)), behind(2, 48.0));
        lag.write_finished();
        assert_eq!(lag.measure(|_, _| 5, at(60)), behind(5, 46.0), "not older than the newest safe record");
        assert_eq!(lag.measure(|_, _| 0, at(61)), behind(0, 0.0));
    }

    #[test]
    fn records_read_during_a_write_are_not_safe_with_it() {
        let mut lag = lag_without_backlog();
        lag.record_read("t", 0, at(12));
        lag.write_started();
        lag.record_read("t", 0, at(14));
        assert_eq!(lag.measure(|_, _| 2, at(20)), behind(2, 8.0));
        lag.write_finished();
        assert_eq!(lag.measure(|_, _| 1, at(20)), behind(1, 6.0));
        lag.write_started();
        lag.write_finished();
        assert_eq!(lag.measure(|_, _| 0, at(20)), behind(0, 0.0));
    }

    #[test]
    fn a_record_in_memory_is_unread_even_if_the_broker_has_not_reported_it() {
        let mut lag = lag_without_backlog();
        lag.record_read("t", 0, at(5));
        assert_eq!(lag.measure(|_, _| 0, at(7)), behind(1, 2.0));
    }

    #[test]
    fn records_add_up_and_the_oldest_partition_counts() {
        let mut lag = lag_without_backlog();
        lag.assigned("t", 1, at(0));
        lag.record_read("t", 0, at(3));
        lag.record_read("t", 1, at(8));
        assert_eq!(lag.measure(|_, partition| i64::from(partition) + 1, at(10)), behind(3, 7.0));
        lag.revoked("t", 0);
        assert_eq!(lag.measure(|_, _| 2, at(10)), behind(2, 2.0), "a revoked partition is not counted");
        lag.record_read("t", 0, at(3));
        assert_eq!(lag.measure(|_, _| 2, at(10)), behind(2, 2.0));
    }

    #[test]
    fn a_repeated_assignment_keeps_the_lag_and_a_clock_ahead_is_no_lag() {
        let mut lag = lag_without_backlog();
        lag.assigned("t", 0, at(50));
        assert_eq!(lag.measure(|_, _| 1, at(60)), behind(1, 60.0));
        lag.record_read("t", 0, at(90));
        assert_eq!(lag.measure(|_, _| 1, at(60)), behind(1, 0.0));
    }

    #[test]
    fn unread_counts_from_what_is_stored_then_committed_then_from_the_beginning() {
        let partition = |stored, committed, lo, end| statistics::Partition {
            stored_offset: stored,
            committed_offset: committed,
            lo_offset: lo,
            ls_offset: end,
            hi_offset: end,
            ..statistics::Partition::default()
        };
        const NONE: i64 = -1001;
        for (partition, expected) in [
            (partition(7, 5, 0, 10), 3),
            (partition(NONE, 5, 0, 10), 5),
            (partition(NONE, NONE, 2, 10), 8),
            (partition(NONE, NONE, NONE, 10), 0),
            (partition(NONE, NONE, NONE, NONE), 0),
            // The reported end is older than the stored offset.
            (partition(10, 9, 0, 9), 0),
        ] {
            assert_eq!(unread_records(&partition), expected, "{partition:?}");
        }
    }
}
