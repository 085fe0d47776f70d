//! Promise S1 over a whole run: none of the secrets that the tests used is in a log, a topic or a collection.

use test_support::{Stack, find_leaks_everywhere, secrets_used};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "scripts/test runs it last, over all that the other tests have left"]
async fn no_secret_of_the_run_is_in_a_log_a_topic_or_a_collection() {
    let stack = Stack::from_env();
    let leaks = find_leaks_everywhere(&stack).await;
    assert!(leaks.is_empty(), "{leaks:#?}");
    println!("searched for {} secrets", secrets_used(&stack).len());
}
