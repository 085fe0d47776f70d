//! The stream of changes for open pages (server-sent events).

use std::{convert::Infallible, sync::Arc, time::Duration};

use actix_web::{
    HttpResponse,
    http::header,
    web::{self, Bytes, Data, ServiceConfig},
};
use futures_util::stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::store::MailStore;

/// The maximum number of streams at the same time. A page without a stream asks again after a few seconds.
const MAX_LISTENERS: usize = 32;
/// Changes within this time are one event.
const MIN_INTERVAL: Duration = Duration::from_millis(100);
/// How often a comment is sent. It shows the browser that the server runs, and the server that the browser is gone.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// The permits of the streams, and the signal that ends them.
#[derive(Debug, Clone)]
pub(super) struct Listeners {
    free: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Listeners {
    /// Returns listeners whose streams end when `stop` is cancelled.
    pub(super) fn new(stop: CancellationToken) -> Self {
        Self { free: Arc::new(Semaphore::new(MAX_LISTENERS)), stop }
    }
}

/// Adds the route of the stream.
pub(super) fn routes(config: &mut ServiceConfig) {
    config.route("/events", web::get().to(events));
}

/// Sends the number of changes at once, and after each change.
async fn events(store: Data<MailStore>, listeners: Data<Listeners>) -> HttpResponse {
    let Ok(permit) = Arc::clone(&listeners.free).try_acquire_owned() else {
        return HttpResponse::ServiceUnavailable()
            .insert_header((header::RETRY_AFTER, "5"))
            .content_type("text/plain; charset=utf-8")
            .body(format!("At most {MAX_LISTENERS} pages are told about changes at the same time.\n"));
    };
    let mut changes = store.subscribe();
    changes.mark_changed();
    let listener = Listener { changes, stop: listeners.stop.clone(), _permit: permit };
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/event-stream"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .streaming(stream::unfold(listener, async |mut listener| {
            let text = listener.next_text().await?;
            Some((Ok::<_, Infallible>(Bytes::from(text)), listener))
        }))
}

struct Listener {
    changes: watch::Receiver<u64>,
    stop: CancellationToken,
    _permit: OwnedSemaphorePermit,
}

impl Listener {
    /// Waits for a change, and returns its event, or a comment if there is none for a while. Returns `None` when the
    /// catcher stops.
    async fn next_text(&mut self) -> Option<String> {
        let change = async {
            match tokio::time::timeout(KEEP_ALIVE, self.changes.changed()).await {
                Err(_) => Some(": keep-alive\n\n".to_owned()),
                Ok(Err(_)) => None,
                Ok(Ok(())) => {
                    tokio::time::sleep(MIN_INTERVAL).await;
                    Some(format!("data: {}\n\n", *self.changes.borrow_and_update()))
                }
            }
        };
        self.stop.run_until_cancelled(change).await?
    }
}
