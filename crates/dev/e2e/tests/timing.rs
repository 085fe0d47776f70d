//! Checks that response times do not reveal whether an account exists (promise S2): login, reset and resend are
//! requested for existing and unknown accounts in turn, and the medians are compared.
//!
//! The yardstick is the noise of this machine in this run. In each experiment the first two kinds of request are
//! equal. The noise floor is the difference between the medians of two groups of such equal requests, in 99 of 100
//! random divisions. A kind of request whose median differs by more than `FACTOR` noise floors reveals something. On
//! a busy machine more samples are taken before the test fails.

use std::time::{Duration, Instant};

use bson::doc;
use e2e::{accounts::update_user, pseudo_random::PseudoRandom};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use test_support::{Api, Stack, World};

/// One comparison of equal requests in a hundred exceeds one noise floor, and practically none exceeds three. A real
/// difference that this test found was ten: reading an account's document took 2 ms in a build without optimisation,
/// and there was no document for an unknown account.
const FACTOR: f64 = 3.0;
/// Samples of each kind in the first attempt; each further attempt doubles the number.
const SAMPLES: usize = 100;
const ATTEMPTS: u32 = 4;
/// The pause until the work after a response (audit rows, requested mails) is done.
const PAUSE: Duration = Duration::from_millis(8);
const DIVISIONS: usize = 2_000;

/// A kind of request, with its samples.
struct RequestKind {
    name: &'static str,
    path: &'static str,
    body: Value,
    status: u16,
    /// If set, each request gets an address of its own: this number, which is incremented, before the address of the
    /// body.
    fresh: Option<usize>,
    /// Microseconds from the request to the end of the response.
    samples: Vec<f64>,
}

impl RequestKind {
    fn new(name: &'static str, path: &'static str, body: Value, status: u16) -> Self {
        Self { name, path, body, status, fresh: None, samples: Vec::new() }
    }

    fn request(&mut self, api: &Api) -> RequestBuilder {
        let request = api.request(Method::POST, self.path);
        let Some(number) = &mut self.fresh else { return request.json(&self.body) };
        *number += 1;
        let mut body = self.body.clone();
        body["email"] = json!(format!("n{number:06}{}", self.body["email"].as_str().unwrap_or_default()));
        request.json(&body)
    }
}

fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
}

/// Returns the difference between the medians of two groups of equal requests, in 99 of 100 divisions.
fn noise_floor(equal: &[f64], shuffle: &mut PseudoRandom) -> f64 {
    let mut all = equal.to_vec();
    let mut differences: Vec<f64> = (0..DIVISIONS)
        .map(|_| {
            shuffle.shuffle(&mut all);
            let (one, other) = all.split_at(all.len() / 2);
            (median(one) - median(other)).abs()
        })
        .collect();
    differences.sort_by(f64::total_cmp);
    differences[DIVISIONS * 99 / 100]
}

struct Comparison {
    /// The median of the equal requests.
    median: f64,
    floor: f64,
    /// The other kinds, and their difference from the median.
    others: Vec<(&'static str, f64)>,
}

impl Comparison {
    fn of(kinds: &[RequestKind], shuffle: &mut PseudoRandom) -> Self {
        let equal = [kinds[0].samples.clone(), kinds[1].samples.clone()].concat();
        let (middle, floor) = (median(&equal), noise_floor(&equal, shuffle));
        let others = kinds[2..].iter().map(|kind| (kind.name, median(&kind.samples) - middle)).collect();
        Self { median: middle, floor, others }
    }

    /// Returns the smallest difference that counts as one.
    fn smallest_difference(&self) -> f64 {
        FACTOR * self.floor
    }

