//! Limits of attempts while both releases run.

use e2e::rate_limits::{guess_password, log_in_from, register_from, with_limits};
use test_support::{Stack, World};

use crate::system::previous_release;

/// The failures of a network, and those of an account from all unknown networks, that have no consequence.
const FREE_FAILURES: &str = "5";
const ACCOUNT_FREE_FAILURES: &str = "6";

/// Only the failures of an unknown network are counted by each release on its own. All of them count for the account.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: run by scripts/nightly"]
async fn both_releases_count_the_failures_of_a_known_network_and_of_an_account_together() {
    let world = World::new(&Stack::from_env(), "attempts").await;
    let limits = [("LOGIN_FREE_FAILURES", FREE_FAILURES), ("ACCOUNT_FREE_FAILURES", ACCOUNT_FREE_FAILURES)];
    let previous = previous_release();
    let old = with_limits(&world, &limits).with_binaries(Some(&previous)).start().await;
    let new = with_limits(&world, &limits).start().await;
    let apis = [old.api(), new.api()];
    let in_turn = || apis.iter().cycle();

    for (name, network, first) in [("ada", "203.0.113", &apis[0]), ("bob", "192.0.2", &apis[1])] {
        let user = register_from(&world, first, "233.252.0.1", name).await;
        let address = |last: u8| format!("{network}.{last}");
        let _ = log_in_from(first, &address(7), &user).await.expect(200);
        for api in in_turn().take(5) {
            let _ = guess_password(api, &address(66), &user.email).await.expect(401);
        }
        for api in &apis {
            let _ = guess_password(api, &address(66), &user.email).await.expect_problem(429, "rate-limited");
        }
        for (api, last) in in_turn().zip(1..=6) {
            let _ = guess_password(api, &format!("198.51.100.{last}"), &user.email).await.expect(401);
        }
        for (api, last) in in_turn().zip(11..=14) {
            let refused = guess_password(api, &format!("198.51.100.{last}"), &user.email).await;
            let _ = refused.expect_problem(429, "rate-limited");
        }
        for (api, last) in in_turn().zip(101..=112) {
            let _ = log_in_from(api, &address(last), &user).await.expect(200);
        }
    }

    // A right password is not counted, whichever release takes it.
    let eve = register_from(&world, &apis[0], "233.252.0.1", "eve").await;
    for (api, number) in in_turn().zip(1..=16) {
        let _ = log_in_from(api, &format!("10.1.{number}.1"), &eve).await.expect(200);
    }
    for _ in 0..5 {
        let _ = guess_password(&apis[0], "10.2.0.1", &eve.email).await.expect(401);
    }
    let _ = guess_password(&apis[0], "10.2.0.1", &eve.email).await.expect_problem(429, "rate-limited");
    let _ = guess_password(&apis[1], "10.2.0.1", &eve.email).await.expect(401);
    let _ = guess_password(&apis[1], "10.2.0.1", &eve.email).await.expect_problem(429, "rate-limited");
}
