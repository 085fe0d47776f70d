//! The pages of the running service, which change while it runs if the brand is read again.

use std::{
    future::{Ready, ready},
    sync::{Arc, Mutex, PoisonError},
};

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::header::{self, HeaderMap},
    web,
};
use i18n::InvalidFile;
use prometheus::IntGauge;
use service_kit::{prometheus, reload::Reloadable};

use super::layout::{LocalizedPages, Pages};
use crate::problem::Problem;

/// The pages for the next request. Part of the application's data.
#[derive(Clone)]
pub struct ServedPages {
    pages: Reloadable<Pages>,
    failed: IntGauge,
}

impl ServedPages {
    /// Serves the present value of `pages`. `failed` becomes 1 if a template of the brand fails.
    #[must_use]
    pub const fn new(pages: Reloadable<Pages>, failed: IntGauge) -> Self {
        Self { pages, failed }
    }

    /// Serves the pages of this brand, unchecked.
    #[cfg(test)]
    pub(in crate::http) fn for_test(branding: &branding::Branding) -> Self {
        let pages = Pages::new(branding).expect("the files are valid");
        Self::new(Reloadable::new(pages), IntGauge::new("failed", "failed").expect("a valid name"))
    }

    /// Returns the present set.
    pub(super) fn current(&self) -> Arc<Pages> {
        self.pages.get()
    }

    /// Returns the present set in the language that a reader prefers.
    pub(in crate::http) fn localized(&self, headers: &HeaderMap) -> LocalizedPages {
        LocalizedPages::new(self.current(), OnFailure::Report(self.failed.clone()), headers)
    }
}

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

impl FromRequest for LocalizedPages {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let pages = request.app_data::<web::Data<ServedPages>>();
        let pages = pages.ok_or_else(|| Problem::internal(anyhow::anyhow!("no pages in the application's data")));
        ready(pages.map(|pages| pages.localized(request.headers())))
    }
}
