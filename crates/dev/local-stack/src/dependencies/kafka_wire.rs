//! Asks one Kafka broker or controller in its wire protocol, because librdkafka neither asks one chosen broker nor shows
//! leader epochs or the active controller.

use std::{collections::BTreeMap, net::SocketAddrV4, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const METADATA: i16 = 3;
const DESCRIBE_QUORUM: i16 = 55;
const CLIENT_ID: &str = "local-stack";
const MAX_RESPONSE_BYTES: usize = 10_000_000;
/// The topic of KRaft's quorum.
const QUORUM_TOPIC: &str = "__cluster_metadata";

/// What one broker knows about its cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClusterMetadata {
    /// The `node.id` of each broker that is alive.
    pub(super) brokers: Vec<i32>,
    /// The partitions of each topic.
    pub(super) topics: BTreeMap<String, Vec<PartitionMetadata>>,
}

/// A partition, with brokers by their `node.id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PartitionMetadata {
    pub(super) partition: i32,
    /// The leader, or -1.
    pub(super) leader: i32,
    pub(super) leader_epoch: i32,
    pub(super) replicas: Vec<i32>,
    pub(super) in_sync: Vec<i32>,
}

/// The leader of KRaft's quorum, as one controller states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct QuorumLeader {
    pub(super) node_id: i32,
    pub(super) epoch: i32,
}

/// Returns whether a broker serves metadata in which it is alive.
pub(super) async fn is_registered(address: SocketAddrV4, node_id: usize, deadline: Duration) -> bool {
    let metadata = metadata(address, Some(&[]), deadline).await;
    metadata.is_ok_and(|metadata| metadata.brokers.iter().any(|broker| usize::try_from(*broker) == Ok(node_id)))
}

/// Asks a broker for its brokers and for these topics, or for all topics.
///
/// # Errors
/// Returns an error if it does not answer within `deadline`.
pub(super) async fn metadata(
    address: SocketAddrV4,
    topics: Option<&[&str]>,
    deadline: Duration,
) -> Result<ClusterMetadata> {
    // Version 7 is the first one with leader epochs.
    let mut request = Request::new(METADATA, 7);
    match topics {
        None => request.i32(-1),
        Some(topics) => {
            request.i32(i32::try_from(topics.len())?);
            for topic in topics {
                request.string(topic)?;
            }
        }
    }
    // No topic is created by asking for it.
    request.0.push(0);
    decode_metadata(&mut request.send(address, deadline).await?)
}

/// Asks a controller for the leader of the quorum. Only the leader itself answers; `None` means another controller.
///
/// # Errors
/// Returns an error if it does not answer within `deadline`.
pub(super) async fn quorum_leader(controller: SocketAddrV4, deadline: Duration) -> Result<Option<QuorumLeader>> {
    let mut request = Request::new(DESCRIBE_QUORUM, 0);
    // The request has the compact encoding: a length is one more than it is, and tagged fields follow each structure.
    let no_tagged_fields = 0;
    request.0.push(no_tagged_fields);
    request.0.push(2);
    request.0.push(u8::try_from(QUORUM_TOPIC.len() + 1)?);
    request.0.extend_from_slice(QUORUM_TOPIC.as_bytes());
    request.0.push(2);
    request.i32(0);
    request.0.extend_from_slice(&[no_tagged_fields; 3]);
    decode_quorum(&mut request.send(controller, deadline).await?)
}

fn decode_metadata(response: &mut Response) -> Result<ClusterMetadata> {
    let _throttle = response.i32()?;
    let brokers = response.array(|broker| {
        let node_id = broker.i32()?;
        let (_host, _port, _rack) = (broker.string()?, broker.i32()?, broker.string()?);
        Ok(node_id)
    })?;
    // In KRaft the id is that of any broker, so it is not the active controller.
    let (_cluster_id, _controller_id) = (response.string()?, response.i32()?);
    let topics = response.array(|topic| {
        let _error = topic.i16()?;
        let name = topic.string()?.context("a topic has a name")?;
        let _internal = topic.take(1)?;
        let partitions = topic.array(|partition| {
            let _error = partition.i16()?;
            let (number, leader, leader_epoch) = (partition.i32()?, partition.i32()?, partition.i32()?);
            let (replicas, in_sync) = (partition.array(Response::i32)?, partition.array(Response::i32)?);
            let _offline = partition.array(Response::i32)?;
            Ok(PartitionMetadata { partition: number, leader, leader_epoch, replicas, in_sync })
        })?;
        Ok((name, partitions))
    })?;
    Ok(ClusterMetadata { brokers, topics: topics.into_iter().collect() })
}

