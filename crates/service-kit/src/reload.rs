//! A value that is loaded again while the process runs, when it gets SIGHUP.

use std::{io, sync::Arc, thread, time::Duration};

use arc_swap::ArcSwap;
use futures_util::{Stream, StreamExt as _, stream};
use prometheus::IntGauge;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
    time::timeout,
};

use crate::{Lifecycle, Stage, panics};

/// A load that takes longer has failed.
const DEADLINE: Duration = Duration::from_secs(60);
/// The stack of a main thread, on which the first load ran: parsers of files take a recursion for each level.
const STACK_BYTES: usize = 8 * 1024 * 1024;

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

/// The signal SIGHUP, which does not end the process any more.
#[derive(Debug)]
pub struct Hangups(Signal);

impl Hangups {
    /// Waits for the signal from now on. To be called before the value is loaded for the first time: a signal that arrives
    /// while the process starts ends it otherwise, or announces a change that nothing reads.
    ///
    /// # Errors
    /// Returns an error if the signal handler cannot be installed.
    ///
    /// # Panics
    /// Panics outside a Tokio runtime.
    pub fn listen() -> io::Result<Self> {
        signal(SignalKind::hangup()).map(Self)
    }
}

/// Loads the value again at each SIGHUP, on a thread of its own and completely, and then replaces it. If that fails, the value
/// stays, the log has the error, and the gauge is 1 until a load succeeds. Signals during a load cause one more. `name` is
/// what the log calls the value.
pub fn on_hangup<T: Send + Sync + 'static>(
    lifecycle: &Lifecycle,
    Hangups(mut hangup): Hangups,
    value: Reloadable<T>,
    name: &'static str,
    failed: IntGauge,
    load: impl Fn() -> anyhow::Result<T> + Clone + Send + 'static,
) {
    let hangups = stream::poll_fn(move |context| hangup.poll_recv(context));
    lifecycle.spawn(Stage::Support, "reload", move |stop| async move {
        if let Some(()) = stop.run_until_cancelled(reload_at_each(hangups, DEADLINE, &value, name, &failed, load)).await
        {
            tracing::warn!("the process does not get SIGHUP any more");
        }
    });
}

