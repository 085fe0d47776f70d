//! Random bytes for keys, tokens and salts.

/// Returns bytes from the operating system's random source.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system's random source works once it has been seeded");
    bytes
}
