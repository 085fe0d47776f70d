//! Writes one record with Kafka's wire protocol, because rdkafka cannot write a header name that is not UTF-8.

use std::time::Duration;

use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer as _},
};
use test_support::{DEADLINE, wait_for};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// A header's name and value as bytes.
pub(crate) type RawHeader<'a> = (&'a [u8], &'a [u8]);

/// Kafka's error code of a broker that does not, or not yet, lead the partition.
const NOT_LEADER: i16 = 6;

/// Writes a record into a partition.
///
/// # Panics
/// Panics when the broker refuses the record.
pub(crate) async fn write(
    brokers: &str,
    topic: &str,
    partition: i32,
    key: &[u8],
    value: &[u8],
    headers: &[RawHeader<'_>],
) {
    let batch = batch(key, value, headers);
    let mut request = Vec::new();
    // Produce, version 3, correlation 1, no client id, no transaction, acks=all, timeout 10 s, one topic.
    put(&mut request, &[&0_i16.to_be_bytes(), &3_i16.to_be_bytes(), &1_i32.to_be_bytes(), &(-1_i16).to_be_bytes()]);
    put(&mut request, &[&(-1_i16).to_be_bytes(), &(-1_i16).to_be_bytes(), &10_000_i32.to_be_bytes()]);
    put(&mut request, &[&1_i32.to_be_bytes(), &i16::try_from(topic.len()).expect("short").to_be_bytes()]);
    put(&mut request, &[topic.as_bytes(), &1_i32.to_be_bytes(), &partition.to_be_bytes(), &length(&batch), &batch]);

    // A new topic gets its leader a moment later.
    wait_for(DEADLINE, "the partition's leader", async || {
        let response = send_request(leader(brokers, topic, partition)?, &request).await;
        // The error follows the correlation id, one topic with its name, and one partition with its number.
        let error = 4 + 4 + 2 + topic.len() + 4 + 4;
        match i16::from_be_bytes([response[error], response[error + 1]]) {
            0 => Some(()),
            NOT_LEADER => None,
            _ => panic!("the broker refuses the record: {response:?}"),
        }
    })
    .await;
}

async fn send_request(broker: (String, u16), request: &[u8]) -> Vec<u8> {
    let mut broker = TcpStream::connect(broker).await.expect("the broker listens");
    broker.write_all(&length(request)).await.expect("the broker accepts the request");
    broker.write_all(request).await.expect("the broker accepts the request");
    let size = broker.read_i32().await.expect("the broker responds");
    let mut response = vec![0; usize::try_from(size).expect("a size")];
    broker.read_exact(&mut response).await.expect("the broker responds");
    response
}

/// Returns the address of the partition's leader. Blocks its thread for a moment.
fn leader(brokers: &str, topic: &str, partition: i32) -> Option<(String, u16)> {
    let client: BaseConsumer = ClientConfig::new().set("bootstrap.servers", brokers).create().ok()?;
    let metadata = client.fetch_metadata(Some(topic), Duration::from_secs(2)).ok()?;
    let leader = metadata.topics().first()?.partitions().iter().find(|it| it.id() == partition)?.leader();
    let broker = metadata.brokers().iter().find(|broker| broker.id() == leader)?;
    Some((broker.host().to_owned(), u16::try_from(broker.port()).ok()?))
}

/// Encodes a batch of one record, in format version 2.
fn batch(key: &[u8], value: &[u8], headers: &[RawHeader<'_>]) -> Vec<u8> {
    let mut record = vec![0, 0, 0];
    for part in [key, value] {
        varint(&mut record, part.len());
        record.extend_from_slice(part);
    }
    varint(&mut record, headers.len());
    for part in headers.iter().flat_map(|(name, value)| [*name, *value]) {
        varint(&mut record, part.len());
        record.extend_from_slice(part);
    }
    let now = service_kit::Clock::system().now().as_millisecond().to_be_bytes();
    let mut checked = Vec::new();
    // Attributes, last offset, first and last timestamp, no idempotent producer, one record.
    put(&mut checked, &[&0_i16.to_be_bytes(), &0_i32.to_be_bytes(), &now, &now]);
    put(&mut checked, &[&(-1_i64).to_be_bytes(), &(-1_i16).to_be_bytes(), &(-1_i32).to_be_bytes()]);
    put(&mut checked, &[&1_i32.to_be_bytes()]);
    varint(&mut checked, record.len());
    checked.extend_from_slice(&record);

    let mut rest = Vec::new();
    // The leader's epoch and the format version.
    put(&mut rest, &[&(-1_i32).to_be_bytes(), &[2], &crc32c(&checked).to_be_bytes(), &checked]);
    let mut batch = Vec::new();
    put(&mut batch, &[&0_i64.to_be_bytes(), &length(&rest), &rest]);
    batch
}

fn put(bytes: &mut Vec<u8>, parts: &[&[u8]]) {
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
}

fn length(bytes: &[u8]) -> [u8; 4] {
    i32::try_from(bytes.len()).expect("short").to_be_bytes()
}

/// Appends a zigzag varint, seven bits per byte.
fn varint(bytes: &mut Vec<u8>, number: usize) {
    let mut left = number * 2;
    while left >= 0x80 {
        bytes.push(u8::try_from(left & 0x7f).expect("seven bits") | 0x80);
        left >>= 7;
    }
    bytes.push(u8::try_from(left).expect("seven bits"));
}

fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

#[test]
fn the_checksum_is_crc32c() {
    assert_eq!(crc32c(b"123456789"), 0xe306_9283);
}
