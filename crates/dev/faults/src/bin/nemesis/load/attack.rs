//! Attacks: guesses on one account from many networks, its owner on a known network, and a flood from one network, all
//! over all replicas.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use faults::Client;
use faults::checker::Action;
use futures_util::future::join_all;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use reqwest::Method;
use serde_json::json;
use test_support::TestUser;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::actor::{random_apis, succeeded};
use crate::deployment::Deployment;

/// The number of concurrent clients that guess, and the number of guesses of each. Together they are more than an
/// account allows, and those of each network more than a network may have.
const GUESSERS: u64 = 4;
const GUESSES: u32 = 15;
/// The networks from which one account is attacked.
const NETWORKS: u8 = 6;
/// The number of concurrent clients of a flood, and the number of requests of each. Together they are more than the
/// budget of a network.
const FLOODERS: u64 = 4;
const FLOOD: u32 = 60;
/// The logins of the owner during an attack, each from another address of the known network.
const OWNER_LOGINS: u8 = 12;
/// How many times the owner tries to register and to log in before the attack, while faults prevent it.
const ATTEMPTS: u8 = 40;
/// The pause between two requests of a client, in milliseconds.
const PAUSE_MS: std::ops::Range<u64> = 5..60;
const OWNER_PAUSE_MS: std::ops::Range<u64> = 40..400;

/// One attack after the other, on accounts of their own.
pub(crate) struct Attack {
    deployment: Arc<Deployment>,
    seed: u64,
    round: u64,
    /// The number of the current attack, which is part of all its addresses.
    number: u64,
}

impl Attack {
    pub(crate) fn new(deployment: Arc<Deployment>, seed: u64, round: u64) -> Self {
        Self { deployment, seed, round, number: 0 }
    }

    pub(crate) async fn run(&mut self, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            self.number += 1;
            let (mut owner, person) = (self.sender(0), self.victim());
            if self.make_network_known(&mut owner, &person, stop).await {
                let guessers = join_all((0..GUESSERS).map(|n| self.guess(n, &person, stop)));
                let flooders = join_all((0..FLOODERS).map(|n| self.flood(n, stop)));
                tokio::join!(self.log_in_as_owner(&mut owner, &person, stop), guessers, flooders);
            }
        }
    }

    fn victim(&self) -> TestUser {
        self.deployment.run.world.test_user(&format!("victim{}x{}", self.round, self.number))
    }

    /// Returns a client of this attack with its own random choices.
    fn sender(&self, role: u64) -> Sender {
        let seed = self.seed ^ (self.round << 48 | self.number << 16 | (role + 1));
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let [(api, _), _] = random_apis(&self.deployment, &mut random);
        Sender { deployment: Arc::clone(&self.deployment), client: self.deployment.run.recorder.client(api), random }
    }

    /// Returns an address in a network that no other attack of this round uses.
    fn address(&self, role: u8, last: u8) -> Ipv4Addr {
        let [.., high, low] = self.number.to_be_bytes();
        Ipv4Addr::new(10 + role, high, low, last)
    }

    /// Registers the victim, and logs in once from the owner's network. Returns whether both succeeded.
    async fn make_network_known(&self, owner: &mut Sender, person: &TestUser, stop: &CancellationToken) -> bool {
        let key = format!("key-{}", person.username);
        let mut registered = false;
        for attempt in 0..ATTEMPTS {
            if stop.is_cancelled() {
                break;
            }
            owner.prepare(self.address(1, 200 + attempt), OWNER_PAUSE_MS).await;
            registered = registered || succeeded(&owner.client.register(person, Some(&key)).await);
            if registered && succeeded(&owner.client.login(person).await) {
                return true;
            }
        }
        false
    }

    async fn log_in_as_owner(&self, owner: &mut Sender, person: &TestUser, stop: &CancellationToken) {
        for login in 0..OWNER_LOGINS {
            if stop.is_cancelled() {
                break;
            }
            owner.prepare(self.address(1, 1 + login), OWNER_PAUSE_MS).await;
            owner.client.login(person).await;
        }
    }

    async fn guess(&self, n: u64, person: &TestUser, stop: &CancellationToken) {
        let mut guesser = self.sender(1 + n);
        for _ in 0..GUESSES {
            if stop.is_cancelled() {
                break;
            }
            let network = guesser.random.random_range(0..NETWORKS);
            guesser.prepare(self.address(2, network), PAUSE_MS).await;
            guesser.client.guess(person).await;
        }
    }

    async fn flood(&self, n: u64, stop: &CancellationToken) {
        let mut flooder = self.sender(1 + GUESSERS + n);
        for _ in 0..FLOOD {
            if stop.is_cancelled() {
                break;
            }
            flooder.prepare(self.address(3, 1), PAUSE_MS).await;
            let request = flooder.client.request(Method::POST, "/api/auth/email-verification");
            let request = request.json(&json!({ "token": "A".repeat(43) }));
            flooder.client.send(Action::Invalid, None, request).await;
        }
    }
}

/// A client that sends each request to a random replica.
struct Sender {
    deployment: Arc<Deployment>,
    client: Client,
    random: ChaCha8Rng,
}

impl Sender {
    /// Waits for a random time, and selects a random replica and this address.
    async fn prepare(&mut self, address: Ipv4Addr, pause: std::ops::Range<u64>) {
        sleep(Duration::from_millis(self.random.random_range(pause))).await;
        let [(api, others), _] = random_apis(&self.deployment, &mut self.random);
        self.client.use_apis(api, others);
        self.client.set_network(address);
    }
}
