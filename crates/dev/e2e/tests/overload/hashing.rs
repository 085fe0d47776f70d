//! Ten times as many logins and registrations as the service has time to hash.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use e2e::accounts::try_login;
use test_support::{Api, ApiResponse, DEADLINE, Service, Stack, TestUser, World, wait_for};
use tokio::{sync::watch, task::JoinSet, time::sleep};

use crate::process::{Usage, number_from_env, percentile, run_exclusively};

const MAX_WAIT: Duration = Duration::from_millis(500);
/// The number of clients that keep one hash thread busy.
const SATURATING_CLIENTS: usize = 6;
const SATURATION: Duration = Duration::from_secs(3);
const CONNECTIONS: usize = 300;
/// The ratio of the offered load to the capacity.
const OVERLOAD_FACTOR: u32 = 10;
/// The number of measurements on a machine whose speed changes meanwhile.
const MAX_ATTEMPTS: usize = 4;

/// The number of registered users, so that each name is registered once.
static REGISTERED: AtomicUsize = AtomicUsize::new(0);

/// The durations of the responses that one client got.
#[derive(Debug, Default)]
struct Responses {
    accepted: Vec<Duration>,
    refused: Vec<Duration>,
    others: Vec<String>,
}

impl Responses {
    fn count(&mut self, answer: &ApiResponse, took: Duration) {
        match answer.status {
            200 | 201 => self.accepted.push(took),
            503 if answer.problem() == "overloaded"
                && answer.header("retry-after").parse().is_ok_and(|s: u32| s > 0) =>
            {
                self.refused.push(took);
            }
            status => self.others.push(format!("{status} {}", answer.text)),
        }
    }

    fn and(mut self, other: Self) -> Self {
        self.accepted.extend(other.accepted);
        self.refused.extend(other.refused);
        self.others.extend(other.others);
        self
    }

    fn sorted(mut self) -> Self {
        self.accepted.sort_unstable();
        self.refused.sort_unstable();
        self
    }
}

/// Logs in, and registers a new user every fifth time, until it is told to stop. The starts of two requests are at
/// least `pace` apart.
async fn client(
    api: Api,
    number: usize,
    user: TestUser,
    world: World,
    pace: Duration,
    stop: watch::Receiver<bool>,
) -> Responses {
    let mut responses = Responses::default();
    // The clients start at different moments.
    sleep(pace.mul_f64(number as f64 / CONNECTIONS as f64)).await;
    for turn in 0.. {
        if *stop.borrow() {
            break;
        }
        let started = Instant::now();
        let answer = if turn % 5 == 4 {
            let name = format!("new{}", REGISTERED.fetch_add(1, Ordering::Relaxed));
            api.register(&world.test_user(&name)).await
        } else {
            try_login(&api, &user.email, &user.password).await
        };
        let took = started.elapsed();
        responses.count(&answer, took);
        sleep(pace.saturating_sub(took)).await;
    }
    responses
}

/// Runs `clients` clients for `length`, and returns their responses and the resource usage of the service.
async fn run_clients(
    service: &Service,
    world: &World,
    clients: usize,
    pace: Duration,
    length: Duration,
) -> (Responses, Vec<Usage>) {
    let (stop_sender, stop) = watch::channel(false);
    let mut running = JoinSet::new();
    for number in 0..clients {
        let user = world.test_user("regular");
        running.spawn(client(service.api(), number, user, world.clone(), pace, stop.clone()));
    }
    let until = Instant::now() + length;
    let mut usage = Vec::new();
    while Instant::now() < until {
        sleep(Duration::from_millis(200)).await;
        usage.push(Usage::of(service.pid()));
        assert!(service.readiness().await.is_some_and(|(status, _)| status == 200), "the ops port does not respond");
    }
    stop_sender.send_replace(true);
    let responses = running.join_all().await;
    (responses.into_iter().fold(Responses::default(), Responses::and).sorted(), usage)
}

/// A measurement at saturation, followed by one under overload.
struct Measurement {
    /// Logins and registrations per second at saturation, and the 95th percentile of their duration.
    capacity: f64,
    usual: Duration,
    before: Usage,
    overloaded: Responses,
    usage: Vec<Usage>,
    length: Duration,
}

impl Measurement {
    async fn take(service: &Service, world: &World) -> Self {
        // This also warms up all threads and database connections.
        let (saturated, before) = run_clients(service, world, SATURATING_CLIENTS, Duration::ZERO, SATURATION).await;
        assert!(saturated.others.is_empty(), "{:?}", saturated.others.first());
        let capacity = saturated.accepted.len().max(1) as f64 / SATURATION.as_secs_f64();
        let (usual, before) = (percentile(&saturated.accepted, 95), *before.last().expect("there is a measurement"));
        let length = Duration::from_secs(number_from_env("OVERLOAD_SECONDS", 8));
        let pace = Duration::from_secs_f64(CONNECTIONS as f64 / (capacity * f64::from(OVERLOAD_FACTOR)));
        let (overloaded, usage) = run_clients(service, world, CONNECTIONS, pace, length).await;
        Self { capacity, usual, before, overloaded, usage, length }
    }

