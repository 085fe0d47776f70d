//! The parameters of Firebase's password hashes, as the console shows them or as JSON. The signer key is a secret.

use secrecy::SecretString;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::hashing::FirebaseParameters;

/// The reason why a text is not such a configuration. It contains no value.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidHashConfig {
    #[error("it is neither the text that the console shows, `hash_config {{ … }}`, nor JSON")]
    Malformed,
    #[error("`{0}` is missing")]
    Missing(&'static str),
    #[error("`{0}` is not allowed")]
    Invalid(&'static str),
    #[error("the algorithm is not SCRYPT, so Firebase does not export these hashes")]
    OtherAlgorithm,
}

/// Parses the parameters.
///
/// # Errors
/// Returns [`InvalidHashConfig`].
pub fn parse_firebase_hash_config(text: &str) -> Result<FirebaseParameters, InvalidHashConfig> {
    let members = members(text)?;
    let find = |names: [&'static str; 2]| {
        let found = members.iter().find(|(name, _)| names.contains(&name.as_str()));
        found.map(|(_, value)| value.as_str()).ok_or(InvalidHashConfig::Missing(names[0]))
    };
    if find(["algorithm", "algorithm"])? != "SCRYPT" {
        return Err(InvalidHashConfig::OtherAlgorithm);
    }
    let number = |names: [&'static str; 2]| find(names)?.parse().map_err(|_| InvalidHashConfig::Invalid(names[0]));
    let signer_key = find(["base64_signer_key", "signerKey"])?;
    if signer_key.is_empty() || signer_key.contains('<') {
        return Err(InvalidHashConfig::Invalid("base64_signer_key"));
    }
    Ok(FirebaseParameters {
        signer_key: SecretString::from(signer_key.to_owned()),
        salt_separator: find(["base64_salt_separator", "saltSeparator"])?.to_owned(),
        rounds: number(["rounds", "rounds"])?,
        memory_cost: number(["mem_cost", "memoryCost"])?,
    })
}

type Member = (String, Zeroizing<String>);

/// Returns the names and values of the text.
fn members(text: &str) -> Result<Vec<Member>, InvalidHashConfig> {
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        let inner = ["hash_config", "hashConfig"].iter().find_map(|name| value.get(name));
        let Value::Object(members) = inner.unwrap_or(&value) else { return Err(InvalidHashConfig::Malformed) };
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        return Ok(members.iter().map(|(name, value)| (name.clone(), Zeroizing::new(text(value)))).collect());
    }
    let inside = text.trim().strip_prefix("hash_config").map(str::trim_start).and_then(|text| text.strip_prefix('{'));
    let inside = inside.and_then(|text| text.trim_end().strip_suffix('}')).ok_or(InvalidHashConfig::Malformed)?;
    let entries = inside.split([',', '\n']).map(str::trim).filter(|entry| !entry.is_empty());
    let entry = |entry: &str| {
        let (name, value) = entry.split_once(':').ok_or(InvalidHashConfig::Malformed)?;
        let value = value.trim().trim_matches('"');
        Ok((name.trim().trim_matches('"').to_owned(), Zeroizing::new(value.to_owned())))
    };
    entries.map(entry).collect()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    const CONSOLE: &str = "hash_config {\n  algorithm: SCRYPT,\n  base64_signer_key: jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==,\n  base64_salt_separator: Bw==,\n  rounds: 8,\n  mem_cost: 14,\n}\n";

    #[test]
    fn the_text_of_the_console_and_json_are_read_alike() {
        let json = r#"{"algorithm":"SCRYPT","base64_signer_key":"jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==","base64_salt_separator":"Bw==","rounds":8,"mem_cost":14}"#;
        let api = r#"{"hashConfig":{"algorithm":"SCRYPT","signerKey":"jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==","saltSeparator":"Bw==","rounds":8,"memoryCost":14}}"#;
        for text in [CONSOLE, json, api, &CONSOLE.replace('\n', " ")] {
            let read = parse_firebase_hash_config(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert!(read.signer_key.expose_secret().starts_with("jxspr8Ki0RY"));
            assert_eq!((read.salt_separator.as_str(), read.rounds, read.memory_cost), ("Bw==", 8, 14));
        }
    }

    #[test]
    fn an_incomplete_configuration_is_refused_without_its_values() {
        for (text, error) in [
            (CONSOLE.replace("rounds: 8,", ""), InvalidHashConfig::Missing("rounds")),
            (CONSOLE.replace("mem_cost: 14", "mem_cost: many"), InvalidHashConfig::Invalid("mem_cost")),
            (CONSOLE.replace("SCRYPT", "BCRYPT"), InvalidHashConfig::OtherAlgorithm),
            (CONSOLE.replace("jxspr8Ki", "<...sensitive...>"), InvalidHashConfig::Invalid("base64_signer_key")),
            ("jxspr8Ki0RYycVU8".to_owned(), InvalidHashConfig::Malformed),
            ("[]".to_owned(), InvalidHashConfig::Malformed),
            (String::new(), InvalidHashConfig::Malformed),
        ] {
            let found = parse_firebase_hash_config(&text).err();
            assert!(!found.as_ref().is_some_and(|error| error.to_string().contains("jxspr8Ki")));
            assert_eq!(found, Some(error), "{text}");
        }
    }
}
