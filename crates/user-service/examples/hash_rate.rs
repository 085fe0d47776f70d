//! How many password hashes a core computes, and what the pool's arena saves
//! (docs/adr/0004).
//!
//! ```sh
//! cargo run -p user-service --example hash_rate
//! ```
//!
//! The same computation three ways: with memory allocated for each hash, with one arena
//! used again, and through the pool with one thread. Interleaved rounds, medians, on the
//! process's own clock (its processor time) too: what else runs on the machine does not
//! count there. The dev profile optimises argon2, so no release build is needed.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::Result;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use service_kit::prometheus::Registry;
use user_service::{
    domain::Password,
    hashing::{HashMetrics, HashPool, HashingSettings},
};

const HASHES: u32 = 40;
const ROUNDS: usize = 7;
/// OWASP's parameters, the service's defaults.
const MEMORY_KIB: u32 = 19_456;
const ITERATIONS: u32 = 2;

/// Hashes a second, by the wall clock and by processor time.
#[derive(Clone, Copy)]
struct Rate {
    wall: f64,
    cpu: f64,
}

fn main() -> Result<()> {
    let argon2 = Argon2::new(
        Algorithm::Argon2id,
        Version::V0x13,
        Params::new(MEMORY_KIB, ITERATIONS, 1, Some(32)).map_err(anyhow::Error::msg)?,
    );
    let mut arena = vec![Block::new(); argon2.params().block_count()];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let pool = HashPool::start(settings(), HashMetrics::register(&Registry::new())?)?;
    let password =
        Password::parse_attempt("correct horse battery staple".to_owned()).map_err(|e| anyhow::anyhow!(e.detail))?;

    let mut rates: [Vec<Rate>; 3] = Default::default();
    for round in 0..=ROUNDS {
        let mut out = [0; 32];
        let fresh = rate(|| argon2.hash_password_into(b"correct horse battery staple", &[7; 16], &mut out))?;
        let reused = rate(|| {
            argon2.hash_password_into_with_memory(b"correct horse battery staple", &[7; 16], &mut out, &mut arena[..])
        })?;
        let pooled = rate(|| runtime.block_on(pool.hash(&password)).map(drop))?;
        // The first round warms up.
        if round > 0 {
            for (rates, rate) in rates.iter_mut().zip([fresh, reused, pooled]) {
                rates.push(rate);
            }
        }
    }
    let mut report =
        format!("Argon2id, {MEMORY_KIB} KiB, t={ITERATIONS}, p=1, one thread: hashes/s (median of {ROUNDS} rounds)\n");
    report += &format!("{:<34} {:>10} {:>14}\n", "", "wall", "of CPU time");
    for (name, rates) in
        ["memory allocated for each hash", "one arena, used again", "the pool, one thread"].iter().zip(&rates)
    {
        let (wall, cpu) = (median(rates, |rate| rate.wall), median(rates, |rate| rate.cpu));
        report += &format!("{name:<34} {wall:>10.1} {cpu:>14.1}\n");
    }
    print!("{report}");
    Ok(())
}

fn settings() -> HashingSettings {
    HashingSettings {
        memory_kib: MEMORY_KIB,
        iterations: ITERATIONS,
        parallelism: 1,
        threads: 1,
        max_wait: Duration::from_secs(10),
        foreign_max_memory_kib: 65_536,
        foreign_max_cost: 14,
    }
}

fn rate<E: Into<anyhow::Error>>(mut hash: impl FnMut() -> Result<(), E>) -> Result<Rate> {
    let (started, cpu_before) = (Instant::now(), cpu_seconds()?);
    for _ in 0..HASHES {
        hash().map_err(Into::into)?;
    }
    let (wall, cpu) = (started.elapsed().as_secs_f64(), cpu_seconds()? - cpu_before);
    Ok(Rate { wall: f64::from(HASHES) / wall, cpu: f64::from(HASHES) / cpu })
}

fn median(rates: &[Rate], of: impl Fn(&Rate) -> f64) -> f64 {
    let mut values: Vec<f64> = rates.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// User and system time of this process so far (`proc(5)`, fields 14 and 15, in 1/100 s).
fn cpu_seconds() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(')').unwrap_or_default();
    let ticks: Vec<f64> = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    anyhow::ensure!(ticks.len() == 2, "/proc/self/stat has another form");
    Ok((ticks[0] + ticks[1]) / 100.0)
}
