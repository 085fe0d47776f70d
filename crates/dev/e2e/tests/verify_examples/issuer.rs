//! A user service with a signing algorithm, whose keys are rotated and removed.

use std::time::{Duration, UNIX_EPOCH};

use e2e::{
    accounts::{register_with_id, with_cheap_hashes},
    administrators::create_admin,
    commands::stdout_of,
    signing_key_time::{MINUTE, advance_signing_key_time},
};
use serde_json::Value;
use test_support::{DEADLINE, Service, Stack, TestUser, World, wait_for};

use crate::forged_tokens::Jws;

const DAY: i64 = 24 * 60 * MINUTE;
/// The lifetime of access tokens: longer than the test, which must not end with expired tokens.
const TOKEN_TTL: &str = "30m";

/// A user with an access token.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) roles: Vec<String>,
    pub(crate) token: String,
}

impl User {
    /// Returns the time until the token expires, or zero.
    pub(crate) fn expires_in(&self) -> Duration {
        let now = UNIX_EPOCH.elapsed().expect("the time is after 1970");
        Duration::from_secs(Jws::parse(&self.token).expires_at()).saturating_sub(now)
    }
}

/// The user service, with a user and an administrator.
pub(crate) struct Issuer {
    pub(crate) world: World,
    pub(crate) service: Service,
    user: (TestUser, String),
    admin: (TestUser, String),
}

impl Issuer {
    /// Starts a user service in a new world. Its issuer is its own URL, as a real installation has it.
    pub(crate) async fn start(algorithm: &str) -> Self {
        let world = World::new(&Stack::from_env(), &format!("verify-{}", algorithm.to_lowercase())).await;
        let spec = with_cheap_hashes(world.user_service());
        let issuer = spec.base_url();
        let spec = spec
            .set("AUTH__ISSUER", issuer)
            .set("AUTH__SIGNING_ALGORITHM", algorithm)
            .set("AUTH__ACCESS_TOKEN_TTL", TOKEN_TTL);
        let service = spec.start().await;
        let user = register_with_id(&world, &service.api(), "ada").await;
        let admin = create_admin(&world, &service, "root").await;
        Self { world, service, user, admin: (admin.user, admin.id) }
    }

    /// Logs the user in.
    pub(crate) async fn log_in_user(&self) -> User {
        self.log_in(&self.service, &self.user, &[]).await
    }

    /// Logs the administrator in.
    pub(crate) async fn log_in_admin(&self) -> User {
        self.log_in(&self.service, &self.admin, &["admin"]).await
    }

    /// Logs the user in at a replica with other settings, which signs with the same keys.
    pub(crate) async fn log_in_at_replica(&self, settings: &[(&str, &str)]) -> User {
        let replica = self.service.spec().replica().set_all(settings).start().await;
        self.log_in(&replica, &self.user, &[]).await
    }

    async fn log_in(&self, service: &Service, (user, id): &(TestUser, String), roles: &[&str]) -> User {
        let token = service.api().login(user).await.access;
        User { id: id.clone(), roles: roles.iter().map(|&role| role.to_owned()).collect(), token }
    }

    /// Returns the published key set.
    pub(crate) async fn key_set(&self) -> Value {
        self.service.api().get("/.well-known/jwks.json").await.expect(200).json()
    }

    /// Makes a successor of the signing key, and lets it sign.
    pub(crate) async fn rotate(&self) {
        advance_signing_key_time(&self.world, 31 * DAY).await;
        self.wait_for_next_key().await;
    }

    /// Changes the algorithm with the command, and lets the next key sign.
    pub(crate) async fn change_algorithm(&self, name: &str) {
        let changed = self.service.spec().command(&["keys", "algorithm", name]).await;
        let _ = stdout_of(&changed, 0);
        self.wait_for_next_key().await;
    }

    async fn wait_for_next_key(&self) {
        let before = Jws::parse(&self.log_in_user().await.token).key_id().to_owned();
        self.wait_for_keys("the next key is published", async |keys| keys.len() == 2).await;
        advance_signing_key_time(&self.world, 11 * MINUTE).await;
        self.wait_for_keys("the next key signs", async |_| {
            Jws::parse(&self.log_in_user().await.token).key_id() != before
        })
        .await;
    }

    /// Waits, in the time of the database, until the previous key is removed.
    pub(crate) async fn remove_previous_key(&self) {
        // The longest lifetime of its tokens, the age of a cached key set, and a margin.
        advance_signing_key_time(&self.world, 40 * MINUTE).await;
        self.wait_for_keys("the previous key is removed", async |keys| keys.len() == 1).await;
    }

    /// Waits until the published keys are as expected. An unknown key id causes the service to read its keys again.
    async fn wait_for_keys(&self, what: &str, expected: impl AsyncFn(&[Value]) -> bool) {
        let unknown = Jws::parse(&self.log_in_user().await.token).with_unknown_key();
        let api = self.service.api();
        wait_for(DEADLINE, what, async || {
            let _ = api.with_token(&unknown).get("/api/users/me").await.expect_problem(401, "unauthorized");
            let set = self.key_set().await;
            let keys = set["keys"].as_array().expect("a key set has keys");
            expected(keys).await.then_some(())
        })
        .await;
    }
}
