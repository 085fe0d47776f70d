//! Fault 9. MongoDB down, stopped, slow, or gone without a word: 503 in time, the pool recovers by itself,
//! and no change that was answered with success is lost.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use faults::checker::Outcome;
use faults::{Client, Run, judge};
use futures_util::future::join_all;
use serde_json::json;
use test_support::{
    DEADLINE, IsolatedMongod, ProxyMode, Service, ServiceSpec, Stack, TcpProxy, TestUser, World, wait_for,
};

use crate::setup::*;

fn through(proxy: &TcpProxy) -> String {
    format!("mongodb://{}/?directConnection=true", proxy.address())
}

/// Two people who are signed in.
struct Members {
    ada: (Client, TestUser),
    bob: (Client, TestUser),
}

/// Every kind of request is refused in time: of those who are signed in and of strangers, reads and writes.
async fn assert_all_is_unavailable(run: &Run, service: &Service, members: &mut Members, round: &str) {
    let newcomer = run.world.test_user(round);
    let mut strangers = [client(run, service), client(run, service), client(run, service)];
    let [registering, entering, asking] = &mut strangers;
    let (Members { ada: (ada, person), bob: (bob, _) }, asked) = (members, Instant::now());
    let change = format!("During {round}");
    let refused = async |outcome| assert_unavailable(&outcome, asked);
    let all = async {
        tokio::join!(
            async { refused(registering.register(&newcomer, Some(&newcomer.username)).await).await },
            async { refused(entering.login(person).await).await },
            async { refused(ada.read_me().await).await },
            async { refused(bob.update_profile(&change).await).await },
            // Answered before any look-up, and lost if MongoDB stays away: it is a 202.
            async { assert_status(&asking.resend_verification(&person.email).await, 202) },
        )
    };
    all.await;
}