    fn reveals_difference(&self) -> bool {
        self.others.iter().any(|(_, difference)| difference.abs() > self.smallest_difference())
    }
}

/// Sends one request of each kind in turn, in another order each time.
async fn sample(api: &Api, kinds: &mut [RequestKind], rounds: usize, keep: bool, shuffle: &mut PseudoRandom) {
    let mut order: Vec<usize> = (0..kinds.len()).collect();
    for _ in 0..rounds {
        shuffle.shuffle(&mut order);
        for &at in &order {
            let kind = &mut kinds[at];
            let request = kind.request(api);
            let started = Instant::now();
            let answer = api.send(request).await;
            let took = started.elapsed();
            assert_eq!(answer.status, kind.status, "{}: {}", kind.name, answer.text);
            if keep {
                kind.samples.push(took.as_secs_f64() * 1e6);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Measures until no difference is found, or a difference was found `ATTEMPTS` times. `without_work` is the median of
/// requests that skip the work which equalises the times; the test must be able to detect such a skip.
async fn experiment(api: &Api, what: &str, mut kinds: Vec<RequestKind>, without_work: Option<f64>) -> Comparison {
    let mut shuffle = PseudoRandom::new(1);
    // Plans, pools and caches are warmed up, and the bound of audit rows is reached.
    sample(api, &mut kinds, 25, false, &mut shuffle).await;
    let mut report = String::new();
    for _ in 0..ATTEMPTS {
        let more = kinds[0].samples.len().max(SAMPLES);
        sample(api, &mut kinds, more, true, &mut shuffle).await;
        let comparison = Comparison::of(&kinds, &mut shuffle);
        let (count, median, floor) = (kinds[0].samples.len(), comparison.median, comparison.floor);
        report += &format!("{what}: {count} of each, median {median:.0} µs, floor {floor:.0} µs");
        for (name, difference) in &comparison.others {
            report += &format!(", {name} {difference:+.0} µs");
        }
        report += "\n";
        let would_be_seen =
            without_work.is_none_or(|without| comparison.smallest_difference() < comparison.median - without);
        if !comparison.reveals_difference() && would_be_seen {
            print!("{report}");
            return comparison;
        }
    }
    panic!("response times reveal something, or this machine is too busy to tell:\n{report}");
}

#[tokio::test]
async fn the_response_time_does_not_reveal_whether_an_account_exists() {
    let world = World::new(&Stack::from_env(), "timing").await;
    // Hashes are cheap, and the same for all accounts.
    let spec = world.user_service().set("HASHING__MEMORY_KIB", "4096").set("HASHING__ITERATIONS", "1");
    // The rate limits are read and written, but refuse no request.
    let unheld = [
        "LOGIN_FREE_FAILURES",
        "ACCOUNT_FREE_FAILURES",
        "MAILS_PER_ADDRESS",
        "REQUESTS_PER_NETWORK",
        "REGISTRATIONS_PER_NETWORK",
    ];
    let spec = unheld.iter().fold(spec, |spec, limit| spec.set(&format!("LIMITS__{limit}"), "1000000"));
    let service = spec.set("LIMITS__ENABLED", "true").start().await;
    let api = service.api();
    // The names, and therefore the bodies, have the same length.
    let (known, disabled_user, unknown) =
        (world.test_user("known"), world.test_user("shuts"), world.test_user("ghost"));
    for user in [&known, &disabled_user] {
        let _ = api.register(user).await.expect(201);
    }
    api.login(&known).await;
    update_user(&world, &disabled_user.email, doc! { "$set": { "status": "disabled" } }).await;

    let ask = |path, who: [(&'static str, &str); 4]| {
        who.map(|(name, email)| RequestKind::new(name, path, json!({ "email": email }), 202)).into()
    };
    let everybody = [
        ("unknown", unknown.email.as_str()),
        ("unknown again", &unknown.email),
        ("known", &known.email),
        ("disabled", &disabled_user.email),
    ];
    let reset = experiment(&api, "reset", ask("/api/auth/password-reset", everybody), None).await;
    experiment(&api, "resend", ask("/api/auth/email-verification/resend", everybody), None).await;
    let login = |(name, identifier): (&'static str, &str)| {
        let body = json!({ "identifier": identifier, "password": "not the password" });
        RequestKind::new(name, "/api/auth/login", body, 401)
    };
    let mut logins: Vec<RequestKind> = everybody.into_iter().map(login).collect();
    logins.push(login(("known, by username", &known.username)));
    experiment(&api, "login", logins, Some(reset.median)).await;

    // Hidden registration: new addresses, and those of an account, of a disabled account and of an unverified one.
    // Lengths are equal, and the username stays free.
    let replica = service.spec().replica().set("AUTH__REGISTRATION", "hidden").start().await;
    let hidden = replica.api();
    let never = world.test_user("never");
    let _ = hidden.register(&never).await.expect(202);
    let registration =
        |email: &str| json!({ "username": "not-claimed-by-any", "email": email, "password": unknown.password });
    let new = |name, first| {
        let padding = known.email.strip_prefix("known").unwrap_or_default();
        let body = registration(&padding[2.min(padding.len())..]);
        RequestKind { fresh: Some(first), ..RequestKind::new(name, "/api/users", body, 202) }
    };
    let taken = |(name, email): (&'static str, &str)| RequestKind::new(name, "/api/users", registration(email), 202);
    let mut registrations = vec![new("free", 0), new("free again", 500_000)];
    registrations.extend(
        [("taken", &*known.email), ("disabled", &disabled_user.email), ("unverified", &never.email)].map(taken),
    );
    experiment(&hidden, "registration", registrations, Some(reset.median)).await;
}

#[test]
fn equal_requests_are_not_distinguished_and_slower_requests_are() {
    let mut shuffle = PseudoRandom::new(7);
    let mut around = |middle: f64| -> Vec<f64> {
        (0..200).map(|_| middle + f64::from(u32::try_from(shuffle.below(400)).unwrap_or_default()) - 200.0).collect()
    };
    let kind = |name, samples| RequestKind { samples, ..RequestKind::new(name, "/", Value::Null, 200) };
    let equal = [kind("one", around(5_000.0)), kind("other", around(5_000.0)), kind("like them", around(5_000.0))];
    let comparison = Comparison::of(&equal, &mut PseudoRandom::new(9));
    assert!(!comparison.reveals_difference() && comparison.floor > 0.0, "{} {:?}", comparison.floor, comparison.others);
    let slower = [kind("one", around(5_000.0)), kind("other", around(5_000.0)), kind("slower", around(5_300.0))];
    assert!(Comparison::of(&slower, &mut PseudoRandom::new(9)).reveals_difference());
}
