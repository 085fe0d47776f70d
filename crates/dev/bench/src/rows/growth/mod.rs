//! What each kind of request costs with ever more users: databases of all sizes are there at
//! once, and asked in turns.

mod kinds;
mod population;
mod subject;

use anyhow::{Context as _, Result};
use bson::doc;
use mongodb::Client;

use self::{kinds::Kind, subject::Subject};
use crate::{
    context::Context,
    database,
    report::{Findings, Goal, Line, Plot, Row},
    sampling::{Pair, Sample, millis, percentile},
};

/// Between the sizes.
const STEP: usize = 10;
/// Requests of one kind to one database, before the next has its turn.
const BLOCK: usize = 40;
const ROUNDS: usize = 6;
/// Cost may grow so much, or as much as the cost of equal sizes differs.
const SLOPE: f64 = 1.15;
/// Room for all that requests touch, as a server of that many users has it.
const CACHE_MIB: u32 = 3 * 1024;
const DEFAULT_CACHE_MIB: u32 = 256;

/// Which database of the four is what.
const SMALL: usize = 0;
const TWIN: usize = 1;
const LARGE: usize = 3;

/// Of one kind of request, in milliseconds: for each round, of each database.
struct Measured {
    kind: Kind,
    latency: Vec<Vec<f64>>,
    processor: Vec<Vec<f64>>,
}

pub(super) async fn measure(context: &Context) -> Result<Findings> {
    let largest = context.users();
    let sizes = [largest.div_ceil(STEP * STEP), largest.div_ceil(STEP * STEP), largest.div_ceil(STEP), largest];
    let client = database::client(context.world("growth").await.stack().mongodb_uri()).await?;
    database::set_cache(&client, CACHE_MIB).await?;
    let measured = rounds(context, &client, &sizes).await;
    database::set_cache(&client, DEFAULT_CACHE_MIB).await?;
    let measured = measured?;
    let mut rows: Vec<Row> = measured.iter().map(Measured::row).collect();
    rows.push(processor_row(&measured).context("no kind of request")?);
    Ok(Findings { rows, plots: vec![plot(&sizes, &measured)] })
}

/// Round by round all kinds; the order of the databases changes with each.
async fn rounds(context: &Context, client: &Client, sizes: &[usize]) -> Result<Vec<Measured>> {
    let mut subjects = Vec::new();
    for size in sizes {
        let world = context.world("growth").await;
        subjects.push(Subject::new(&world, *size).await?);
    }
    // Nothing of the set-up is left to be written.
    client.database("admin").run_command(doc! { "fsync": 1 }).await?;
    let mut measured: Vec<Measured> =
        Kind::ALL.iter().map(|&kind| Measured { kind, latency: Vec::new(), processor: Vec::new() }).collect();
    let rounds = if context.quick() { 1 } else { ROUNDS };
    // The first round is warm-up.
    for round in 0..=rounds {
        for measured in &mut measured {
            let (mut latency, mut processor) = (vec![0.0; subjects.len()], vec![0.0; subjects.len()]);
            for turn in 0..subjects.len() {
                let which = (round + turn) % subjects.len();
                let (took, cost) = subjects[which].ask(measured.kind, context.count(BLOCK)).await?;
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

impl Measured {
    fn row(&self) -> Row {
        let (slope, twins) = (pair(&self.latency, LARGE), pair(&self.latency, TWIN));
        Row::pair(format!("{}: 100 times the users", self.kind), "ms", &slope, Goal::AtMostTimes(allowed(&twins)))
            .note(format!("two databases of equal size: {}", range(&twins)))
    }
}

/// The kind whose processor time grows most.
fn processor_row(measured: &[Measured]) -> Option<Row> {
    let slope = |measured: &Measured| pair(&measured.processor, LARGE);
    let worst = measured.iter().max_by(|one, other| slope(one).ratio.median.total_cmp(&slope(other).ratio.median))?;
    let twins = pair(&worst.processor, TWIN);
    let others = measured.iter().map(|one| format!("{} {:.2}", one.kind, slope(one).ratio.median));
    let measure = format!("user-service's processor time, worst ({}): 100 times the users", worst.kind);
    let row = Row::pair(measure, "ms", &slope(worst), Goal::AtMostTimes(allowed(&twins)));
    let others = others.collect::<Vec<_>>().join(", ");
    Some(row.note(format!("two databases of equal size: {}; all: {others}", range(&twins))))
}

/// One database next to the smallest.
fn pair(rounds: &[Vec<f64>], which: usize) -> Pair {
    Pair::of(&rounds.iter().map(|round| (round[which], round[SMALL])).collect::<Vec<_>>())
}

fn allowed(twins: &Pair) -> f64 {
    let Sample { low, high, .. } = twins.ratio;
    // Which of the twins is first is chance.
    let noise = high.max(1.0 / low);
    SLOPE.max((noise * 100.0).ceil() / 100.0)
}

fn range(pair: &Pair) -> String {
    format!("{:.2}, {:.2} to {:.2}", pair.ratio.median, pair.ratio.low, pair.ratio.high)
}

fn plot(sizes: &[usize], measured: &[Measured]) -> Plot {
    let line = |measured: &Measured| {
        let of = |which: usize| measured.latency.iter().map(|round| round[which]).collect::<Vec<_>>();
        let point = |(which, size): (usize, &usize)| (*size as f64, Sample::of(&of(which)).median);
        Line {
            name: measured.kind.to_string(),
            points: sizes.iter().enumerate().filter(|(which, _)| *which != TWIN).map(point).collect(),
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
