//! Checks the lengths that Argon2 allows (RFC 9106 section 3.1), before anything is computed.

use argon2::{Block, Error, MAX_PWD_LEN, MAX_SALT_LEN, MAX_SECRET_LEN, MIN_SALT_LEN, Params, Result};

use crate::{Arena, Inputs};

/// Returns the blocks to compute in, if all lengths are allowed.
///
/// # Errors
/// Returns the same error as the `argon2` crate. If there are several errors, the order is also that
/// of the crate.
pub(crate) fn check<'a>(inputs: &Inputs<'_>, arena: &'a mut Arena, output_len: usize) -> Result<&'a mut [Block]> {
    let fixed_len = inputs.params.output_len();
    if inputs.secret.len() > MAX_SECRET_LEN {
        return Err(Error::SecretTooLong);
    }
    if output_len < fixed_len.unwrap_or(Params::MIN_OUTPUT_LEN) {
        return Err(Error::OutputTooShort);
    }
    if output_len > fixed_len.unwrap_or(Params::MAX_OUTPUT_LEN) {
        return Err(Error::OutputTooLong);
    }
    if inputs.password.len() > MAX_PWD_LEN {
        return Err(Error::PwdTooLong);
    }
    if inputs.salt.len() < MIN_SALT_LEN {
        return Err(Error::SaltTooShort);
    }
    if inputs.salt.len() > MAX_SALT_LEN {
        return Err(Error::SaltTooLong);
    }
    arena.blocks_mut().get_mut(..inputs.params.block_count()).ok_or(Error::MemoryTooLittle)
}
