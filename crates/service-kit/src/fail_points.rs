//! Fail points: named places at which a development build can be killed, delayed, or made to panic.
//!
//! The variable `FAILPOINTS` configures them; several entries are joined by `;`:
//!
//! - `name=return` kills the process with SIGKILL when it reaches the place.
//! - `name=3*off->return` kills it the fourth time.
//! - `name=sleep(500)` blocks the thread for 500 ms.
//! - `name=1*panic(why)->off` panics once.
//!
//! Only a build with debug assertions (`cargo build` without `--release`) has fail points, so that tests
//! use the same programs as `cargo run`. In a released binary a fail point is an empty function and the
//! variable is ignored.

/// Marks a fail point: `service_kit::fail_point!("relay-before-publish")`.
#[macro_export]
macro_rules! fail_point {
    ($name:expr) => {
        $crate::fail_points::reach($name)
    };
}

/// Returns whether this build has fail points. A released binary has none.
pub const fn fail_points_compiled() -> bool {
    cfg!(debug_assertions)
}

/// The variable `FAILPOINTS` is invalid.
#[derive(Debug, thiserror::Error)]
#[error("FAILPOINTS: {0}")]
pub struct FailPointsError(String);

/// Activates the fail points named by `FAILPOINTS`. Call it once, at the start of `main`.
#[cfg(debug_assertions)]
pub fn setup() -> Result<(), FailPointsError> {
    let Ok(points) = std::env::var("FAILPOINTS") else {
        return Ok(());
    };
    for point in points.split(';').map(str::trim).filter(|p| !p.is_empty()) {
        let (name, actions) =
            point.split_once('=').ok_or_else(|| FailPointsError(format!("`{point}` is not `name=actions`")))?;
        fail::cfg(name, actions).map_err(|reason| FailPointsError(format!("`{point}`: {reason}")))?;
    }
    Ok(())
}

/// Performs the action that `FAILPOINTS` configures for this place.
#[cfg(debug_assertions)]
pub fn reach(name: &str) {
    fail::fail_point!(name, |_| kill_self());
}

#[cfg(debug_assertions)]
fn kill_self() {
    use rustix::process::{Signal, getpid, kill_process};
    // Nothing may run after the fail point, not even a destructor.
    let _ = kill_process(getpid(), Signal::KILL);
    loop {
        std::thread::park();
    }
}

/// Does nothing in a build without fail points.
#[cfg(not(debug_assertions))]
pub fn setup() -> Result<(), FailPointsError> {
    Ok(())
}

/// Does nothing in a build without fail points.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn reach(_name: &str) {}
