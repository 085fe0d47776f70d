//! Response times of logins at fractions and multiples of the saturating load.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Result;
use hyper::StatusCode;

use super::registered_users::{register_users, saturating_logins};
use crate::{
    environment::{Environment, user_service},
    load::poisson_arrivals,
    report::{Findings, Goal, Plot, PlotLine, Row},
    sampling::{Sample, millis, percentile},
};

/// The loads, in percent of the saturating rate.
const PERCENTS: [u32; 7] = [25, 50, 75, 90, 100, 150, 200];
const SATURATED_DURATION: Duration = Duration::from_secs(4);
const STEP_DURATION: Duration = Duration::from_secs(6);
const USERS: usize = 32;

/// The loads that are also rows of the table.
const TABLE_PERCENTS: [u32; 3] = [50, 90, 200];

/// The lines of the plot: status, percentile of its responses, and name.
const LINES: [(StatusCode, f64, &str); 3] = [
    (StatusCode::OK, 50.0, "answered, p50"),
    (StatusCode::OK, 99.0, "answered, p99"),
    (StatusCode::SERVICE_UNAVAILABLE, 99.0, "refused with 503, p99"),
];

type Answers = BTreeMap<StatusCode, Vec<Duration>>;

pub(super) async fn measure(environment: &Environment) -> Result<Findings> {
    let world = environment.world("latency").await;
    let service = user_service(&world).start().await;
    let base_url = service.base_url();
    let users = register_users(&base_url, &world, USERS).await?;
    let saturated = saturating_logins(environment, &base_url, &users, environment.duration(SATURATED_DURATION)).await?;
    let saturated = saturated.require_statuses(&[StatusCode::OK])?.rate(StatusCode::OK);

    let requests: Vec<_> = users.iter().map(|user| user.login.clone()).collect();
    let mut steps = Vec::new();
    for percent in PERCENTS {
        let rate = saturated * f64::from(percent) / 100.0;
        let mut responses = Answers::new();
        for (status, took) in
            poisson_arrivals::send_at_rate(&base_url, &requests, rate, environment.duration(STEP_DURATION)).await?
        {
            responses.entry(status).or_default().push(took);
        }
        let expected = [StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE];
        anyhow::ensure!(responses.keys().all(|status| expected.contains(status)), "answers: {:?}", responses.keys());
        steps.push((percent, responses));
    }
    Ok(Findings { rows: rows(&steps), plots: vec![plot(saturated, &steps)] })
}

fn rows(steps: &[(u32, Answers)]) -> Vec<Row> {
    let row = |(percent, responses): &(u32, Answers)| {
        let answered = responses.get(&StatusCode::OK).map_or(&[][..], Vec::as_slice);
        let refused = responses.get(&StatusCode::SERVICE_UNAVAILABLE).map_or(0, Vec::len);
        let [p50, p99] = [50.0, 99.0].map(|percent| millis(percentile(answered, percent)));
        let name = format!("logins at {percent} % of saturation: p99");
        Row::value(name, "ms", Sample::from_rounds(&[p99]), Goal::None)
            .note(format!("p50 {p50:.0} ms; {} answered, {refused} refused", answered.len()))
    };
    steps.iter().filter(|(percent, _)| TABLE_PERCENTS.contains(percent)).map(row).collect()
}

fn plot(saturated: f64, steps: &[(u32, Answers)]) -> Plot {
    let line = |(status, at, name): (StatusCode, f64, &str)| PlotLine {
        name: name.to_owned(),
        points: steps
            .iter()
            .filter_map(|(percent, responses)| Some((*percent, responses.get(&status)?)))
            .map(|(percent, took)| (f64::from(percent), millis(percentile(took, at))))
            .collect(),
    };
    Plot {
        file: "latency-over-load",
        title: format!("Logins over offered load ({saturated:.0}/s is saturation)"),
        x: "offered load, % of saturation",
        y: "ms",
        x_logarithmic: false,
        lines: LINES.into_iter().map(line).collect(),
    }
}
