//! Users with pending events, as after an outage of Kafka: copies of one that the service itself created.

use anyhow::{Context as _, Result, ensure};
use bson::{Bson, DateTime, Document, Uuid, doc};
use events::{Envelope, EventType, TraceParent};
use hyper::StatusCode;
use mongodb::Collection;
use serde_json::json;
use service_kit::{Clock, Ids};
use test_support::World;

use crate::{
    database,
    environment::user_service,
    http_client::{ApiRequest, Connection},
    kafka::ProducerRecord,
};

/// An address without a listener.
const NO_BROKER: &str = "127.0.0.1:9";
/// The age of the events, which exceeds the sweep's minimum age.
const EVENT_AGE_MILLIS: i64 = 60_000;

/// The user to copy.
pub(in crate::rows) struct PendingUserModel {
    model: Document,
    ids: Ids,
    clock: Clock,
}

impl PendingUserModel {
    /// Lets a user register, log in and change the profile while Kafka is unavailable.
    pub(in crate::rows) async fn from_outage(world: &World) -> Result<Self> {
        let cut_off = world.clone().on_brokers(NO_BROKER, world.broker_kind().clone());
        let mut service = user_service(&cut_off).start().await;
        let person = world.test_user("model");
        let mut connection = Connection::open(&service.base_url()).await?;
        let body = json!({ "username": person.username, "email": person.email, "password": person.password });
        connection.send_expecting(&ApiRequest::post("/api/users", &body), StatusCode::CREATED).await?;
        let login =
            ApiRequest::post("/api/auth/login", &json!({ "identifier": person.email, "password": person.password }));
        for _ in 0..2 {
            let tokens = connection.send_expecting(&login, StatusCode::OK).await?;
            let token = tokens["accessToken"].as_str().context("an access token")?;
            let change =
                ApiRequest::patch("/api/users/me", &json!({ "displayName": "Ada Lovelace" })).with_token(token);
            connection.send_expecting(&change, StatusCode::OK).await?;
            let change = ApiRequest::patch("/api/users/me", &json!({ "displayName": "Ada King" })).with_token(token);
            connection.send_expecting(&change, StatusCode::OK).await?;
        }
        let users: Collection<Document> = world.user_database().await.collection("users");
        // This is the last index to be built.
        database::wait_for_index(&world.user_database().await.collection("audit"), "retention").await?;
        service.kill().await;
        let model = users.find_one_and_delete(doc! {}).await?.context("the account")?;
        Ok(Self { model, ids: Ids::random(), clock: Clock::system() })
    }

    /// Returns `users` users with the first `each` of the events, all old enough for the sweep.
    pub(in crate::rows) fn users(&self, users: usize, each: usize) -> Result<Vec<Document>> {
        let waiting = self.model.get_array("pendingEvents")?.len();
        ensure!(waiting >= each, "the account has {waiting} events");
        (0..users.max(1)).map(|_| self.copy_of_model(each)).collect()
    }

    fn copy_of_model(&self, each: usize) -> Result<Document> {
        let (now, mut copy) = (self.clock.now(), self.model.clone());
        let id = self.ids.v7(now);
        let (old, name) = (copy.get_str("username")?.to_owned(), format!("u{}", id.simple()));
        let (old_id, old_email) = (user_id(&copy)?, copy.get_str("email")?.to_owned());
        let email = format!("{name}@example.org");
        for event in pending(&mut copy)? {
            let data = event.get_str("data")?.replace(&old_id.to_string(), &id.to_string());
            event.insert("data", data.replace(&old_email, &email).replace(&old, &name));
            event.insert("id", Uuid::from(self.ids.v7(now)));
            let at = now.as_millisecond() - EVENT_AGE_MILLIS + event.get_i64("sequence")?;
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

/// Returns the pending events of all these users as records.
pub(super) fn records(users: &[Document]) -> Result<Vec<ProducerRecord>> {
    let mut records = Vec::new();
    for user in users {
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
            records.push(ProducerRecord::new(&envelope, event.get_str("data")?.to_owned()));
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
