//! A value that is loaded again while the process runs, when it gets SIGHUP.

use std::{io, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use futures_util::{Stream, StreamExt as _, stream};
use prometheus::IntGauge;
use tokio::{
    signal::unix::{SignalKind, signal},
    task::spawn_blocking,
    time::timeout,
};

use crate::{Lifecycle, Stage, panics};

/// A load that takes longer has failed.
const DEADLINE: Duration = Duration::from_secs(60);

/// A value that is replaced as a whole. Clones share it.
#[derive(Debug)]
pub struct Reloadable<T>(Arc<ArcSwap<T>>);

impl<T> Reloadable<T> {
    /// Creates the shared value.
    pub fn new(value: T) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(value)))
    }

    /// Returns the present value. Work that has begun with it also ends with it.
    #[must_use]
    pub fn get(&self) -> Arc<T> {
        self.0.load_full()
    }

    /// Replaces the value.
    pub fn set(&self, value: T) {
        self.0.store(Arc::new(value));
    }
}

impl<T> Clone for Reloadable<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// Loads the value again at each SIGHUP, in the background and completely, and then replaces it. If that fails, the value
/// stays, the log has the error, and the gauge is 1 until a load succeeds. Signals during a load cause one more. `name` is
/// what the log calls the value.
///
/// A process that does not call this ends at SIGHUP.
///
/// # Errors
/// Returns an error if the signal handler cannot be installed.
///
/// # Panics
/// Panics outside a Tokio runtime.
pub fn on_hangup<T: Send + Sync + 'static>(
    lifecycle: &Lifecycle,
    value: Reloadable<T>,
    name: &'static str,
    failed: IntGauge,
    load: impl Fn() -> anyhow::Result<T> + Clone + Send + 'static,
) -> io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    let hangups = stream::poll_fn(move |context| hangup.poll_recv(context));
    lifecycle.spawn(Stage::Support, "reload", move |stop| async move {
        if let Some(()) = stop.run_until_cancelled(reload_at_each(hangups, &value, name, &failed, load)).await {
            tracing::warn!("the process does not get SIGHUP any more");
        }
    });
    Ok(())
}

/// Loads the value at each signal.
async fn reload_at_each<T: Send + 'static>(
    mut signals: impl Stream<Item = ()> + Unpin,
    value: &Reloadable<T>,
    name: &'static str,
    failed: &IntGauge,
    load: impl Fn() -> anyhow::Result<T> + Clone + Send + 'static,
) {
    while let Some(()) = signals.next().await {
        let load = load.clone();
        let loading = spawn_blocking(move || panics::catch("reload", load));
        let loaded = match timeout(DEADLINE, loading).await {
            Ok(Ok(Ok(loaded))) => loaded,
            Ok(Ok(Err(panicked))) => Err(panicked.into()),
            Ok(Err(error)) => Err(error.into()),
            Err(elapsed) => Err(elapsed.into()),
        };
        match loaded {
            Ok(loaded) => {
                value.set(loaded);
                failed.set(0);
                tracing::info!("the {name} was reloaded");
            }
            Err(error) => {
                failed.set(1);
                tracing::error!(
                    error = format!("{error:#}"),
                    "the {name} was not reloaded; the previous one stays in use"
                );
            }
        }
    }
}
