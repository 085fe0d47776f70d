//! Tests with the vectors of the systems themselves.

use serde_json::{Value, json};

use super::{
    vectors::{
        ASP_NET_PASSWORD, ASP_NET_VECTORS, COMPOSED, DECOMPOSED, DEVISE_PEPPER, HASHES_OF_COMPOSED,
        HASHES_OF_DECOMPOSED, PASSWORD, VECTORS,
    },
    *,
};
use crate::{
    domain::Password,
    hashing::{
        ExceededBound, ExceededBounds, HashImporter, HashingSettings, PasswordHash, Verification, policy::HashPolicy,
        queue::QueueLane,
    },
};

fn settings() -> HashingSettings {
    HashingSettings {
        foreign_max_memory_kib: 16 * 1024 + 16,
        foreign_max_cost: 11,
        devise_pepper: Some(DEVISE_PEPPER.into()),
        ..HashingSettings::for_test()
    }
}

fn importer() -> HashImporter {
    HashImporter::new(&settings()).unwrap()
}

fn verify_with(policy: &HashPolicy, hash: &PasswordHash, password: &str) -> Verification {
    let password = Password::parse_attempt(&password.into()).unwrap();
    policy.attempt(hash, &password).unwrap().verify(&mut policy.arena())
}

fn verify(hash: &PasswordHash, password: &str) -> Verification {
    verify_with(&HashPolicy::new(&settings()).unwrap(), hash, password)
}

fn accepts(hash: &PasswordHash, password: &str) -> bool {
    verify(hash, password) != Verification::Mismatch
}

fn refused(text: &str) -> UnusableHash {
    importer().import(text).unwrap_err()
}

/// Returns the error of a hash that exceeds these bounds, each as what it needs and what is allowed.
fn too_expensive(memory_kib: Option<(u64, u64)>, cost: Option<(u64, u64)>) -> UnusableHash {
    let bound = |(needed, allowed)| ExceededBound { needed, allowed };
    UnusableHash::TooExpensive(ExceededBounds { memory_kib: memory_kib.map(bound), cost: cost.map(bound) })
}

#[test]
fn the_hash_of_each_system_matches_only_its_password() {
    for (text, stored) in VECTORS {
        let hash = importer().import(text).unwrap_or_else(|reason| panic!("{text}: {reason}"));
        assert!(hash.expose().starts_with(stored), "{text} is stored as {}", hash.expose());
        assert!(accepts(&hash, PASSWORD), "{text}");
        for wrong in ["correct house", "", "Correct horse", "correct horse\u{A0}"] {
            assert!(!accepts(&hash, wrong), "{text}: {wrong:?}");
        }
    }
}

#[test]
fn foreign_hashes_use_the_single_lane_and_need_a_rehash() {
    let policy = HashPolicy::new(&settings()).unwrap();
    let password = Password::parse_attempt(&PASSWORD.into()).unwrap();
    for (text, stored) in VECTORS.iter().filter(|(_, stored)| !stored.starts_with("$argon2id")) {
        let attempt = policy.attempt(&importer().import(text).unwrap(), &password).unwrap();
        assert_eq!(attempt.lane, QueueLane::Single, "{stored}");
        assert_eq!(attempt.verify(&mut policy.arena()), Verification::Match { needs_rehash: true }, "{stored}");
    }
}

#[test]
fn the_stored_format_is_imported_unchanged() {
    for (text, _) in VECTORS.iter().chain(ASP_NET_VECTORS) {
        let stored = importer().import(text).unwrap();
        assert_eq!(importer().import(stored.expose()).unwrap().expose(), stored.expose());
    }
}

#[test]
fn the_hashes_of_asp_net_core_identity_are_verified() {
    for (text, stored) in ASP_NET_VECTORS {
        let hash = importer().import(text).unwrap_or_else(|reason| panic!("{text}: {reason}"));
        assert!(hash.expose().starts_with(stored), "{text} is stored as {}", hash.expose());
        assert!(accepts(&hash, ASP_NET_PASSWORD), "{text}");
        assert!(!accepts(&hash, PASSWORD), "{text}");
    }
}

