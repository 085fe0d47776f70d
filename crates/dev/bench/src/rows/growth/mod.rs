//! What grows with the number of users: the cost of each kind of request, the space, and the work on all users.
//! Databases of all sizes exist at the same time and are measured alternately.

mod background;
mod cache;
mod databases;
mod kept_mongod;
mod measured_service;
mod population;
mod request_kind;
mod requests;
mod storage;

use std::time::Duration;

use anyhow::{Context as _, Result};
use mongodb::Client;

use self::{
    databases::{CONTROL, Databases, LARGE, MIDDLE, SMALL, cache_mib},
    kept_mongod::checkpoint,
    measured_service::{CONNECTIONS, MeasuredService},
    population::Population,
    request_kind::RequestKind,
};
use crate::{
    environment::Environment,
    report::{Findings, Goal, Plot, PlotLine, Row},
    sampling::{Comparison, Sample, millis, percentile},
};

/// The number of requests of one kind to one database before the next one is measured.
const BLOCK_SIZE: usize = 40;
const ROUNDS: usize = 6;
/// The permitted growth of the cost, unless the costs of two databases of equal size differ more.
const SLOPE: f64 = 1.15;
/// The number of logins with each size of the server's cache.
const LOGINS_PER_CACHE: usize = 400;
/// The duration of saturating logins on one database, and the number of rounds.
const SATURATION: Duration = Duration::from_secs(4);
const SATURATION_ROUNDS: usize = 3;

/// The measurements of one kind of request, in milliseconds, by round and database.
struct KindMeasurement {
    kind: RequestKind,
    latency: Vec<Vec<f64>>,
    /// The processor time of the service and of the database server.
    service: Vec<Vec<f64>>,
    database: Vec<Vec<f64>>,
}

/// Measures the cost of requests.
pub(super) async fn measure(environment: &Environment) -> Result<Findings> {
    let databases = Databases::open(environment).await?;
    let measured = request_rows(environment, &databases).await;
    databases.close().await?;
    measured
}

/// Measures the space of the databases, and the background work in the largest one.
pub(super) async fn measure_scale(environment: &Environment) -> Result<Findings> {
    let databases = Databases::open(environment).await?;
    let measured = scale_rows(environment, &databases).await;
    databases.close().await?;
    measured.map(Findings::from)
}

/// Measures the export of all users.
pub(super) async fn measure_export(environment: &Environment) -> Result<Findings> {
    let databases = Databases::open(environment).await?;
    let measured = export_rows(environment, &databases).await;
    databases.close().await?;
    measured.map(Findings::from)
}

async fn export_rows(environment: &Environment, databases: &Databases) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for which in [MIDDLE, LARGE] {
        rows.push(background::export_row(environment, databases, which).await?);
    }
    Ok(rows)
}

async fn request_rows(environment: &Environment, databases: &Databases) -> Result<Findings> {
    let sizes: Vec<usize> = databases.populations().iter().map(Population::size).collect();
    let times = sizes[LARGE] / sizes[SMALL];
    let measured = rounds(environment, databases).await?;
    let mut rows: Vec<Row> = measured.iter().map(|kind| kind.row(&sizes)).collect();
    rows.push(processor_row("user-service", &measured, times, |kind| &kind.service).context("no kind of request")?);
    rows.push(processor_row("mongod", &measured, times, |kind| &kind.database).context("no kind of request")?);
    Ok(Findings { rows, plots: vec![plot(&sizes, &measured)] })
}

async fn scale_rows(environment: &Environment, databases: &Databases) -> Result<Vec<Row>> {
    let client = databases.client().await?;
    let [middle, large] = [MIDDLE, LARGE].map(|which| &databases.populations()[which]);
    let mut rows = storage::on_disk(&client, large).await?;
    rows.extend(storage::in_memory(&client, middle).await?);
    rows.extend(login_rows(environment, databases, &client).await?);
    rows.push(background::expiry_row(environment, databases, [LARGE, SMALL]).await?);
    rows.push(background::sweep_row(environment, databases, [LARGE, SMALL]).await?);
    Ok(rows)
}

