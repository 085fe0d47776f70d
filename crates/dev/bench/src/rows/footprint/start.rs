//! From the start of a process until `/readyz` answers 200, with all parts, the topic and
//! the indexes there.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use local_stack::network::http;
use test_support::{Service, ServiceSpec};

use crate::{
    context::{Context, user_service},
    report::{Goal, Row},
    sampling::{Sample, millis},
};

const STARTS: usize = 9;
const PROBE_EVERY: Duration = Duration::from_millis(1);
const PROBE_DEADLINE: Duration = Duration::from_secs(1);
const DEADLINE: Duration = Duration::from_secs(30);
const GOAL: f64 = 150.0;

pub(super) async fn rows(context: &Context) -> Result<Vec<Row>> {
    let world = context.world("start").await;
    let mut rows = Vec::new();
    for (name, spec) in [("user-service", user_service(&world)), ("email-service", world.email_service())] {
        let starts = starts(context, spec).await?;
        let of =
            |value: fn(&Start) -> Duration| Sample::of(&starts.iter().map(|s| millis(value(s))).collect::<Vec<_>>());
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

/// How long after the start of the process something was so.
struct Start {
    /// `/livez` answers 200.
    alive: Duration,
    /// `/readyz` answers 200.
    answers_200: Duration,
    /// And its status is `ready`: nothing is degraded.
    all_checks: Duration,
}

async fn starts(context: &Context, spec: ServiceSpec) -> Result<Vec<Start>> {
    // The first one makes the indexes.
    let mut service = spec.start().await;
    let mut starts = Vec::new();
    for _ in 0..if context.quick() { 1 } else { STARTS } {
        service.terminate().await;
        let begun = Instant::now();
        service.relaunch_with(|spec| spec);
        starts.push(Start {
            alive: once(begun, &service, "/livez", "").await?,
            answers_200: once(begun, &service, "/readyz", "").await?,
            all_checks: once(begun, &service, "/readyz", r#""status":"ready""#).await?,
        });
    }
    Ok(starts)
}

/// How long it took until this path answered 200 with this in its body.
async fn once(begun: Instant, service: &Service, path: &str, holds: &str) -> Result<Duration> {
    loop {
        let answer = http::get(service.ops_port(), path, PROBE_DEADLINE).await;
        if answer.is_ok_and(|answer| answer.status == 200 && answer.body.contains(holds)) {
            return Ok(begun.elapsed());
        }
        ensure!(begun.elapsed() < DEADLINE, "{path} was not {holds} within {DEADLINE:?}");
        tokio::time::sleep(PROBE_EVERY).await;
    }
}
