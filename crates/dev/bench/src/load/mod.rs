//! Load from concurrent connections, each with one request at a time (closed loop), and other load generators.

pub(crate) mod poisson_arrivals;
pub(crate) mod stateful_workers;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Result;
use hyper::StatusCode;
use tokio::task::JoinSet;

use crate::{
    http_client::{ApiRequest, Connection},
    sampling::percentile,
};

/// The parameters of a load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) connections: usize,
    pub(crate) length: Duration,
    /// The time between the starts of two requests on one connection; zero means without a pause.
    pub(crate) pace: Duration,
}

/// The response times, by status.
#[derive(Debug, Default)]
pub(crate) struct ResponseTimes {
    took: BTreeMap<StatusCode, Vec<Duration>>,
    length: Duration,
}

impl Load {
    /// Creates a load that sends requests as fast as responses arrive.
    pub(crate) fn saturating(connections: usize, length: Duration) -> Self {
        Self { connections, length, pace: Duration::ZERO }
    }

    /// Creates a load of `rate` requests per second over all connections, if responses arrive fast enough.
    pub(crate) fn at_rate(connections: usize, rate: f64, length: Duration) -> Self {
        Self { connections, length, pace: Duration::from_secs_f64(connections as f64 / rate) }
    }

    /// Sends `request(connection, turn)` on each connection until the time is over. Later responses do not count.
    pub(crate) async fn run(
        self,
        base_url: &str,
        request: impl Fn(usize, usize) -> ApiRequest + Send + Sync + 'static,
    ) -> Result<ResponseTimes> {
        let request = Arc::new(request);
        let mut connections = Vec::with_capacity(self.connections);
        for _ in 0..self.connections {
            connections.push(Connection::open(base_url).await?);
        }
        let end = Instant::now() + self.length;
        let mut running = JoinSet::new();
        for (number, connection) in connections.into_iter().enumerate() {
            running.spawn(self.run_connection(connection, number, Arc::clone(&request), end));
        }
        let mut all = ResponseTimes { took: BTreeMap::new(), length: self.length };
        while let Some(one) = running.join_next().await {
            for (status, took) in one?? {
                all.took.entry(status).or_default().extend(took);
            }
        }
        Ok(all)
    }

    async fn run_connection(
        self,
        mut connection: Connection,
        number: usize,
        request: Arc<impl Fn(usize, usize) -> ApiRequest + Send + Sync>,
        end: Instant,
    ) -> Result<BTreeMap<StatusCode, Vec<Duration>>> {
        let mut took: BTreeMap<StatusCode, Vec<Duration>> = BTreeMap::new();
        // The connections start at different moments, and none sleeps beyond the end.
        let pause = |wanted: Duration| tokio::time::sleep(wanted.min(end.saturating_duration_since(Instant::now())));
        pause(self.pace.mul_f64(number as f64 / self.connections as f64)).await;
        for turn in 0.. {
            let begun = Instant::now();
            if begun >= end {
                break;
            }
            let (status, _) = connection.send(&request(number, turn)).await?;
            let needed = begun.elapsed();
            if Instant::now() >= end {
                break;
            }
            took.entry(status).or_default().push(needed);
            if !self.pace.is_zero() {
                pause(self.pace.saturating_sub(needed)).await;
            }
        }
        Ok(took)
    }
}

impl ResponseTimes {
    /// Returns the number of responses with this status per second.
    pub(crate) fn rate(&self, status: StatusCode) -> f64 {
        self.durations(status).len() as f64 / self.length.as_secs_f64()
    }

    pub(crate) fn percentile(&self, status: StatusCode, percent: f64) -> Duration {
        percentile(self.durations(status), percent)
    }

    pub(crate) fn durations(&self, status: StatusCode) -> &[Duration] {
        self.took.get(&status).map_or(&[], Vec::as_slice)
    }

    /// Returns the response times unchanged if all statuses are allowed.
    ///
    /// # Errors
    /// Returns an error when a response has any other status.
    pub(crate) fn require_statuses(self, allowed: &[StatusCode]) -> Result<Self> {
        let other = self.took.iter().find(|(status, _)| !allowed.contains(status));
        anyhow::ensure!(
            other.is_none(),
            "{} responses of {}",
            other.map_or(0, |o| o.1.len()),
            other.map_or("", |o| o.0.as_str())
        );
        Ok(self)
    }
}
