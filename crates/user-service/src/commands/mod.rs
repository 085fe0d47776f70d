//! The command line: what each command does, besides `serve`.

mod cli;
mod events;
mod grant_role;
mod keygen;
mod users;

pub use cli::{Cli, run};
