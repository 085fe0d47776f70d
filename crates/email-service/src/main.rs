//! The process of the email service.

use std::process::ExitCode;

use email_service::commands::run;

fn main() -> ExitCode {
    service_kit::cli::main(run)
}