/// The first three are wrong passwords in the tests of ASP.NET Core Identity, the others are malformed.
#[test]
fn a_wrong_hash_of_asp_net_core_identity_matches_no_password_or_is_refused() {
    for text in [
        "AAABAgMEBQYHCAkKCwwNDg+uAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAALtH1uJg==",
        "AQAAAAAAAAD6AAAAEAhftMyfTJyAAAAAAAAAAAAAAAAAAAih5WsjXaR3PA9M",
        "AQAAAAIAAAAyAAAAEOMwvh3+FZxqkdMBz2ekgGhwQ4B6pZWND6zgESBuWiHwAAAAAAAAAAAA",
    ] {
        assert!(!accepts(&importer().import(text).unwrap(), ASP_NET_PASSWORD), "{text}");
    }
    for (text, reason) in [
        ("AAABAgMEBQYHCAkKCwwNDg+ukCEMDf0yyQ29NYubggE=", UnusableHash::Malformed),
        ("AAABAgMEBQYHCAkKCwwNDg+ukCEMDf0yyQ29NYubggHIVY0sdEUfdyeM+E1LtH1uJgAAAAAAAAAAAAA=", UnusableHash::Malformed),
        ("AQAAAAIAAAAyAAAAEOMwvh3+FZxqkdMBz2ekgGhwQ4A=", UnusableHash::InvalidParameters),
        // The salt would be longer than the rest, or is too short, the hash function is unknown, and there is no
        // iteration.
        ("AQAAAAIAAAAy/////+Mwvh3+FZxqkdMBz2ekgGhwQ4B6pZWND6zgESBuWiHw", UnusableHash::Malformed),
        ("AQAAAAIAAAAyAAAACOMwvh3+FZxqkdMBz2ekgGhwQ4B6pZWND6zgESBuWiHw", UnusableHash::InvalidParameters),
        ("AQAAAAMAAAAyAAAAEOMwvh3+FZxqkdMBz2ekgGhwQ4B6pZWND6zgESBuWiHw", UnusableHash::InvalidParameters),
        ("AQAAAAIAAAAAAAAAEOMwvh3+FZxqkdMBz2ekgGhwQ4B6pZWND6zgESBuWiHw", UnusableHash::InvalidParameters),
        ("AQAAAAI=", UnusableHash::Malformed),
        ("AgAAAAIAAAAyAAAAEOMwvh3+FZxqkdMBz2ekgGhwQ4B6pZWND6zgESBuWiHw", UnusableHash::Malformed),
    ] {
        assert_eq!(refused(text), reason, "{text}");
    }
}

/// The hashes are those of `  it's a "\" horse` and a tab, as the forms of WordPress 6.1.9 and 6.8 hash it.
#[test]
fn wordpress_hashes_a_password_with_backslashes_and_without_white_space_at_its_ends() {
    let policy = HashPolicy::new(&settings()).unwrap();
    for text in
        ["$P$BxROO84MmnmSGa.d4ZhvRdNHQGDIHT0", "$wp$2y$04$zgCkfvSfSpVRUQHRyppWPu4DpZRhGKA4pl27ABEOKMCSKNHpj/zmy"]
    {
        let hash = importer().import(text).unwrap();
        for (password, accepted) in [
            ("it's a \"\\\" horse", true),
            ("  it's a \"\\\" horse\t", true),
            ("its a \"\\\" horse", false),
            ("it's a \"\\\"\u{A0}horse", false),
        ] {
            assert_eq!(verify_with(&policy, &hash, password) != Verification::Mismatch, accepted, "{text} {password}");
        }
    }
}

/// The hash is that of `a&amp;b &lt;&quot;c&quot;&gt;`, by passlib 1.7.4.
#[test]
fn phpbb_hashes_a_password_as_html() {
    let hash = importer().import("$H$6PM0CNpHm8FYgSrz17o9aRpbXQYsv1.").unwrap();
    assert!(accepts(&hash, "a&b <\"c\">"));
    assert!(accepts(&hash, " a&b <\"c\"> "));
    assert!(!accepts(&hash, "a&b <'c'>"));
}

