//! Fail points: named places at which a test build can be killed, delayed, or made to panic.
//!
//! `FAILPOINTS="name=return"` kills the process with SIGKILL when it reaches the
//! place, `name=3*off->return` at the fourth time, `name=sleep(500)` holds the
//! thread for 500 ms, `name=1*panic(why)->off` panics once; several are joined by `;`. Without the feature
//! `fail-points` a place is an empty function, and the variable means nothing.

/// Marks a place: `service_kit::fail_point!("relay-before-publish")`.
#[macro_export]
macro_rules! fail_point {
    ($name:expr) => {
        $crate::fail_points::reach($name)
    };
}

/// Whether this build has fail points; a released binary has not.
pub const fn fail_points_compiled() -> bool {
    cfg!(feature = "fail-points")
}

/// `FAILPOINTS` cannot be understood.
#[derive(Debug, thiserror::Error)]
#[error("FAILPOINTS: {0}")]
pub struct FailPointsError(String);

/// Arms the fail points named by `FAILPOINTS`; call it once, first thing in `main`.
#[cfg(feature = "fail-points")]
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

/// Does what `FAILPOINTS` says for this place.
#[cfg(feature = "fail-points")]
pub fn reach(name: &str) {
    fail::fail_point!(name, |_| kill_self());
}

#[cfg(feature = "fail-points")]
fn kill_self() {
    use rustix::process::{Signal, getpid, kill_process};
    // Nothing may run after the place that was chosen, not even a destructor.
    let _ = kill_process(getpid(), Signal::KILL);
    loop {
        std::thread::park();
    }
}

/// Does nothing in a build without fail points.
#[cfg(not(feature = "fail-points"))]
pub fn setup() -> Result<(), FailPointsError> {
    Ok(())
}

/// Does nothing in a build without fail points.
#[cfg(not(feature = "fail-points"))]
#[inline(always)]
pub fn reach(_name: &str) {}
