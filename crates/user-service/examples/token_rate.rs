//! Measures the signature of an access token with each algorithm, and its verification (docs/adr/0016).
//!
//! ```sh
//! cargo run --release -p user-service --example token_rate
//! ```
//!
//! The rounds are interleaved and each result is the median of the processor time of the process, which other programs do
//! not affect.

use std::{fs, hint::black_box};

use anyhow::{Context, Result};
use user_service::{domain::SigningAlgorithm, keys::KeyPair};

const ROUNDS: usize = 15;
const PER_ROUND: u32 = 200;
/// About as much as the header and the claims of a user's token.
const MESSAGE: [u8; 600] = [b'x'; 600];

fn main() -> Result<()> {
    let pairs = SigningAlgorithm::ALL.map(|algorithm| {
        KeyPair::from_private(algorithm, &KeyPair::generate(algorithm)).expect("a generated key can be read")
    });
    let mut measured = vec![(Vec::new(), Vec::new()); pairs.len()];
    for _ in 0..ROUNDS {
        for (pair, (signing, verifying)) in pairs.iter().zip(&mut measured) {
            let signature = pair.sign(&MESSAGE);
            signing.push(microseconds(|| drop(black_box(pair.sign(black_box(&MESSAGE)))))?);
            verifying.push(microseconds(|| assert!(pair.public().verifies(black_box(&MESSAGE), &signature)))?);
        }
    }
    println!("| algorithm | a signature | a verification | bytes of a signature |\n|---|---|---|---|");
    for (pair, (signing, verifying)) in pairs.iter().zip(&mut measured) {
        let (name, bytes) = (pair.public().algorithm().name(), pair.sign(&MESSAGE).len());
        println!("| {name} | {:.0} µs | {:.0} µs | {bytes} |", median(signing), median(verifying));
    }
    Ok(())
}

/// Returns the processor time of one call.
fn microseconds(mut call: impl FnMut()) -> Result<f64> {
    let before = processor_time()?;
    (0..PER_ROUND).for_each(|_| call());
    Ok((processor_time()? - before) / f64::from(PER_ROUND))
}

/// Returns the processor time of this thread in microseconds (`proc_pid_schedstat`).
fn processor_time() -> Result<f64> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").context("/proc/thread-self/schedstat")?;
    let nanoseconds: f64 = text.split_whitespace().next().context("an empty file")?.parse()?;
    Ok(nanoseconds / 1000.0)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
