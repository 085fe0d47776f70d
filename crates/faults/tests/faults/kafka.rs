//! The broker: away, unwilling, changed under load.
