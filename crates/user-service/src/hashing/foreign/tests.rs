//! Test vectors that come from the systems themselves (passlib, Django, argon2-cffi, Keycloak's scheme with Python's
//! hashlib, Firebase's and Supabase's documentation), all with a low cost.

use serde_json::{Value, json};

use super::*;
use crate::{
    domain::Password,
    hashing::{HashImporter, HashingSettings, PasswordHash, policy::HashPolicy, queue::QueueLane},
};

const PASSWORD: &str = "correct horse";

/// Hashes in the format of the other system, and the beginning of their stored format.
const VECTORS: &[(&str, &str)] = &[
    ("$2b$04$ksMzF5T1GreQtTXV/JSTrOWUcnoZY5391MQQprrPbL5mpLKkZdc2y", "$2b$04$ks"),
    ("$2a$04$Z2bbUoBftxNnjLfumaeRvOvbGDwl2/NwQcV1pvpHGx0UyIeILWACu", "$2a$04$Z2"),
    ("$2y$04$/Ux7RSSoJLxEEOX1pDsaW.CDOGAybZHUQB5mxm77jm4gxb7nPChWq", "$2y$04$/U"),
    ("{bcrypt}$2a$04$Z2bbUoBftxNnjLfumaeRvOvbGDwl2/NwQcV1pvpHGx0UyIeILWACu", "$2a$04$Z2"),
    ("bcrypt$$2b$04$ZN9S8bfjiFJ.fdMNJ3Ry9.15CvyhEm26W7PE3zn4CCAPB8vNX9jxC", "$2b$04$ZN"),
    ("bcrypt_sha256$$2b$04$E4Etm1aCgHzkkIWY42CSC.VJgqBouma8mDIBxIg1lh1VUAc1q/JKW", "$bcrypt-sha256-hex$2b$04$E4"),
    ("$pbkdf2$100$ao3x3vs/ZwwBgBCi1FoLIQ$yoH2nl6cKVes9mI6XoJnXm/KbqE", "$pbkdf2-sha1$i=100,l=20$"),
    (
        "$pbkdf2-sha256$100$WEvJmZNy7h2jlDJGiBFizA$3tlw7LXnlnlUam.Gxip1jQ7aBkSQnjpW.Sf/TrAqwMQ",
        "$pbkdf2-sha256$i=100,l=32$",
    ),
    (
        "$pbkdf2-sha512$100$yzkHoJSyNiaEsPYeI.Q85w$XHYQzqSsWyGUnkgS.XXY4cCnzAZTWUZdO6CDAwKg5TX1rnAPPz7Bru0gkHiqJHMxMzf6Tg6orJ.LVARcDiKTNA",
        "$pbkdf2-sha512$i=100,l=64$",
    ),
    (
        "pbkdf2_sha256$100$seasalt2seasalt2seasal$fCMvPN7+LsUOuZXWp1jwQdFkBeiJKX96mOKVC1lypZo=",
        "$pbkdf2-sha256$i=100,l=32$c2Vhc2Fsd",
    ),
    ("pbkdf2_sha1$100$seasalt2seasalt2seasal$gw9jACEoNRBd5VG9TDZydUDlGd8=", "$pbkdf2-sha1$i=100,l=20$c2Vhc2Fsd"),
    (
        "$scrypt$ln=4,r=8,p=2$zHlPiXGOUUqJEQLgnBOCEA$cSm2SZbLjK9uJ5mJNvKUbxcJpKPoTuzNRG8ectwpGM8",
        "$scrypt$ln=4,r=8,p=2$",
    ),
    (
        "scrypt$16$seasalt2$8$1$g6boA7xf7bEmdFgBE8gH9MRthb3+mhfXNDiLf9hYhImBXVRXpspbDubt+pWT/PiclzwrfYljvLUNCEN5AXGjqA==",
        "$scrypt$ln=4,r=8,p=1$c2Vhc2Fsd",
    ),
    (
        "$fbscrypt$v=1,n=4,r=8,p=1,ss=Bw==,sk=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw==$c2FsdHNhbHQ=$kSRbTSB3GDOR5ZgEvFSwS7oibMwypHmHyKkRQH1lZGFMLHwAGCz6NwaeMaNxtGmUT2pSLCagy7U1zIbF/RhIrQ==",
        "$fbscrypt$v=1,n=4,r=8,p=1,ss=Bw,sk=AAEC",
    ),
    ("{SSHA}uoCwdEtzQWDQfobFDeQHar5+ibkE4DyH", "$salted-sha1$salt=after$"),
    ("{SSHA256}mI/1NRH9cvi8BYnP2V5oB9tuNLTPyyUelyV3u6VCfkMbA6D0/h9DyA==", "$salted-sha256$salt=after$"),
    (
        "{SSHA512}uJE3AVsfKacXEZdOquwRhobKDBxKOTOHxRgnVJFH7buqR9QqpcUm/3U4mvUziJhKgRuQdCdf7ygbjPvc6Esxjr73HqPUei9F",
        "$salted-sha512$salt=after$",
    ),
    ("sha1$seasalt2$e824926f4299e407ff642a1c09651c3ef477b993", "$salted-sha1$salt=before$c2Vhc2FsdDI$"),
    (
        "$argon2i$v=19$m=64,t=2,p=2$xUkLlnt/wWdUWiTLQupqNw$fKWo52AvQjVaYiGmMiYS+pDSqkkgfF80KdVBp2onbDs",
        "$argon2i$v=19$m=64",
    ),
    (
        "$argon2id$v=19$m=64,t=2,p=2$8RE6odZMB4ZPKD6OsEGTiw$AxPxYEOPto9ZfnbFRq9onxXqaRC0AIhuA+jfEfI2Xho",
        "$argon2id$v=19$m=64",
    ),
    (
        "argon2$argon2id$v=19$m=64,t=2,p=1$c2Vhc2FsdDJzZWFzYWx0Mg$GVWZ51ImvqhfSxNNk6/lMB/aRw3dRWQerTsPy3YuxSc",
        "$argon2id$v=19$m=64",
    ),
];

