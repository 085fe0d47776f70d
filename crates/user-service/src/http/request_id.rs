//! The id of the request that a task serves: set by the middleware, read for problem details.

tokio::task_local! {
    static CURRENT_REQUEST_ID: String;
}

/// Runs `request` as the request with this id.
pub(super) async fn with_request_id<F: Future>(id: String, request: F) -> F::Output {
    CURRENT_REQUEST_ID.scope(id, request).await
}

/// Returns the id of the request that this task serves.
#[must_use]
pub fn current_request_id() -> Option<String> {
    CURRENT_REQUEST_ID.try_with(Clone::clone).ok()
}
