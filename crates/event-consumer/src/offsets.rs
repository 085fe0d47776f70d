//! The offsets that may be committed: for each partition the one after the last record that is
//! safe.
//!
//! librdkafka stores the offsets of a list unchanged, and that of a single message plus one. This
//! is the only place that adds one.

use std::collections::HashMap;

use rdkafka::{Offset, TopicPartitionList, error::KafkaResult};

/// Counts how often each partition was revoked. A record that was read before a revocation must not
/// move the offset of the next assignment, which may be further on.
#[derive(Debug, Default)]
pub(crate) struct AssignmentCounts {
    revocations: HashMap<(String, i32), u64>,
}

impl AssignmentCounts {
    /// Records that the partition was revoked.
    pub(crate) fn revoked(&mut self, topic: &str, partition: i32) {
        *self.revocations.entry((topic.to_owned(), partition)).or_default() += 1;
    }

    /// Returns the number of the present assignment of the partition.
    pub(crate) fn current(&self, topic: &str, partition: i32) -> u64 {
        self.revocations.get(&(topic.to_owned(), partition)).copied().unwrap_or_default()
    }
}

/// The last offsets of one batch, by partition.
#[derive(Debug, Default)]
pub(crate) struct BatchOffsets {
    partitions: HashMap<(String, i32), LastRead>,
}

#[derive(Debug, Clone, Copy)]
struct LastRead {
    last: i64,
    assignment: u64,
}

impl BatchOffsets {
    /// Adds the record at `offset` to the batch.
    pub(crate) fn add(&mut self, topic: &str, partition: i32, offset: i64, assignments: &AssignmentCounts) {
        let assignment = assignments.current(topic, partition);
        let read =
            self.partitions.entry((topic.to_owned(), partition)).or_insert(LastRead { last: offset, assignment });
        // The same partition in two assignments of one batch: the later assignment counts.
        *read =
            LastRead { last: if read.assignment == assignment { read.last.max(offset) } else { offset }, assignment };
    }

    /// Returns the next offsets to read, once the whole batch is safe: last + 1 of each partition
    /// that was not revoked meanwhile.
    ///
    /// # Errors
    /// Returns no error for offsets that came from a broker.
    pub(crate) fn next_offsets(&self, assignments: &AssignmentCounts) -> KafkaResult<TopicPartitionList> {
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

    fn stored(offsets: &BatchOffsets, assignments: &AssignmentCounts) -> Vec<(i32, i64)> {
        let list = offsets.next_offsets(assignments).unwrap();
        let mut offsets: Vec<_> =
            list.elements().iter().map(|e| (e.partition(), e.offset().to_raw().unwrap())).collect();
        offsets.sort_unstable();
        offsets
    }

    #[test]
    fn the_offset_to_commit_is_the_one_after_the_last_record() {
        let assignments = AssignmentCounts::default();
        let offsets = offsets_of(&[(0, 4), (0, 5), (0, 6), (1, 0)], &assignments);
        assert_eq!(stored(&offsets, &assignments), [(0, 7), (1, 1)]);
    }

    fn offsets_of(records: &[(i32, i64)], assignments: &AssignmentCounts) -> BatchOffsets {
        let mut offsets = BatchOffsets::default();
        for (partition, offset) in records {
            offsets.add("t", *partition, *offset, assignments);
        }
        offsets
    }

    #[test]
    fn the_order_of_reading_does_not_matter() {
        let assignments = AssignmentCounts::default();
        let offsets = offsets_of(&[(0, 9), (0, 3)], &assignments);
        assert_eq!(stored(&offsets, &assignments), [(0, 10)]);
    }

    #[test]
    fn a_revoked_partition_stores_no_offset() {
        let mut assignments = AssignmentCounts::default();
        let offsets = offsets_of(&[(0, 9), (1, 9)], &assignments);
        assignments.revoked("t", 0);
        assert_eq!(stored(&offsets, &assignments), [(1, 10)]);
    }

    #[test]
    fn a_partition_assigned_again_counts_from_its_new_records() {
        let mut assignments = AssignmentCounts::default();
        let mut offsets = offsets_of(&[(0, 9)], &assignments);
        assignments.revoked("t", 0);
        offsets.add("t", 0, 5, &assignments);
        assert_eq!(stored(&offsets, &assignments), [(0, 6)]);
    }
}
