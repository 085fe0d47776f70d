//! Logins of random users with a server's cache that is smaller than the database.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bson::doc;
use mongodb::Client;

use super::{measured_service::MeasuredService, request_kind::RequestKind, storage::number};
use crate::{
    database,
    report::{Goal, Row},
    sampling::{Sample, millis, percentile},
};

/// The sizes of the cache after the largest one, in MiB.
const SMALLER_CACHES_MIB: [u32; 4] = [2048, 1024, 512, 256];
/// The part of its cache that the server fills before it removes pages.
const FILLED: f64 = 0.85;
/// How long the server may take to remove pages after its cache was made smaller.
const SHRINK_DEADLINE: Duration = Duration::from_secs(20);
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// The parts of the server's statistics about its cache.
struct CacheStatistics {
    filled: f64,
    pages_read: f64,
    bytes_read: f64,
}

/// Measures `logins` logins with each size of the cache, from `largest_mib` down, and restores the size at the end.
pub(super) async fn rows(
    client: &Client,
    service: &mut MeasuredService,
    largest_mib: u32,
    logins: usize,
) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let smaller = SMALLER_CACHES_MIB.into_iter().filter(|mib| *mib < largest_mib);
    for mib in std::iter::once(largest_mib).chain(smaller) {
        database::set_cache_size(client, mib).await?;
        wait_until_shrunk(client, mib).await?;
        let before = statistics(client).await?;
        let measured = service.measure(RequestKind::Login, logins).await?;
        let after = statistics(client).await?;
        let read = |value: fn(&CacheStatistics) -> f64| (value(&after) - value(&before)) / logins as f64;
        let median = Sample::from_rounds(&[millis(percentile(&measured.took, 50.0))]);
        rows
            .push(Row::value(format!("login of a random user, cache of {mib} MiB: p50"), "ms", median, Goal::None).note(
            format!(
                "p99 {:.1} ms; {:.1} pages with {:.0} kB read for each, from the operating system's page cache; mongod \
                 {:.2} ms of processor time",
                millis(percentile(&measured.took, 99.0)),
                read(|statistics| statistics.pages_read),
                read(|statistics| statistics.bytes_read) / 1e3,
                measured.database,
            ),
        ));
    }
    database::set_cache_size(client, largest_mib).await?;
    Ok(rows)
}

async fn wait_until_shrunk(client: &Client, mib: u32) -> Result<()> {
    let end = Instant::now() + SHRINK_DEADLINE;
    while statistics(client).await?.filled > f64::from(mib) * 1024.0 * 1024.0 * FILLED && Instant::now() < end {
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    Ok(())
}

async fn statistics(client: &Client) -> Result<CacheStatistics> {
    let status = client.database("admin").run_command(doc! { "serverStatus": 1 }).await?;
    let cache = status.get_document("wiredTiger")?.get_document("cache")?;
    let of = |name: &'static str| number(cache.get(name).context(name)?);
    Ok(CacheStatistics {
        filled: of("bytes currently in the cache")?,
        pages_read: of("pages read into cache")?,
        bytes_read: of("bytes read into cache")?,
    })
}
