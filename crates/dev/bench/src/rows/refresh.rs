//! `POST /api/auth/refresh`, next to its MongoDB operations alone.

use std::time::Duration;

use anyhow::{Context as _, Result};
use bson::{Bson, Document, RawDocumentBuf, Uuid, doc};
use futures_util::TryStreamExt as _;
use hyper::{StatusCode, body::Bytes};
use mongodb::{Collection, Database, options::ReturnDocument};
use serde::Deserialize;
use serde_json::json;

use super::registered_users::{RegisteredUser, register_users};
use crate::{
    bare_server::driver,
    database,
    environment::{Environment, user_service},
    http_client::{ApiRequest, Connection},
    load::stateful_workers,
    report::{Findings, Goal, Row},
    sampling::{Comparison, Sample},
};

const CONNECTIONS: usize = 32;
const ROUND_DURATION: Duration = Duration::from_secs(3);

/// The lifetimes of the service's default configuration, in milliseconds.
const IDLE_LIFETIME: i64 = 30 * 24 * 60 * 60 * 1000;
const MAX_LIFETIME: i64 = 90 * 24 * 60 * 60 * 1000;
const GRACE: i64 = 30_000;
const RETRY: i64 = 60 * 60 * 1000;

pub(super) async fn measure(environment: &Environment) -> Result<Findings> {
    let world = environment.world("refresh").await;
    let service = user_service(&world).start().await;
    let users = register_users(&service.base_url(), &world, CONNECTIONS).await?;
    let database = driver(world.stack().mongodb_uri()).await?.database(world.user_database().await.name());
    let length = environment.duration(ROUND_DURATION);

    let (mut clients, mut sessions) = (Vec::new(), sessions(&database).await?);
    for user in users {
        clients.push(RefreshingClient::begin(&service.base_url(), user).await?);
    }
    let (mut rounds, mut counts) = (Vec::new(), Vec::new());
    for _ in 0..environment.rounds() {
        let before = database::document_commands(&database).await?;
        let (ours, limit);
        (ours, clients) = stateful_workers::steps_per_second(clients, length, RefreshingClient::next).await?;
        counts.push((database::document_commands(&database).await? - before) / (ours * length.as_secs_f64()));
        (limit, sessions) = stateful_workers::steps_per_second(sessions, length, BareSession::next).await?;
        rounds.push((ours, limit));
    }
    let commands = Sample::from_rounds(&counts).median;
    let name = format!("refresh, {CONNECTIONS} connections / its operations alone");
    let row = Row::comparison(name, "1/s", &Comparison::from_rounds(&rounds), Goal::Ratio(0.8)).note(format!(
        "find_one_and_update, find_one by the driver; mongod counted {commands:.1} commands per refresh of the service"
    ));
    Ok(vec![row].into())
}

/// A client that refreshes its session again and again.
struct RefreshingClient {
    connection: Connection,
    refresh_token: String,
}

/// The part of the response that the client needs.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Refreshed<'a> {
    refresh_token: &'a str,
}

impl RefreshingClient {
    async fn begin(base_url: &str, user: RegisteredUser) -> Result<Self> {
        Ok(Self { connection: Connection::open(base_url).await?, refresh_token: user.refresh_token })
    }

    async fn next(mut self) -> Result<Self> {
        let request = ApiRequest::post("/api/auth/refresh", &json!({ "refreshToken": self.refresh_token }));
        let (status, body): (StatusCode, Bytes) = self.connection.send(&request).await?;
        anyhow::ensure!(status == StatusCode::OK, "refresh: {status} {}", String::from_utf8_lossy(&body));
        self.refresh_token = serde_json::from_slice::<Refreshed<'_>>(&body)?.refresh_token.to_owned();
        Ok(self)
    }
}

/// A session without a client. The benchmark only sends its MongoDB operations.
struct BareSession {
    sessions: Collection<RawDocumentBuf>,
    users: Collection<RawDocumentBuf>,
    id: Bson,
    user: Bson,
    n: i64,
}

