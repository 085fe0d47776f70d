//! The state of what a service depends on, and the one word that follows from it.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use serde::{Serialize, Serializer, ser::SerializeMap as _};

/// Something that a service depends on.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// Its name in `/readyz`.
    pub name: &'static str,
    /// Whether the service is of no use without it.
    pub required: bool,
}

/// How a dependency is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckState {
    /// As it should be.
    Ok,
    /// Works in part.
    Degraded,
    /// Cannot be used.
    Down,
}

/// What a service can do for its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Everything.
    Ready,
    /// Answers, but something is late or missing.
    Degraded,
    /// Nothing: send the traffic elsewhere.
    Unavailable,
}

/// The body of `/readyz`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// What follows from the checks.
    pub status: Status,
    /// Each dependency, in the order in which the service named them.
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
    /// All are down until somebody has seen otherwise.
    pub fn new(checks: &[Check]) -> Self {
        let checks = checks.iter().map(|check| (*check, CheckState::Down));
        Self(Arc::new(RwLock::new(State { checks: checks.collect(), stopping: false })))
    }

    /// Records what was seen of `name`, and logs it if that is news.
    ///
    /// # Panics
    /// In a debug build, if there is no check of that name.
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

    /// From now on the service is unavailable whatever the checks say: it is going away.
    pub fn stop(&self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).stopping = true;
    }

    /// Unavailable if a required check is down, degraded if anything else is not ok.
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
