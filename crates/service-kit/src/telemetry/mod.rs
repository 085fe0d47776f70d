//! Logging: readable text on a terminal, otherwise one JSON object per line.

mod json;

use std::io::IsTerminal as _;

use anyhow::Context as _;
use tracing_subscriber::{
    EnvFilter, Layer as _, filter::LevelFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

use crate::config::{LogConfig, LogFormat};

#[cfg(test)]
pub(crate) use json::tests::lines as logged_lines;

/// The dependencies that log too much at `info` for an operator.
const NOISY_DEPENDENCIES: &[&str] = &[
    "actix_server",
    "actix_web",
    "h2",
    "hickory_net",
    "hickory_proto",
    "hickory_resolver",
    "hyper",
    "lettre",
    "librdkafka",
    "mio",
    "mongodb",
    "rdkafka",
    "rustls",
    "tokio_util",
];

/// The target that logs an error for each connection on which a client makes a mistake. It is
/// off unless a directive names it.
const CLIENT_ERROR_TARGET: &str = "actix_http";

/// Sets up logging to standard error, with the configured format and level. Standard output is
/// reserved for the results of commands.
///
/// # Errors
/// Returns an error if the level is neither a level nor filter directives, or if logging is
/// already set up.
pub fn init(config: &LogConfig) -> anyhow::Result<()> {
    let terminal = std::io::stderr().is_terminal();
    let human = match config.format {
        LogFormat::Human => true,
        LogFormat::Json => false,
        LogFormat::Auto => terminal,
    };
    let layer = if human {
        fmt::layer().with_ansi(terminal).with_writer(std::io::stderr).boxed()
    } else {
        fmt::layer()
            .fmt_fields(fmt::format::JsonFields::new())
            .event_format(json::JsonLines)
            .with_ansi(false)
            .with_writer(std::io::stderr)
            .boxed()
    };
    tracing_subscriber::registry()
        .with(filter(&config.level)?)
        .with(layer)
        .try_init()
        .context("logging is already set up")
}

/// Builds the filter from a level such as `info`, or from directives such as
/// `info,user_service=debug,mongodb=debug`. Noisy dependencies are capped at `warn`, and
/// `actix_http` is off, unless a directive names them.
fn filter(level: &str) -> anyhow::Result<EnvFilter> {
    let cap = match level.trim().parse::<LevelFilter>() {
        Ok(plain) => plain.min(LevelFilter::WARN),
        Err(_) => LevelFilter::WARN,
    };
    let mut directives: Vec<String> = NOISY_DEPENDENCIES.iter().map(|name| format!("{name}={cap}")).collect();
    if !level.contains(CLIENT_ERROR_TARGET) {
        directives.push(format!("{CLIENT_ERROR_TARGET}=off"));
    }
    directives.push(level.trim().to_owned());
    EnvFilter::builder()
        .parse(directives.join(","))
        .with_context(|| format!("log.level: `{level}` is neither a level nor filter directives"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noisy_dependencies_are_capped_unless_named() {
        let text = filter("debug").unwrap().to_string();
        assert!(text.contains("mongodb=warn"), "{text}");
        assert!(text.contains("debug"), "{text}");
        let text = filter("info,mongodb=trace").unwrap().to_string();
        assert!(text.contains("mongodb=trace"), "{text}");
        assert!(!text.contains("mongodb=warn"), "{text}");
    }

    #[test]
    fn invalid_requests_of_clients_are_not_logged_as_errors() {
        assert!(filter("info").unwrap().to_string().contains("actix_http=off"));
        assert!(!filter("info,actix_http=debug").unwrap().to_string().contains("off"));
    }

    #[test]
    fn a_level_below_warn_applies_to_noisy_dependencies_too() {
        let text = filter("error").unwrap().to_string();
        assert!(text.contains("mongodb=error"), "{text}");
        let text = filter("off").unwrap().to_string();
        assert!(text.contains("mongodb=off"), "{text}");
    }

    #[test]
    fn an_invalid_level_is_refused() {
        let error = filter("info,,=what=").unwrap_err().to_string();
        assert!(error.contains("log.level"), "{error}");
    }
}
