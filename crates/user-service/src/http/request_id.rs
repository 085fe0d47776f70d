//! The id of the current request, as a task-local: set by the middleware, and read for problem details.

tokio::task_local! {
    static CURRENT_REQUEST_ID: String;
}

/// Runs the future `request` with `id` as the current request id.
pub(super) async fn with_request_id<F: Future>(id: String, request: F) -> F::Output {
    CURRENT_REQUEST_ID.scope(id, request).await
}

/// Returns the id of the request that this task serves, or `None` outside of a request.
#[must_use]
pub fn current_request_id() -> Option<String> {
    CURRENT_REQUEST_ID.try_with(Clone::clone).ok()
}
