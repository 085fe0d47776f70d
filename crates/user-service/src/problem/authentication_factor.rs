//! The factors that an account can ask for.

use serde::Serialize;
use utoipa::ToSchema;

/// An authentication factor of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AuthenticationFactor {
    Password,
    /// A code of the authenticator app, or a recovery code.
    SecondFactor,
}
