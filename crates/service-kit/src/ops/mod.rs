//! What operators and orchestrators ask a process: is it alive, is it ready, what are its
//! metrics.

mod health;
mod healthcheck;
mod server;

pub use health::{Check, CheckState, Health, Readiness, Status};
pub use healthcheck::healthcheck;
pub use server::{OpsError, readyz, serve};
