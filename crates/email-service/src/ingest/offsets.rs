//! What may be committed: for each partition the offset after the last record that is
//! safe in the ledger.
//!
//! librdkafka stores a list's offsets as given, and a single message's plus one. This is
//! the one place that adds the one.

use std::collections::HashMap;

use rdkafka::{Offset, TopicPartitionList, error::KafkaResult};

/// How often each partition was taken from this consumer. A record that was read before
/// its partition went away must not move the offset of the next assignment, which may
/// be further on.
#[derive(Debug, Default)]
pub struct Assignments {
    taken: HashMap<(String, i32), u64>,
}

impl Assignments {
    /// A rebalance took the partition away.
    pub fn taken_away(&mut self, topic: &str, partition: i32) {
        *self.taken.entry((topic.to_owned(), partition)).or_default() += 1;
    }

    /// Which assignment of the partition holds now.
    #[must_use]
    pub fn current(&self, topic: &str, partition: i32) -> u64 {
        self.taken.get(&(topic.to_owned(), partition)).copied().unwrap_or_default()
    }
}

/// The records of one batch, by partition.
#[derive(Debug, Default)]
pub struct Progress {
    partitions: HashMap<(String, i32), Read>,
}

#[derive(Debug, Clone, Copy)]
struct Read {
    last: i64,
    assignment: u64,
}

impl Progress {
    /// The record at `offset` is part of the batch.
    pub fn read(&mut self, topic: &str, partition: i32, offset: i64, assignments: &Assignments) {
        let assignment = assignments.current(topic, partition);
        let read = self.partitions.entry((topic.to_owned(), partition)).or_insert(Read { last: offset, assignment });
        // The same partition in two assignments of one batch: the later one counts.
        *read = Read { last: if read.assignment == assignment { read.last.max(offset) } else { offset }, assignment };
    }

    /// Where to go on reading, once the whole batch is safe: last + 1 of each partition
    /// that was not taken away meanwhile.
    ///
    /// # Errors
    /// Never, for offsets that came from a broker.
    pub fn next_offsets(&self, assignments: &Assignments) -> KafkaResult<TopicPartitionList> {
        let mut list = TopicPartitionList::new();
        for ((topic, partition), read) in &self.partitions {
            if assignments.current(topic, *partition) == read.assignment {
                list.add_partition_offset(topic, *partition, Offset::Offset(read.last + 1))?;
            }
        }
        Ok(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(progress: &Progress, assignments: &Assignments) -> Vec<(i32, i64)> {
        let list = progress.next_offsets(assignments).unwrap();
        let mut offsets: Vec<_> =
            list.elements().iter().map(|e| (e.partition(), e.offset().to_raw().unwrap())).collect();
        offsets.sort_unstable();
        offsets
    }

    #[test]
    fn the_offset_to_commit_is_the_one_after_the_last_record() {
        let assignments = Assignments::default();
        let mut progress = Progress::default();
        for offset in [4, 5, 6] {
            progress.read("t", 0, offset, &assignments);
        }
        progress.read("t", 1, 0, &assignments);
        assert_eq!(stored(&progress, &assignments), [(0, 7), (1, 1)]);
    }

    #[test]
    fn the_order_of_reading_does_not_matter() {
        let assignments = Assignments::default();
        let mut progress = Progress::default();
        progress.read("t", 0, 9, &assignments);
        progress.read("t", 0, 3, &assignments);
        assert_eq!(stored(&progress, &assignments), [(0, 10)]);
    }

    #[test]
    fn a_partition_that_was_taken_away_is_left_alone() {
        let mut assignments = Assignments::default();
        let mut progress = Progress::default();
        progress.read("t", 0, 9, &assignments);
        progress.read("t", 1, 9, &assignments);
        assignments.taken_away("t", 0);
        assert_eq!(stored(&progress, &assignments), [(1, 10)]);
    }

    #[test]
    fn a_partition_that_came_back_counts_from_its_new_records() {
        let mut assignments = Assignments::default();
        let mut progress = Progress::default();
        progress.read("t", 0, 9, &assignments);
        assignments.taken_away("t", 0);
        progress.read("t", 0, 5, &assignments);
        assert_eq!(stored(&progress, &assignments), [(0, 6)]);
    }
}
