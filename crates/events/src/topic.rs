//! The topics: their settings, and the partition of a key.

/// The default number of a topic's partitions.
pub const DEFAULT_PARTITIONS: i32 = 12;

/// The settings with which the topic of events is created. It forgets old records.
pub const EVENT_SETTINGS: &[(&str, &str)] = &[
    ("cleanup.policy", "delete"),
    // 7 days.
    ("retention.ms", "604800000"),
    SEGMENT_OF_A_DAY,
];

/// The settings with which the topic of states is created. It keeps the last record of each user.
pub const STATE_SETTINGS: &[(&str, &str)] = &[
    ("cleanup.policy", "compact"),
    // Tombstones stay for 7 days. A consumer that was away for longer may miss a deletion.
    ("delete.retention.ms", "604800000"),
    // One day. Without it, Kafka compacts a partition only when half of it is superseded, and the state of a deleted
    // user could stay for any time.
    ("max.compaction.lag.ms", "86400000"),
    SEGMENT_OF_A_DAY,
];

/// Kafka deletes a segment as a whole, when its newest record has exceeded the retention. So a record
/// stays for at most the retention and the time of a segment.
const SEGMENT_OF_A_DAY: (&str, &str) = ("segment.ms", "86400000");

/// Returns the partition of `key` among `partitions` (at least 1), exactly as Kafka's Java client
/// chooses it: `toPositive(murmur2(key)) % partitions`.
///
/// The producer computes the partition itself, so that adding partitions to the topic moves no key
/// before the configuration changes.
pub fn partition_of(key: &[u8], partitions: i32) -> i32 {
    (murmur2(key) & i32::MAX) % partitions.max(1)
}

/// Computes `org.apache.kafka.common.utils.Utils.murmur2`: MurmurHash2 with 32 bits and Kafka's seed.
fn murmur2(data: &[u8]) -> i32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;

    // The cast loses nothing: Kafka's length is an `int` too, so no key is longer than 2 GiB.
    let mut h = SEED ^ (data.len() as u32);
    let (words, rest) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> R;
        h = h.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !rest.is_empty() {
        for (i, byte) in rest.iter().enumerate() {
            h ^= u32::from(*byte) << (8 * i);
        }
        h = h.wrapping_mul(M);
    }
    h ^= h >> 13;
    h = h.wrapping_mul(M);
    h ^= h >> 15;
    h.cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn murmur2_matches_kafkas_own_test_vectors() {
        for (key, expected) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()), expected, "{key}");
        }
    }

    #[test]
    fn a_negative_hash_is_made_positive_by_clearing_its_sign_bit_not_by_negation() {
        // -973932308 & 0x7fffffff = 1173551340
        assert_eq!(partition_of(b"21", i32::MAX), 1_173_551_340);
        assert_eq!(partition_of(b"21", 12), 1_173_551_340 % 12);
    }

    #[test]
    fn every_partition_is_in_range_and_all_are_used() {
        let mut seen = [0_u32; 12];
        for n in 0..1_200_u32 {
            let partition = partition_of(n.to_string().as_bytes(), 12);
            seen[usize::try_from(partition).expect("a partition is not negative")] += 1;
        }
        assert!(seen.iter().all(|count| *count > 50), "{seen:?}");
    }

    #[test]
    fn a_partition_count_below_one_counts_as_one() {
        assert_eq!(partition_of(b"21", 0), 0);
        assert_eq!(partition_of(b"21", -3), 0);
    }
}
