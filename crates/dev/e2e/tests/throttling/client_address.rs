//! The client address that determines the network of a request.

use e2e::{
    rate_limits::{guess_password, with_limits},
    start::start_with_limits,
};
use reqwest::Method;
use serde_json::json;
use test_support::{Api, DEADLINE, Stack, World, wait_for};

#[tokio::test]
async fn an_ipv6_network_counts_as_one_client_and_its_wait_ends() {
    let (world, _service, api) =
        start_with_limits("six", &[("LOGIN_FREE_FAILURES", "2"), ("LOGIN_FIRST_WAIT", "1s")]).await;
    let unknown = world.address("unknown");
    let _ = guess_password(&api, "2001:db8:0:1201::1", &unknown).await.expect(401);
    let _ = guess_password(&api, "2001:db8:0:1202::2", &unknown).await.expect(401);
    let limited = guess_password(&api, "2001:db8:0:1203::3", &unknown).await.expect(429);
    assert_eq!(limited.header("retry-after"), "1");
    let _ = guess_password(&api, "2001:db8:0:1301::1", &unknown).await.expect(401);

    let until_free = async || {
        wait_for(DEADLINE, "the wait to end", async || {
            let answer = guess_password(&api, "2001:db8:0:1204::4", &unknown).await;
            (answer.status == 401).then_some(answer)
        })
        .await
    };
    let first = until_free().await;
    assert_eq!(first.header("ratelimit"), "\"login\";r=0;t=2");
    assert_eq!(until_free().await.header("ratelimit"), "\"login\";r=0;t=4");
}

#[tokio::test]
async fn without_a_trusted_proxy_a_client_cannot_choose_its_network() {
    let world = World::new(&Stack::from_env(), "noproxy").await;
    let spec = with_limits(&world, &[("LOGIN_FREE_FAILURES", "2")]);
    let service = spec.set("HTTP__TRUSTED_PROXIES", "").start().await;
    let api = service.api();
    let unknown = world.address("unknown");
    for (address, status) in [("198.51.100.1", 401), ("198.51.100.2", 401), ("198.51.100.3", 429)] {
        let _ = guess_password(&api, address, &unknown).await.expect(status);
    }
}

#[tokio::test]
async fn only_the_configured_header_determines_the_client_address() {
    let world = World::new(&Stack::from_env(), "header").await;
    let spec = with_limits(&world, &[("LOGIN_FREE_FAILURES", "2")]);
    let named = spec.replica().set("HTTP__CLIENT_ADDRESS_HEADER", "CF-Connecting-IP");
    let (service, named) = tokio::join!(spec.start(), named.start());
    let guess_with = async |api: &Api, headers: [(&'static str, String); 2], unknown: &str| {
        let mut request = api.request(Method::POST, "/api/auth/login");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        api.send(request.json(&json!({ "identifier": unknown, "password": "a guess of a password" }))).await.status
    };
    for (api, header, other) in
        [(service.api(), "x-forwarded-for", "forwarded"), (named.api(), "cf-connecting-ip", "x-forwarded-for")]
    {
        let (one, two) = (world.address(&format!("one-{header}")), world.address(&format!("two-{header}")));
        let mut statuses = Vec::new();
        for last in 1..=4 {
            // The client adds a header of its own to the one that the proxy sets.
            let invented = if other == "forwarded" { format!("for=192.0.2.{last}") } else { format!("192.0.2.{last}") };
            let headers = [(header, "198.51.100.1".to_owned()), (other, invented)];
            statuses.push(guess_with(&api, headers, &one).await);
        }
        assert_eq!(statuses, [401, 401, 429, 429], "{header}");
        // An added header does not make the proxy's own address count either; all clients would share it.
        for last in 1..=4 {
            let headers = [(header, format!("198.51.100.{last}")), (other, "for=192.0.2.1".to_owned())];
            assert_eq!(guess_with(&api, headers, &two).await, 401, "{header}");
        }
    }
}
