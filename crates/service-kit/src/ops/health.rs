//! The state of each dependency of a service, and the status that follows from them.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde::{Serialize, Serializer, ser::SerializeMap as _};
use serde_json::{Map, Value};

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
    /// What was seen last of dependencies, by their names; those that were not seen yet are missing.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub details: Map<String, Value>,
}

fn as_map<S: Serializer>(checks: &[(&'static str, CheckState)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(checks.len()))?;
    for (name, state) in checks {
        map.serialize_entry(name, state)?;
    }
    map.end()
}

/// The state of all dependencies of a service. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<RwLock<HealthState>>);

#[derive(Debug, Default)]
struct HealthState {
    dependencies: Vec<Dependency>,
    details: Map<String, Value>,
    stopping: bool,
}

#[derive(Debug)]
struct Dependency {
    name: &'static str,
    required: bool,
    state: CheckState,
}

/// The check of one dependency. Clones share it.
#[derive(Clone, Debug)]
pub struct Check {
    health: Health,
    index: usize,
}

impl Health {
    /// Creates the state of a service without dependencies.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a dependency without which the service is unavailable, under its name in `/readyz`. It is
    /// down until its check reports otherwise.
    pub fn required(&self, name: &'static str) -> Check {
        self.add(name, true)
    }

    /// Adds a dependency without which the service is only degraded.
    pub fn optional(&self, name: &'static str) -> Check {
        self.add(name, false)
    }

    fn add(&self, name: &'static str, required: bool) -> Check {
        let mut all = self.write();
        all.dependencies.push(Dependency { name, required, state: CheckState::Down });
        Check { health: self.clone(), index: all.dependencies.len() - 1 }
    }

    /// Sets what was seen of a dependency. It does not influence the status.
    pub fn set_details(&self, name: &'static str, details: Value) {
        self.write().details.insert(name.to_owned(), details);
    }

    /// Marks the service as stopping: it is unavailable from now on, whatever its checks report.
    pub fn stop(&self) {
        self.write().stopping = true;
    }

    /// Returns the readiness: unavailable if a required check is down, degraded if any other check
    /// is not ok.
    pub fn report(&self) -> Readiness {
        let state = self.read();
        let any = |bad: fn(&Dependency) -> bool| state.dependencies.iter().any(bad);
        let status = if state.stopping || any(|it| it.required && it.state == CheckState::Down) {
            Status::Unavailable
        } else if any(|it| it.state != CheckState::Ok) {
            Status::Degraded
        } else {
            Status::Ready
        };
        let checks = state.dependencies.iter().map(|it| (it.name, it.state)).collect();
        Readiness { status, checks, details: state.details.clone() }
    }

    fn read(&self) -> RwLockReadGuard<'_, HealthState> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HealthState> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Check {
    /// Sets the state of the dependency, and logs a change.
    pub fn set(&self, state: CheckState) {
        if self.health.read().dependencies[self.index].state == state {
            return;
        }
        let mut all = self.health.write();
        let dependency = &mut all.dependencies[self.index];
        dependency.state = state;
        let name = dependency.name;
        drop(all);
        match state {
            CheckState::Ok => tracing::info!(check = name, ?state, "dependency changed"),
            _ => tracing::warn!(check = name, ?state, "dependency changed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use CheckState::{Degraded, Down, Ok};

    fn report(mongodb: CheckState, kafka: CheckState) -> Status {
        let health = Health::new();
        health.required("mongodb").set(mongodb);
        health.optional("kafka").set(kafka);
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
        let health = Health::new();
        let _mongodb = health.required("mongodb");
        assert_eq!(health.report().status, Status::Unavailable);
    }

    #[test]
    fn a_stopping_process_is_unavailable() {
        let health = Health::new();
        health.required("mongodb").set(Ok);
        health.stop();
        assert_eq!(health.report().status, Status::Unavailable);
    }

    #[test]
    fn the_body_has_the_documented_shape() {
        let health = Health::new();
        health.required("mongodb").set(Ok);
        health.optional("kafka").set(Degraded);
        assert_eq!(
            serde_json::to_string(&health.report()).unwrap(),
            r#"{"status":"degraded","checks":{"mongodb":"ok","kafka":"degraded"}}"#
        );
        health.set_details("mongodb", serde_json::json!({ "findings": [] }));
        assert_eq!(
            serde_json::to_string(&health.report()).unwrap(),
            r#"{"status":"degraded","checks":{"mongodb":"ok","kafka":"degraded"},"details":{"mongodb":{"findings":[]}}}"#
        );
    }
}
