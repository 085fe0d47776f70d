//! Hashes per second on all cores, without a service.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use argon2_simd::{Arena, Implementation, Inputs, hash_into_with};

use crate::{
    environment::Environment,
    limits::argon2_reference,
    report::{Findings, Goal, Row},
    sampling::Comparison,
};

/// OWASP's parameters, which are the services' defaults.
pub(crate) const MEMORY_KIB: u32 = 19_456;
const ITERATIONS: u32 = 2;
const ROUND: Duration = Duration::from_secs(2);

const PASSWORD: &[u8] = b"correct horse battery staple";
const SALT: &[u8] = b"0123456789abcdef";

type HashRate = fn(usize, Duration) -> f64;

/// The implementations with which ours is compared.
const OTHER_IMPLEMENTATIONS: [(&str, HashRate, Goal, &str); 5] = [
    ("crate, fresh memory", crate_fresh, Goal::Ratio(3.0), "new pages from the kernel for each hash"),
    (
        "crate, memory for each hash",
        crate_alone,
        Goal::None,
        "`hash_password_into`, which frees its memory and gets the same memory from glibc again",
    ),
    ("crate, arena", crate_arena, Goal::Ratio(1.9), ""),
    ("itself in AVX2", in_avx2, Goal::None, "on a processor without AVX-512 both are the same"),
    ("C reference for this processor", c_reference, Goal::None, "compiled with `-march=native`"),
];

/// Above this size, glibc maps new pages for every allocation and unmaps them when it is freed
/// (`DEFAULT_MMAP_THRESHOLD_MAX` in mallopt(3)).
const ALWAYS_FRESH_BYTES: usize = 33 << 20;

pub(super) fn measure(environment: &Environment) -> Result<Findings> {
    let (cores, length) = (environment.cores(), environment.duration(ROUND));
    let mut rounds = OTHER_IMPLEMENTATIONS.map(|_| Vec::new());
    for _ in 0..environment.rounds() {
        for ((_, other, ..), rounds) in OTHER_IMPLEMENTATIONS.iter().zip(&mut rounds) {
            rounds.push((hashes_per_second(cores, length), other(cores, length)));
        }
    }
    let rows = OTHER_IMPLEMENTATIONS.iter().zip(&rounds).map(|((name, _, goal, remark), rounds)| {
        let row = Row::comparison(
            format!("hashes, all cores: argon2-simd / {name}"),
            "1/s",
            &Comparison::from_rounds(rounds),
            *goal,
        );
        let ours = format!("argon2-simd is {} here", Implementation::detect());
        row.note(if remark.is_empty() { ours } else { format!("{ours}; {remark}") })
    });
    Ok(rows.collect::<Vec<_>>().into())
}

/// Returns the hash limit, which is an upper bound for logins per second.
pub(crate) fn hashes_per_second(threads: usize, length: Duration) -> f64 {
    implementation_rate(Implementation::detect(), threads, length)
}

fn in_avx2(threads: usize, length: Duration) -> f64 {
    let avx2 = Implementation::all().find(|implementation| implementation.to_string() == "avx2");
    implementation_rate(avx2.unwrap_or(Implementation::PORTABLE), threads, length)
}

fn implementation_rate(implementation: Implementation, threads: usize, length: Duration) -> f64 {
    rate(threads, length, || {
        let params = params();
        let mut arena = Arena::for_params(&params);
        move || {
            let inputs = Inputs {
                algorithm: Algorithm::Argon2id,
                version: Version::V0x13,
                params: &params,
                secret: &[],
                password: PASSWORD,
                salt: SALT,
            };
            hash_into_with(implementation, &inputs, &mut arena, &mut [0; 32]).expect("the parameters are valid");
        }
    })
}

fn c_reference(threads: usize, length: Duration) -> f64 {
    rate(threads, length, || || argon2_reference::hash_into(PASSWORD, SALT, MEMORY_KIB, ITERATIONS, &mut [0; 32]))
}

fn crate_fresh(threads: usize, length: Duration) -> f64 {
    rate(threads, length, || {
        let argon2 = argon2();
        move || {
            let mut memory = Vec::with_capacity(ALWAYS_FRESH_BYTES / Block::SIZE);
            memory.resize(MEMORY_KIB as usize, Block::new());
            argon2
                .hash_password_into_with_memory(PASSWORD, SALT, &mut [0; 32], &mut memory)
                .expect("the parameters are valid");
        }
    })
}

fn crate_alone(threads: usize, length: Duration) -> f64 {
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
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params())
}

fn params() -> Params {
    Params::new(MEMORY_KIB, ITERATIONS, 1, Some(32)).expect("the parameters are valid")
}

/// Returns how many times per second all threads together call the function that `make` creates on each of them.
fn rate<F: FnMut()>(threads: usize, length: Duration, make: impl Fn() -> F + Sync) -> f64 {
    thread::scope(|scope| {
        let count = |_| {
            scope.spawn(|| {
                let mut hash = make();
                // The first call touches new memory.
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