/// The first pepper is as long as those that Devise generates, so that bcrypt does not read all of it.
#[test]
fn a_hash_of_devise_needs_its_pepper() {
    let long = "6f2caad551d9724fff70a6f050e0690f4dacbc3ea33819c3b6cee5098ffebf12d9dcf737b687d13f72027d6b0a15a09dc351b4caa5e95b03dbffd911c9b9c7bc";
    for (pepper, text) in [
        (long, "{devise}$2a$04$0rAfPzEdPoAZDlx4ianiOO.rd7se4yOn1mRa7QWteVmkotLm6ViQq"),
        (DEVISE_PEPPER, "{devise}$2a$04$dtMxrcSo/vkpYs.DQ/3XNOr3P/nDEcv0mpPBUrrg4EBcoOVFHIwae"),
    ] {
        let with = |pepper: Option<&str>| HashingSettings { devise_pepper: pepper.map(Into::into), ..settings() };
        let importer = |pepper| HashImporter::new(&with(pepper)).unwrap();
        let stored = importer(Some(pepper)).import(text).unwrap();
        let policy = HashPolicy::new(&with(Some(pepper))).unwrap();
        assert_eq!(verify_with(&policy, &stored, PASSWORD), Verification::Match { needs_rehash: true });
        for wrong in ["correct house", "", "correct horse\0", &[PASSWORD, &pepper[..6]].concat()] {
            assert_eq!(verify_with(&policy, &stored, wrong), Verification::Mismatch, "{wrong:?}");
        }
        let other = HashPolicy::new(&with(Some("another pepper"))).unwrap();
        assert_eq!(verify_with(&other, &stored, PASSWORD), Verification::Mismatch);
        // The pepper is not stored, and neither import nor login work without it.
        assert!(!stored.expose().contains(pepper));
        for text in [text, stored.expose()] {
            assert_eq!(importer(None).import(text).unwrap_err(), UnusableHash::MissingPepper);
        }
        let without = HashPolicy::new(&with(None)).unwrap();
        let password = Password::parse_attempt(&PASSWORD.into()).unwrap();
        assert_eq!(without.attempt(&stored, &password).err(), Some(UnusableHash::MissingPepper));
    }
    assert!(UnusableHash::MissingPepper.to_string().contains("hashing.devise_pepper"));
}

#[test]
fn a_password_is_tried_in_both_normal_forms() {
    for (hashes, typed) in [(HASHES_OF_COMPOSED, DECOMPOSED), (HASHES_OF_DECOMPOSED, COMPOSED)] {
        for text in hashes {
            let hash = importer().import(text).unwrap();
            for typed in [COMPOSED, DECOMPOSED] {
                assert_eq!(verify(&hash, typed), Verification::Match { needs_rehash: true }, "{text} {typed}");
            }
            for wrong in [&typed[1..], "Grusse aus Koln", "Gru\u{DF}e aus Koln"] {
                assert_eq!(verify(&hash, wrong), Verification::Mismatch, "{text} {wrong}");
            }
        }
    }
}

#[test]
fn each_form_that_is_tried_counts_in_the_cost_and_all_are_within_the_bound() {
    let policy = HashPolicy::new(&settings()).unwrap();
    let cost = |text: &str, typed: &str| {
        let attempt =
            policy.attempt(&PasswordHash::from_stored(text.into()), &Password::parse_attempt(&typed.into()).unwrap());
        attempt.map(|attempt| (attempt.cost, attempt.lane))
    };
    let (bits, blowfish) = ("AAAAAAAAAAAAAAAAAAAAAA", "ksMzF5T1GreQtTXV/JSTrOWUcnoZY5391MQQprrPbL5mpLKkZdc2y");
    let bcrypt = |cost: u32| format!("$2b${cost:02}${blowfish}");
    let ours = format!("$argon2id$v=19$m=64,t=1,p=1${bits}${bits}{}", "A".repeat(21));
    let weaker = format!("$argon2id$v=19$m=16,t=1,p=1${bits}${bits}");
    let similar = format!("$argon2id$v=19$m=32,t=1,p=1${bits}${bits}");
    let md5 = || "$P$B2mUwi.U.rMLHNaTk6rErfy8ghCqJ61".to_owned();
    let long_md5 = || "$P$G2mUwi.U.rMLHNaTk6rErfy8ghCqJ61".to_owned();
    let sha512 = || "$S$DARUIRt5K7.YIPul7WCYTh6CZejzT8FavYVezja86HPmYVqJevwu".to_owned();
    let (single, shared) = (QueueLane::Single, QueueLane::Shared);
    // `m²ü` has another normal form that this service hashes, `m2ü`.
    for (text, typed, expected) in [
        (bcrypt(10), "ascii", Ok((64 << 10, single))),
        (bcrypt(10), "m\u{B2}", Ok((64 << 10, single))),
        (bcrypt(10), COMPOSED, Ok((64 << 11, single))),
        (bcrypt(10), DECOMPOSED, Ok((64 << 11, single))),
        // The bound is reached with the first form.
        (bcrypt(11), COMPOSED, Ok((64 << 11, single))),
        (ours.clone(), COMPOSED, Ok((64, shared))),
        (ours, "m\u{B2}\u{FC}", Ok((64, shared))),
        (weaker.clone(), COMPOSED, Ok((32, shared))),
        (weaker, "m\u{B2}\u{FC}", Ok((48, shared))),
        (similar.clone(), COMPOSED, Ok((64, shared))),
        // Three forms cost more than a new hash.
        (similar, "m\u{B2}\u{FC}", Ok((96, single))),
        // 8192 iterations of MD5 for 16 bytes and the password: with one block for up to 39 bytes, and then with one
        // more for each 64.
        (md5(), "", Ok((8192_u64.div_ceil(3), single))),
        (md5(), &"x".repeat(39), Ok((8192_u64.div_ceil(3), single))),
        (md5(), &"x".repeat(40), Ok((16_384_u64.div_ceil(3), single))),
        (md5(), &"x".repeat(256), Ok((40_960_u64.div_ceil(3), single))),
        // WordPress's form is tried too.
        (md5(), "it's", Ok((2 * 8192_u64.div_ceil(3), single))),
        // 32768 iterations of SHA-512 for 64 bytes and the password.
        (sha512(), &"x".repeat(47), Ok((16_384, single))),
        (sha512(), &"x".repeat(48), Ok((32_768, single))),
        // 2^18 iterations are within the bound for a short password, but not for a longer one.
        (long_md5(), "ascii", Ok(((1_u64 << 18).div_ceil(3), single))),
        (long_md5(), &"x".repeat(60), Err(too_expensive(None, Some((12, 11))))),
    ] {
        assert_eq!(cost(&text, typed), expected, "{text} {typed}");
    }
}

