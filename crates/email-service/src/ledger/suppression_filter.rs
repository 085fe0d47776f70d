//! Hashes of the suppressed addresses in memory, so that mails to other addresses need no query.
//!
//! An address that the filter does not contain is not suppressed, unless another process has suppressed it since the
//! last refresh. One that it contains must be looked up: its suppression may have ended or been removed. The hashes
//! have a random key, so no client can choose addresses that collide.

use std::{
    collections::HashSet,
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};

use bson::DateTime;
use parking_lot::RwLock;
use tokio::time::Instant;

/// The number of addresses up to which they are kept in memory: about 5 MB.
const CAPACITY: usize = 250_000;
/// The number of rows that a refresh reads at most: enough to find out that there are too many.
pub(super) const MAX_ROWS: i64 = CAPACITY as i64 + 1;
/// The deadline of a refresh: all addresses may have to be read.
pub(super) const READ_DEADLINE: Duration = Duration::from_secs(20);
/// The mean time between two refreshes.
pub(super) const REFRESH_INTERVAL: Duration = Duration::from_secs(5);
/// The time after which everything is read again. Addresses whose suppression has ended leave the filter then.
const FULL_INTERVAL: Duration = Duration::from_secs(60 * 60);
/// The time after the last refresh during which the filter is used.
const STALE_AFTER: Duration = Duration::from_secs(30);
/// How much earlier than the newest known suppression a refresh begins. It covers writes that were in progress, and a
/// new primary whose clock is behind that of the one before.
const OVERLAP: Duration = Duration::from_secs(10 * 60);

/// The filter. It contains every address until the first refresh.
#[derive(Debug, Default)]
pub(super) struct SuppressionFilter {
    key: RandomState,
    content: RwLock<Content>,
}

#[derive(Debug, Default)]
enum Content {
    /// Nothing was read yet.
    #[default]
    Unread,
    Read(Addresses),
    /// There were more than [`CAPACITY`] at this time.
    TooMany(Instant),
}

#[derive(Debug)]
struct Addresses {
    hashes: HashSet<u64>,
    /// The latest end of a suppression. Each new suppression ends later.
    newest: DateTime,
    /// When everything was read.
    read_at: Instant,
    refreshed_at: Instant,
}

/// The suppressions that a refresh reads: all that end after `since`.
#[derive(Debug)]
pub(super) struct Refresh {
    since: DateTime,
    /// Whether everything is read.
    is_full: bool,
    found: Vec<u64>,
    newest: DateTime,
}

impl Refresh {
    fn new(since: DateTime, is_full: bool) -> Self {
        Self { since, is_full, found: Vec::new(), newest: since }
    }

    pub(super) fn since(&self) -> DateTime {
        self.since
    }

    /// Adds a suppression that was read.
    pub(super) fn push(&mut self, hash: u64, until: DateTime) {
        self.found.push(hash);
        self.newest = self.newest.max(until);
    }
}

impl SuppressionFilter {
    /// Returns the hash of the key of an address.
    pub(super) fn hash(&self, key: &str) -> u64 {
        self.key.hash_one(key)
    }

    /// Returns whether the address with this key must be looked up.
    pub(super) fn may_contain(&self, key: &str, now: Instant) -> bool {
        match &*self.content.read() {
            Content::Read(addresses) if now.duration_since(addresses.refreshed_at) < STALE_AFTER => {
                addresses.hashes.contains(&self.hash(key))
            }
            Content::Unread | Content::Read(_) | Content::TooMany(_) => true,
        }
    }

    /// Adds an address that this process has suppressed.
    pub(super) fn add(&self, key: &str) {
        if let Content::Read(addresses) = &mut *self.content.write() {
            addresses.hashes.insert(self.hash(key));
        }
    }

    /// Returns the refresh that is due, or `None` while there are too many addresses.
    pub(super) fn next_refresh(&self, now: Instant) -> Option<Refresh> {
        let is_recent = |at: Instant| now.duration_since(at) < FULL_INTERVAL;
        match &*self.content.read() {
            Content::Read(addresses) if is_recent(addresses.read_at) => {
                let overlap = i64::try_from(OVERLAP.as_millis()).unwrap_or(i64::MAX);
                let since = addresses.newest.timestamp_millis().saturating_sub(overlap).max(0);
                Some(Refresh::new(DateTime::from_millis(since), false))
            }
            Content::TooMany(at) if is_recent(*at) => None,
            Content::Unread | Content::Read(_) | Content::TooMany(_) => {
                Some(Refresh::new(DateTime::from_millis(0), true))
            }
        }
    }

