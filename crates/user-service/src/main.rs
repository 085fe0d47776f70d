//! The process of the user service.

use std::process::ExitCode;

use user_service::commands::run;

fn main() -> ExitCode {
    service_kit::cli::main(run)
}
