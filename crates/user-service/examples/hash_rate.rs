//! Measures how many password hashes a core computes: the effect of the pool's arena and of our own block function
//! (docs/adr/0004, 0010), and the cost of the pool.
//!
//! ```sh
//! cargo run -p user-service --example hash_rate
//! ```
//!
//! It does the same computation in four ways: the `argon2` crate with new memory for each hash, the same with reused
//! memory, `argon2-simd`, and the pool with one thread. The rounds are interleaved and the result is their median, by
//! the wall clock and by the processor time of the process, which other programs do not affect. The dev profile
//! optimizes both crates, so no release build is needed.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::Result;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use argon2_simd::{Arena, Implementation, Inputs, hash_into};
use service_kit::prometheus::Registry;
use user_service::{
    domain::Password,
    hashing::{HashMetrics, HashPool, HashingSettings},
};

const HASHES_PER_ROUND: u32 = 40;
const ROUNDS: usize = 7;
/// The parameters of OWASP, which are the defaults of the service.
const MEMORY_KIB: u32 = 19_456;
const ITERATIONS: u32 = 2;
const PASSWORD: &str = "correct horse battery staple";
const SALT: [u8; 16] = [7; 16];

/// Hashes per second, by the wall clock and by processor time.
#[derive(Clone, Copy)]
struct Rate {
    wall: f64,
    cpu: f64,
}

const VARIANTS: [&str; 4] =
    ["argon2, new memory for each hash", "argon2, reused memory", "argon2-simd", "the pool, one thread"];

fn main() -> Result<()> {
    let params = Params::new(MEMORY_KIB, ITERATIONS, 1, Some(32)).map_err(anyhow::Error::msg)?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    let mut blocks = vec![Block::new(); params.block_count()];
    let mut arena = Arena::for_params(&params);
    let inputs = Inputs {
        algorithm: Algorithm::Argon2id,
        params: &params,
        version: Version::V0x13,
        secret: b"",
        password: PASSWORD.as_bytes(),
        salt: &SALT,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let pool = HashPool::start(&settings(), HashMetrics::register(&Registry::new())?)?;
    let password = Password::parse_attempt(&PASSWORD.into()).map_err(|e| anyhow::anyhow!(e.detail))?;

    let mut rates: [Vec<Rate>; 4] = Default::default();
    for round in 0..=ROUNDS {
        let mut out = [0; 32];
        let fresh = rate(|| argon2.hash_password_into(PASSWORD.as_bytes(), &SALT, &mut out))?;
        let reused =
            rate(|| argon2.hash_password_into_with_memory(PASSWORD.as_bytes(), &SALT, &mut out, &mut blocks[..]))?;
        let ours = rate(|| hash_into(&inputs, &mut arena, &mut out))?;
        let pooled = rate(|| runtime.block_on(pool.hash(&password)).map(drop))?;
        // The first round warms up.
        if round > 0 {
            for (rates, rate) in rates.iter_mut().zip([fresh, reused, ours, pooled]) {
                rates.push(rate);
            }
        }
    }
    let mut report =
        format!("Argon2id, {MEMORY_KIB} KiB, t={ITERATIONS}, p=1, one thread: hashes/s (median of {ROUNDS} rounds)\n");
    report += &format!("argon2-simd is {}\n", Implementation::detect());
    report += &format!("{:<34} {:>10} {:>14}\n", "", "wall", "of CPU time");
    for (name, rates) in VARIANTS.iter().zip(&rates) {
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
        devise_pepper: None,
    }
}

fn rate<E: Into<anyhow::Error>>(mut hash: impl FnMut() -> Result<(), E>) -> Result<Rate> {
    let (started, cpu_before) = (Instant::now(), cpu_seconds()?);
    for _ in 0..HASHES_PER_ROUND {
        hash().map_err(Into::into)?;
    }
    let (wall, cpu) = (started.elapsed().as_secs_f64(), cpu_seconds()? - cpu_before);
    Ok(Rate { wall: f64::from(HASHES_PER_ROUND) / wall, cpu: f64::from(HASHES_PER_ROUND) / cpu })
}

fn median(rates: &[Rate], value: impl Fn(&Rate) -> f64) -> f64 {
    let mut values: Vec<f64> = rates.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Returns the user and system time of this process so far (`proc(5)`, fields 14 and 15, in 1/100 s).
fn cpu_seconds() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(')').unwrap_or_default();
    let ticks: Vec<f64> = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    anyhow::ensure!(ticks.len() == 2, "/proc/self/stat has an unexpected format");
    Ok((ticks[0] + ticks[1]) / 100.0)
}