/// The examples come from the documentation of Firebase and from the tests of Supabase Auth. N is 2^14.
#[test]
fn the_examples_of_firebase_are_verified() {
    for (text, password) in [
        (
            "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==$42xEC+ixf3L2lw==$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==",
            "user1password",
        ),
        (
            "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=ou9tdYTGyYm8kuR6Dt0Bp0kDuAYoXrK16mbZO4yGwAn3oLspjnN0/c41v8xZnO1n14J3MjKj1b2g6AUCAlFwMw==$C0sHCg9ek77hsg==$zKVTMvnWVw5BBOZNUdnsalx4c4c7y/w7IS5p6Ut2+CfEFFlz37J9huyQfov4iizN8dbjvEJlM5tQaJP84+hfTw==",
            "mytestpassword",
        ),
    ] {
        let hash = importer().import(text).unwrap();
        assert!(accepts(&hash, password));
        assert!(!accepts(&hash, "mytestpassword2"));
    }
}

#[test]
fn a_user_in_an_export_of_firebase_gets_the_same_hash_as_in_the_format_of_supabase() {
    let project = FirebaseParameters {
        signer_key: "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==".into(),
        salt_separator: "Bw==".to_owned(),
        rounds: 8,
        memory_cost: 14,
    };
    let (hash, salt) = (
        "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==",
        "42xEC+ixf3L2lw==",
    );
    let key = "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==";
    let text = format!("$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk={key}${salt}${hash}");
    let imported = importer().import_firebase(hash, salt, &project).unwrap();
    assert_eq!(imported.expose(), importer().import(&text).unwrap().expose());
    assert!(accepts(&imported, "user1password"));
    let refused = |hash, salt, project| importer().import_firebase(hash, salt, &project).unwrap_err();
    assert_eq!(refused("!", salt, project.clone()), UnusableHash::Malformed);
    assert_eq!(refused(hash, "", project.clone()), UnusableHash::InvalidParameters);
    // The signer key is that of another project, or something else.
    let wrong = FirebaseParameters { signer_key: "AAAA".into(), ..project.clone() };
    assert_eq!(refused(hash, salt, wrong), UnusableHash::InvalidParameters);
    let expensive = FirebaseParameters { memory_cost: 16, ..project };
    assert_eq!(refused(hash, salt, expensive), too_expensive(Some((65_536, 16_400)), Some((12, 11))));
}

