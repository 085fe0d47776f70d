//! The state of each dependency of a service, and the status that follows from them.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use serde::{Serialize, Serializer, ser::SerializeMap as _};

/// A dependency of a service.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// The dependency's name in `/readyz`.
    pub name: &'static str,
    /// Whether the service is unavailable without it.
    pub required: bool,
}

/// The state of a dependency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckState {
    /// The dependency works.
    Ok,
    /// The dependency works in part.
    Degraded,
    /// The dependency cannot be used.
    Down,
}

/// The status of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Everything works.
    Ready,
    /// The service answers, but something is late or missing.
    Degraded,
    /// The service cannot answer: send the traffic elsewhere.
    Unavailable,
}

/// The body of `/readyz`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// The status that follows from the checks.
    pub status: Status,
    /// The state of each dependency, in the order in which the service listed them.
    #[serde(serialize_with = "as_map")]
    pub checks: Vec<(&'static str, CheckState)>,
}

fn as_map<S: Serializer>(checks: &[(&'static str, CheckState)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(checks.len()))?;
    for (name, state) in checks {
        map.serialize_entry(name, state)?;
    }
    map.end()
}

/// The state of all dependencies. Clones share it.
#[derive(Clone, Debug)]
pub struct Health(Arc<RwLock<State>>);

#[derive(Debug)]
struct State {
    checks: Vec<(Check, CheckState)>,
    stopping: bool,
}

impl Health {
    /// Creates the state of these dependencies. All are down until `set` reports otherwise.
    pub fn new(checks: &[Check]) -> Self {
        let checks = checks.iter().map(|check| (*check, CheckState::Down));
        Self(Arc::new(RwLock::new(State { checks: checks.collect(), stopping: false })))
    }

    /// Sets the state of the dependency `name`, and logs a change.
    ///
    /// # Panics
    /// Panics in a debug build if there is no check with this name.
    pub fn set(&self, name: &'static str, state: CheckState) {
        if self.read().state_of(name) == Some(state) {
            return;
        }
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let Some((_, current)) = all.checks.iter_mut().find(|(check, _)| check.name == name) else {
            debug_assert!(false, "no check is called {name}");
            return;
        };
        *current = state;
        drop(all);
        match state {
            CheckState::Ok => tracing::info!(check = name, ?state, "dependency changed"),
            _ => tracing::warn!(check = name, ?state, "dependency changed"),
        }
    }

    /// Marks the service as stopping: it is unavailable from now on, whatever its checks report.
    pub fn stop(&self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).stopping = true;
    }

    /// Returns the readiness: unavailable if a required check is down, degraded if any other check
    /// is not ok.
    pub fn report(&self) -> Readiness {
        let state = self.read();
        let any = |bad: fn(&(Check, CheckState)) -> bool| state.checks.iter().any(bad);
        let status = if state.stopping || any(|(c, s)| c.required && *s == CheckState::Down) {
            Status::Unavailable
        } else if any(|(_, s)| *s != CheckState::Ok) {
            Status::Degraded
        } else {
            Status::Ready
        };
        let checks = state.checks.iter().map(|(check, s)| (check.name, *s));
        Readiness { status, checks: checks.collect() }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn state_of(&self, name: &str) -> Option<CheckState> {
        let found = self.checks.iter().find(|(check, _)| check.name == name);
        found.map(|(_, state)| *state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use CheckState::{Degraded, Down, Ok};

    fn report(mongodb: CheckState, kafka: CheckState) -> Status {
        let health =
            Health::new(&[Check { name: "mongodb", required: true }, Check { name: "kafka", required: false }]);
        health.set("mongodb", mongodb);
        health.set("kafka", kafka);
        health.report().status
    }

    #[test]
    fn the_status_follows_from_the_checks() {
        for (mongodb, kafka, expected) in [
            (Ok, Ok, Status::Ready),
            (Ok, Degraded, Status::Degraded),
            (Ok, Down, Status::Degraded),
            (Degraded, Ok, Status::Degraded),
            (Down, Ok, Status::Unavailable),
            (Down, Down, Status::Unavailable),
        ] {
            assert_eq!(report(mongodb, kafka), expected, "{mongodb:?} {kafka:?}");
        }
    }

    #[test]
    fn a_new_process_is_unavailable() {
        let health = Health::new(&[Check { name: "mongodb", required: true }]);
        assert_eq!(health.report().status, Status::Unavailable);
    }

    #[test]
    fn a_stopping_process_is_unavailable() {
        let health = Health::new(&[Check { name: "mongodb", required: true }]);
        health.set("mongodb", Ok);
        health.stop();
        assert_eq!(health.report().status, Status::Unavailable);
    }

    #[test]
    fn the_body_has_the_documented_shape() {
        let health =
            Health::new(&[Check { name: "mongodb", required: true }, Check { name: "kafka", required: false }]);
        health.set("mongodb", Ok);
        health.set("kafka", Degraded);
        assert_eq!(
            serde_json::to_string(&health.report()).unwrap(),
            r#"{"status":"degraded","checks":{"mongodb":"ok","kafka":"degraded"}}"#
        );
    }

    #[test]
    #[should_panic(expected = "no check is called")]
    fn setting_an_unknown_check_panics() {
        Health::new(&[]).set("smtp", Ok);
    }
}
