//! How much work a hash is, so that the queue can compare different ones.

use argon2::Params;

/// Blocks times passes. What another algorithm costs is compared with the `argon2` crate's
/// block function; `argon2-simd`'s takes less than half as long.
pub(super) fn cost(params: &Params) -> u64 {
    params.block_count() as u64 * u64::from(params.t_cost())
}