#[test]
fn keycloak_credentials_are_imported_as_objects_and_as_json_strings() {
    let salt = "MDEyMzQ1Njc4OWFiY2RlZg==";
    let pbkdf2 = |algorithm: &str, value: &str| {
        let secret = json!({ "value": value, "salt": salt, "additionalParameters": {} });
        let data = json!({ "hashIterations": 100, "algorithm": algorithm, "additionalParameters": {} });
        (secret, data)
    };
    let argon2 =
        json!({ "hashLength": ["32"], "memory": ["64"], "type": ["id"], "version": ["1.3"], "parallelism": ["1"] });
    for (secret, data) in [
        pbkdf2(
            "pbkdf2-sha256",
            "jFv3hht7uRixqMdKdjkASH0qpaB7Y6oFZhc+KxyeitIIokDHkadO4XqBwr1jGn2HfoyQhuAC697LPW8Kv5tILQ==",
        ),
        pbkdf2(
            "pbkdf2-sha512",
            "/yFakMlDl2xIXcbIvCmwQ3f5b+vB2Ui5t7qa6qg93Z6NvAdTkzlGNgvVQDGF+H9HWKVKWQEKRd6jq7U5b+vBag==",
        ),
        pbkdf2("pbkdf2", "V3XayUfKyrxmgwPR15l/HF5oItNX1XTvGYfQYKhuiIRS6JgV0nx5ksXnqbGLA8ygA62o1e0/Fs6Z8rXplbc9tQ=="),
        (
            json!({ "value": "QSxIdMTxk6ZD1Q5jyUSl60Y3OqGTrowzdv3/rYx4Ll4=", "salt": salt }),
            json!({ "hashIterations": 5, "algorithm": "argon2", "additionalParameters": argon2 }),
        ),
    ] {
        let strings = json!({ "secretData": secret.to_string(), "credentialData": data.to_string() });
        let objects = json!({ "type": "password", "secretData": secret, "credentialData": data });
        for credential in [objects, strings] {
            let hash = importer().import_keycloak(&credential).unwrap();
            assert!(accepts(&hash, PASSWORD), "{data}");
            assert!(!accepts(&hash, "correct house"), "{data}");
        }
    }
}

#[test]
fn a_broken_credential_is_refused() {
    for (credential, reason) in [
        (Value::Null, UnusableHash::Malformed),
        (json!({ "secretData": "{", "credentialData": "{}" }), UnusableHash::Malformed),
        (json!({ "secretData": { "value": "AAAA" }, "credentialData": {} }), UnusableHash::Malformed),
        (
            json!({ "secretData": { "value": "AAAA", "salt": "AAAA" }, "credentialData": { "hashIterations": -1 } }),
            UnusableHash::InvalidParameters,
        ),
        (
            json!({ "secretData": { "value": "AAAA", "salt": "AAAA" }, "credentialData": { "hashIterations": 1, "algorithm": "bcrypt" } }),
            UnusableHash::UnknownAlgorithm,
        ),
    ] {
        assert_eq!(importer().import_keycloak(&credential).unwrap_err(), reason, "{credential}");
    }
}

#[test]
fn an_unsupported_algorithm_is_refused_with_its_name() {
    for (text, name) in [
        ("md5$seasalt2$80fef0aa4805d23838480e040ce0f027", "MD5"),
        ("{SMD5}AAAA", "MD5"),
        ("{SHA}AAAA", "SHA without salt"),
        (
            "$2x$04$Z2bbUoBftxNnjLfumaeRvOvbGDwl2/NwQcV1pvpHGx0UyIeILWACu",
            "bcrypt with the sign extension bug of 2011 ($2x$)",
        ),
        ("$1$salt$hash", "md5-crypt"),
        ("$6$salt$hash", "sha512-crypt"),
        ("{CRYPT}$6$salt$hash", "sha512-crypt"),
        ("{CRYPT}ab01FAX.bQRSU", "DES-crypt"),
        ("$argon2d$v=19$m=64,t=2,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA", "Argon2d"),
        // By Drupal's `user_update_7000`, of the MD5 digest in hexadecimal.
        ("U$S$91mSqWdneHqjTRXWst8G5zmqLdrabUHRmYLdR/teqVNy08PYAF3Q", "Drupal's update of an MD5 digest (U$S$, U$P$)"),
        ("U$P$B2mUwi.U.rMLHNaTk6rErfy8ghCqJ61", "Drupal's update of an MD5 digest (U$S$, U$P$)"),
        ("80fef0aa4805d23838480e040ce0f027", "MD5"),
        ("e824926f4299e407ff642a1c09651c3ef477b993", "SHA without salt"),
        ("1|$6$salt$hash", "sha512-crypt"),
        ("{devise}$argon2id$v=19$m=64,t=2,p=1$AAAA$AAAA", "Devise with another algorithm than bcrypt"),
    ] {
        assert_eq!(refused(text), UnusableHash::Unsupported(name), "{text}");
    }
}

