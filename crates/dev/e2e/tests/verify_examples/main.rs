//! Other stacks verify our access tokens: `examples/verify` with the usual libraries of each, and gateways.
//!
//! Each stack tells the same story, and all stacks do it at the same time, because most of it is waiting. This needs
//! the prepared stacks, which `scripts/verify-examples` builds.

mod forged_tokens;
mod issuer;
mod report;
mod stacks;

use std::{
    env,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use futures_util::future::join_all;

use crate::{
    forged_tokens::{Forger, Jws},
    issuer::{Issuer, User},
    report::{Outcome, RunReport},
    stacks::{RunningStack, StackSpec},
};

/// The leeway of the most generous stack: Spring Security accepts a token for a minute after its expiry.
const LONGEST_LEEWAY: Duration = Duration::from_secs(60);
/// The lifetime of the token that expires while the stacks run.
const BRIEF_TTL: Duration = Duration::from_secs(45);
/// The longest pause of a stack between two fetches of the keys because of unknown key ids.
const FETCH_INTERVAL: Duration = Duration::from_secs(30);
/// The time for which the stacks keep keys: the `max-age` of the key set.
const KEYS_MAX_AGE: Duration = Duration::from_secs(300);
/// What a busy machine may add to a time.
const MARGIN: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the prepared stacks: run scripts/verify-examples"]
async fn the_stacks_accept_valid_tokens_and_refuse_all_others() {
    let stacks = stacks::read_list(&PathBuf::from(variable("VERIFY_STACKS")));
    let algorithms = variable("VERIFY_ALGORITHMS");
    let runs = algorithms.split_whitespace().map(|algorithm| run(algorithm, &stacks));
    let reports: Vec<RunReport> = join_all(runs).await;

    let text = report::markdown(&reports, &stacks, &variable("VERIFY_RUN"), &variable("VERIFY_SKIPPED"));
    println!("{text}");
    if let Some(file) = env::var_os("VERIFY_REPORT").filter(|file| !file.is_empty()) {
        std::fs::write(Path::new(&file), text).expect("the report can be written");
    }
    let failures: Vec<String> = reports.iter().flat_map(|report| report.failures(&stacks)).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("scripts/verify-examples sets {name}"))
}

/// Starts the user service and every stack, and tells the story with tokens of this algorithm.
async fn run(algorithm: &str, stacks: &[StackSpec]) -> RunReport {
    let issuer = Issuer::start(algorithm).await;
    let started = join_all(stacks.iter().map(|stack| RunningStack::start(stack, algorithm, &issuer))).await;
    let mut story = Story { stacks: started, checks: Vec::new() };
    let (user, admin) = (issuer.log_in_user().await, issuer.log_in_admin().await);

    story.accepted("a valid token: `sub` and roles", &user).await;
    story.accepted("… of an administrator: role `admin`", &admin).await;
    if story.stacks.iter().all(|stack| !stack.knows_algorithm()) {
        return RunReport { algorithm: algorithm.to_owned(), checks: story.checks };
    }

    let brief = issuer.log_in_at_replica(&[("AUTH__ACCESS_TOKEN_TTL", &format!("{}s", BRIEF_TTL.as_secs()))]).await;
    story.accepted("a token that is about to expire", &brief).await;
    let typed = issuer.log_in_at_replica(&[("AUTH__TOKEN_TYPE", "at+jwt")]).await;
    story.measured("a valid token with `typ: at+jwt` (RFC 9068)", &typed, Duration::ZERO).await;
    story.refused_without_token().await;
    story.refused("no JWT at all", "not.a.token").await;
    let foreign = issuer.log_in_at_replica(&[("AUTH__AUDIENCE", "another-service")]).await;
    story.refused("a token for another audience", &foreign.token).await;
    let foreign = issuer.log_in_at_replica(&[("AUTH__ISSUER", "http://issuer.invalid")]).await;
    story.refused("a token of another issuer", &foreign.token).await;
    let genuine = Jws::parse(&user.token);
    story.refused("`alg: none`", &genuine.unsigned()).await;
    story.refused("changed claims (`sub`, `roles`)", &genuine.with_changed_claims()).await;
    let forger = Forger::new(algorithm);
    story.refused("signed by a key of the attacker, with our key id", &forger.sign(&genuine)).await;
    let confused = forged_tokens::hs256_with_public_key(&genuine, &issuer.key_set().await);
    story.refused("HS256 with the public key as secret", &confused).await;

    let is_quick = variable("VERIFY_QUICK") == "true";
    if !is_quick {
        tokio::time::sleep(brief.expires_in() + LONGEST_LEEWAY + Duration::from_secs(2)).await;
        story.refused("an expired token", &brief.token).await;
    }
    story.accepted("a valid token after all of these", &user).await;

    issuer.rotate().await;
    let renewed = issuer.log_in_user().await;
    assert_ne!(Jws::parse(&renewed.token).key_id(), genuine.key_id(), "the successor signs");
    story.accepted_within("a token of the next key", &renewed, FETCH_INTERVAL + MARGIN).await;
    story.accepted("a token of the previous key after that", &user).await;

    if !is_quick {
        issuer.remove_previous_key().await;
        story.refused_within("a token of a removed key", &user.token, KEYS_MAX_AGE + MARGIN).await;
        assert!(user.expires_in() > LONGEST_LEEWAY, "the token was not refused for its expiry");
        story.accepted("a token of the current key after that", &renewed).await;
    }

    if !is_quick && algorithm == "ES256" {
        issuer.change_algorithm("RS256").await;
        let changed = issuer.log_in_user().await;
        story.measured("after `keys algorithm RS256`, without a restart of the stack", &changed, FETCH_INTERVAL).await;
    }
    RunReport { algorithm: algorithm.to_owned(), checks: story.checks }
}