    /// Applies what a refresh has read, which began at `started`.
    pub(super) fn apply(&self, refresh: Refresh, started: Instant) {
        let Refresh { is_full, found, newest, .. } = refresh;
        let mut content = self.content.write();
        match &mut *content {
            Content::Read(addresses) if !is_full => {
                addresses.hashes.extend(found);
                addresses.newest = addresses.newest.max(newest);
                addresses.refreshed_at = started;
            }
            _ => {
                let hashes = found.into_iter().collect();
                *content = Content::Read(Addresses { hashes, newest, read_at: started, refreshed_at: started });
            }
        }
        if let Content::Read(addresses) = &*content
            && addresses.hashes.len() > CAPACITY
        {
            *content = Content::TooMany(started);
        }
        if matches!(*content, Content::TooMany(_)) {
            tracing::info!(
                CAPACITY,
                "too many addresses are suppressed to keep them in memory: each batch looks them up"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime {
        DateTime::from_millis(1_900_000_000_000 + seconds * 1_000)
    }

    fn refresh(filter: &SuppressionFilter, now: Instant, rows: &[(&str, i64)]) -> Refresh {
        let mut refresh = filter.next_refresh(now).unwrap();
        for (key, until) in rows {
            refresh.push(filter.hash(key), at(*until));
        }
        refresh
    }

    #[test]
    fn an_address_is_looked_up_until_the_filter_was_read_and_then_only_if_it_contains_it() {
        let (filter, now) = (SuppressionFilter::default(), Instant::now());
        assert!(filter.may_contain("ada@example.com", now));
        filter.add("early@example.com");
        let first = refresh(&filter, now, &[("gone@example.com", 0)]);
        assert!(first.is_full);
        filter.apply(first, now);
        assert!(filter.may_contain("gone@example.com", now) && !filter.may_contain("ada@example.com", now));
        filter.add("ada@example.com");
        assert!(filter.may_contain("ada@example.com", now), "what this process suppresses is known at once");
    }

    #[test]
    fn a_refresh_reads_what_is_new_and_after_an_hour_everything() {
        let (filter, now) = (SuppressionFilter::default(), Instant::now());
        filter.apply(refresh(&filter, now, &[("old@example.com", 0), ("new@example.com", 7_200)]), now);
        let soon = now + REFRESH_INTERVAL;
        let next = refresh(&filter, soon, &[("newest@example.com", 7_205)]);
        assert_eq!((next.is_full, next.since()), (false, at(7_200 - 600)));
        filter.apply(next, soon);
        assert_eq!(filter.next_refresh(soon).unwrap().since(), at(7_205 - 600));
        let known = ["old@example.com", "new@example.com", "newest@example.com"];
        assert!(known.iter().all(|key| filter.may_contain(key, soon)));

        let later = now + FULL_INTERVAL;
        let full = refresh(&filter, later, &[("newest@example.com", 7_205)]);
        assert!(full.is_full);
        filter.apply(full, later);
        assert_eq!(known.map(|key| filter.may_contain(key, later)), [false, false, true]);
    }

    #[test]
    fn every_address_is_looked_up_while_the_database_does_not_answer() {
        let (filter, now) = (SuppressionFilter::default(), Instant::now());
        filter.apply(refresh(&filter, now, &[]), now);
        assert!(!filter.may_contain("ada@example.com", now + STALE_AFTER - Duration::from_secs(1)));
        assert!(filter.may_contain("ada@example.com", now + STALE_AFTER));
    }

    #[test]
    fn too_many_addresses_are_not_kept_in_memory_and_counted_again_after_an_hour() {
        let (filter, now) = (SuppressionFilter::default(), Instant::now());
        let mut full = filter.next_refresh(now).unwrap();
        (0..=CAPACITY as u64).for_each(|hash| full.push(hash, at(0)));
        filter.apply(full, now);
        assert!(filter.may_contain("ada@example.com", now));
        filter.add("ada@example.com");
        assert!(filter.next_refresh(now + REFRESH_INTERVAL).is_none());
        assert!(filter.next_refresh(now + FULL_INTERVAL).unwrap().is_full);
    }
}
