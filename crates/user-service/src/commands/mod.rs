//! The command line: one file for each command except `serve`.

mod cli;
mod events;
mod grant_role;
mod keygen;
mod users;

pub use cli::{Cli, run};
