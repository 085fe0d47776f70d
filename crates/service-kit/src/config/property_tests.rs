//! Properties of every configuration: it is valid, or the error names the key, and never the value
//! of a secret.

use corpus::{TestResult, corpus};
use proptest::prelude::*;

use super::{
    ConfigError,
    tests::{Files, SOURCE, Settings},
};

/// The value of secrets in these tests. No error about a secret may contain it.
const SECRET: &str = "s3cr3t-p4ss";

/// Returns the key that an error is about, if any.
fn key_of(error: &ConfigError) -> Option<&str> {
    match error {
        ConfigError::UnknownKey { key, .. }
        | ConfigError::WrongType { key, .. }
        | ConfigError::Invalid { key, .. }
        | ConfigError::Missing { key, .. }
        | ConfigError::BothSet { key, .. }
        | ConfigError::SecretFile { key, .. } => Some(key),
        ConfigError::File { .. } | ConfigError::Syntax { .. } | ConfigError::NotUnicode { .. } => None,
    }
}

/// Checks that an error does not show a secret. It may show the value of another key, or the name of an
/// unknown key.
fn shows_no_secret(error: &ConfigError) -> TestResult {
    let message = format!("{error} {error:?}");
    let about_a_secret = key_of(error).is_none_or(|key| SOURCE.secrets.contains(&key));
    prop_assert!(!about_a_secret || !message.contains(SECRET), "{}", message);
    Ok(())
}

#[test]
fn any_file_is_a_configuration_or_an_error_without_secrets() {
    let files = Files::new();
    corpus!("toml").holds_for_text(|text| {
        let file = files.file("service.toml", text);
        if let Err(error) = SOURCE.load_from::<Settings>(Some(&file), []) {
            shows_no_secret(&error)?;
            prop_assert!(matches!(error, ConfigError::Syntax { .. }) || key_of(&error).is_some(), "{}", error);
        }
        match SOURCE.effective(Some(&file), []) {
            Ok(shown) => prop_assert!(!shown.contains(SECRET) || !text.contains("uri ="), "{}", shown),
            Err(error) => shows_no_secret(&error)?,
        }
        Ok(())
    });
}

#[test]
fn any_value_of_any_variable_is_accepted_or_refused_with_its_key() {
    const KEYS: [&str; 12] = [
        "http.port",
        "http.host",
        "http.trusted_proxies",
        "auth.access_token_ttl",
        "auth.unverified_expiry",
        "auth.breached_passwords_file",
        "auth.require_verified_email",
        "auth.factor",
        "log.format",
        "smtp.url",
        "keys.encryption_key",
        "mongodb.uri",
    ];
    corpus!("value").holds_for_text(|value| {
        for key_set in KEYS {
            let secret = SOURCE.secrets.contains(&key_set);
            let value = if secret { format!("{value}{SECRET}") } else { value.to_owned() };
            let variable = format!("USER_SERVICE__{}", key_set.to_uppercase().replace('.', "__"));
            let env = [(variable.clone(), value)];
            if let Err(error) = SOURCE.load_from::<Settings>(None, env.clone()) {
                shows_no_secret(&error)?;
                prop_assert_eq!(key_of(&error), Some(key_set), "{}", error);
                prop_assert!(error.to_string().contains(&variable), "{}", error);
            }
            if let Ok(shown) = SOURCE.effective(None, env) {
                prop_assert!(!shown.contains(SECRET), "{}", shown);
            }
        }
        Ok(())
    });
}

#[test]
fn any_variable_with_the_prefix_is_known_or_refused() {
    corpus!("value").holds_for_text(|name| {
        let variable = format!("USER_SERVICE__{name}");
        if let Err(error) = SOURCE.load_from::<Settings>(None, [(variable, SECRET.to_owned())]) {
            prop_assert!(matches!(error, ConfigError::UnknownKey { .. }), "{}", error);
            prop_assert!(!error.to_string().contains(SECRET), "{}", error);
        }
        Ok(())
    });
}
