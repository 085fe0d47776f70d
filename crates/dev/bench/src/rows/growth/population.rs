//! The users of a database: copies of one that the service created, each with a session and an entry of the audit
//! log. Everything about a user follows from its number, so that a later run needs no list of them.

use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, ensure};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::{Engine as _, prelude::BASE64_STANDARD_NO_PAD};
use bson::{Binary, Bson, DateTime, Document, Uuid, doc, spec::BinarySubtype};
use hyper::StatusCode;
use jiff::{SignedDuration, Timestamp};
use mongodb::{Client, Collection, Database};
use serde::{Deserialize, Serialize};
use service_kit::Clock;
use test_support::{ServiceSpec, TestUser, World};

use super::{kept_mongod::checkpoint, requests};
use crate::{database, environment::user_service, http_client::Connection};

/// The time between the registrations of two users.
const REGISTRATION_GAP: SignedDuration = SignedDuration::from_secs(20);
/// The sessions began within this time before the load.
const SESSION_SPREAD_MILLIS: u64 = 24 * 3_600_000;
/// The entries of the audit log are spread over this time before the load. They are kept for a year.
const AUDIT_SPREAD: SignedDuration = SignedDuration::from_hours(300 * 24);
/// After this time the population is loaded again, because its sessions expire after 30 days.
const MAX_AGE: SignedDuration = SignedDuration::from_hours(20 * 24);
/// The number of disabled users in every database, more than a page of a list has.
const DISABLED: usize = 100;

/// The cost of a hash: so low that it does not hide other costs.
const HASH_MEMORY_KIB: u32 = 64;
const HASH_ITERATIONS: u32 = 1;
const HASH_BYTES: usize = 32;
/// The number of different hashes. Users with the same one are so far apart that the storage engine, which compresses
/// 32 kB at a time, cannot make use of it.
const HASHES: usize = 512;

/// The number of the user that is copied. No other user has it, and its username contains all ten letters.
const MODEL: usize = 9_876_543_210;

/// The database that describes the populations of a server.
const RECORDS: &str = "bench";

/// Letters that stand for digits. The key of a username would map digits to letters (UTS 39), but leaves these
/// letters unchanged.
const DIGITS: [char; 10] = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'j', 'k'];

/// Returns the username of the user with this number. The email address begins with it.
pub(super) fn name(number: usize) -> String {
    let digits = format!("{number:08}");
    "user".chars().chain(digits.bytes().map(|digit| DIGITS[usize::from(digit - b'0')])).collect()
}

pub(super) fn address(number: usize) -> String {
    format!("{}@example.org", name(number))
}

/// A database with a given number of users, as it is recorded beside it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Population {
    #[serde(rename = "_id")]
    database: String,
    size: i64,
    loaded_at: DateTime,
    /// The password of all users.
    password: String,
    /// The service's encryption key, without which it cannot read its signing keys.
    encryption_key: String,
    insert_seconds: f64,
    index_seconds: f64,
}

impl Population {
    /// Returns the population of this database, which is loaded if an earlier run has not done it. `world` is on the
    /// server of the database. `before_load` may refuse the load.
    pub(super) async fn open(
        client: &Client,
        world: &World,
        database: &str,
        size: usize,
        before_load: impl FnOnce() -> Result<()>,
    ) -> Result<Self> {
        let records = client.database(RECORDS).collection::<Self>("populations");
        let of_database = doc! { "_id": database };
        let recorded = records.find_one(of_database.clone()).await?;
        if let Some(recorded) = recorded.filter(|recorded| recorded.size() == size && !recorded.is_old()) {
            return Ok(recorded);
        }
        records.delete_one(of_database).await?;
        client.database(database).drop().await?;
        before_load()?;
        eprintln!("loading {size} users into {database}");
        let loaded = Self::load(client, world, database, size).await?;
        checkpoint(client).await?;
        records.insert_one(&loaded).await?;
        eprintln!(
            "loaded {size} users: {:.0} s for the rows, {:.0} s for the indexes",
            loaded.insert_seconds, loaded.index_seconds
        );
        Ok(loaded)
    }

