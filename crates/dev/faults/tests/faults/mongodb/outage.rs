//! Fault 9. MongoDB down, paused, slow, or silently gone: requests get 503 in time, the pool recovers by itself,
//! and no acknowledged change is lost.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use faults::checker::Outcome;
use faults::{Client, FaultRun, assert_promises_kept};
use futures_util::future::join_all;
use serde_json::json;
use test_support::{DEADLINE, IsolatedMongod, ProxyMode, Service, ServiceSpec, Stack, TcpProxy, TestUser, wait_for};

use crate::setup::*;

fn proxied_uri(proxy: &TcpProxy) -> String {
    format!("mongodb://{}/?directConnection=true", proxy.address())
}

/// Two users who are logged in.
struct LoggedInUsers {
    ada: (Client, TestUser),
    bob: (Client, TestUser),
}

/// Checks that every kind of request is refused in time: reads and writes, by logged-in users and by anonymous
/// clients.
async fn assert_all_is_unavailable(run: &FaultRun, service: &Service, logged_in: &mut LoggedInUsers, round: &str) {
    let newcomer = run.world.test_user(round);
    let mut anonymous_clients = [client(run, service), client(run, service), client(run, service)];
    let [registering, logging_in, resending] = &mut anonymous_clients;
    let (LoggedInUsers { ada: (ada, person), bob: (bob, _) }, asked) = (logged_in, Instant::now());
    let change = format!("During {round}");
    let refused = async |outcome| assert_unavailable(&outcome, asked);
    let all = async {
        tokio::join!(
            async { refused(registering.register(&newcomer, Some(&newcomer.username)).await).await },
            async { refused(logging_in.login(person).await).await },
            async { refused(ada.read_me().await).await },
            async { refused(bob.update_profile(&change).await).await },
            // The 202 precedes any look-up. The request is lost if MongoDB stays unavailable.
            async { assert_status(&resending.resend_verification(&person.email).await, 202) },
        )
    };
    all.await;
}

