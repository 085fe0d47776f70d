//! A user service with a database of a given size, which receives requests over one connection at a time.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use hyper::StatusCode;
use serde_json::{Value, json};
use test_support::{Service, World};

use super::{
    population::{Population, address, mixed, name},
    request_kind::RequestKind,
    requests,
};
use crate::{
    http_client::{ApiRequest, Connection},
    load::Load,
    processes::precise_processor_time,
};

/// The time after a block of requests in which their follow-up work (publishing events) ends.
const SETTLE_TIME: Duration = Duration::from_millis(60);
/// The number of characters of the username that a search for few users omits.
const OMITTED_CHARACTERS: usize = 1;
/// The beginning of all usernames.
const COMMON_PREFIX: &str = "user";

/// The concurrent connections of saturating logins.
pub(super) const CONNECTIONS: usize = 32;

/// The measurement of several requests.
pub(super) struct Measurement {
    pub(super) took: Vec<Duration>,
    /// The service's processor time per request, in milliseconds.
    pub(super) service: f64,
    /// The database server's processor time per request, in milliseconds.
    pub(super) database: f64,
}

/// A user service to be measured.
pub(super) struct MeasuredService {
    service: Service,
    /// The process of the database server.
    mongod: u32,
    population: Population,
    admin: String,
    /// The access and refresh tokens of the latest logins.
    tokens: Vec<(String, String)>,
    newcomers: usize,
    /// Makes the newcomers of this run different from those of earlier ones.
    run: String,
    /// Selects the users of the next requests.
    random: Xorshift,
}

impl MeasuredService {
    /// Starts the service. `world` is on the server of the population, which is the process `mongod`.
    pub(super) async fn start(world: &World, population: Population, mongod: u32) -> Result<Self> {
        let service = population.service(world)?.start().await;
        let mut connection = Connection::open(&service.base_url()).await?;
        let login = requests::login(&Population::admin(), population.password());
        let admin = connection.send_expecting(&login, StatusCode::OK).await?;
        let admin = text(&admin, "accessToken")?;
        let run: String = world.tag().chars().filter(char::is_ascii_alphanumeric).collect();
        let random = Xorshift(0x9e37_79b9_7f4a_7c15);
        Ok(Self { service, mongod, population, admin, tokens: Vec::new(), newcomers: 0, run, random })
    }

    /// Sends `count` requests one after the other.
    pub(super) async fn measure(&mut self, kind: RequestKind, count: usize) -> Result<Measurement> {
        if kind == RequestKind::Login {
            self.tokens.clear();
        }
        // A connection that stays idle while other services are measured would be closed.
        let mut connection = Connection::open(&self.service.base_url()).await?;
        let before = self.processor_times()?;
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
        let after = self.processor_times()?;
        let each = |which: usize| after[which].saturating_sub(before[which]).as_secs_f64() * 1e3 / count as f64;
        Ok(Measurement { took, service: each(0), database: each(1) })
    }

    /// Returns the processor time of the service and of the database server.
    fn processor_times(&self) -> Result<[Duration; 2]> {
        Ok([precise_processor_time(self.service.pid())?, precise_processor_time(self.mongod)?])
    }

    /// Returns the rate of logins of random users on many connections, and the processor time of the service and of
    /// the database server for each, in milliseconds. `round` chooses the users.
    pub(super) async fn saturating_logins(&self, length: Duration, round: usize) -> Result<(f64, [f64; 2])> {
        let (population, before) = (self.population.clone(), self.processor_times()?);
        let login = move |connection: usize, turn: usize| {
            let random = mixed(((round * CONNECTIONS + connection) << 32) | turn);
            let number = population.active((random % population.size() as u64) as usize);
            requests::login(&address(number), population.password())
        };
        let responses = Load::saturating(CONNECTIONS, length).run(&self.service.base_url(), login).await?;
        let responses = responses.require_statuses(&[StatusCode::OK])?;
        let (after, done) = (self.processor_times()?, responses.durations(StatusCode::OK).len() as f64);
        let each = |which: usize| after[which].saturating_sub(before[which]).as_secs_f64() * 1e3 / done;
        Ok((responses.rate(StatusCode::OK), [each(0), each(1)]))
    }

    fn next(&mut self, kind: RequestKind, turn: usize) -> Result<ApiRequest> {
        let number = self.population.active(self.random.below(self.population.size()));
        let tokens = self.tokens.get(turn % self.tokens.len().max(1));
        Ok(match kind {
            RequestKind::Registration => {
                self.newcomers += 1;
                let name = format!("{}n{}", self.run, self.newcomers);
                requests::registration(&name, &format!("{name}@example.org"), self.population.password())
            }
            RequestKind::Login => requests::login(&address(number), self.population.password()),
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
            RequestKind::ByEmail => self.list(&format!("?email={}", address(number))),
            RequestKind::SearchCommon => self.list(&format!("?query={COMMON_PREFIX}")),
            RequestKind::Disabled => self.list("?status=disabled"),
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

fn text(response: &Value, member: &str) -> Result<String> {
    Ok(response[member].as_str().with_context(|| member.to_owned())?.to_owned())
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
