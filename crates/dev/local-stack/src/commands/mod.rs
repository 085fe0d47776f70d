//! The subcommands of the `local-stack` program.

pub(crate) mod down;
mod instance_file;
mod keys;
pub(crate) mod run;
mod services;
mod stop_signals;
pub(crate) mod up;
mod workspace;