    fn goodput(&self) -> f64 {
        self.overloaded.accepted.len() as f64 / self.length.as_secs_f64()
    }

    /// Returns a limit that is above what the queue allows on a machine that is as fast as before.
    fn bound(&self) -> Duration {
        2 * MAX_WAIT + 4 * self.usual
    }

    /// Returns which expectation does not hold. The machine may also have become slower since `capacity` was
    /// measured.
    fn violation(&self) -> Option<String> {
        let (accepted, refused) = (&self.overloaded.accepted, &self.overloaded.refused);
        let (capacity, goodput, usual, bound) = (self.capacity, self.goodput(), self.usual, self.bound());
        if refused.len() <= 3 * accepted.len() {
            return Some(format!("{} refused, {} accepted", refused.len(), accepted.len()));
        }
        if goodput <= 0.6 * capacity {
            return Some(format!("served {goodput:.1}/s of {capacity:.1}/s"));
        }
        let (late, quick, slow) = (percentile(accepted, 95), percentile(refused, 50), percentile(refused, 95));
        if late >= bound || slow >= bound {
            return Some(format!("accepted in {late:?}, refused in {slow:?}, of at most {bound:?}"));
        }
        (quick >= usual).then(|| format!("refused in {quick:?}, a login takes {usual:?}"))
    }

    /// Checks what must hold on any machine at any time.
    fn assert_bounded(&self) {
        let Self { overloaded, before, usage, .. } = self;
        assert!(overloaded.others.is_empty(), "{} of {:?}", overloaded.others.len(), overloaded.others.first());
        let (early, late) = usage.split_at(usage.len() / 3);
        let most = |usage: &[Usage], of: fn(&Usage) -> u64| usage.iter().map(of).max().unwrap_or_default();
        let (first, last) = (most(early, |usage| usage.resident_kib), most(late, |usage| usage.resident_kib));
        println!("resident {} KiB before, {first} KiB early, {last} KiB late; {before:?}", before.resident_kib);
        assert!(last < first + first / 5 + 16 * 1024, "resident grew from {first} to {last} KiB");
        let descriptors = usage.iter().map(|usage| usage.descriptors).max().unwrap_or_default();
        assert!(descriptors <= before.descriptors + CONNECTIONS + 100, "{descriptors}, {} before", before.descriptors);
        let threads = most(usage, |usage| usage.threads);
        assert!(threads <= before.threads + 16, "{threads} threads, {} before", before.threads);
    }
}

impl std::fmt::Display for Measurement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (accepted, refused) = (&self.overloaded.accepted, &self.overloaded.refused);
        write!(
            f,
            "capacity {:.1}/s, usual p95 {:?}; offered {:.1}/s for {:?}: served {:.1}/s, accepted p50 {:?} p95 {:?}, \
             refused {} p50 {:?} p95 {:?}",
            self.capacity,
            self.usual,
            (accepted.len() + refused.len()) as f64 / self.length.as_secs_f64(),
            self.length,
            self.goodput(),
            percentile(accepted, 50),
            percentile(accepted, 95),
            refused.len(),
            percentile(refused, 50),
            percentile(refused, 95),
        )
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_times_the_capacity_is_refused_quickly_and_accepted_requests_are_as_fast_as_before() {
    let _alone = run_exclusively().await;
    let world = World::new(&Stack::from_env(), "overload").await;
    let spec = world.user_service().set("HASHING__THREADS", "1").set("HASHING__MAX_WAIT", "500ms");
    // Hashes are slow even on a fast machine, so that ten times the capacity is few requests.
    let service = spec.set("HASHING__MEMORY_KIB", "32768").set("HASHING__ITERATIONS", "2").start().await;
    let _ = service.api().register(&world.test_user("regular")).await.expect(201);

    // A service that serves less under overload does so every time; a machine that is busy for a while does not.
    let mut violations = Vec::new();
    let measured = loop {
        let measured = Measurement::take(&service, &world).await;
        println!("{measured}");
        measured.assert_bounded();
        let Some(violation) = measured.violation() else { break measured };
        violations.push(violation);
        assert!(violations.len() < MAX_ATTEMPTS, "every attempt failed: {violations:?}");
    };

    // The overload ends at once: waiting requests have been served, and the next one is served too.
    wait_for(DEADLINE, "an empty queue", async || {
        (service.metric("user_service_hash_queue_length", "").await == 0.0).then_some(())
    })
    .await;
    let started = Instant::now();
    let _ = service.api().login(&world.test_user("regular")).await;
    let (took, bound) = (started.elapsed(), measured.bound());
    assert!(took < bound, "a login takes {took:?} after the overload");
}