/// Nobody restarts anything: it serves again, and those who try again get what they wanted.
async fn until_it_works(run: &Run, service: &mut Service, members: &mut Members, round: &str) {
    let healed = Instant::now();
    wait_for(DEADLINE, "a change after the outage", async || {
        let outcome = members.ada.0.update_profile(&format!("{round} is over")).await;
        (status(&outcome) == Some(200)).then_some(())
    })
    .await;
    let newcomer = run.world.test_user(round);
    let mut client = run.recorder.client(service.api());
    assert_status(&client.register(&newcomer, Some(&newcomer.username)).await, 201);
    assert_status(&client.login(&newcomer).await, 200);
    service.wait_until_ready().await;
    println!("{round}: served again after {:?}", healed.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_09_mongodb_down_stopped_or_slow_is_503_in_time_and_heals_by_itself() {
    let stack = Stack::from_env();
    let mut mongod = IsolatedMongod::start(&stack, "away").await;
    let proxy = TcpProxy::start(&mongod.address()).await.expect("a proxy can be had");
    let run = run_in(World::new(&stack, "away").await.on_mongodb(through(&proxy))).await;
    let (mut service, _emails) = start(&run).await;
    let (ada, bob) = (member(&run, &service, "ada").await, member(&run, &service, "bob").await);
    let mut members = Members { ada, bob };

    mongod.pause();
    assert_all_is_unavailable(&run, &service, &mut members, "stopped").await;
    mongod.resume();
    until_it_works(&run, &mut service, &mut members, "stopped").await;

    mongod.take_down().await;
    assert_all_is_unavailable(&run, &service, &mut members, "down").await;
    mongod.bring_up().await;
    until_it_works(&run, &mut service, &mut members, "down").await;

    proxy.set_mode(ProxyMode::Slow(Duration::from_secs(5)));
    assert_all_is_unavailable(&run, &service, &mut members, "slow").await;
    proxy.set_mode(ProxyMode::Pass);
    until_it_works(&run, &mut service, &mut members, "slow").await;

    // Not so slow that an operation is given up: answers come, late.
    proxy.set_mode(ProxyMode::Slow(Duration::from_millis(150)));
    assert_status(&members.ada.0.update_profile("late").await, 200);
    proxy.set_mode(ProxyMode::Discard);
    assert_all_is_unavailable(&run, &service, &mut members, "hole").await;
    proxy.set_mode(ProxyMode::Pass);
    until_it_works(&run, &mut service, &mut members, "hole").await;

    // The machine was lost: connections look alive and lead nowhere, new ones lead to the next one.
    proxy.leave_half_open();
    until_it_works(&run, &mut service, &mut members, "halfopen").await;

    let history = judge(&run, HEALED).await;
    assert_eq!(history.users.len(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_09_a_start_without_mongodb_says_so_and_heals_by_itself() {
    let stack = Stack::from_env();
    let upstream = stack.mongodb_uri().trim_start_matches("mongodb://").split(['/', '?']).next().unwrap_or_default();
    let proxy = TcpProxy::start(upstream).await.expect("a proxy can be had");
    proxy.set_mode(ProxyMode::Refuse);
    let mut run = run_in(World::new(&stack, "nomongo").await.on_mongodb(through(&proxy))).await;
    run.limits.no_email_service = true;
    let mut service = brisk(run.world.user_service()).start_until_live().await;
    let (mut me, ada) = (client(&run, &service), run.world.test_user("ada"));
    assert_is_without_mongodb(&run, &service, &ada).await;

    proxy.set_mode(ProxyMode::Pass);
    service.wait_until_ready().await;
    assert_status(&me.register(&ada, None).await, 201);
    assert_status(&me.login(&ada).await, 200);
    until_nothing_is_pending(&run.world).await;

    // The same while it runs.
    proxy.set_mode(ProxyMode::Refuse);
    wait_for(DEADLINE, "the outage to be seen", async || (service.check("mongodb").await == "down").then_some(()))
        .await;
    assert_is_without_mongodb(&run, &service, &ada).await;
    let started = Instant::now();
    assert_unavailable(&me.read_me().await, started);
    proxy.set_mode(ProxyMode::Pass);
    service.wait_until_ready().await;
    assert_status(&me.read_me().await, 200);
    // The driver has to find its server again; nobody restarts anything.
    wait_for(DEADLINE, "a change after the outage", async || {
        (status(&me.update_profile("Healed").await) == Some(200)).then_some(())
    })
    .await;
    judge(&run, DEADLINE).await;
    assert_eq!(service.terminate().await.code(), Some(0));
}

/// Attempts an hour that no test reaches, so that every limit is asked and none refuses.
fn hardly_limited(spec: ServiceSpec) -> ServiceSpec {
    let many = "1000000";
    spec.set("LIMITS__ENABLED", "true")
        .set("LIMITS__REQUESTS_PER_NETWORK", many)
        .set("LIMITS__REGISTRATIONS_PER_NETWORK", many)
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_09_a_request_whose_operations_are_too_slow_only_together_is_503_in_time() {
    let stack = Stack::from_env();
    let mongod = IsolatedMongod::start(&stack, "together").await;
    let proxy = TcpProxy::start(&mongod.address()).await.expect("a proxy can be had");
    let mut run = run_in(World::new(&stack, "together").await.on_mongodb(through(&proxy))).await;
    run.limits.no_email_service = true;
    let service = hardly_limited(brisk(run.world.user_service())).start().await;
    let (mut ada, person) = member(&run, &service, "ada").await;
    let (mut bob, mut his) = member(&run, &service, "bob").await;
    let (mut eve, _) = member(&run, &service, "eve").await;
    let (mut registering, mut entering) = (client(&run, &service), client(&run, &service));
    let (newcomer, mut resetting) = (run.world.test_user("newcomer"), client(&run, &service));
    let mut unknown = run.world.test_user("unknown");

    // 1.4 s there and back: less than the deadline of an operation, more than half of it.
    proxy.set_mode(ProxyMode::Slow(Duration::from_millis(700)));
    let asked = Instant::now();
    tokio::join!(
        async {
            let outcome = registering.register(&newcomer, Some(&newcomer.username)).await;
            assert_unavailable(&outcome, asked);
        },
        async { assert_unavailable(&entering.login(&person).await, asked) },
        async { assert_unavailable(&ada.refresh().await, asked) },
        async { assert_unavailable(&bob.change_password(&mut his, "another long enough password").await, asked) },
        async { assert_unavailable(&eve.update_profile("Slowly").await, asked) },
        async {
            let outcome = resetting.confirm_reset(&"A".repeat(43), &mut unknown, "a long enough password").await;
            assert_unavailable(&outcome, asked);
        },
    );
    // One operation alone has the time that it needs.
    assert_status(&eve.read_me().await, 200);
    proxy.set_mode(ProxyMode::Pass);
    wait_for(DEADLINE, "a change after the outage", async || {
        (status(&eve.update_profile("Fast again").await) == Some(200)).then_some(())
    })
    .await;
    assert_status(&registering.register(&newcomer, Some(&newcomer.username)).await, 201);
    judge(&run, HEALED).await;
}

/// Asks again and again until told to stop. Each answer is a success, or 503 in time.
async fn ask_on(stop: &AtomicBool, refused: &AtomicUsize, mut ask: impl AsyncFnMut() -> Outcome) {
    while !stop.load(Ordering::Relaxed) {
        let asked = Instant::now();
        let outcome = ask().await;
        let took = asked.elapsed();
        if status(&outcome).is_none_or(|status| status >= 300) {
            println!("refused after {took:?}");
            assert_unavailable(&outcome, asked);
            refused.fetch_add(1, Ordering::Relaxed);
        } else {
            assert!(took < IN_TIME, "a success after {took:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_09_requests_under_way_when_mongodb_stops_are_503_in_time() {
    const ROUNDS: usize = 4;
    let stack = Stack::from_env();
    let mut mongod = IsolatedMongod::start(&stack, "midway").await;
    let mut run = run_in(World::new(&stack, "midway").await.on_mongodb(mongod.uri())).await;
    run.limits.no_email_service = true;
    let service = hardly_limited(brisk(run.world.user_service())).start().await;
    let (mut reading, _) = member(&run, &service, "reading").await;
    let (mut writing, _) = member(&run, &service, "writing").await;
    let (mut refreshing, ada) = member(&run, &service, "refreshing").await;
    let mut registering = client(&run, &service);
    let mut entering: Vec<Client> = (0..4).map(|_| client(&run, &service)).collect();
    let (mut name, mut newcomers) = (0, 0);

    for round in 0..ROUNDS {
        let (stop, refused) = (AtomicBool::new(false), AtomicUsize::new(0));
        let outage = async {
            // At another moment of their requests in each round.
            tokio::time::sleep(Duration::from_millis(100 + 37 * round as u64)).await;
            mongod.pause();
            wait_for(DEADLINE, "refusals", async || (refused.load(Ordering::Relaxed) >= 8).then_some(())).await;
            stop.store(true, Ordering::Relaxed);
        };
        let logins = entering.iter_mut().map(|client| ask_on(&stop, &refused, async || client.login(&ada).await));
        tokio::join!(
            outage,
            join_all(logins),
            ask_on(&stop, &refused, async || reading.read_me().await),
            ask_on(&stop, &refused, async || refreshing.refresh().await),
            ask_on(&stop, &refused, async || {
                name += 1;
                writing.update_profile(&format!("Name {name}")).await
            }),
            ask_on(&stop, &refused, async || {
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
        // Of unknown outcome, perhaps: its token may be used up.
        assert_status(&refreshing.login(&ada).await, 200);
    }
    judge(&run, HEALED).await;
}

async fn assert_is_without_mongodb(run: &Run, service: &Service, person: &TestUser) {
    let (status, readiness) = service.readiness().await.expect("it answers");
    assert_eq!((status, &readiness["status"]), (503, &json!("unavailable")));
    assert_eq!(readiness["checks"]["mongodb"], "down");
    let mut stranger = client(run, service);
    let started = Instant::now();
    assert_unavailable(&stranger.register(person, None).await, started);
    let started = Instant::now();
    assert_unavailable(&stranger.login(person).await, started);
    assert_status(&stranger.resend_verification(&person.email).await, 202);
}