#[test]
fn an_invalid_hash_is_refused_with_its_reason() {
    let bits = "AAAAAAAAAAAAAAAAAAAAAA";
    for (text, reason) in [
        (String::new(), UnusableHash::Malformed),
        ("hunter2".to_owned(), UnusableHash::Malformed),
        ("!x8s7".to_owned(), UnusableHash::Malformed),
        ("$".to_owned(), UnusableHash::UnknownAlgorithm),
        ("$7z$x".to_owned(), UnusableHash::UnknownAlgorithm),
        ("{X-CUSTOM}x".to_owned(), UnusableHash::UnknownAlgorithm),
        ("custom$1$2".to_owned(), UnusableHash::UnknownAlgorithm),
        ("$2b$04$tooShort".to_owned(), UnusableHash::Malformed),
        ("$2b$03$ksMzF5T1GreQtTXV/JSTrOWUcnoZY5391MQQprrPbL5mpLKkZdc2y".to_owned(), UnusableHash::InvalidParameters),
        ("pbkdf2_sha256$x$salt$AAAA".to_owned(), UnusableHash::InvalidParameters),
        ("pbkdf2_sha256$100$salt".to_owned(), UnusableHash::Malformed),
        (format!("pbkdf2_sha256$0$salt${bits}"), UnusableHash::InvalidParameters),
        (format!("$pbkdf2-sha256$i=1,l=9${bits}${bits}"), UnusableHash::InvalidParameters),
        (format!("$pbkdf2-md5$i=1${bits}${bits}"), UnusableHash::UnknownAlgorithm),
        (format!("$scrypt$ln=4,r=8${bits}${bits}"), UnusableHash::InvalidParameters),
        (format!("$scrypt$ln=63,r=4294967295,p=4294967295${bits}${bits}"), UnusableHash::InvalidParameters),
        (format!("$scrypt$ln=4,r=8,p=1${bits}$AAAA"), UnusableHash::InvalidParameters),
        (format!("scrypt$15$salt$8$1${bits}"), UnusableHash::InvalidParameters),
        (format!("$fbscrypt$v=1,n=4,r=8,p=1${bits}${bits}"), UnusableHash::InvalidParameters),
        (format!("$argon2i$v=19$m=64,t=2,p=1${bits}"), UnusableHash::InvalidParameters),
        ("{SSHA}AAAA".to_owned(), UnusableHash::Malformed),
        ("sha1$salt$zz".to_owned(), UnusableHash::Malformed),
        ("$2b$04$ksMzF5T1GreQtTXV/JSTrOWUcnoZY5391MQQprrPbL5mpLKkZdc2\u{fc}".to_owned(), UnusableHash::Malformed),
        ("$wp$2y$04$tooShort".to_owned(), UnusableHash::Malformed),
        ("$wp$argon2id$x".to_owned(), UnusableHash::Malformed),
        ("{devise}$2a$04$tooShort".to_owned(), UnusableHash::Malformed),
        ("$P$B2mUwi.U.rMLHNaTk6rErfy8ghCqJ6".to_owned(), UnusableHash::Malformed),
        ("$P$B2mUwi.U.rMLHNaTk6rErfy8ghCqJ6=".to_owned(), UnusableHash::Malformed),
        // 2^6 and 2^31 iterations.
        ("$P$42mUwi.U.rMLHNaTk6rErfy8ghCqJ61".to_owned(), UnusableHash::InvalidParameters),
        ("$P$T2mUwi.U.rMLHNaTk6rErfy8ghCqJ61".to_owned(), UnusableHash::InvalidParameters),
        ("$S$DARUIRt5K7.YIPul7WCYTh6CZejzT8Fav".to_owned(), UnusableHash::Malformed),
        (format!("scrypt:256:8$salt${}", "00".repeat(64)), UnusableHash::InvalidParameters),
        (format!("scrypt:255:8:1$salt${}", "00".repeat(64)), UnusableHash::InvalidParameters),
        (format!("pbkdf2:sha256$salt${}", "00".repeat(32)), UnusableHash::InvalidParameters),
        (format!("pbkdf2:sha256:x$salt${}", "00".repeat(32)), UnusableHash::InvalidParameters),
        (format!("pbkdf2:md5:100$salt${}", "00".repeat(16)), UnusableHash::UnknownAlgorithm),
        (format!("argon2:1$salt${}", "00".repeat(16)), UnusableHash::UnknownAlgorithm),
        ("pbkdf2:sha256:100$salt$zz".to_owned(), UnusableHash::Malformed),
        ("pbkdf2:sha256:100$salt".to_owned(), UnusableHash::Malformed),
        ("3|hunter2".to_owned(), UnusableHash::Malformed),
        ("4|$2y$04$99Al6sHWFEmpeUWsyBAIYOcxoh.AYqUj4XIAsCGFuVu1fwClxp.YK".to_owned(), UnusableHash::UnknownAlgorithm),
        (format!("$scrypt$ln=4,r=8,p=1${}${bits}", "A".repeat(600)), UnusableHash::Malformed),
    ] {
        assert_eq!(refused(&text), reason, "{text}");
    }
}

