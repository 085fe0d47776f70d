//! A topic from a test's side: create it, read all of it, write anything into it.

mod admin;
mod producer;
mod record;
mod topic_reader;

pub use admin::{add_partitions, create_topic, create_topic_with_settings, delete_topic};
pub use producer::Producer;
pub use record::Record;
pub use topic_reader::TopicReader;
