//! Accounts with events that wait, as an outage of Kafka leaves them: copies of one that the
//! service itself made.

use anyhow::{Context as _, Result, ensure};
use bson::{Bson, DateTime, Document, Uuid, doc};
use events::{Envelope, EventType, TraceParent};
use hyper::StatusCode;
use mongodb::Collection;
use serde_json::json;
use service_kit::{Clock, Ids};
use test_support::World;

use crate::{
    context::user_service,
    database,
    http_client::{Ask, Connection},
    kafka::Record,
};

/// Nothing listens there.
const NO_BROKER: &str = "127.0.0.1:9";
/// Older than the sweep asks for.
const AGE_MILLIS: i64 = 60_000;

/// The account to copy.
pub(super) struct Waiting {
    model: Document,
    ids: Ids,
    clock: Clock,
}

impl Waiting {
    /// Somebody registers, logs in and changes the profile while Kafka is away.
    pub(super) async fn of_an_outage(world: &World) -> Result<Self> {
        let cut_off = world.clone().on_brokers(NO_BROKER, world.broker_kind().clone());
        let mut service = user_service(&cut_off).start().await;
        let person = world.test_user("model");
        let mut connection = Connection::open(&service.base_url()).await?;
        let body = json!({ "username": person.username, "email": person.email, "password": person.password });
        connection.expect(&Ask::post("/api/users", &body), StatusCode::CREATED).await?;
        let login = Ask::post("/api/auth/login", &json!({ "identifier": person.email, "password": person.password }));
        for _ in 0..2 {
            let tokens = connection.expect(&login, StatusCode::OK).await?;
            let token = tokens["accessToken"].as_str().context("an access token")?;
            let change = Ask::patch("/api/users/me", &json!({ "displayName": "Ada Lovelace" })).with_token(token);
            connection.expect(&change, StatusCode::OK).await?;
            let change = Ask::patch("/api/users/me", &json!({ "displayName": "Ada King" })).with_token(token);
            connection.expect(&change, StatusCode::OK).await?;
        }
        let users: Collection<Document> = world.user_database().await.collection("users");
        // The last that is built.
        database::until_indexed(&world.user_database().await.collection("audit"), "retention").await?;
        service.kill().await;
        let model = users.find_one_and_delete(doc! {}).await?.context("the account")?;
        Ok(Self { model, ids: Ids::random(), clock: Clock::system() })
    }

    /// So many accounts with the first `each` of the events, all old enough for the sweep.
    pub(super) fn people(&self, users: usize, each: usize) -> Result<Vec<Document>> {
        let waiting = self.model.get_array("pendingEvents")?.len();
        ensure!(waiting >= each, "the account has {waiting} events");
        (0..users.max(1)).map(|_| self.somebody(each)).collect()
    }

    fn somebody(&self, each: usize) -> Result<Document> {
        let (now, mut copy) = (self.clock.now(), self.model.clone());
        let id = self.ids.v7(now);
        let (old, name) = (copy.get_str("username")?.to_owned(), format!("u{}", id.simple()));
        let (old_id, old_email) = (user_id(&copy)?, copy.get_str("email")?.to_owned());
        let email = format!("{name}@example.org");
        for event in pending(&mut copy)? {
            let data = event.get_str("data")?.replace(&old_id.to_string(), &id.to_string());
            event.insert("data", data.replace(&old_email, &email).replace(&old, &name));
            event.insert("id", Uuid::from(self.ids.v7(now)));
            let at = now.as_millisecond() - AGE_MILLIS + event.get_i64("sequence")?;
            event.insert("at", DateTime::from_millis(at));
        }
        copy.get_array_mut("pendingEvents")?.truncate(each);
        for token in copy.get_array_mut("tokens")?.iter_mut().filter_map(Bson::as_document_mut) {
            token.insert("to", &email);
            token.insert("hash", bson::Binary { bytes: [id.into_bytes(); 2].concat(), ..generic() });
        }
        copy.insert("_id", Uuid::from(id));
        copy.insert("username", &name[..32]);
        copy.insert("usernameKey", &name);
        copy.insert("usernameKeys", [name.as_str()]);
        copy.insert("email", &email);
        copy.insert("emailKeys", [email.as_str()]);
        Ok(copy)
    }
}

/// What waits of all these people, as records.
pub(super) fn records(people: &[Document]) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    for user in people {
        let subject = user_id(user)?;
        for event in user.get_array("pendingEvents")?.iter().filter_map(Bson::as_document) {
            let envelope = Envelope {
                id: uuid_of(event, "id")?,
                event_type: EventType::parse(event.get_str("type")?).ok().context("the type of an event")?,
                subject,
                time: event.get_datetime("at")?.to_jiff(),
                sequence: u64::try_from(event.get_i64("sequence")?)?,
                trace_parent: event.get_str("traceParent").ok().and_then(TraceParent::parse),
            };
            records.push(Record::new(&envelope, event.get_str("data")?.to_owned()));
        }
    }
    Ok(records)
}

fn pending(user: &mut Document) -> Result<impl Iterator<Item = &mut Document>> {
    Ok(user.get_array_mut("pendingEvents")?.iter_mut().filter_map(Bson::as_document_mut))
}

fn user_id(user: &Document) -> Result<uuid::Uuid> {
    uuid_of(user, "_id")
}

fn uuid_of(document: &Document, field: &str) -> Result<uuid::Uuid> {
    let Some(Bson::Binary(binary)) = document.get(field) else { anyhow::bail!("{field} is no id") };
    Ok(binary.to_uuid()?.into())
}

fn generic() -> bson::Binary {
    bson::Binary { subtype: bson::spec::BinarySubtype::Generic, bytes: Vec::new() }
}
