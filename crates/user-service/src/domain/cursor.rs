//! A place in a list that is ordered by time and then by id: what a cursor holds.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A row's place. Rows that come and go move no other row's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    /// Milliseconds since 1970: what MongoDB keeps of a time.
    pub at: i64,
    pub id: Uuid,
}

impl Cursor {
    /// Before every row of a list that is newest first.
    pub const NEWEST: Self = Self { at: i64::MAX, id: Uuid::max() };
}
