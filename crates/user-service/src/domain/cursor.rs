//! Keyset cursors: the position of a row in a list that is ordered by time and then by id.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A keyset cursor for a list ordered by time and id. Rows that are added or removed do not shift the position of any
/// other row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    /// Milliseconds since 1970, the precision that MongoDB stores.
    pub at: i64,
    pub id: Uuid,
}

/// A page of a list.
#[derive(Debug)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// The cursor of the next page, if there is one.
    pub next: Option<Cursor>,
}

impl Cursor {
    /// The position before every row of a list that starts with the newest.
    pub const NEWEST: Self = Self { at: i64::MAX, id: Uuid::max() };
}