fn settings() -> HashingSettings {
    HashingSettings { foreign_max_memory_kib: 16 * 1024 + 16, foreign_max_cost: 11, ..HashingSettings::for_test() }
}

fn importer() -> HashImporter {
    HashImporter::new(&settings()).unwrap()
}

fn accepts(hash: &PasswordHash, password: &str) -> bool {
    let policy = HashPolicy::new(&settings()).unwrap();
    let password = Password::parse_attempt(&password.into()).unwrap();
    policy.parse(hash).unwrap().verify(&password, &mut policy.arena())
}

#[test]
fn the_hash_of_each_system_matches_only_its_password() {
    for (text, stored) in VECTORS {
        let hash = importer().import(text).unwrap_or_else(|reason| panic!("{text}: {reason}"));
        assert!(hash.expose().starts_with(stored), "{text} is stored as {}", hash.expose());
        assert!(accepts(&hash, PASSWORD), "{text}");
        for wrong in ["correct house", "", "correct horse "] {
            assert!(!accepts(&hash, wrong), "{text}: {wrong:?}");
        }
    }
}

#[test]
fn foreign_hashes_use_the_single_lane_and_need_a_rehash() {
    let policy = HashPolicy::new(&settings()).unwrap();
    let password = Password::parse_attempt(&PASSWORD.into()).unwrap();
    for (text, stored) in VECTORS.iter().filter(|(_, stored)| !stored.starts_with("$argon2id")) {
        let check = policy.parse(&importer().import(text).unwrap()).unwrap();
        assert_eq!((check.lane(), check.needs_rehash(&password)), (QueueLane::Single, true), "{stored}");
    }
}

#[test]
fn the_stored_format_is_imported_unchanged() {
    for (text, _) in VECTORS {
        let stored = importer().import(text).unwrap();
        assert_eq!(importer().import(stored.expose()).unwrap().expose(), stored.expose());
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
    ] {
        assert_eq!(importer().import(text).unwrap_err(), UnusableHash::Unsupported(name), "{text}");
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
        (format!("$scrypt$ln=4,r=8,p=1${}${bits}", "A".repeat(600)), UnusableHash::Malformed),
    ] {
        assert_eq!(importer().import(&text).unwrap_err(), reason, "{text}");
    }
}

/// The limits are 16 MiB and a bcrypt cost of 11, which is twice the work of bcrypt's default of 10.
#[test]
fn a_hash_beyond_the_limits_is_refused() {
    let bits = "AAAAAAAAAAAAAAAAAAAAAA";
    let blowfish = "ksMzF5T1GreQtTXV/JSTrOWUcnoZY5391MQQprrPbL5mpLKkZdc2y";
    for (within, beyond) in [
        (format!("$2b$11${blowfish}"), format!("$2b$12${blowfish}")),
        (format!("$pbkdf2-sha256$i=262144${bits}${bits}"), format!("$pbkdf2-sha256$i=262146${bits}${bits}")),
        // These take three output blocks of SHA-1.
        (
            format!("$pbkdf2-sha1$i=87381${bits}${}", "A".repeat(80)),
            format!("$pbkdf2-sha1$i=87382${bits}${}", "A".repeat(80)),
        ),
        (format!("$scrypt$ln=14,r=8,p=2${bits}${bits}"), format!("$scrypt$ln=14,r=8,p=3${bits}${bits}")),
        (format!("$scrypt$ln=14,r=8,p=1${bits}${bits}"), format!("$scrypt$ln=15,r=8,p=1${bits}${bits}")),
        (
            format!("$argon2i$v=19$m=16384,t=8,p=1${bits}${bits}"),
            format!("$argon2i$v=19$m=16384,t=9,p=1${bits}${bits}"),
        ),
        (
            format!("$argon2id$v=19$m=16400,t=1,p=1${bits}${bits}"),
            format!("$argon2id$v=19$m=16408,t=1,p=1${bits}${bits}"),
        ),
    ] {
        assert!(importer().import(&within).is_ok(), "{within}");
        assert_eq!(importer().import(&beyond).unwrap_err(), UnusableHash::TooExpensive, "{beyond}");
    }
}

#[test]
fn bcrypt_compares_72_bytes_and_a_longer_password_does_not_replace_the_hash() {
    let hash = importer().import("$2b$04$xbwrs79KY5k1o276LqRTAu2Qb.n.AvxG60X.03CFtouwpViOQa482").unwrap();
    let policy = HashPolicy::new(&settings()).unwrap();
    let check = policy.parse(&hash).unwrap();
    for (length, accepted, replaced) in [(71, false, true), (72, true, true), (73, true, false), (100, true, false)] {
        let password = Password::parse_attempt(&"x".repeat(length).into()).unwrap();
        assert_eq!(check.verify(&password, &mut policy.arena()), accepted, "{length}");
        assert_eq!(check.needs_rehash(&password), replaced, "{length}");
    }
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
    let (check, dummy) = (policy.parse(&none).unwrap(), policy.dummy_check());
    assert_eq!((check.cost(), check.lane()), (dummy.cost(), dummy.lane()));
    assert!(!accepts(&none, PASSWORD));
}
