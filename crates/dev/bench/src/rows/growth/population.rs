//! Fills a database with a given number of users: copies of one that the service created, each with a session and
//! an audit log entry.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use bson::{Bson, Document, Uuid, doc};
use jiff::SignedDuration;
use mongodb::{Collection, Database};
use service_kit::{Clock, Ids};

use crate::database;

/// The time between the registrations of two users.
const REGISTRATION_GAP: SignedDuration = SignedDuration::from_secs(20);

/// The ids of the users, by number.
pub(super) struct Population {
    ids: Vec<uuid::Uuid>,
}

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

impl Population {
    /// Fills the database of a paused service. `model` is the username of the user to copy, who has logged in once
    /// and has no pending events.
    pub(super) async fn insert(database: &Database, model: &str, size: usize) -> Result<Self> {
        let users: Collection<Document> = database.collection("users");
        let model = users.find_one(doc! { "username": model }).await?.context("the user to copy")?;
        ensure!(model.get_str("usernameKey")? == model.get_str("username")?, "the username is not its own key");
        let of_model = doc! { "userId": model.get("_id") };
        let (sessions, audit) = (database.collection::<Document>("sessions"), database.collection::<Document>("audit"));
        let session = sessions.find_one(of_model.clone()).await?.context("a session")?;
        let entry = audit.find_one(of_model).await?.context("an entry of the audit log")?;
        let ids = ids(size);
        // Building the indexes at the end is faster than updating them with every insert.
        let mut indexes = BTreeMap::new();
        for collection in [&users, &sessions, &audit] {
            indexes.insert(collection.name().to_owned(), database::indexes(collection).await?);
            collection.drop_indexes().await?;
        }
        let of_users = ids.iter().enumerate().map(|(number, id)| user(&model, number, *id));
        database::bulk_insert(&users, of_users).await?;
        let random = Ids::random();
        for (collection, model) in [(&sessions, &session), (&audit, &entry)] {
            let rows = ids.iter().map(|user| {
                let mut row = model.clone();
                row.insert("_id", Uuid::from(random.v4()));
                row.insert("userId", Uuid::from(*user));
                row
            });
            database::bulk_insert(collection, rows).await?;
        }
        for collection in [&users, &sessions, &audit] {
            if let Some(indexes) = indexes.remove(collection.name()) {
                collection.create_indexes(indexes).await?;
            }
        }
        Ok(Self { ids })
    }

    pub(super) fn size(&self) -> usize {
        self.ids.len()
    }

    pub(super) fn id(&self, number: usize) -> uuid::Uuid {
        self.ids[number % self.ids.len()]
    }
}

/// Returns ids as if the users had registered one after the other until now.
fn ids(size: usize) -> Vec<uuid::Uuid> {
    let (ids, now) = (Ids::random(), Clock::system().now());
    let first = now.saturating_sub(REGISTRATION_GAP * i32::try_from(size).unwrap_or(i32::MAX)).unwrap_or(now);
    let at = |number: i32| first.saturating_add(REGISTRATION_GAP * number).unwrap_or(now);
    (0..).take(size).map(|number| ids.v7(at(number))).collect()
}

fn user(model: &Document, number: usize, id: uuid::Uuid) -> Document {
    let mut user = model.clone();
    // A user of this age has a verified address, and has not signed in lately.
    for field in ["knownNetworks", "signInPlaces", "idempotency"] {
        user.remove(field);
    }
    user.insert("_id", Uuid::from(id));
    user.insert("username", name(number));
    user.insert("usernameKey", name(number));
    user.insert("usernameKeys", [name(number)]);
    user.insert("email", address(number));
    user.insert("emailKeys", [address(number)]);
    user.insert("emailVerified", true);
    for list in ["tokens", "roles", "pendingEvents"] {
        user.insert(list, Vec::<Bson>::new());
    }
    user
}
