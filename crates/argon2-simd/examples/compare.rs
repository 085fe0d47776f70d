//! Compares the hashes per second of this crate and of the `argon2` crate (docs/adr/0010).
//!
//! ```sh
//! cargo run --release -p argon2-simd --example compare [THREADS [SECONDS]]
//! ```
//!
//! The parameters are OWASP's. All threads run at once, each with its own memory. The variants
//! alternate in rounds of half a second, SECONDS (default 10) in all for each, so that a change of
//! the machine's speed affects all of them. A ratio is the median of the ratios within a round, in
//! CPU time, because other processes on the machine affect only wall-clock time.

use std::{
    fmt, fs, thread,
    time::{Duration, Instant},
};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use argon2_simd::{Arena, Implementation, Inputs, hash_into_with};

const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const ROUND: Duration = Duration::from_millis(500);
const PASSWORD: &[u8] = b"correct horse battery staple";
const SALT: &[u8] = b"0123456789abcdef";

/// What is compared.
#[derive(Clone, Copy)]
enum Variant {
    CrateWithNewMemory,
    CrateWithReusedMemory,
    Here(Implementation),
}

impl Variant {
    fn all() -> Vec<Self> {
        let mut here: Vec<_> = Implementation::all().map(Self::Here).collect();
        here.reverse();
        [vec![Self::CrateWithNewMemory, Self::CrateWithReusedMemory], here].concat()
    }

    fn hash(self, memory: &mut Memory) {
        match self {
            Self::CrateWithNewMemory => argon2(&memory.params).hash_password_into(PASSWORD, SALT, &mut memory.out),
            Self::CrateWithReusedMemory => argon2(&memory.params).hash_password_into_with_memory(
                PASSWORD,
                SALT,
                &mut memory.out,
                &mut memory.blocks[..],
            ),
            Self::Here(implementation) => {
                hash_into_with(implementation, &inputs(&memory.params), &mut memory.arena, &mut memory.out)
            }
        }
        .expect("the parameters are allowed");
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CrateWithNewMemory => f.pad("argon2, new memory for each hash"),
            Self::CrateWithReusedMemory => f.pad("argon2, reused memory"),
            Self::Here(Implementation::PORTABLE) => f.pad("argon2, in this crate's arena"),
            Self::Here(implementation) => f.pad(&format!("this crate, {implementation}")),
        }
    }
}

/// The memory and the output of a thread.
struct Memory {
    params: Params,
    blocks: Vec<Block>,
    arena: Arena,
    out: [u8; 32],
}

/// The hashes of all threads per second of wall-clock time, and per second of CPU time.
#[derive(Clone, Copy)]
struct Rate {
    wall: f64,
    cpu: f64,
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |otherwise: usize| {
        arguments.next().map_or(otherwise, |text| text.parse().expect("arguments: [THREADS [SECONDS]]"))
    };
    let threads = number(thread::available_parallelism().map_or(1, usize::from));
    let rounds = number(10) * 2;

    let mut memory: Vec<Memory> = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(memory)).collect();
        threads.into_iter().map(|thread| thread.join().expect("the thread allocates its memory")).collect()
    });
    let variants = Variant::all();
    let mut rates = vec![Vec::with_capacity(rounds); variants.len()];
    // The first round of each variant is a warm-up.
    for round in 0..=rounds {
        for (variant, rates) in variants.iter().zip(&mut rates) {
            let rate = measure(&mut memory, *variant);
            if round > 0 {
                rates.push(rate);
            }
        }
    }

    println!("Argon2id, {MEMORY_KIB} KiB, t={PASSES}, p=1; this crate uses {} here", Implementation::detect());
    println!("{threads} threads, {rounds} rounds of {ROUND:?}; median [min to max]");
    println!("{:<32} {:>24} {:>24} {:>10} {:>10}", "", "hashes/s", "hashes/s of CPU time", "x first", "x second");
    for (variant, variant_rates) in variants.iter().zip(&rates) {
        let ratio =
            |to: &[Rate]| median(variant_rates.iter().zip(to).map(|(ours, theirs)| ours.cpu / theirs.cpu).collect());
        println!(
            "{variant:<32} {:>24} {:>24} {:>10.2} {:>10.2}",
            spread(variant_rates, |rate| rate.wall),
            spread(variant_rates, |rate| rate.cpu),
            ratio(&rates[0]),
            ratio(&rates[1]),
        );
    }
}

fn memory() -> Memory {
    let params = Params::new(MEMORY_KIB, PASSES, 1, Some(32)).expect("the parameters are allowed");
    let blocks = vec![Block::new(); params.block_count()];
    Memory { arena: Arena::for_params(&params), params, blocks, out: [0; 32] }
}

fn argon2(params: &Params) -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone())
}

fn inputs(params: &Params) -> Inputs<'_> {
    Inputs {
        algorithm: Algorithm::Argon2id,
        params,
        version: Version::V0x13,
        secret: b"",
        password: PASSWORD,
        salt: SALT,
    }
}

/// Measures one round on all threads.
fn measure(memory: &mut [Memory], variant: Variant) -> Rate {
    let thread_rates: Vec<Rate> = thread::scope(|scope| {
        let running: Vec<_> = memory.iter_mut().map(|memory| scope.spawn(|| thread_rate(memory, variant))).collect();
        running.into_iter().map(|thread| thread.join().expect("the thread computes hashes")).collect()
    });
    Rate {
        wall: thread_rates.iter().map(|rate| rate.wall).sum(),
        cpu: thread_rates.iter().map(|rate| rate.cpu).sum::<f64>() / thread_rates.len() as f64,
    }
}

fn thread_rate(memory: &mut Memory, variant: Variant) -> Rate {
    let (started, cpu_before) = (Instant::now(), cpu_seconds());
    let mut hashes = 0.0;
    while started.elapsed() < ROUND {
        variant.hash(memory);
        hashes += 1.0;
    }
    Rate { wall: hashes / started.elapsed().as_secs_f64(), cpu: hashes / (cpu_seconds() - cpu_before) }
}

/// Returns the CPU time of this thread in seconds; NaN on systems other than Linux.
fn cpu_seconds() -> f64 {
    let nanoseconds = fs::read_to_string("/proc/thread-self/schedstat").ok().and_then(|text| {
        let (first, _) = text.split_once(' ')?;
        first.parse::<f64>().ok()
    });
    nanoseconds.map_or(f64::NAN, |nanoseconds| nanoseconds / 1e9)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn spread(rates: &[Rate], of: impl Fn(&Rate) -> f64) -> String {
    let values: Vec<f64> = rates.iter().map(of).collect();
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(0.0, f64::max);
    format!("{:.1} [{least:.1} to {most:.1}]", median(values))
}
