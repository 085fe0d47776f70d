//! Panics: one hook that logs them without their message, and boundaries that limit their effect.
//!
//! [`catch`] and [`catch_future`] enclose the handling of one request, record or mail. A panic inside fails
//! only that request, record or mail; it is counted, and the process continues. A panic anywhere else ends
//! the process with exit code 101, because a process that has lost a part must not look alive.
//!
//! The log contains the location and the backtrace, but never the message: panic messages quote the values
//! that the code failed on, and those may be secrets. For the same reason no other code may show a panic's
//! payload, as the `Display` of tokio's `JoinError` does.

use std::{
    any::Any,
    backtrace::Backtrace,
    cell::{Cell, RefCell},
    fmt,
    future::poll_fn,
    panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind},
    pin::pin,
    process,
    sync::OnceLock,
    thread,
};

use futures_util::FutureExt as _;
use prometheus::{IntCounterVec, Opts, Registry};

/// The exit code of a process that ended by a panic, the same as for a panic in `main`.
pub(crate) const PANIC_EXIT_CODE: i32 = 101;
/// The maximum length of a backtrace in the log, in bytes.
const MAX_BACKTRACE: usize = 16 * 1024;

thread_local! {
    /// The place (metric label) of the innermost boundary on this thread.
    static BOUNDARY: Cell<Option<&'static str>> = const { Cell::new(None) };
    /// The location of the last panic within a boundary. The hook stores it for the boundary.
    static LOCATION: RefCell<Option<String>> = const { RefCell::new(None) };
}

static COUNTER: OnceLock<IntCounterVec> = OnceLock::new();

/// Installs the panic hook: a panic in any thread or task is logged once, and ends the process with exit
/// code 101 unless it happens within a boundary. Call it before any thread is started.
pub fn install_panic_hook() {
    std::panic::set_hook(Box::new(|panic| {
        let boundary = BOUNDARY.get();
        log_panic(panic, boundary);
        if boundary.is_none() {
            process::exit(PANIC_EXIT_CODE);
        }
    }));
}

fn log_panic(panic: &PanicHookInfo<'_>, boundary: Option<&'static str>) {
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    let backtrace = truncated(Backtrace::force_capture().to_string());
    let thread = std::thread::current().name().unwrap_or("?").to_owned();
    match boundary {
        Some(_) if !tracing::dispatcher::has_been_set() => {
            eprintln!("panic in thread {thread} at {location}\n{backtrace}");
        }
        Some(place) => {
            tracing::error!(location, thread, place, backtrace, "panic: the request, record or mail has failed");
        }
        None if tracing::dispatcher::has_been_set() => {
            tracing::error!(location, thread, backtrace, "panic: the process ends");
        }
        None => eprintln!("panic in thread {thread} at {location}: the process ends\n{backtrace}"),
    }
    LOCATION.set(Some(location));
}

/// Truncates a backtrace to its first frames, which are nearest to the panic.
fn truncated(mut backtrace: String) -> String {
    if backtrace.len() > MAX_BACKTRACE {
        backtrace.truncate(backtrace.floor_char_boundary(MAX_BACKTRACE));
        backtrace.push_str(" …");
    }
    backtrace
}

/// A panic that a boundary has caught. It contains the location, but not the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Panicked {
    location: Option<String>,
}

impl Panicked {
    /// Creates the error after the hook has run, on the thread of the panic, and counts the panic.
    fn new(place: &'static str, payload: Box<dyn Any + Send>) -> Self {
        drop(payload);
        if let Some(counter) = COUNTER.get() {
            counter.with_label_values(&[place]).inc();
        }
        Self { location: LOCATION.take() }
    }
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.location {
            Some(location) => write!(f, "a defect of the program: panic at {location}"),
            None => f.write_str("a defect of the program: panic"),
        }
    }
}

impl std::error::Error for Panicked {}

/// A guard that marks a boundary on the current thread until it is dropped.
struct Boundary {
    outer: Option<&'static str>,
}

impl Boundary {
    fn new(place: &'static str) -> Self {
        Self { outer: BOUNDARY.replace(Some(place)) }
    }
}

impl Drop for Boundary {
    fn drop(&mut self) {
        BOUNDARY.set(self.outer);
    }
}

/// Runs `work` within a boundary. `place` is the label of the metric.
///
/// A panic may leave the values that `work` changes in any state. Pass only values that are discarded
/// after a panic, or that cannot be left half changed.
///
/// # Errors
/// Returns [`Panicked`] if `work` panics.
pub fn catch<T>(place: &'static str, work: impl FnOnce() -> T) -> Result<T, Panicked> {
    let _boundary = Boundary::new(place);
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| Panicked::new(place, payload))
}

