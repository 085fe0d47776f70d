//! A template of the brand that fails for one page.

use std::sync::{Arc, Mutex, PoisonError};

use i18n::InvalidFile;
use prometheus::IntGauge;
use service_kit::prometheus;

/// What to do if a template of the brand fails, besides the use of the built-in one.
#[derive(Clone)]
pub(super) enum OnFailure {
    /// Log it, and set the gauge to 1.
    Report(IntGauge),
    /// Keep the first failure, for a check.
    Keep(Arc<Mutex<Option<InvalidFile>>>),
}

impl OnFailure {
    pub(super) fn handle(&self, error: InvalidFile) {
        match self {
            Self::Report(failed) => {
                failed.set(1);
                tracing::error!(%error, "a template of the brand has failed; the page is made with the built-in one");
            }
            Self::Keep(first) => {
                first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            }
        }
    }
}
