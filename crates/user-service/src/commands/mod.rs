//! The command line: what each command does, besides `serve`.

mod cli;
mod events;
mod keygen;

pub use cli::{Cli, run};