/// Loads the value at each signal.
async fn reload_at_each<T: Send + 'static>(
    mut signals: impl Stream<Item = ()> + Unpin,
    deadline: Duration,
    value: &Reloadable<T>,
    name: &'static str,
    failed: &IntGauge,
    load: impl Fn() -> anyhow::Result<T> + Clone + Send + 'static,
) {
    while let Some(()) = signals.next().await {
        let (sender, result) = oneshot::channel();
        let load = load.clone();
        let thread = thread::Builder::new().name(format!("reload {name}")).stack_size(STACK_BYTES);
        let loaded = match thread.spawn(move || sender.send(panics::catch("reload", load)).is_ok()) {
            Ok(_) => timeout(deadline, result).await,
            Err(error) => Ok(Ok(Ok(Err(error.into())))),
        };
        let loaded = match loaded {
            Ok(Ok(Ok(loaded))) => loaded,
            Ok(Ok(Err(panicked))) => Err(panicked.into()),
            Ok(Err(dropped)) => Err(dropped.into()),
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

#[cfg(test)]
mod tests {
    use std::{
        collections::VecDeque,
        sync::{Mutex, mpsc},
        time::Instant,
    };

    use anyhow::bail;
    use rustix::process::{Signal, getpid, kill_process};

    use super::*;

    const TEST_TIMEOUT: Duration = Duration::from_secs(20);

    fn gauge() -> IntGauge {
        IntGauge::new("reload_failed", "help").unwrap()
    }

    async fn wait_until(condition: impl Fn() -> bool) {
        let started = Instant::now();
        while !condition() {
            assert!(started.elapsed() < TEST_TIMEOUT, "the condition does not become true");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Returns a loader that gives these results one after the other.
    fn scripted(
        results: impl IntoIterator<Item = anyhow::Result<u32>>,
    ) -> impl Fn() -> anyhow::Result<u32> + Clone + Send + 'static {
        let results = Arc::new(Mutex::new(results.into_iter().collect::<VecDeque<_>>()));
        move || results.lock().unwrap().pop_front().unwrap_or_else(|| bail!("the script has ended"))
    }

    #[tokio::test]
    async fn a_failed_load_keeps_the_value_until_one_succeeds() {
        let (value, failed) = (Reloadable::new(1), gauge());
        let before = value.get();
        let seen = Mutex::new(Vec::new());
        let load = scripted([Ok(2), Err(anyhow::anyhow!("line 7")), Err(anyhow::anyhow!("line 8")), Ok(3)]);
        // The state is looked at when the next signal is waited for.
        let signals = stream::iter(0..5).map(|_| seen.lock().unwrap().push((*value.get(), failed.get())));
        reload_at_each(signals, TEST_TIMEOUT, &value, "example", &failed, load).await;
        assert_eq!(*seen.lock().unwrap(), [(1, 0), (2, 0), (2, 1), (2, 1), (3, 0)]);
        assert_eq!((*value.get(), failed.get()), (3, 1), "the script has ended");
        assert_eq!(*before, 1, "who has begun with a value keeps it");
    }

    #[tokio::test]
    async fn a_panic_of_the_loader_is_a_failed_load() {
        let (value, failed) = (Reloadable::new(1), gauge());
        let signals = stream::iter([()]);
        reload_at_each(signals, TEST_TIMEOUT, &value, "example", &failed, || panic!("a hostile file")).await;
        assert_eq!((*value.get(), failed.get()), (1, 1));
    }

    #[tokio::test]
    async fn a_load_without_an_end_is_given_up() {
        let (value, failed) = (Reloadable::new(1), gauge());
        let (release, held) = mpsc::channel::<()>();
        let held = Arc::new(Mutex::new(held));
        let load = move || {
            let _ = held.lock().unwrap().recv();
            Ok(2)
        };
        reload_at_each(stream::iter([()]), Duration::from_millis(50), &value, "example", &failed, load).await;
        assert_eq!((*value.get(), failed.get()), (1, 1));
        drop(release);
    }

    /// A real signal. One test for all that, because every task of the process gets it.
    #[tokio::test(flavor = "multi_thread")]
    async fn each_sighup_reloads_even_before_the_start_several_during_a_load_cause_one_more_and_the_stop_ends_it() {
        let (lifecycle, value, failed) = (Lifecycle::new(), Reloadable::new(0), gauge());
        let (release, held) = mpsc::channel();
        let held = Arc::new(Mutex::new(held));
        let begun = Arc::new(Mutex::new(0));
        let count = Arc::clone(&begun);
        let load = move || {
            let now = {
                let mut begun = count.lock().unwrap();
                *begun += 1;
                *begun
            };
            held.lock().unwrap().recv_timeout(TEST_TIMEOUT)?;
            Ok(now)
        };
        let hangup = || kill_process(getpid(), Signal::HUP).unwrap();
        let begun = || *begun.lock().unwrap();
        let hangups = Hangups::listen().unwrap();

        hangup();
        on_hangup(&lifecycle, hangups, value.clone(), "example", failed.clone(), load);
        wait_until(|| begun() == 1).await;
        for _ in 0..5 {
            hangup();
            thread::sleep(Duration::from_millis(10));
        }
        assert_eq!((*value.get(), begun()), (0, 1), "a load is in progress");
        release.send(()).unwrap();
        wait_until(|| begun() == 2).await;
        assert_eq!(*value.get(), 1);
        release.send(()).unwrap();
        wait_until(|| *value.get() == 2).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(begun(), 2, "five signals caused one load");

        hangup();
        wait_until(|| begun() == 3).await;
        assert!(lifecycle.finish(TEST_TIMEOUT).await, "the stop does not wait for a load");
        assert_eq!(*value.get(), 2);
        drop(release);
    }
}