    async fn load(client: &Client, world: &World, database: &str, size: usize) -> Result<Self> {
        let username = name(MODEL);
        let model = TestUser { email: format!("{username}@example.com"), username, ..world.test_user("model") };
        let mut population = Self {
            database: database.to_owned(),
            size: i64::try_from(size)?,
            loaded_at: DateTime::now(),
            password: model.password.clone(),
            encryption_key: world.read_key("encryption.key"),
            insert_seconds: 0.0,
            index_seconds: 0.0,
        };
        let collections = Collections::new(&client.database(database));
        let hashes = (0..HASHES).map(|number| hash(&model.password, number)).collect::<Result<Vec<_>>>()?;
        let rows = population.create_model(world, &model, &collections).await?;
        // Building the indexes at the end is faster than updating them with every insert.
        let begun = Instant::now();
        let mut indexes = Vec::new();
        for collection in collections.all() {
            indexes.push((collection, database::indexes(collection).await?));
            collection.drop_indexes().await?;
        }
        ensure!(rows.user.get_str("passwordHash")?.len() == hashes[0].len(), "the service's hashes have another form");
        let users = (0..size).map(|number| {
            let mut user = population.user(&rows.user, number);
            user.insert("passwordHash", hashes[number % HASHES].as_str());
            user
        });
        database::bulk_insert(&collections.users, users).await?;
        database::bulk_insert(&collections.sessions, (0..size).map(|n| population.session(&rows.session, n))).await?;
        database::bulk_insert(&collections.audit, (0..size).map(|n| population.entry(&rows.entry, n))).await?;
        population.insert_seconds = begun.elapsed().as_secs_f64();
        let begun = Instant::now();
        for (collection, indexes) in indexes {
            collection.create_indexes(indexes).await?;
        }
        population.index_seconds = begun.elapsed().as_secs_f64();
        Ok(population)
    }

    /// Lets the service create its collections and the user to copy, an administrator.
    async fn create_model(&self, world: &World, model: &TestUser, collections: &Collections) -> Result<ModelRows> {
        let mut service = self.service(world)?.start().await;
        let mut connection = Connection::open(&service.base_url()).await?;
        let registration = requests::registration(&model.username, &model.email, &model.password);
        connection.send_expecting(&registration, StatusCode::CREATED).await?;
        connection.send_expecting(&requests::login(&model.email, &model.password), StatusCode::OK).await?;
        let granted = service.spec().command(&["grant-role", &model.email, "admin"]).await;
        ensure!(granted.status.success(), "grant-role: {}", String::from_utf8_lossy(&granted.stderr));
        // This is the last index to be built.
        database::wait_for_index(&collections.audit, "retention").await?;
        database::wait_until_published(&collections.users).await?;
        service.terminate().await;
        let of_model = doc! { "username": &model.username };
        let user = collections.users.find_one(of_model).await?.context("the user to copy")?;
        ensure!(user.get_str("usernameKey")? == model.username, "the username is not its own key");
        let of_model = doc! { "userId": user.get("_id") };
        let session = collections.sessions.find_one(of_model.clone()).await?.context("a session")?;
        let entry = collections.audit.find_one(of_model).await?.context("an entry of the audit log")?;
        Ok(ModelRows { user, session, entry })
    }

    /// Returns a user service with this database. Its hashes are so cheap that they do not hide other costs.
    pub(super) fn service(&self, world: &World) -> Result<ServiceSpec> {
        std::fs::write(world.keys().join("encryption.key"), &self.encryption_key)?;
        let spec = user_service(world).set("MONGODB__DATABASE", &self.database);
        let spec = spec.set("HASHING__MEMORY_KIB", HASH_MEMORY_KIB.to_string());
        Ok(spec.set("HASHING__ITERATIONS", HASH_ITERATIONS.to_string()))
    }

