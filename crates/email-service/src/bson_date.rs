//! Stores times as BSON dates, in milliseconds.

use std::convert::Infallible;

use jiff::Timestamp;

serde_with::serde_conv!(
    pub(crate) BsonDate,
    Timestamp,
    |time: &Timestamp| bson::DateTime::from_jiff(*time),
    |date: bson::DateTime| -> Result<Timestamp, Infallible> { Ok(date.to_jiff()) }
);
