//! The process of the user service.

use std::process::ExitCode;

use clap::Parser;
use service_kit::{cli::exit_code, fail_points, install_panic_hook};
use user_service::commands::{Cli, run};

fn main() -> ExitCode {
    install_panic_hook();
    let cli = Cli::parse();
    exit_code(fail_points::setup().map_err(anyhow::Error::from).and_then(|()| run(cli)))
}
