//! Checks promise S1 for a whole run: no secret of the tests is in a log, a topic or a collection.

use test_support::{Stack, find_leaks_everywhere, secrets_used};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "scripts/test runs it after all other tests"]
async fn no_secret_of_the_run_is_in_a_log_a_topic_or_a_collection() {
    let stack = Stack::from_env();
    let leaks = find_leaks_everywhere(&stack).await;
    assert!(leaks.is_empty(), "{leaks:#?}");
    println!("searched for {} secrets", secrets_used(&stack).len());
}