    pub(super) fn size(&self) -> usize {
        usize::try_from(self.size).unwrap_or(0)
    }

    pub(super) fn database(&self) -> &str {
        &self.database
    }

    pub(super) fn password(&self) -> &str {
        &self.password
    }

    /// Returns how long the load took, for a remark.
    pub(super) fn load_time(&self) -> String {
        format!("loaded in {:.0} s, then {:.0} s for the indexes", self.insert_seconds, self.index_seconds)
    }

    /// Returns the email address of the administrator.
    pub(super) fn admin() -> String {
        format!("{}@example.com", name(MODEL))
    }

    /// Returns the number of a user that is not disabled, the one with this number or its neighbour.
    pub(super) fn active(&self, number: usize) -> usize {
        if self.is_disabled(number) { number - 1 } else { number }
    }

    fn is_disabled(&self, number: usize) -> bool {
        let each = (self.size() / DISABLED).max(2);
        number % each == each - 1
    }

    fn is_old(&self) -> bool {
        Clock::system().now().duration_since(self.loaded_at.to_jiff()) > MAX_AGE
    }

    /// Returns when the user with this number registered: one after the other, until the load.
    fn registered_at(&self, number: usize) -> Timestamp {
        let before = i32::try_from(self.size() - number.min(self.size())).unwrap_or(i32::MAX);
        self.loaded_at.to_jiff().saturating_sub(REGISTRATION_GAP * before).unwrap_or(Timestamp::MIN)
    }

    /// Returns the id of the user with this number.
    pub(super) fn id(&self, number: usize) -> uuid::Uuid {
        v7(self.registered_at(number), mixed(number))
    }

    /// Returns the document of the user with this number, a copy of `model`.
    pub(super) fn user(&self, model: &Document, number: usize) -> Document {
        let mut user = model.clone();
        // A user of this age has a verified address, and has signed in from another network.
        for field in ["signInPlaces", "idempotency"] {
            user.remove(field);
        }
        let network = generic(v4(mixed(number)).into_bytes());
        user.insert("knownNetworks", [doc! { "network": network, "lastSeen": self.loaded_at }]);
        user.insert("_id", Uuid::from(self.id(number)));
        user.insert("username", name(number));
        user.insert("usernameKey", name(number));
        user.insert("usernameKeys", [name(number)]);
        user.insert("email", address(number));
        user.insert("emailKeys", [address(number)]);
        user.insert("emailVerified", true);
        user.insert("createdAt", DateTime::from(self.registered_at(number)));
        user.insert("status", if self.is_disabled(number) { "disabled" } else { "active" });
        for list in ["tokens", "roles", "pendingEvents"] {
            user.insert(list, Vec::<Bson>::new());
        }
        user
    }

    fn session(&self, model: &Document, number: usize) -> Document {
        let mut session = model.clone();
        let random = mixed(number);
        session.insert("_id", Uuid::from(v4(random)));
        session.insert("userId", Uuid::from(self.id(number)));
        session.insert("salt", generic(v4(mixed(number).rotate_left(32)).into_bytes()));
        let age = i64::try_from(random % SESSION_SPREAD_MILLIS).unwrap_or(0);
        for field in ["createdAt", "lastUsedAt", "rotatedAt", "expiresAt"] {
            if let Ok(at) = model.get_datetime(field) {
                session.insert(field, DateTime::from_millis(at.timestamp_millis() - age));
            }
        }
        session
    }

    fn entry(&self, model: &Document, number: usize) -> Document {
        let mut entry = model.clone();
        let age = AUDIT_SPREAD.mul_f64(1.0 - number as f64 / self.size() as f64);
        let at = self.loaded_at.to_jiff().saturating_sub(age).unwrap_or(Timestamp::MIN);
        entry.insert("_id", Uuid::from(v7(at, mixed(number))));
        entry.insert("userId", Uuid::from(self.id(number)));
        entry.insert("at", DateTime::from(at));
        entry
    }
}