/// The limits are 16 MiB and a bcrypt cost of 11, which is twice the work of bcrypt's default of 10.
#[test]
fn a_hash_beyond_the_limits_is_refused() {
    let bits = "AAAAAAAAAAAAAAAAAAAAAA";
    let blowfish = "ksMzF5T1GreQtTXV/JSTrOWUcnoZY5391MQQprrPbL5mpLKkZdc2y";
    let cost = |needed| too_expensive(None, Some((needed, 11)));
    let memory = |needed| too_expensive(Some((needed, 16_400)), None);
    for (within, beyond, reason) in [
        (format!("$2b$11${blowfish}"), format!("$2b$12${blowfish}"), cost(12)),
        (format!("$wp$2y$11${blowfish}"), format!("$wp$2y$14${blowfish}"), cost(14)),
        (format!("{{devise}}$2a$11${blowfish}"), format!("{{devise}}$2a$31${blowfish}"), cost(31)),
        (format!("$pbkdf2-sha256$i=262144${bits}${bits}"), format!("$pbkdf2-sha256$i=262146${bits}${bits}"), cost(12)),
        // These take three output blocks of SHA-1.
        (
            format!("$pbkdf2-sha1$i=87381${bits}${}", "A".repeat(80)),
            format!("$pbkdf2-sha1$i=87382${bits}${}", "A".repeat(80)),
            cost(12),
        ),
        (format!("$scrypt$ln=14,r=8,p=2${bits}${bits}"), format!("$scrypt$ln=14,r=8,p=3${bits}${bits}"), cost(12)),
        (
            format!("$scrypt$ln=14,r=8,p=1${bits}${bits}"),
            format!("$scrypt$ln=15,r=8,p=1${bits}${bits}"),
            memory(32_768),
        ),
        (
            format!("$scrypt$ln=14,r=8,p=1${bits}${bits}"),
            format!("$scrypt$ln=17,r=8,p=1${bits}${bits}"),
            too_expensive(Some((131_072, 16_400)), Some((13, 11))),
        ),
        (
            format!("$argon2i$v=19$m=16384,t=8,p=1${bits}${bits}"),
            format!("$argon2i$v=19$m=16384,t=9,p=1${bits}${bits}"),
            cost(12),
        ),
        (
            format!("$argon2id$v=19$m=16400,t=1,p=1${bits}${bits}"),
            format!("$argon2id$v=19$m=16408,t=1,p=1${bits}${bits}"),
            memory(16_408),
        ),
        // 2^18 and 2^19 iterations.
        ("$P$G2mUwi.U.rMLHNaTk6rErfy8ghCqJ61".to_owned(), "$P$H2mUwi.U.rMLHNaTk6rErfy8ghCqJ61".to_owned(), cost(12)),
        (
            "$S$GARUIRt5K7.YIPul7WCYTh6CZejzT8FavYVezja86HPmYVqJevwu".to_owned(),
            "$S$SARUIRt5K7.YIPul7WCYTh6CZejzT8FavYVezja86HPmYVqJevwu".to_owned(),
            cost(23),
        ),
    ] {
        assert!(importer().import(&within).is_ok(), "{within}");
        assert_eq!(refused(&beyond), reason, "{beyond}");
    }
}

/// Django's default parameters, with the defaults of the configuration.
#[test]
fn the_refusal_of_an_expensive_hash_names_the_key_and_what_is_needed_and_allowed() {
    let settings =
        HashingSettings { foreign_max_memory_kib: 65_536, foreign_max_cost: 14, ..HashingSettings::for_test() };
    let importer = HashImporter::new(&settings).unwrap();
    let message = |text: &str| importer.import(text).unwrap_err().to_string();
    let bits = "AAAAAAAAAAAAAAAAAAAAAA";
    assert_eq!(
        message(&format!("argon2$argon2id$v=19$m=102400,t=2,p=8${bits}${bits}")),
        "it needs 102400 KiB of memory (hashing.foreign_max_memory_kib allows 65536)"
    );
    assert_eq!(
        message("$2b$15$ksMzF5T1GreQtTXV/JSTrOWUcnoZY5391MQQprrPbL5mpLKkZdc2y"),
        "it needs a cost of 15 (hashing.foreign_max_cost allows 14)"
    );
    assert_eq!(
        message(&format!("scrypt:1048576:8:1$salt${}", "00".repeat(64))),
        "it needs 1048576 KiB of memory (hashing.foreign_max_memory_kib allows 65536) and a cost of 16 \
         (hashing.foreign_max_cost allows 14)"
    );
}

