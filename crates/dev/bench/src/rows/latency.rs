//! How long logins take at parts and multiples of what the service can do.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Result;
use hyper::StatusCode;

use super::members::{saturating_logins, sign_up};
use crate::{
    arrivals,
    context::{Context, user_service},
    report::{Findings, Goal, Line, Plot, Row},
    sampling::{Sample, millis, percentile},
};

/// Of the rate at saturation.
const PERCENTS: [u32; 7] = [25, 50, 75, 90, 100, 150, 200];
const SATURATED: Duration = Duration::from_secs(4);
const STEP: Duration = Duration::from_secs(6);
const MEMBERS: usize = 32;

/// Those that are rows of the table besides.
const ROWS: [u32; 3] = [50, 90, 200];

/// What is drawn: a status, a percentile of its answers, and the line's name.
const LINES: [(StatusCode, f64, &str); 3] = [
    (StatusCode::OK, 50.0, "answered, p50"),
    (StatusCode::OK, 99.0, "answered, p99"),
    (StatusCode::SERVICE_UNAVAILABLE, 99.0, "refused with 503, p99"),
];

type Answers = BTreeMap<StatusCode, Vec<Duration>>;

pub(super) async fn measure(context: &Context) -> Result<Findings> {
    let world = context.world("latency").await;
    let service = user_service(&world).start().await;
    let base_url = service.base_url();
    let members = sign_up(&base_url, &world, MEMBERS).await?;
    let saturated = saturating_logins(context, &base_url, &members, context.length(SATURATED)).await?;
    let saturated = saturated.only(&[StatusCode::OK])?.rate(StatusCode::OK);

    let asks: Vec<_> = members.iter().map(|member| member.login.clone()).collect();
    let mut steps = Vec::new();
    for percent in PERCENTS {
        let rate = saturated * f64::from(percent) / 100.0;
        let mut answers = Answers::new();
        for (status, took) in arrivals::send(&base_url, &asks, rate, context.length(STEP)).await? {
            answers.entry(status).or_default().push(took);
        }
        let expected = [StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE];
        anyhow::ensure!(answers.keys().all(|status| expected.contains(status)), "answers: {:?}", answers.keys());
        steps.push((percent, answers));
    }
    Ok(Findings { rows: rows(&steps), plots: vec![plot(saturated, &steps)] })
}

fn rows(steps: &[(u32, Answers)]) -> Vec<Row> {
    let row = |(percent, answers): &(u32, Answers)| {
        let answered = answers.get(&StatusCode::OK).map_or(&[][..], Vec::as_slice);
        let refused = answers.get(&StatusCode::SERVICE_UNAVAILABLE).map_or(0, Vec::len);
        let [p50, p99] = [50.0, 99.0].map(|percent| millis(percentile(answered, percent)));
        let name = format!("logins at {percent} % of saturation: p99");
        Row::value(name, "ms", Sample::of(&[p99]), Goal::None)
            .note(format!("p50 {p50:.0} ms; {} answered, {refused} refused", answered.len()))
    };
    steps.iter().filter(|(percent, _)| ROWS.contains(percent)).map(row).collect()
}

fn plot(saturated: f64, steps: &[(u32, Answers)]) -> Plot {
    let line = |(status, at, name): (StatusCode, f64, &str)| Line {
        name: name.to_owned(),
        points: steps
            .iter()
            .filter_map(|(percent, answers)| Some((*percent, answers.get(&status)?)))
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