fn decode_quorum(response: &mut Response) -> Result<Option<QuorumLeader>> {
    const NONE: i16 = 0;
    let _tagged_fields = response.take(1)?;
    if response.i16()? != NONE {
        return Ok(None);
    }
    let _topics = response.take(1)?;
    let name_length = response.take(1)?[0];
    ensure!(usize::from(name_length) == QUORUM_TOPIC.len() + 1, "the quorum of another topic was described");
    let _name = response.take(QUORUM_TOPIC.len())?;
    let _partitions = response.take(1)?;
    let _partition = response.i32()?;
    let error = response.i16()?;
    let leader = QuorumLeader { node_id: response.i32()?, epoch: response.i32()? };
    Ok((error == NONE).then_some(leader))
}

/// A request without its length.
struct Request(Vec<u8>);

impl Request {
    fn new(api: i16, version: i16) -> Self {
        let mut bytes = Vec::new();
        for field in [api, version] {
            bytes.extend_from_slice(&field.to_be_bytes());
        }
        let mut request = Self(bytes);
        let correlation_id = 1;
        request.i32(correlation_id);
        request.string(CLIENT_ID).expect("the name is short");
        request
    }

    fn i32(&mut self, value: i32) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    fn string(&mut self, value: &str) -> Result<()> {
        self.0.extend_from_slice(&i16::try_from(value.len())?.to_be_bytes());
        self.0.extend_from_slice(value.as_bytes());
        Ok(())
    }

    async fn send(self, address: SocketAddrV4, deadline: Duration) -> Result<Response> {
        let exchange = async {
            let mut stream = TcpStream::connect(address).await?;
            let length = u32::try_from(self.0.len())?;
            stream.write_all(&[&length.to_be_bytes(), self.0.as_slice()].concat()).await?;
            let length = usize::try_from(stream.read_u32().await?)?;
            ensure!((4..MAX_RESPONSE_BYTES).contains(&length), "the server does not speak Kafka's protocol");
            let mut bytes = vec![0_u8; length];
            stream.read_exact(&mut bytes).await?;
            // The response begins with the correlation id.
            Ok(Response { bytes, next: 4 })
        };
        tokio::time::timeout(deadline, exchange)
            .await
            .with_context(|| format!("Kafka at {address} did not answer within {deadline:?}"))?
    }
}

/// A response, and the position of the next field.
struct Response {
    bytes: Vec<u8>,
    next: usize,
}

impl Response {
    fn take(&mut self, count: usize) -> Result<&[u8]> {
        let start = self.next;
        let Some(field) = self.bytes.get(start..start.saturating_add(count)) else {
            bail!("Kafka's response is too short")
        };
        self.next = start + count;
        Ok(field)
    }

    fn i16(&mut self) -> Result<i16> {
        Ok(i16::from_be_bytes(self.take(2)?.try_into()?))
    }

    fn i32(&mut self) -> Result<i32> {
        Ok(i32::from_be_bytes(self.take(4)?.try_into()?))
    }

    /// Reads a text, or `None` for null.
    fn string(&mut self) -> Result<Option<String>> {
        match usize::try_from(self.i16()?) {
            Err(_negative) => Ok(None),
            Ok(length) => Ok(Some(String::from_utf8(self.take(length)?.to_vec())?)),
        }
    }

    fn array<T>(&mut self, mut element: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let count = self.i32()?.max(0);
        (0..count).map(|_| element(self)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_truncated_response_is_an_error() {
        let mut response = Response { bytes: vec![0, 0, 0, 1, 0, 0], next: 4 };
        assert!(decode_metadata(&mut response).unwrap_err().to_string().contains("too short"));
    }

    #[test]
    fn only_the_leader_of_the_quorum_is_accepted() {
        let answer = |error: i16| {
            let mut bytes = vec![0; 4];
            bytes.extend_from_slice(&[0, 0, 0, 2, 19]);
            bytes.extend_from_slice(QUORUM_TOPIC.as_bytes());
            bytes.push(2);
            bytes.extend_from_slice(&0_i32.to_be_bytes());
            bytes.extend_from_slice(&error.to_be_bytes());
            for field in [3_i32, 7] {
                bytes.extend_from_slice(&field.to_be_bytes());
            }
            decode_quorum(&mut Response { bytes, next: 4 }).unwrap()
        };
        assert_eq!(answer(0), Some(QuorumLeader { node_id: 3, epoch: 7 }));
        const NOT_LEADER: i16 = 6;
        assert_eq!(answer(NOT_LEADER), None);
    }
}