/// Copies all existing sessions.
async fn sessions(database: &Database) -> Result<Vec<BareSession>> {
    let rows: Collection<Document> = database.collection("sessions");
    let mut copies: Vec<Document> = rows.find(doc! {}).await?.try_collect().await?;
    for row in &mut copies {
        row.insert("_id", Uuid::new());
    }
    rows.insert_many(&copies).await?;
    let session = |row: &Document| {
        anyhow::Ok(BareSession {
            sessions: database.collection("sessions"),
            users: database.collection("users"),
            id: row.get("_id").context("_id")?.clone(),
            user: row.get("userId").context("a session's userId")?.clone(),
            n: row.get_i64("n").context("a session's n")?,
        })
    };
    copies.iter().map(session).collect()
}

impl BareSession {
    /// Sends the operations of crates/user-service/src/usecase/sessions/refresh.rs.
    async fn next(mut self) -> Result<Self> {
        let living = doc! { "_id": &self.id, "$expr": { "$lt": ["$$NOW", "$expiresAt"] } };
        let advance = self.sessions.find_one_and_update(living, advance(self.n));
        advance.return_document(ReturnDocument::After).await?.context("the session has expired")?;
        let account = doc! { "_id": &self.user, "deletedAt": { "$exists": false } };
        self.users.find_one(account).await?.context("the user does not exist")?;
        self.n += 1;
        Ok(self)
    }
}

/// Returns the same pipeline as crates/user-service/src/store/sessions.rs.
fn advance(n: i64) -> Vec<Document> {
    let since_rotation = |millis: i64| doc! { "$lte": ["$$NOW", { "$add": ["$rotatedAt", millis] }] };
    let is_previous = doc! { "$and": [{ "$eq": [n + 1, "$n"] }, { "$ne": ["$retriedFrom", n - 1] }] };
    let has_retried = doc! { "$and": [{ "$eq": [n + 2, "$n"] }, { "$eq": ["$retriedFrom", n] }] };
    let gets_same = doc! { "$and": [{ "$or": [is_previous.clone(), has_retried] }, since_rotation(GRACE)] };
    let may_retry = doc! { "$and": [is_previous, since_rotation(RETRY)] };
    let verdict = doc! { "$switch": {
        "branches": [
            { "case": { "$eq": [{ "$type": "$reused" }, "bool"] }, "then": "reused" },
            { "case": { "$gte": [n, "$n"] }, "then": "next" },
            { "case": gets_same, "then": "same" },
            { "case": may_retry, "then": "retry" },
        ],
        "default": "reused",
    } };
    let when_rotated = |new: Bson, old: &str| doc! { "$cond": [{ "$in": ["$verdict", ["next", "retry"]] }, new, old] };
    let by_verdict = |next: Bson, retry: i64, old: &str| {
        doc! { "$switch": {
            "branches": [
                { "case": { "$eq": ["$verdict", "next"] }, "then": next },
                { "case": { "$eq": ["$verdict", "retry"] }, "then": retry },
            ],
            "default": old,
        } }
    };
    let expires = doc! { "$min": [{ "$add": ["$$NOW", IDLE_LIFETIME] }, { "$add": ["$createdAt", MAX_LIFETIME] }] };
    vec![
        doc! { "$set": { "verdict": verdict } },
        doc! { "$set": {
            "n": by_verdict(Bson::from(n + 1), n + 2, "$n"),
            "retriedFrom": by_verdict(Bson::from("$$REMOVE"), n, "$retriedFrom"),
            "rotatedAt": when_rotated(Bson::from("$$NOW"), "$rotatedAt"),
            "lastUsedAt": when_rotated(Bson::from("$$NOW"), "$lastUsedAt"),
            "expiresAt": when_rotated(Bson::from(expires), "$expiresAt"),
            "reused": { "$cond": [{ "$eq": ["$verdict", "reused"] }, true, "$$REMOVE"] },
        } },
        doc! { "$unset": "verdict" },
    ]
}
