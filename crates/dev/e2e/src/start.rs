//! The start of a test: a world of its own, and services in it.

use test_support::{Api, Service, Stack, World};

use crate::{accounts::with_cheap_hashes, rate_limits::with_limits};

/// Starts a user service with cheap hashes in a new world. `name` is a short word for logs and names.
pub async fn start_user_service(name: &str) -> (World, Service, Api) {
    start_user_service_with(name, &[]).await
}

/// Starts a user service with cheap hashes and these settings in a new world.
pub async fn start_user_service_with(name: &str, settings: &[(&str, &str)]) -> (World, Service, Api) {
    let world = World::new(&Stack::from_env(), name).await;
    let service = with_cheap_hashes(world.user_service()).set_all(settings).start().await;
    let api = service.api();
    (world, service, api)
}

/// Starts a user service with rate limits in a new world. The settings are keys of the section `LIMITS`.
pub async fn start_with_limits(name: &str, limits: &[(&str, &str)]) -> (World, Service, Api) {
    let world = World::new(&Stack::from_env(), name).await;
    let service = with_limits(&world, limits).start().await;
    let api = service.api();
    (world, service, api)
}

/// Starts both services in a new world. Links in mails point to the user service.
pub async fn start_both_services(name: &str) -> (World, Service, Service, Api) {
    let world = World::new(&Stack::from_env(), name).await;
    let (user_service, email_service, api) = world.start_both().await;
    (world, user_service, email_service, api)
}

/// Starts two replicas of a user service with cheap hashes in a new world.
pub async fn start_two_replicas(name: &str) -> (World, Service, Service) {
    let world = World::new(&Stack::from_env(), name).await;
    let first = with_cheap_hashes(world.user_service());
    let second = first.replica();
    let (first, second) = tokio::join!(first.start(), second.start());
    (world, first, second)
}
