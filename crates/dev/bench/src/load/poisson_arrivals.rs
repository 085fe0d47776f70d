//! Requests that arrive independently of earlier responses, as from independent users: at random times with a
//! given rate (a Poisson process, open loop). Unlike clients that wait for their responses, it does not reduce
//! the load of a slow service.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Result;
use hyper::StatusCode;
use rand::{RngCore as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tokio::{sync::Mutex, task::JoinSet};

use crate::http_client::{ApiRequest, Connection};

/// The seed, which makes the arrival times the same in every run.
const SEED: u64 = 1;

/// Sends `requests` cyclically at `rate` per second for `length`, over as many connections as necessary, and
/// waits for all responses. Returns the status of each and its time since the request was due.
///
/// # Errors
/// Returns an error when a connection cannot be opened or breaks.
pub(crate) async fn send_at_rate(
    base_url: &str,
    requests: &[ApiRequest],
    rate: f64,
    length: Duration,
) -> Result<Vec<(StatusCode, Duration)>> {
    let idle = Arc::new(Mutex::new(Vec::new()));
    let mut running = JoinSet::new();
    let begun = Instant::now();
    for (due, request) in arrival_times(rate, length).into_iter().zip(requests.iter().cycle()) {
        let due = begun + due;
        tokio::time::sleep_until(due.into()).await;
        let (idle, base_url, request) = (Arc::clone(&idle), base_url.to_owned(), request.clone());
        running.spawn(async move {
            // A statement of its own, because the `match` would hold the lock.
            let kept = idle.lock().await.pop();
            let mut connection = match kept {
                Some(connection) => connection,
                None => Connection::open(&base_url).await?,
            };
            let (status, _) = connection.send(&request).await?;
            let took = due.elapsed();
            idle.lock().await.push(connection);
            anyhow::Ok((status, took))
        });
    }
    let mut responses = Vec::with_capacity(running.len());
    while let Some(response) = running.join_next().await {
        responses.push(response??);
    }
    Ok(responses)
}

/// Returns the arrival times, relative to the start.
fn arrival_times(rate: f64, length: Duration) -> Vec<Duration> {
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let mut at = 0.0;
    let gaps = std::iter::from_fn(move || {
        // In (0, 1]; the gaps of a Poisson process are exponentially distributed.
        let uniform = (f64::from(random.next_u32()) + 1.0) / (f64::from(u32::MAX) + 1.0);
        at -= uniform.ln() / rate;
        Some(Duration::from_secs_f64(at))
    });
    gaps.take_while(|at| *at < length).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_have_the_given_rate_and_exponential_gaps() {
        let arrival_times = arrival_times(100.0, Duration::from_secs(100));
        // The expected number is 10,000, with a standard deviation of 100.
        assert!((9_600..10_400).contains(&arrival_times.len()), "{}", arrival_times.len());
        assert!(arrival_times.is_sorted());
        let gaps: Vec<f64> = arrival_times.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect();
        // In an exponential distribution, 1 - 1/e of the values are below the mean.
        let short = gaps.iter().filter(|gap| **gap < 0.01).count() as f64 / gaps.len() as f64;
        assert!((0.60..0.66).contains(&short), "{short}");
    }
}
