//! The process of the user service.

use std::process::ExitCode;

use clap::Parser;
use service_kit::{cli::conclude, fail_points, install_panic_hook};
use user_service::commands::{Cli, run};

fn main() -> ExitCode {
    install_panic_hook();
    let cli = Cli::parse();
    conclude(fail_points::setup().map_err(anyhow::Error::from).and_then(|()| run(cli)))
}
