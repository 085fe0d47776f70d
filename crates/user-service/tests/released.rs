//! Tests that today's code understands what earlier releases have stored and how they were configured.
//! `docs/UPGRADE.md` says how a release is recorded.
#![expect(clippy::disallowed_methods, reason = "a test waits for its own tasks")]

use std::{collections::BTreeSet, fs, path::Path, sync::Arc, time::Duration};

use bson::{Document, Uuid, doc};
use mongodb::Database;
use serde::{Serialize, de::DeserializeOwned};
use test_support::{
    DEADLINE, DocumentRule, ReleasedCollection, Stack, check_stored_document, find_all, released_collections,
};
use tokio_util::sync::CancellationToken;
use user_service::{
    config::{Config, SOURCE},
    domain::{Cursor, SigningAlgorithm},
    keys::{KeyEncryptionKey, SigningKeys},
    store::{
        AttemptCharge, Backoff, ChargeId, ImportCheckpoint, SessionRow, Store, ThrottleKey, ThrottleRule, UserRecord,
    },
};

/// The key of the recorded runs: 32 bytes, 1, 2, … 32.
const ENCRYPTION_KEY: &str = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";
const OPERATION_DEADLINE: Duration = Duration::from_secs(10);

fn collections() -> Vec<ReleasedCollection> {
    released_collections(env!("CARGO_MANIFEST_DIR"))
}

fn encryption_key() -> KeyEncryptionKey {
    KeyEncryptionKey::from_base64(&ENCRYPTION_KEY.to_owned().into()).expect("32 bytes")
}

fn is_tombstone(document: &Document) -> bool {
    document.contains_key("deletedAt")
}

/// Checks that every recorded document of a collection keeps the rules, and returns how many there are.
fn assert_kept<T: DeserializeOwned + Serialize>(name: &str, applies: impl Fn(&Document) -> bool) -> usize {
    let collections = collections().into_iter().filter(|collection| collection.name == name);
    let mut count = 0;
    for collection in collections {
        for document in collection.documents.iter().filter(|document| applies(document)) {
            if let Err(breach) = check_stored_document::<T>(document) {
                panic!("{name} of {}: {breach}\n{document}", collection.release);
            }
            count += 1;
        }
    }
    count
}

#[test]
fn accounts_sessions_and_imports_of_every_release_are_read_and_written_back_unchanged() {
    assert!(assert_kept::<UserRecord>("users", |document| !is_tombstone(document)) > 0);
    assert!(assert_kept::<SessionRow>("sessions", |_| true) > 0);
    assert!(assert_kept::<ImportCheckpoint>("imports", |_| true) > 0);
}

/// The recorded accounts have each field at least once, so that no field is untested.
#[test]
fn the_recorded_accounts_of_0_1_0_have_every_field_of_that_release() {
    let collections = collections();
    let users = collections.iter().find(|found| found.release == "0.1.0" && found.name == "users");
    let users = &users.expect("users are recorded").documents;
    let found: BTreeSet<&str> = users.iter().flat_map(|user| user.keys().map(String::as_str)).collect();
    let expected = [
        "_id",
        "attributes",
        "createdAt",
        "deletedAt",
        "displayName",
        "email",
        "emailKeys",
        "emailVerified",
        "idempotency",
        "imported",
        "knownNetworks",
        "lastLoginAt",
        "locale",
        "lockedUntil",
        "parked",
        "passwordHash",
        "pendingEvents",
        "reserved",
        "roles",
        "schemaVersion",
        "sessions",
        "status",
        "timezone",
        "tokens",
        "totp",
        "totpSetup",
        "updatedAt",
        "username",
        "usernameKey",
        "version",
    ];
    assert_eq!(found, BTreeSet::from(expected));
}

/// Creates a database with the recorded documents of a release.
async fn restored(release: &str) -> (Database, Store) {
    let name = format!("released-{}-{}", release.replace('.', "-"), std::process::id());
    let database = Stack::from_env().mongodb().await.database(&name);
    database.drop().await.expect("a database of this test");
    for collection in collections().iter().filter(|collection| collection.release == release) {
        let stored = database.collection::<Document>(&collection.name).insert_many(&collection.documents).await;
        stored.unwrap_or_else(|error| panic!("{} of {release}: {error}", collection.name));
    }
    let store = Store::new(&database, OPERATION_DEADLINE, 100);
    (database, store)
}

