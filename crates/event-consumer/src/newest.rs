//! The rule of `ce_sequence` within a batch.

use std::collections::{HashMap, hash_map::Entry};

use crate::handler::Decided;

/// Returns the newest record of each user in a batch: the one with the highest `ce_sequence`, and
/// of several with the same the last. The users are in the order of their first records.
///
/// A consumer that keeps one row per user needs to write only these. This saves writes, but knows
/// nothing of earlier batches: whether a record is a repeat of what is stored is decided where it
/// is stored, by a conditional write (for states, a row with a higher version stays as it is) or by
/// [`events::Record::is_repeat`] in a transaction.
pub fn newest_per_user<D>(batch: &[Decided<D>]) -> Vec<&Decided<D>> {
    let mut newest: Vec<&Decided<D>> = Vec::new();
    let mut positions = HashMap::new();
    for record in batch {
        match positions.entry(record.user) {
            Entry::Vacant(new) => {
                new.insert(newest.len());
                newest.push(record);
            }
            Entry::Occupied(known) => {
                let kept = &mut newest[*known.get()];
                if record.sequence >= kept.sequence {
                    *kept = record;
                }
            }
        }
    }
    newest
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::record::ConsumedRecord;

    fn decided(user: u128, sequence: u64, decision: char) -> Decided<char> {
        let (user, record) = (Uuid::from_u128(user), ConsumedRecord::default());
        Decided { user, sequence, decision, record, refused: None }
    }

    fn newest(batch: &[Decided<char>]) -> String {
        newest_per_user(batch).iter().map(|kept| kept.decision).collect()
    }

    #[test]
    fn each_user_keeps_the_highest_sequence_in_the_order_of_first_records() {
        let batch =
            [decided(1, 5, 'a'), decided(2, 1, 'b'), decided(1, 4, 'c'), decided(2, 9, 'd'), decided(3, 0, 'e')];
        assert_eq!(newest(&batch), "ade");
        assert_eq!(newest(&[]), "");
    }

    #[test]
    fn of_the_same_sequence_the_last_record_is_kept() {
        assert_eq!(newest(&[decided(1, 5, 'a'), decided(1, 5, 'b')]), "b");
    }
}
