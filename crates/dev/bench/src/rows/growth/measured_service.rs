//! A user service with a database of a given size, which receives requests over one connection at a time.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use bson::{Document, doc};
use hyper::StatusCode;
use serde_json::{Value, json};
use test_support::{Service, ServiceSpec, TestUser, World};

use super::{
    population::{Population, address, name},
    request_kind::RequestKind,
};
use crate::{
    database,
    environment::user_service,
    http_client::{ApiRequest, Connection},
    processes::precise_processor_time,
};

/// The time after a block of requests in which their follow-up work (publishing events) ends.
const SETTLE_TIME: Duration = Duration::from_millis(60);
/// The number of characters of the username that a search omits.
const OMITTED_CHARACTERS: usize = 1;

/// The number of the user that is copied.
const MODEL: usize = 9_876_543_210;

/// A user service to be measured.
pub(super) struct MeasuredService {
    service: Service,
    population: Population,
    password: String,
    admin: String,
    /// The access and refresh tokens of the latest logins.
    tokens: Vec<(String, String)>,
    newcomers: usize,
    /// Selects the users of the next requests.
    random: Xorshift,
}

impl MeasuredService {
    pub(super) async fn new(world: &World, size: usize) -> Result<Self> {
        let mut service = cheap_hashes(world).start().await;
        let mut connection = Connection::open(&service.base_url()).await?;
        // No other user has this number, and its username contains all ten letters.
        let model = name(MODEL);
        let person =
            TestUser { username: model.clone(), email: format!("{model}@example.com"), ..world.test_user("model") };
        connection
            .send_expecting(&registration(&person.username, &person.email, &person.password), StatusCode::CREATED)
            .await?;
        let login = login(&person.email, &person.password);
        connection.send_expecting(&login, StatusCode::OK).await?;
        let granted = service.spec().command(&["grant-role", &person.email, "admin"]).await;
        ensure!(granted.status.success(), "grant-role: {}", String::from_utf8_lossy(&granted.stderr));
        let client = database::client(world.stack().mongodb_uri()).await?;
        let database = client.database(world.user_database().await.name());
        database::wait_for_index(&database.collection("audit"), "retention").await?;
        wait_until_published(&database.collection("users")).await?;
        service.pause();
        let population = Population::insert(&database, &person.username, size).await?;
        service.resume();
        let mut connection = Connection::open(&service.base_url()).await?;
        let admin = connection.send_expecting(&login, StatusCode::OK).await?;
        let admin = text(&admin, "accessToken")?;
        let password = person.password;
        let random = Xorshift(0x9e37_79b9_7f4a_7c15);
        Ok(Self { service, population, password, admin, tokens: Vec::new(), newcomers: 0, random })
    }

    /// Sends `count` requests one after the other. Returns the response times, and the service's processor time per
    /// request in milliseconds.
    pub(super) async fn measure(&mut self, kind: RequestKind, count: usize) -> Result<(Vec<Duration>, f64)> {
        if kind == RequestKind::Login {
            self.tokens.clear();
        }
        // A connection that stays idle while other services are measured would be closed.
        let mut connection = Connection::open(&self.service.base_url()).await?;
        let before = precise_processor_time(self.service.pid())?;
        let mut took = Vec::with_capacity(count);
        for turn in 0..count {
            let request = self.next(kind, turn)?;
            let expected = if kind == RequestKind::Registration { StatusCode::CREATED } else { StatusCode::OK };
            let begun = Instant::now();
            let (status, body) = connection.send(&request).await?;
            took.push(begun.elapsed());
            ensure!(status == expected, "{kind}: {status} {}", String::from_utf8_lossy(&body));
            if kind == RequestKind::Login {
                let tokens: Value = serde_json::from_slice(&body)?;
                self.tokens.push((text(&tokens, "accessToken")?, text(&tokens, "refreshToken")?));
            }
        }
        tokio::time::sleep(SETTLE_TIME).await;
        let used = precise_processor_time(self.service.pid())?.saturating_sub(before);
        Ok((took, used.as_secs_f64() * 1e3 / count as f64))
    }

    fn next(&mut self, kind: RequestKind, turn: usize) -> Result<ApiRequest> {
        let number = self.random.below(self.population.size());
        let tokens = self.tokens.get(turn % self.tokens.len().max(1));
        Ok(match kind {
            RequestKind::Registration => {
                self.newcomers += 1;
                let name = format!("newcomer{}", self.newcomers);
                registration(&name, &format!("{name}@example.org"), &self.password)
            }
            RequestKind::Login => login(&address(number), &self.password),
            RequestKind::Refresh => {
                let (_, refresh) = tokens.context("no user has logged in")?;
                ApiRequest::post("/api/auth/refresh", &json!({ "refreshToken": refresh }))
            }
            RequestKind::Profile => {
                let (access, _) = tokens.context("no user has logged in")?;
                ApiRequest::get("/api/users/me").with_token(access)
            }
            RequestKind::Change => {
                let (access, _) = tokens.context("no user has logged in")?;
                ApiRequest::patch("/api/users/me", &json!({ "displayName": format!("Ada {number}") }))
                    .with_token(access)
            }
            RequestKind::FirstPage => self.list(""),
            RequestKind::MiddlePage => {
                let place = json!({ "id": self.population.id(number) }).to_string();
                self.list(&format!("?cursor={}", BASE64_URL_SAFE_NO_PAD.encode(place)))
            }
            RequestKind::Search => {
                let mut prefix = name(number);
                prefix.truncate(prefix.len() - OMITTED_CHARACTERS);
                self.list(&format!("?query={prefix}"))
            }
        })
    }

    fn list(&self, query: &str) -> ApiRequest {
        ApiRequest::get(format!("/api/admin/users{query}")).with_token(&self.admin)
    }
}

/// Makes hashing so cheap that it does not hide other costs.
fn cheap_hashes(world: &World) -> ServiceSpec {
    user_service(world).set("HASHING__MEMORY_KIB", "64").set("HASHING__ITERATIONS", "1")
}

fn registration(username: &str, email: &str, password: &str) -> ApiRequest {
    ApiRequest::post("/api/users", &json!({ "username": username, "email": email, "password": password }))
}

fn login(identifier: &str, password: &str) -> ApiRequest {
    ApiRequest::post("/api/auth/login", &json!({ "identifier": identifier, "password": password }))
}

fn text(response: &Value, member: &str) -> Result<String> {
    Ok(response[member].as_str().with_context(|| member.to_owned())?.to_owned())
}

async fn wait_until_published(users: &mongodb::Collection<Document>) -> Result<()> {
    while users.find_one(doc! { "pendingEvents.0": { "$exists": true } }).await?.is_some() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Generates pseudo-random numbers that are the same in every run (xorshift).
struct Xorshift(u64);

impl Xorshift {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}