#[test]
fn bcrypt_compares_72_bytes_and_a_longer_password_does_not_replace_the_hash() {
    let hash = importer().import("$2b$04$xbwrs79KY5k1o276LqRTAu2Qb.n.AvxG60X.03CFtouwpViOQa482").unwrap();
    for (length, result) in [
        (71, Verification::Mismatch),
        (72, Verification::Match { needs_rehash: true }),
        (73, Verification::Match { needs_rehash: false }),
        (100, Verification::Match { needs_rehash: false }),
    ] {
        assert_eq!(verify(&hash, &"x".repeat(length)), result, "{length}");
    }
    // Thirty `ü`: 60 bytes as they are typed, and 90 in the form that has this hash (by bcrypt 5.0.0).
    let hash = importer().import("$2b$04$sw8XX80Tvdp7a6MuuQ6mm.K4vGgsyZckBD37FXogWjdei9VieT/D2").unwrap();
    assert_eq!(verify(&hash, &"\u{FC}".repeat(30)), Verification::Match { needs_rehash: false });
    // WordPress gives bcrypt a digest: one hundred `x`.
    let hash = importer().import("$wp$2y$04$SH.NLGXJ.vWGBCkLVzp3m.NmSTScK7VGP6A6gPGkhejYZO4OxInjO").unwrap();
    assert_eq!(verify(&hash, &"x".repeat(100)), Verification::Match { needs_rehash: true });
    assert_eq!(verify(&hash, &"x".repeat(99)), Verification::Mismatch);
}

#[test]
fn drupal_refuses_a_password_of_more_than_512_bytes() {
    let stored = "$S$5fztZPZi4CNVnWHFTpBrY7OEBRAXhSWbrDYklbIPPxJMQf.EKyrw";
    let hash = ForeignHash::parse("S", stored).unwrap();
    assert!(hash.verify(PASSWORD));
    assert!(!hash.verify(&"x".repeat(513)));
}

#[test]
fn bcrypt_in_c_stops_at_a_nul_so_a_password_with_a_nul_is_refused() {
    let hash = importer().import(VECTORS[0].0).unwrap();
    assert!(!accepts(&hash, "correct horse\0"));
    assert!(!accepts(&hash, "correct horse\0x"));
}

/// `²` becomes `2` in NFKC. This service hashes the NFKC form, other systems do not.
#[test]
fn a_foreign_hash_matches_the_password_as_typed() {
    let salt = b"seasalt2";
    let mut sha = sha1::Sha1::default();
    sha1::Digest::update(&mut sha, salt);
    sha1::Digest::update(&mut sha, "m²".as_bytes());
    let text = format!("sha1$seasalt2${}", hex::encode(sha1::Digest::finalize(sha)));
    let hash = importer().import(&text).unwrap();
    assert!(accepts(&hash, "m²"));
    assert!(!accepts(&hash, "m2"));

    // An Argon2id hash of another system looks like an old hash of this service.
    let params = argon2::Params::new(32, 1, 1, None).unwrap();
    let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let phc = argon2::PasswordHasher::hash_password(&argon2, "m²".as_bytes()).unwrap();
    let hash = importer().import(&phc.to_string()).unwrap();
    assert!(accepts(&hash, "m²"));
    assert!(!accepts(&hash, "m2"));
}

#[test]
fn an_unmatchable_hash_looks_and_costs_like_any_other() {
    let policy = HashPolicy::new(&settings()).unwrap();
    let (none, other) = (importer().unmatchable_hash(), importer().unmatchable_hash());
    assert!(none.expose().starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
    assert_ne!(none.expose(), other.expose());
    let password = Password::parse_attempt(&PASSWORD.into()).unwrap();
    let (attempt, dummy) = (policy.attempt(&none, &password).unwrap(), policy.dummy_attempt(&password));
    assert_eq!((attempt.cost, attempt.lane), (dummy.cost, dummy.lane));
    assert!(!accepts(&none, PASSWORD));
}
