//! Property tests for any text in the place of a password hash: it is refused, or its verification takes no more memory
//! and time than the configuration allows.

use corpus::{TestResult, corpus};
use proptest::prelude::*;
use serde_json::json;

use super::{
    FirebaseParameters, HashImporter, HashingSettings, PasswordHash, Verification, check::argon2_cost,
    policy::HashPolicy,
};
use crate::domain::Password;

/// Passwords with one form, with two, with three, and with many bytes; and what PHP applications change.
const PASSWORDS: [&str; 5] = [
    "not the password",
    "n\u{F6}t the password",
    "not\u{B2} the p\u{E4}ssword",
    " it's not \"the\" <password> ",
    "\u{1112}\u{1161}\u{11AB}\u{1112}\u{1161}\u{11AB}\u{1112}\u{1161}\u{11AB}\u{1112}\u{1161}\u{11AB}\u{1112}\u{1161}\u{11AB}\u{1112}\u{1161}\u{11AB}",
];

fn settings() -> HashingSettings {
    HashingSettings { devise_pepper: Some("pepper".into()), ..HashingSettings::for_test() }
}

/// Checks that the cost of a usable stored hash is within the limits, for any password.
fn bounded(policy: &HashPolicy, stored: &PasswordHash) -> TestResult {
    let most =
        settings().max_foreign_cost().max(argon2_cost(&settings().argon2_params().expect("the settings are valid")));
    for password in PASSWORDS {
        let password = Password::parse_attempt(&password.into()).expect("the password is within the limits");
        let Ok(attempt) = policy.attempt(stored, &password) else { continue };
        prop_assert!(attempt.cost <= most, "cost {} of at most {most}", attempt.cost);
        // `parse` has limited the memory. Only cheap hashes are verified here.
        if attempt.cost <= 256 {
            let result = attempt.verify(&mut policy.arena());
            prop_assert_eq!(result, Verification::Mismatch, "no password has this hash");
        }
    }
    Ok(())
}

#[test]
fn any_stored_text_costs_at_most_the_configured_limit() {
    let policy = HashPolicy::new(&settings()).expect("the settings are valid");
    corpus!("hash").holds_for_text(|text| bounded(&policy, &PasswordHash::from_stored(text.to_owned())));
}

#[test]
fn an_imported_hash_is_usable_and_costs_at_most_the_configured_limit() {
    let importer = HashImporter::new(&settings()).expect("the settings are valid");
    let policy = HashPolicy::new(&settings()).expect("the settings are valid");
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
                bounded(&policy, &hash)?;
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

#[test]
fn a_user_of_firebase_with_any_content_is_imported_or_refused() {
    let importer = HashImporter::new(&settings()).expect("the settings are valid");
    let project = |signer_key: &str, salt_separator: &str, number| FirebaseParameters {
        signer_key: signer_key.into(),
        salt_separator: salt_separator.to_owned(),
        rounds: number,
        memory_cost: number,
    };
    let bytes = "AAAAAAAAAAAAAAAAAAAAAA==";
    corpus!("hash").holds_for_text(|text| {
        let number = text.parse().unwrap_or(4);
        for (hash, salt, project) in [
            (text, text, project(text, text, number)),
            (text, bytes, project(bytes, "", number)),
            (bytes, text, project(bytes, "", number)),
            (bytes, bytes, project(bytes, text, number)),
        ] {
            if let Ok(hash) = importer.import_firebase(hash, salt, &project) {
                prop_assert!(hash.expose().len() <= 512);
            }
        }
        Ok(())
    });
}