/// The stacks of one run, and what each of them did.
struct Story {
    stacks: Vec<RunningStack>,
    checks: Vec<(String, Vec<Outcome>)>,
}

impl Story {
    /// Checks that each stack accepts a token, and says whose it is.
    async fn accepted(&mut self, check: &str, user: &User) {
        self.each(check, async |stack| once("accepted", stack.accepts(user).await)).await;
    }

    /// Checks that each stack accepts a token, at the latest after `deadline`.
    async fn accepted_within(&mut self, check: &str, user: &User, deadline: Duration) {
        self.each(check, async |stack| wait_until("accepted", deadline, async || stack.accepts(user).await).await)
            .await;
    }

    /// Records whether each stack accepts or refuses a token. Both are right. Repeats a refused token until `deadline`.
    async fn measured(&mut self, check: &str, user: &User, deadline: Duration) {
        self.each(check, async |stack| {
            match wait_until("accepted", deadline, async || stack.accepts(user).await).await {
                Outcome::Failed(_) => once("refused", stack.refuses(Some(&user.token)).await),
                accepted => accepted,
            }
        })
        .await;
    }

    /// Checks that each stack refuses a token.
    async fn refused(&mut self, check: &str, token: &str) {
        self.each(check, async |stack| once("refused", stack.refuses(Some(token)).await)).await;
    }

    /// Checks that each stack refuses a request without a token.
    async fn refused_without_token(&mut self) {
        self.each("no token", async |stack| once("refused", stack.refuses(None).await)).await;
    }

    /// Checks that each stack refuses a token, at the latest after `deadline`.
    async fn refused_within(&mut self, check: &str, token: &str, deadline: Duration) {
        self.each(check, async |stack| {
            wait_until("refused", deadline, async || stack.refuses(Some(token)).await).await
        })
        .await;
    }

    /// Makes a check with all stacks that know the algorithm. The first check is made with the others too: they must
    /// refuse the token, otherwise the list of their algorithms is wrong.
    async fn each(&mut self, check: &str, probe: impl AsyncFn(&RunningStack) -> Outcome) {
        let (probe, is_first) = (&probe, self.checks.is_empty());
        let outcome = async |stack: &RunningStack| match (stack.knows_algorithm(), is_first) {
            (true, _) => probe(stack).await,
            (false, true) => match probe(stack).await {
                Outcome::Passed(_) => Outcome::Failed("the stack knows the algorithm after all".to_owned()),
                Outcome::Failed(_) | Outcome::NotSupported => Outcome::NotSupported,
            },
            (false, false) => Outcome::NotSupported,
        };
        let outcomes = join_all(self.stacks.iter().map(outcome)).await;
        self.checks.push((check.to_owned(), outcomes));
    }
}

fn once(done: &str, result: Result<(), String>) -> Outcome {
    match result {
        Ok(()) => Outcome::Passed(done.to_owned()),
        Err(response) => Outcome::Failed(response),
    }
}

/// Repeats a check until it succeeds, and returns how long that took, unless it succeeded at once.
async fn wait_until(done: &str, deadline: Duration, probe: impl AsyncFn() -> Result<(), String>) -> Outcome {
    let begun = Instant::now();
    let mut how = done.to_owned();
    loop {
        match probe().await {
            Ok(()) => return Outcome::Passed(how),
            Err(response) if begun.elapsed() > deadline => {
                return Outcome::Failed(format!("not within {} s: {response}", deadline.as_secs()));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(500)).await,
        }
        how = format!("{done} after {} s", begun.elapsed().as_secs());
    }
}