async fn all(database: &Database, name: &str) -> Vec<Document> {
    let found = find_all(&database.collection(name), doc! {}).await;
    assert!(!found.is_empty(), "{name} is empty");
    found
}

fn id_of(document: &Document, member: &str) -> uuid::Uuid {
    let id = document.get(member).cloned().expect("the member exists");
    bson::deserialize_from_bson::<Uuid>(id).expect("an id is a UUID").into()
}

#[tokio::test]
async fn the_stores_work_on_the_collections_of_every_release() {
    let releases: BTreeSet<String> = collections().into_iter().map(|collection| collection.release).collect();
    for release in releases {
        let (database, store) = restored(&release).await;
        check_accounts(&database, &store).await;
        check_signing_keys(&database, &store).await;
        check_other_collections(&database, &store).await;
        database.drop().await.expect("a database of this test");
    }
}

/// Accounts are found, tombstones are not, their events wait for publication, and a sealed secret can be opened.
async fn check_accounts(database: &Database, store: &Store) {
    let mut factors = 0;
    for document in all(database, "users").await {
        let id = id_of(&document, "_id");
        let found = store.users.by_id(id).await.expect("an account can be read");
        assert_eq!(found.is_some(), !is_tombstone(&document), "{document}");
        if let Some(user) = found {
            user.password_hash().expect("a stored hash can be read");
        }
        for field in ["totp", "totpSetup"] {
            if let Ok(factor) = document.get_document(field) {
                let sealed = factor.get_binary_generic("secret").expect("a factor has a secret");
                encryption_key().unseal(&format!("totp/v1/{id}"), sealed).expect("the secret can be opened");
                factors += 1;
            }
        }
        let pending = document.get_array("pendingEvents").map(Vec::len).unwrap_or_default();
        let listed = store.outbox.list(Some(id), 1).await.expect("backlogs can be read");
        assert_eq!(listed.first().map_or(0, |backlog| backlog.pending_events.len()), pending, "{document}");
    }
    assert!(factors >= 2, "a factor and a setup are recorded");
    for document in all(database, "sessions").await {
        let (id, user) = (id_of(&document, "_id"), id_of(&document, "userId"));
        let found = store.sessions.find_of_user(id, user).await.expect("a session can be read");
        assert!(found.is_some() && store.sessions.salt(id).await.expect("a salt can be read").is_some());
    }
}

/// Every recorded signing key is opened, and one of them signs.
async fn check_signing_keys(database: &Database, store: &Store) {
    let recorded = all(database, "keys").await;
    let recorded: BTreeSet<&str> = recorded[0]
        .get_array("keys")
        .expect("a key set has keys")
        .iter()
        .filter_map(|key| key.as_document()?.get_str("kid").ok())
        .collect();
    let (year, quarter_hour) = (Duration::from_secs(365 * 24 * 3600), Duration::from_secs(15 * 60));
    let keys =
        SigningKeys::new(store.keys.clone(), encryption_key(), SigningAlgorithm::Es256, year * 100, quarter_hour);
    let stop = CancellationToken::new();
    let fresh = tokio::spawn(Arc::clone(&keys).keep_fresh(stop.clone()));
    tokio::time::timeout(DEADLINE, keys.wait_until_loaded()).await.expect("the keys are opened");
    stop.cancel();
    fresh.await.expect("the task does not panic");
    let published = keys.published_keys().expect("keys are published");
    let published: BTreeSet<&str> = published.iter().map(|key| key.kid.as_str()).collect();
    assert!(recorded.is_subset(&published), "{recorded:?}, {published:?}");
    assert!(recorded.contains(keys.current_key().expect("a key signs").kid.as_str()));
}