/// The collections that grow with the number of users.
struct Collections {
    users: Collection<Document>,
    sessions: Collection<Document>,
    audit: Collection<Document>,
}

impl Collections {
    fn new(database: &Database) -> Self {
        let collection = |name| database.collection(name);
        Self { users: collection("users"), sessions: collection("sessions"), audit: collection("audit") }
    }

    fn all(&self) -> [&Collection<Document>; 3] {
        [&self.users, &self.sessions, &self.audit]
    }
}

/// The documents to copy.
struct ModelRows {
    user: Document,
    session: Document,
    entry: Document,
}

/// Returns a hash of the password with another salt for each number, in the form of the service.
fn hash(password: &str, number: usize) -> Result<String> {
    let salt = v4(mixed(number)).into_bytes();
    let params =
        Params::new(HASH_MEMORY_KIB, HASH_ITERATIONS, 1, Some(HASH_BYTES)).map_err(|error| anyhow!("{error}"))?;
    let mut hash = [0; HASH_BYTES];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.as_bytes(), &salt, &mut hash)
        .map_err(|error| anyhow!("{error}"))?;
    let (salt, hash) = (BASE64_STANDARD_NO_PAD.encode(salt), BASE64_STANDARD_NO_PAD.encode(hash));
    Ok(format!("$argon2id$v=19$m={HASH_MEMORY_KIB},t={HASH_ITERATIONS},p=1${salt}${hash}"))
}

fn generic(bytes: [u8; 16]) -> Binary {
    Binary { subtype: BinarySubtype::Generic, bytes: bytes.to_vec() }
}

/// Returns a number that looks random and is the same in every run (SplitMix64).
pub(super) fn mixed(number: usize) -> u64 {
    let mut z = (number as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn v7(at: Timestamp, random: u64) -> uuid::Uuid {
    let mut bytes = [0; 10];
    bytes[2..].copy_from_slice(&random.to_be_bytes());
    let millis = u64::try_from(at.as_millisecond()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid()
}

fn v4(random: u64) -> uuid::Uuid {
    let (high, low) = (random, random.wrapping_mul(0x2545_f491_4f6c_dd1d));
    uuid::Builder::from_random_bytes(((u128::from(high) << 64) | u128::from(low)).to_be_bytes()).into_uuid()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn population(size: i64) -> Population {
        Population {
            database: "large".to_owned(),
            size,
            loaded_at: DateTime::from_millis(1_700_000_000_000),
            password: "correct horse".to_owned(),
            encryption_key: String::new(),
            insert_seconds: 0.0,
            index_seconds: 0.0,
        }
    }

    #[test]
    fn users_differ_in_all_that_is_unique_and_their_ids_are_in_the_order_of_their_registrations() {
        let population = population(5_000);
        let ids: Vec<_> = (0..5_000).map(|number| population.id(number)).collect();
        assert!(ids.is_sorted());
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 5_000);
        let names: BTreeSet<_> = (0..5_000).map(name).collect();
        assert_eq!(names.len(), 5_000);
        assert!(!names.contains(&name(MODEL)));
    }

    #[test]
    fn as_many_users_are_disabled_as_a_population_has() {
        for size in [1_000, 10_000, 1_000_000] {
            let population = population(size);
            let disabled = (0..population.size()).filter(|number| population.is_disabled(*number)).count();
            assert_eq!(disabled, DISABLED, "{size}");
            assert!((0..population.size()).all(|number| !population.is_disabled(population.active(number))));
        }
    }

    #[test]
    fn hashes_are_of_the_same_password_with_different_salts() {
        let hashes: BTreeSet<_> = (0..10).map(|number| hash("correct horse", number).unwrap()).collect();
        assert_eq!(hashes.len(), 10);
        assert!(hashes.iter().all(|hash| hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$")));
    }
}
