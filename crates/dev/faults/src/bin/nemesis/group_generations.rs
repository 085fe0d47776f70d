//! How many times consumer groups were rebalanced: the broker stores the generation of each group in its topic of
//! offsets.

use std::collections::BTreeMap;

use test_support::{BrokerKind, TopicReader, World};

const TOPIC: &str = "__consumer_offsets";
/// The version of the keys of group metadata; other versions belong to offsets and to other kinds of groups.
const GROUP_METADATA: i16 = 2;

/// Returns the last generation of each consumer group. It is raised by each rebalance. The embedded broker does not
/// store it, so there are none.
///
/// # Panics
/// Panics if the broker does not respond.
pub(crate) async fn group_generations(world: &World) -> BTreeMap<String, i32> {
    if !matches!(world.broker_kind(), BrokerKind::Real) {
        return BTreeMap::new();
    }
    let mut reader = TopicReader::new(world.brokers(), TOPIC);
    let records = reader.read_all().await;
    records.iter().filter_map(|record| generation(record.key.as_deref()?, record.value.as_deref()?)).collect()
}

/// Returns the group and the generation of a record: the key is the version and the group, the value begins with its
/// version, the type of the protocol and the generation.
fn generation(key: &[u8], value: &[u8]) -> Option<(String, i32)> {
    let (version, rest) = key.split_first_chunk()?;
    if i16::from_be_bytes(*version) != GROUP_METADATA {
        return None;
    }
    let (group, _) = string(rest)?;
    let (_, rest) = value.split_first_chunk::<2>()?;
    let (_, rest) = string(rest)?;
    let (generation, _) = rest.split_first_chunk()?;
    Some((group, i32::from_be_bytes(*generation)))
}

/// Splits off a string, which begins with its length.
fn string(bytes: &[u8]) -> Option<(String, &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (text, rest) = rest.split_at_checked(usize::try_from(i16::from_be_bytes(*length)).ok()?)?;
    Some((String::from_utf8_lossy(text).into_owned(), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Vec<u8> {
        [&i16::try_from(text.len()).unwrap().to_be_bytes()[..], text.as_bytes()].concat()
    }

    #[test]
    fn the_generation_is_read_from_the_metadata_of_a_group() {
        let key = [&2_i16.to_be_bytes()[..], &text("consumer-go")].concat();
        let value = [&3_i16.to_be_bytes()[..], &text("consumer"), &17_i32.to_be_bytes(), b"and more"].concat();
        assert_eq!(generation(&key, &value), Some(("consumer-go".to_owned(), 17)));
    }

    #[test]
    fn records_of_offsets_and_truncated_records_have_no_generation() {
        let key = |version: i16| [&version.to_be_bytes()[..], &text("group")].concat();
        let value = [&3_i16.to_be_bytes()[..], &text("consumer"), &17_i32.to_be_bytes()].concat();
        assert_eq!(generation(&key(1), &value), None);
        assert_eq!(generation(&key(2), &value[..value.len() - 1]), None);
        assert_eq!(generation(&key(2)[..3], &value), None);
    }
}
