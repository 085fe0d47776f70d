//! The cost of each kind of request with a growing number of users. Databases of all sizes exist at the same time
//! and are measured alternately.

mod measured_service;
mod population;
mod request_kind;

use anyhow::{Context as _, Result};
use bson::doc;
use mongodb::Client;

use self::{measured_service::MeasuredService, request_kind::RequestKind};

use crate::{
    database,
    environment::Environment,
    report::{Findings, Goal, Plot, PlotLine, Row},
    sampling::{Comparison, Sample, millis, percentile},
};

/// The ratio between successive database sizes.
const STEP: usize = 10;
/// The number of requests of one kind to one database before the next one is measured.
const BLOCK_SIZE: usize = 40;
const ROUNDS: usize = 6;
/// The permitted growth of the cost, unless the costs of two databases of equal size differ more.
const SLOPE: f64 = 1.15;
/// Large enough for all documents that requests touch, as on a server with that many users.
const CACHE_MIB: u32 = 3 * 1024;
const DEFAULT_CACHE_MIB: u32 = 256;

/// The index of each of the four databases.
const SMALL: usize = 0;
const CONTROL: usize = 1;
const LARGE: usize = 3;

/// The measurements of one kind of request, in milliseconds, by round and database.
struct KindMeasurement {
    kind: RequestKind,
    latency: Vec<Vec<f64>>,
    processor: Vec<Vec<f64>>,
}

pub(super) async fn measure(environment: &Environment) -> Result<Findings> {
    let largest = environment.users();
    let sizes = [largest.div_ceil(STEP * STEP), largest.div_ceil(STEP * STEP), largest.div_ceil(STEP), largest];
    let client = database::client(environment.world("growth").await.stack().mongodb_uri()).await?;
    database::set_cache_size(&client, CACHE_MIB).await?;
    let measured = rounds(environment, &client, &sizes).await;
    database::set_cache_size(&client, DEFAULT_CACHE_MIB).await?;
    let measured = measured?;
    let mut rows: Vec<Row> = measured.iter().map(KindMeasurement::row).collect();
    rows.push(processor_row(&measured).context("no kind of request was measured")?);
    Ok(Findings { rows, plots: vec![plot(&sizes, &measured)] })
}

/// Measures all kinds in every round. The order of the databases differs from round to round.
async fn rounds(environment: &Environment, client: &Client, sizes: &[usize]) -> Result<Vec<KindMeasurement>> {
    let mut services = Vec::new();
    for size in sizes {
        let world = environment.world("growth").await;
        services.push(MeasuredService::new(&world, *size).await?);
    }
    // After this, nothing of the set-up remains to be written.
    client.database("admin").run_command(doc! { "fsync": 1 }).await?;
    let mut measured: Vec<KindMeasurement> = RequestKind::ALL
        .iter()
        .map(|&kind| KindMeasurement { kind, latency: Vec::new(), processor: Vec::new() })
        .collect();
    let rounds = if environment.is_quick() { 1 } else { ROUNDS };
    // The first round is a warm-up.
    for round in 0..=rounds {
        for measured in &mut measured {
            let (mut latency, mut processor) = (vec![0.0; services.len()], vec![0.0; services.len()]);
            for turn in 0..services.len() {
                let which = (round + turn) % services.len();
                let (took, cost) = services[which].measure(measured.kind, environment.scaled(BLOCK_SIZE)).await?;
                latency[which] = millis(percentile(&took, 50.0));
                processor[which] = cost;
            }
            if round > 0 {
                measured.latency.push(latency);
                measured.processor.push(processor);
            }
        }
    }
    Ok(measured)
}

impl KindMeasurement {
    fn row(&self) -> Row {
        let (slope, control) = (pair(&self.latency, LARGE), pair(&self.latency, CONTROL));
        Row::comparison(
            format!("{}: 100 times the users", self.kind),
            "ms",
            &slope,
            Goal::AtMostTimes(allowed(&control)),
        )
        .note(format!("two databases of equal size: {}", range(&control)))
    }
}

/// Returns the row of the kind whose processor time grows most.
fn processor_row(measured: &[KindMeasurement]) -> Option<Row> {
    let slope = |measured: &KindMeasurement| pair(&measured.processor, LARGE);
    let worst = measured.iter().max_by(|one, other| slope(one).ratio.median.total_cmp(&slope(other).ratio.median))?;
    let control = pair(&worst.processor, CONTROL);
    let others = measured.iter().map(|one| format!("{} {:.2}", one.kind, slope(one).ratio.median));
    let measure = format!("user-service's processor time, worst ({}): 100 times the users", worst.kind);
    let row = Row::comparison(measure, "ms", &slope(worst), Goal::AtMostTimes(allowed(&control)));
    let others = others.collect::<Vec<_>>().join(", ");
    Some(row.note(format!("two databases of equal size: {}; all: {others}", range(&control))))
}

/// Compares a database with the smallest one.
fn pair(rounds: &[Vec<f64>], which: usize) -> Comparison {
    Comparison::from_rounds(&rounds.iter().map(|round| (round[which], round[SMALL])).collect::<Vec<_>>())
}

fn allowed(control: &Comparison) -> f64 {
    let Sample { low, high, .. } = control.ratio;
    // The order of the two equal databases is arbitrary.
    let noise = high.max(1.0 / low);
    SLOPE.max((noise * 100.0).ceil() / 100.0)
}

fn range(pair: &Comparison) -> String {
    format!("{:.2}, {:.2} to {:.2}", pair.ratio.median, pair.ratio.low, pair.ratio.high)
}

fn plot(sizes: &[usize], measured: &[KindMeasurement]) -> Plot {
    let line = |measured: &KindMeasurement| {
        let of = |which: usize| measured.latency.iter().map(|round| round[which]).collect::<Vec<_>>();
        let point = |(which, size): (usize, &usize)| (*size as f64, Sample::from_rounds(&of(which)).median);
        PlotLine {
            name: measured.kind.to_string(),
            points: sizes.iter().enumerate().filter(|(which, _)| *which != CONTROL).map(point).collect(),
        }
    };
    Plot {
        file: "cost-over-users",
        title: "Median time of a request, one at a time".to_owned(),
        x: "users",
        y: "ms",
        x_logarithmic: true,
        lines: measured.iter().map(line).collect(),
    }
}
