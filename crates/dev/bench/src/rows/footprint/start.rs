//! The time from the start of a process until `/readyz` answers 200, with all dependencies, the topic and the
//! indexes in place.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use local_stack::network::http;
use test_support::{Service, ServiceSpec};

use crate::{
    environment::{Environment, user_service},
    report::{Goal, Row},
    sampling::{Sample, millis},
};

const STARTS: usize = 9;
const PROBE_EVERY: Duration = Duration::from_millis(1);
const PROBE_DEADLINE: Duration = Duration::from_secs(1);
const DEADLINE: Duration = Duration::from_secs(30);
const GOAL: f64 = 150.0;

pub(super) async fn rows(environment: &Environment) -> Result<Vec<Row>> {
    let world = environment.world("start").await;
    let mut rows = Vec::new();
    for (name, spec) in [("user-service", user_service(&world)), ("email-service", world.email_service())] {
        let starts = starts(environment, spec).await?;
        let of = |value: fn(&StartTimes) -> Duration| {
            Sample::from_rounds(&starts.iter().map(|s| millis(value(s))).collect::<Vec<_>>())
        };
        let row =
            Row::value(format!("start to ready, {name}"), "ms", of(|start| start.answers_200), Goal::AtMost(GOAL));
        rows.push(row.note(format!(
            "{} starts; alive after {:.0} ms, `ready` in every check after {:.0} ms",
            starts.len(),
            of(|start| start.alive).median,
            of(|start| start.all_checks).median,
        )));
    }
    Ok(rows)
}

/// Times since the start of the process.
struct StartTimes {
    /// `/livez` answers 200.
    alive: Duration,
    /// `/readyz` answers 200.
    answers_200: Duration,
    /// `/readyz` reports the status `ready`: nothing is degraded.
    all_checks: Duration,
}

async fn starts(environment: &Environment, spec: ServiceSpec) -> Result<Vec<StartTimes>> {
    // The first start creates the indexes.
    let mut service = spec.start().await;
    let mut starts = Vec::new();
    for _ in 0..if environment.is_quick() { 1 } else { STARTS } {
        service.terminate().await;
        let begun = Instant::now();
        service.relaunch_with(|spec| spec);
        starts.push(StartTimes {
            alive: time_until_response(begun, &service, "/livez", "").await?,
            answers_200: time_until_response(begun, &service, "/readyz", "").await?,
            all_checks: time_until_response(begun, &service, "/readyz", r#""status":"ready""#).await?,
        });
    }
    Ok(starts)
}

/// Returns the time until this path answers 200 with a body that contains `holds`.
async fn time_until_response(begun: Instant, service: &Service, path: &str, holds: &str) -> Result<Duration> {
    loop {
        let response = http::get(service.ops_port(), path, PROBE_DEADLINE).await;
        if response.is_ok_and(|response| response.status == 200 && response.body.contains(holds)) {
            return Ok(begun.elapsed());
        }
        ensure!(begun.elapsed() < DEADLINE, "{path} did not answer 200 with {holds:?} within {DEADLINE:?}");
        tokio::time::sleep(PROBE_EVERY).await;
    }
}
