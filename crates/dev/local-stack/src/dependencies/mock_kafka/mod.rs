//! The embedded Kafka broker: librdkafka's mock cluster and its HTTP control endpoint.

mod cluster;
mod control;

pub use cluster::MockKafka;
pub use control::MockControl;