/// Runs `work` within a boundary, like [`catch`], on a thread of its own with a stack of this size: for work that takes a
/// recursion for each level of what others have written. A stack that overflows ends the process.
///
/// # Errors
/// Returns an error if `work` panics, or the thread cannot be started.
pub fn catch_on_stack<T: Send>(
    place: &'static str,
    stack_bytes: usize,
    work: impl FnOnce() -> T + Send,
) -> anyhow::Result<T> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name(place.to_owned()).stack_size(stack_bytes);
        let thread = thread.spawn_scoped(scope, || catch(place, work))?;
        Ok(thread.join().unwrap_or(Err(Panicked { location: None }))?)
    })
}

/// Runs `work` within a boundary, like [`catch`]. Tasks and threads that it starts are outside the boundary.
///
/// # Errors
/// Returns [`Panicked`] if `work` panics.
pub async fn catch_future<T>(place: &'static str, work: impl Future<Output = T>) -> Result<T, Panicked> {
    let mut work = pin!(AssertUnwindSafe(work).catch_unwind());
    let result = poll_fn(|context| {
        let _boundary = Boundary::new(place);
        work.as_mut().poll(context)
    });
    result.await.map_err(|payload| Panicked::new(place, payload))
}

/// Registers the counter of caught panics under `name`, with the label `place`, at 0 for each of `places`.
/// A process has one counter, with the name of the first call.
///
/// # Errors
/// Returns an error if the name is already registered, or is not a valid metric name.
pub fn register(registry: &Registry, name: &str, places: &[&str]) -> prometheus::Result<()> {
    let help = "Panics that failed one request, record or mail, but not the process, by place.";
    let new = IntCounterVec::new(Opts::new(name, help), &["place"])?;
    let counter = COUNTER.get_or_init(|| new);
    for place in places {
        counter.with_label_values(&[*place]);
    }
    registry.register(Box::new(counter.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caught_panic_does_not_quote_its_message() {
        let secret = "hunter2";
        let caught = catch("test", || assert!(secret.is_empty(), "{secret}"));
        let error = caught.unwrap_err();
        assert!(!format!("{error} {error:?}").contains(secret));
        assert_eq!(catch("test", || 7), Ok(7));
    }

    #[test]
    fn work_on_a_large_stack_is_a_boundary_of_its_own() {
        fn depth(levels: usize) -> usize {
            let level = std::hint::black_box([levels; 128]);
            if levels == 0 { 0 } else { depth(levels - 1) + usize::from(level[0] > 0) }
        }
        assert_eq!(catch_on_stack("test", 64 * 1024 * 1024, || depth(20_000)).unwrap(), 20_000);
        let error = catch_on_stack("test", 64 * 1024, || panic!("hunter2")).map(|(): ()| ()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
        assert_eq!(catch_on_stack("test", 64 * 1024, || BOUNDARY.get()).unwrap(), Some("test"));
    }

    #[tokio::test]
    async fn a_future_that_panics_after_it_has_waited_is_caught() {
        let work = async {
            tokio::task::yield_now().await;
            assert!(BOUNDARY.get().is_some());
            panic!("in this test")
        };
        let caught: Result<(), Panicked> = catch_future("test", work).await;
        assert!(caught.is_err());
        assert_eq!(BOUNDARY.get(), None);
    }

    #[tokio::test]
    async fn the_boundary_is_active_only_while_its_future_is_polled() {
        let mut waiting = pin!(catch_future("test", std::future::pending::<()>()));
        assert!(waiting.as_mut().now_or_never().is_none());
        assert_eq!(BOUNDARY.get(), None);
    }

    #[test]
    fn the_outer_boundary_is_restored_after_an_inner_one() {
        let seen = catch("outer", || {
            let inner = catch("inner", || BOUNDARY.get());
            (inner, BOUNDARY.get())
        });
        assert_eq!(seen, Ok((Ok(Some("inner")), Some("outer"))));
    }

    #[test]
    fn panics_are_counted_by_place() {
        let registry = Registry::new();
        register(&registry, "test_panics_total", &["one", "other"]).unwrap();
        let _ = catch("one", || panic!("in this test"));
        let family = registry.gather().into_iter().find(|family| family.name() == "test_panics_total").unwrap();
        let count = |place: &str| {
            let metric = family.get_metric().iter().find(|it| it.get_label()[0].value() == place);
            metric.map(|it| it.get_counter().get_value())
        };
        assert_eq!((count("one"), count("other")), (Some(1.0), Some(0.0)));
    }

    #[test]
    fn a_backtrace_in_the_log_is_bounded() {
        let long = truncated("ä".repeat(MAX_BACKTRACE));
        assert!(long.len() < MAX_BACKTRACE + 10 && long.ends_with('…'));
        assert_eq!(truncated("short".to_owned()), "short");
    }
}
