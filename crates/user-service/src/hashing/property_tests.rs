//! Property tests for any text in the place of a password hash: it is refused, or its verification takes no more memory
//! and time than the configuration allows.

use corpus::{TestResult, corpus};
use proptest::prelude::*;
use serde_json::json;

use super::{HashImporter, HashingSettings, PasswordHash, check::argon2_cost, policy::HashPolicy};
use crate::domain::Password;

fn settings() -> HashingSettings {
    HashingSettings::for_test()
}

/// Checks that the cost of a usable stored hash is within the limits.
fn bounded(policy: &HashPolicy, stored: &PasswordHash, password: &Password) -> TestResult {
    let Ok(check) = policy.parse(stored) else { return Ok(()) };
    let most =
        settings().max_foreign_cost().max(argon2_cost(&settings().argon2_params().expect("the settings are valid")));
    prop_assert!(check.cost() <= most, "cost {} of at most {most}", check.cost());
    // `parse` has limited the memory. Only cheap hashes are verified here.
    if check.cost() <= 256 {
        prop_assert!(!check.verify(password, &mut policy.arena()), "no password has this hash");
    }
    Ok(())
}

#[test]
fn any_stored_text_costs_at_most_the_configured_limit() {
    let policy = HashPolicy::new(&settings()).expect("the settings are valid");
    let password = Password::parse_attempt(&"not the password".into()).expect("the password is within the limits");
    corpus!("hash").holds_for_text(|text| bounded(&policy, &PasswordHash::from_stored(text.to_owned()), &password));
}

#[test]
fn an_imported_hash_is_usable_and_costs_at_most_the_configured_limit() {
    let importer = HashImporter::new(&settings()).expect("the settings are valid");
    let policy = HashPolicy::new(&settings()).expect("the settings are valid");
    let password = Password::parse_attempt(&"not the password".into()).expect("the password is within the limits");
    corpus!("hash").holds_for_text(|text| {
        match importer.import(text) {
            Ok(hash) => {
                prop_assert!(hash.expose().len() <= 512);
                let again = importer.import(hash.expose());
                prop_assert_eq!(
                    again.as_ref().map(PasswordHash::expose),
                    Ok(hash.expose()),
                    "the stored form is canonical"
                );
                prop_assert!(policy.parse(&hash).is_ok(), "an imported hash can be verified");
                bounded(&policy, &hash, &password)?;
            }
            Err(why) => {
                let shown = format!("{why} {why:?} {}", why.code());
                prop_assert!(text.len() < 20 || !shown.contains(text), "the hash is shown: {}", shown);
            }
        }
        Ok(())
    });
}

#[test]
fn a_keycloak_credential_with_any_content_is_imported_or_refused() {
    let importer = HashImporter::new(&settings()).expect("the settings are valid");
    corpus!("hash").holds_for_text(|text| {
        for credential in [
            json!(text),
            json!({ "secretData": text, "credentialData": text }),
            json!({ "secretData": { "value": text, "salt": text },
                "credentialData": { "hashIterations": 1, "algorithm": "pbkdf2-sha256" } }),
            json!({ "secretData": { "value": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "salt": "c2FsdHNhbHRzYWx0" },
                "credentialData": { "hashIterations": 1, "algorithm": "argon2", "additionalParameters":
                    { "type": ["id"], "version": ["1.3"], "memory": [text], "parallelism": [text], "hashLength": [text] } } }),
        ] {
            if let Ok(hash) = importer.import_keycloak(&credential) {
                prop_assert!(hash.expose().len() <= 512);
            }
        }
        Ok(())
    });
}