/// Measures logins of random users, saturated and with smaller caches of the server.
async fn login_rows(environment: &Environment, databases: &Databases, client: &Client) -> Result<Vec<Row>> {
    let large = &databases.populations()[LARGE];
    storage::read_everything(&client.database(large.database())).await?;
    let mut services = Vec::new();
    for which in [LARGE, SMALL] {
        services.push(start(environment, databases, which).await?);
    }
    let rounds = if environment.is_quick() { 1 } else { SATURATION_ROUNDS };
    let (mut rates, mut costs) = (Vec::new(), [Vec::new(), Vec::new()]);
    // The first round is a warm-up.
    for round in 0..=rounds {
        let (large, cost_large) = services[0].saturating_logins(environment.duration(SATURATION), round).await?;
        let (small, cost_small) = services[1].saturating_logins(environment.duration(SATURATION), round).await?;
        if round > 0 {
            rates.push((large, small));
            costs[0].push(cost_large);
            costs[1].push(cost_small);
        }
    }
    let cost = |which: usize, process: usize| {
        Sample::from_rounds(&costs[which].iter().map(|cost| cost[process]).collect::<Vec<_>>()).median
    };
    let times = large.size() / databases.populations()[SMALL].size();
    let name = format!("logins with cheap hashes, {CONNECTIONS} connections: {times} times the users");
    let row = Row::comparison(name, "1/s", &Comparison::from_rounds(&rates), Goal::None).note(format!(
        "processor time of each, in ms: mongod {:.2} and {:.2}, user-service {:.2} and {:.2}",
        cost(0, 1),
        cost(1, 1),
        cost(0, 0),
        cost(1, 0)
    ));
    let mut rows = vec![row];
    let mut service = services.swap_remove(0);
    rows.extend(cache::rows(client, &mut service, cache_mib()?, environment.scaled(LOGINS_PER_CACHE)).await?);
    Ok(rows)
}

/// Starts a service on one of the databases.
async fn start(environment: &Environment, databases: &Databases, which: usize) -> Result<MeasuredService> {
    let population = databases.populations()[which].clone();
    MeasuredService::start(&databases.world(environment).await, population, databases.pid()).await
}

/// Measures all kinds in every round. The order of the databases differs from round to round.
async fn rounds(environment: &Environment, databases: &Databases) -> Result<Vec<KindMeasurement>> {
    let (client, mut services) = (databases.client().await?, Vec::new());
    for (which, population) in databases.populations().iter().enumerate() {
        // An earlier run may have loaded it, so that nothing is in the server's cache.
        storage::read_everything(&client.database(population.database())).await?;
        services.push(start(environment, databases, which).await?);
    }
    // After this, nothing of the set-up remains to be written.
    checkpoint(&client).await?;
    let mut measured: Vec<KindMeasurement> = RequestKind::ALL
        .iter()
        .map(|&kind| KindMeasurement { kind, latency: Vec::new(), service: Vec::new(), database: Vec::new() })
        .collect();
    let rounds = if environment.is_quick() { 1 } else { ROUNDS };
    // The first round is a warm-up.
    for round in 0..=rounds {
        for measured in &mut measured {
            let mut costs = [vec![0.0; services.len()], vec![0.0; services.len()], vec![0.0; services.len()]];
            for turn in 0..services.len() {
                let which = (round + turn) % services.len();
                let block = services[which].measure(measured.kind, environment.scaled(BLOCK_SIZE)).await?;
                costs[0][which] = millis(percentile(&block.took, 50.0));
                costs[1][which] = block.service;
                costs[2][which] = block.database;
            }
            if round > 0 {
                let [latency, service, database] = costs;
                measured.latency.push(latency);
                measured.service.push(service);
                measured.database.push(database);
            }
        }
    }
    Ok(measured)
}

impl KindMeasurement {
    fn row(&self, sizes: &[usize]) -> Row {
        let (slope, control) = (pair(&self.latency, LARGE), pair(&self.latency, CONTROL));
        let (middle, times) = (pair(&self.latency, MIDDLE), sizes[LARGE] / sizes[SMALL]);
        Row::comparison(
            format!("{}: {times} times the users", self.kind),
            "ms",
            &slope,
            Goal::AtMostTimes(allowed(&control)),
        )
        .note(format!(
            "{} times the users: {:.2} ms, {:.2}; two databases of equal size: {}",
            sizes[MIDDLE] / sizes[SMALL],
            middle.ours.median,
            middle.ratio.median,
            range(&control)
        ))
    }
}

/// Returns the row of the kind for which the processor time of this process grows most.
fn processor_row(
    process: &str,
    measured: &[KindMeasurement],
    times: usize,
    cost: impl Fn(&KindMeasurement) -> &[Vec<f64>],
) -> Option<Row> {
    let slope = |measured: &KindMeasurement| pair(cost(measured), LARGE);
    let worst = measured.iter().max_by(|one, other| slope(one).ratio.median.total_cmp(&slope(other).ratio.median))?;
    let control = pair(cost(worst), CONTROL);
    let all = measured.iter().map(|one| {
        let slope = slope(one);
        format!("{} {:.2} ({:.2} ms)", one.kind, slope.ratio.median, slope.ours.median)
    });
    let measure = format!("{process}'s processor time, worst ({}): {times} times the users", worst.kind);
    let row = Row::comparison(measure, "ms", &slope(worst), Goal::AtMostTimes(allowed(&control)));
    let all = all.collect::<Vec<_>>().join(", ");
    Some(row.note(format!("two databases of equal size: {}; all: {all}", range(&control))))
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