/// Waits until the service works again without any intervention, and repeats the registration that was refused.
async fn wait_for_recovery(run: &FaultRun, service: &mut Service, logged_in: &mut LoggedInUsers, round: &str) {
    let healed = Instant::now();
    wait_for(DEADLINE, "a change after the outage", async || {
        let outcome = logged_in.ada.0.update_profile(&format!("{round} is over")).await;
        (status(&outcome) == Some(200)).then_some(())
    })
    .await;
    let newcomer = run.world.test_user(round);
    let mut client = run.recorder.client(service.api());
    assert_status(&client.register(&newcomer, Some(&newcomer.username)).await, 201);
    assert_status(&client.login(&newcomer).await, 200);
    service.wait_until_ready().await;
    println!("{round}: recovered after {:?}", healed.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_09_mongodb_down_paused_or_slow_is_answered_with_503_in_time_and_the_service_recovers_by_itself() {
    let stack = Stack::from_env();
    let mut mongod = IsolatedMongod::start(&stack, "away").await;
    let proxy = TcpProxy::start(&mongod.address()).await.expect("a proxy can listen");
    let run = run_on_mongodb(&stack, "away", proxied_uri(&proxy)).await;
    let (mut service, _emails) = start(&run).await;
    let (ada, bob) = (logged_in_client(&run, &service, "ada").await, logged_in_client(&run, &service, "bob").await);
    let mut logged_in = LoggedInUsers { ada, bob };

    mongod.pause();
    assert_all_is_unavailable(&run, &service, &mut logged_in, "stopped").await;
    mongod.resume();
    wait_for_recovery(&run, &mut service, &mut logged_in, "stopped").await;

    mongod.take_down().await;
    assert_all_is_unavailable(&run, &service, &mut logged_in, "down").await;
    mongod.bring_up().await;
    wait_for_recovery(&run, &mut service, &mut logged_in, "down").await;

    proxy.set_mode(ProxyMode::Slow(Duration::from_secs(5)));
    assert_all_is_unavailable(&run, &service, &mut logged_in, "slow").await;
    proxy.set_mode(ProxyMode::Pass);
    wait_for_recovery(&run, &mut service, &mut logged_in, "slow").await;

    // Slow, but within the operation timeout: responses arrive late.
    proxy.set_mode(ProxyMode::Slow(Duration::from_millis(150)));
    assert_status(&logged_in.ada.0.update_profile("late").await, 200);
    proxy.set_mode(ProxyMode::Discard);
    assert_all_is_unavailable(&run, &service, &mut logged_in, "hole").await;
    proxy.set_mode(ProxyMode::Pass);
    wait_for_recovery(&run, &mut service, &mut logged_in, "hole").await;

    // As if the machine were lost: existing connections look alive and lead nowhere, new ones lead to its successor.
    proxy.leave_half_open();
    wait_for_recovery(&run, &mut service, &mut logged_in, "halfopen").await;

    let history = assert_promises_kept(&run, RECOVERY_DEADLINE).await;
    assert_eq!(history.users.len(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_09_a_start_without_mongodb_is_reported_and_the_service_recovers_by_itself() {
    let stack = Stack::from_env();
    let upstream = stack.mongodb_uri().trim_start_matches("mongodb://").split(['/', '?']).next().unwrap_or_default();
    let proxy = TcpProxy::start(upstream).await.expect("a proxy can listen");
    proxy.set_mode(ProxyMode::Refuse);
    let mut run = run_on_mongodb(&stack, "nomongo", proxied_uri(&proxy)).await;
    run.limits.no_email_service = true;
    let mut service = with_short_intervals(run.world.user_service()).start_until_live().await;
    let (mut me, ada) = (client(&run, &service), run.world.test_user("ada"));
    assert_is_without_mongodb(&run, &service, &ada).await;

    proxy.set_mode(ProxyMode::Pass);
    service.wait_until_ready().await;
    assert_status(&me.register(&ada, None).await, 201);
    assert_status(&me.login(&ada).await, 200);
    wait_until_nothing_is_pending(&run.world).await;

    // The same outage while the service is running.
    proxy.set_mode(ProxyMode::Refuse);
    wait_for(DEADLINE, "the outage to be reported", async || (service.check("mongodb").await == "down").then_some(()))
        .await;
    assert_is_without_mongodb(&run, &service, &ada).await;
    let started = Instant::now();
    assert_unavailable(&me.read_me().await, started);
    proxy.set_mode(ProxyMode::Pass);
    service.wait_until_ready().await;
    assert_status(&me.read_me().await, 200);
    // The driver has to find its server again, without a restart.
    wait_for(DEADLINE, "a change after the outage", async || {
        (status(&me.update_profile("Healed").await) == Some(200)).then_some(())
    })
    .await;
    assert_promises_kept(&run, DEADLINE).await;
    assert_eq!(service.terminate().await.code(), Some(0));
}

/// Sets limits that no test reaches, so that every limit is counted and none refuses a request.
fn with_unreachable_limits(spec: ServiceSpec) -> ServiceSpec {
    let many = "1000000";
    spec.set("LIMITS__ENABLED", "true")
        .set("LIMITS__REQUESTS_PER_NETWORK", many)
        .set("LIMITS__REGISTRATIONS_PER_NETWORK", many)
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_09_a_request_whose_operations_are_too_slow_only_in_total_gets_503_in_time() {
    let stack = Stack::from_env();
    let mongod = IsolatedMongod::start(&stack, "together").await;
    let proxy = TcpProxy::start(&mongod.address()).await.expect("a proxy can listen");
    let mut run = run_on_mongodb(&stack, "together", proxied_uri(&proxy)).await;
    run.limits.no_email_service = true;
    let service = with_unreachable_limits(with_short_intervals(run.world.user_service())).start().await;
    let (mut ada, person) = logged_in_client(&run, &service, "ada").await;
    let (mut bob, mut his) = logged_in_client(&run, &service, "bob").await;
    let (mut eve, _) = logged_in_client(&run, &service, "eve").await;
    let (mut registering, mut logging_in) = (client(&run, &service), client(&run, &service));
    let (newcomer, mut resetting) = (run.world.test_user("newcomer"), client(&run, &service));
    let mut unknown = run.world.test_user("unknown");

    // A round trip takes 1.4 s: less than the timeout of one operation, but more than half of it.
    proxy.set_mode(ProxyMode::Slow(Duration::from_millis(700)));
    let asked = Instant::now();
    tokio::join!(
        async {
            let outcome = registering.register(&newcomer, Some(&newcomer.username)).await;
            assert_unavailable(&outcome, asked);
        },
        async { assert_unavailable(&logging_in.login(&person).await, asked) },
        async { assert_unavailable(&ada.refresh().await, asked) },
        async { assert_unavailable(&bob.change_password(&mut his, "another long enough password").await, asked) },
        async { assert_unavailable(&eve.update_profile("Slowly").await, asked) },
        async {
            let outcome = resetting.confirm_reset(&"A".repeat(43), &mut unknown, "a long enough password").await;
            assert_unavailable(&outcome, asked);
        },
    );
    // A single operation has enough time. The refused requests have closed their connections, so it waits for a new one
    // too: two round trips, which must fit into the timeout of one operation.
    proxy.set_mode(ProxyMode::Slow(Duration::from_millis(350)));
    wait_for(DEADLINE, "a read while MongoDB is slow", async || {
        (status(&eve.read_me().await) == Some(200)).then_some(())
    })
    .await;
    proxy.set_mode(ProxyMode::Pass);
    wait_for(DEADLINE, "a change after the outage", async || {
        (status(&eve.update_profile("Fast again").await) == Some(200)).then_some(())
    })
    .await;
    assert_status(&registering.register(&newcomer, Some(&newcomer.username)).await, 201);
    assert_promises_kept(&run, RECOVERY_DEADLINE).await;
}

/// Sends requests until told to stop. Each response must be a success, or 503 in time.
async fn request_until_stopped(stop: &AtomicBool, refused: &AtomicUsize, mut send: impl AsyncFnMut() -> Outcome) {
    while !stop.load(Ordering::Relaxed) {
        let asked = Instant::now();
        let outcome = send().await;
        let took = asked.elapsed();
        if status(&outcome).is_none_or(|status| status >= 300) {
            println!("refused after {took:?}");
            assert_unavailable(&outcome, asked);
            refused.fetch_add(1, Ordering::Relaxed);
        } else {
            assert!(took < MAX_RESPONSE_TIME, "a success after {took:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_09_requests_in_progress_when_mongodb_stops_get_503_in_time() {
    const ROUNDS: usize = 4;
    let stack = Stack::from_env();
    let mut mongod = IsolatedMongod::start(&stack, "midway").await;
    let mut run = run_on_mongodb(&stack, "midway", mongod.uri()).await;
    run.limits.no_email_service = true;
    let service = with_unreachable_limits(with_short_intervals(run.world.user_service())).start().await;
    let (mut reading, _) = logged_in_client(&run, &service, "reading").await;
    let (mut writing, _) = logged_in_client(&run, &service, "writing").await;
    let (mut refreshing, ada) = logged_in_client(&run, &service, "refreshing").await;
    let mut registering = client(&run, &service);
    let mut logging_in: Vec<Client> = (0..4).map(|_| client(&run, &service)).collect();
    let (mut name, mut newcomers) = (0, 0);

    for round in 0..ROUNDS {
        let (stop, refused) = (AtomicBool::new(false), AtomicUsize::new(0));
        let outage = async {
            // In each round the pause hits another moment of the requests.
            tokio::time::sleep(Duration::from_millis(100 + 37 * round as u64)).await;
            mongod.pause();
            wait_for(DEADLINE, "refusals", async || (refused.load(Ordering::Relaxed) >= 8).then_some(())).await;
            stop.store(true, Ordering::Relaxed);
        };
        let logins = logging_in
            .iter_mut()
            .map(|client| request_until_stopped(&stop, &refused, async || client.login(&ada).await));
        tokio::join!(
            outage,
            join_all(logins),
            request_until_stopped(&stop, &refused, async || reading.read_me().await),
            request_until_stopped(&stop, &refused, async || refreshing.refresh().await),
            request_until_stopped(&stop, &refused, async || {
                name += 1;
                writing.update_profile(&format!("Name {name}")).await
            }),
            request_until_stopped(&stop, &refused, async || {
                newcomers += 1;
                let person = run.world.test_user(&format!("n{newcomers}"));
                registering.register(&person, Some(&person.username)).await
            }),
        );
        mongod.resume();
        wait_for(DEADLINE, "a change after the outage", async || {
            name += 1;
            (status(&writing.update_profile(&format!("Name {name}")).await) == Some(200)).then_some(())
        })
        .await;
        // The outcome of the refresh may be unknown, and its token may be used up.
        assert_status(&refreshing.login(&ada).await, 200);
    }
    assert_promises_kept(&run, RECOVERY_DEADLINE).await;
}

async fn assert_is_without_mongodb(run: &FaultRun, service: &Service, person: &TestUser) {
    let (status, readiness) = service.readiness().await.expect("it answers");
    assert_eq!((status, &readiness["status"]), (503, &json!("unavailable")));
    assert_eq!(readiness["checks"]["mongodb"], "down");
    let mut anonymous = client(run, service);
    let started = Instant::now();
    assert_unavailable(&anonymous.register(person, None).await, started);
    let started = Instant::now();
    assert_unavailable(&anonymous.login(person).await, started);
    assert_status(&anonymous.resend_verification(&person.email).await, 202);
}
