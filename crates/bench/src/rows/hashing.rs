//! Hashes a second on all cores, without a service around them.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use argon2::{Algorithm, Argon2, Block, Params, Version};

use crate::{
    context::Context,
    report::{Findings, Goal, Row},
    sampling::Pair,
};

/// OWASP's parameters, the services' default.
pub(crate) const MEMORY_KIB: u32 = 19_456;
const ITERATIONS: u32 = 2;
const ROUND: Duration = Duration::from_secs(2);

const PASSWORD: &[u8] = b"correct horse battery staple";
const SALT: &[u8] = b"0123456789abcdef";

pub(super) fn measure(context: &Context) -> Result<Findings> {
    let length = context.length(ROUND);
    let (mut of_fresh, mut of_arena) = (Vec::new(), Vec::new());
    for _ in 0..context.rounds() {
        let ours = hashes_per_second(context.cores(), length);
        of_fresh.push((ours, crate_fresh(context.cores(), length)));
        of_arena.push((ours, crate_arena(context.cores(), length)));
    }
    let rows = vec![
        Row::pair(
            "hashes, all cores: argon2-simd / crate, fresh memory",
            "1/s",
            &Pair::of(&of_fresh),
            Goal::Ratio(3.0),
        ),
        Row::pair("hashes, all cores: argon2-simd / crate, arena", "1/s", &Pair::of(&of_arena), Goal::Ratio(1.9)),
    ];
    Ok(rows.into())
}

/// The hash limit: what a login cannot be faster than.
pub(crate) fn hashes_per_second(threads: usize, length: Duration) -> f64 {
    // Until argon2-simd is there.
    crate_arena(threads, length)
}

fn crate_fresh(threads: usize, length: Duration) -> f64 {
    rate(threads, length, || {
        let argon2 = argon2();
        move || argon2.hash_password_into(PASSWORD, SALT, &mut [0; 32]).expect("the parameters are valid")
    })
}

fn crate_arena(threads: usize, length: Duration) -> f64 {
    rate(threads, length, || {
        let (argon2, mut arena) = (argon2(), vec![Block::new(); MEMORY_KIB as usize]);
        move || {
            argon2
                .hash_password_into_with_memory(PASSWORD, SALT, &mut [0; 32], &mut arena)
                .expect("the parameters are valid");
        }
    })
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, ITERATIONS, 1, Some(32)).expect("the parameters are valid");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// How often a second all threads together do what `make` makes on each of them.
fn rate<F: FnMut()>(threads: usize, length: Duration, make: impl Fn() -> F + Sync) -> f64 {
    thread::scope(|scope| {
        let count = |_| {
            scope.spawn(|| {
                let mut hash = make();
                // The first one meets memory that nobody has touched.
                hash();
                let (begun, mut done) = (Instant::now(), 0_u32);
                while begun.elapsed() < length {
                    hash();
                    done += 1;
                }
                f64::from(done) / begun.elapsed().as_secs_f64()
            })
        };
        let running: Vec<_> = (0..threads).map(count).collect();
        running.into_iter().map(|thread| thread.join().expect("a hash does not panic")).sum()
    })
}