async fn check_other_collections(database: &Database, store: &Store) {
    for document in all(database, "throttles").await {
        let id = document.get_binary_generic("_id").expect("an id is binary");
        let (subject, part) = id.split_at(16);
        let key =
            ThrottleKey { subject: subject.try_into().expect("16 bytes"), part: part.try_into().expect("16 bytes") };
        let (minute, network) = (Duration::from_secs(60), [1; 16]);
        let rule = Backoff { free: 5, first: minute, longest: minute };
        let charge = AttemptCharge { id: ChargeId::random(), key, rule, network: Some((network, rule)) };
        store.throttles.charge_attempt(&charge, &[]).await.unwrap_or_else(|error| panic!("{error}: {document}"));
        let rule = ThrottleRule::Rate { quota: 5, window: minute };
        store.throttles.charge(key, rule).await.unwrap_or_else(|error| panic!("{error}: {document}"));
    }
    for document in all(database, "audit").await {
        let user = id_of(&document, "userId");
        let (at, newest) = (i64::MAX / 2, uuid::Uuid::max());
        let page = store.audit.page(user, Cursor { at, id: newest }, 100).await.expect("the audit log can be read");
        assert!(page.iter().any(|entry| uuid::Uuid::from(entry.id) == id_of(&document, "_id")), "{document}");
    }
    for document in all(database, "imports").await {
        let id = document.get_str("_id").expect("an id is a text");
        assert!(store.bulk.find_import(id).await.expect("an import can be read").is_some());
    }
    let listed = all(database, "admins").await;
    let ids = listed[0].get_array("ids").expect("the list has ids");
    store.admins.removal_count().await.expect("the list of administrators can be read");
    for id in ids {
        let id: Uuid = bson::deserialize_from_bson(id.clone()).expect("an id is a UUID");
        assert!(store.admins.ensure_listed(id.into()).await.expect("the list can be read"), "{id} is an administrator");
    }
    for name in ["relay.sweep", "housekeeping"] {
        let lease = Duration::from_secs(1);
        let acquired = store.leases.acquire(name, uuid::Uuid::max(), lease).await;
        assert!(acquired.expect("a lease can be acquired"), "the recorded lease has ended");
    }
}

/// Returns the rule that a change of a recorded account breaks.
fn broken_rule(change: impl Fn(&mut Document)) -> Option<(DocumentRule, String)> {
    let collections = collections();
    let users = collections.iter().find(|found| found.name == "users").expect("users are recorded");
    let user = users.documents.iter().find(|user| user.contains_key("displayName")).expect("a profile is recorded");
    let mut changed = user.clone();
    change(&mut changed);
    let breach = check_stored_document::<UserRecord>(&changed).err()?;
    Some((breach.rule, breach.detail))
}

/// Today's code cannot be changed by a test, so the recorded document is: a member that it has and the code does not
/// is the same as a member that the code no longer has.
#[test]
fn a_change_that_breaks_a_rule_for_stored_accounts_is_caught() {
    assert_eq!(broken_rule(|_| ()), None);
    let rename = |from: &'static str, to: &'static str| {
        move |user: &mut Document| {
            let value = user.remove(from).expect("the member is recorded");
            user.insert(to, value);
        }
    };
    let renamed_optional = broken_rule(rename("displayName", "shownName"));
    assert_eq!(renamed_optional, Some((DocumentRule::MemberStays, "/shownName".to_owned())));
    let renamed_required = broken_rule(rename("passwordHash", "password"));
    assert_eq!(renamed_required.map(|broken| broken.0), Some(DocumentRule::StaysReadable));
    let other_type = broken_rule(|user| drop(user.insert("version", "7")));
    assert_eq!(other_type.map(|broken| broken.0), Some(DocumentRule::StaysReadable));
    let unknown_value = broken_rule(|user| drop(user.insert("status", "asleep")));
    assert_eq!(unknown_value.map(|broken| broken.0), Some(DocumentRule::StaysReadable));
}

/// Loads today's configuration from the default file of a release. Only the key is another file.
fn load_configuration(path: &Path) -> Result<Config, String> {
    let key = Path::new(env!("CARGO_TARGET_TMPDIR")).join("released-user-service.key");
    fs::write(&key, ENCRYPTION_KEY).expect("the directory of the build is writable");
    let variables = [("USER_SERVICE__KEYS__ENCRYPTION_KEY_FILE".to_owned(), key.display().to_string())];
    let config: Config = SOURCE.load_from(Some(path), variables).map_err(|error| error.to_string())?;
    config.validate().map_err(|error| format!("{error:#}"))?;
    Ok(config)
}

#[test]
fn a_configuration_with_every_key_of_a_release_is_still_accepted() {
    let releases: BTreeSet<String> = collections().into_iter().map(|collection| collection.release).collect();
    for release in releases {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/released").join(&release);
        let loaded = load_configuration(&path.join("config.default.toml"));
        loaded.unwrap_or_else(|error| panic!("a key of {release} is no longer accepted: {error}"));
    }
}
