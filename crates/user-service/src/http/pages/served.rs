//! The pages of the running service, which change while it runs if the brand is read again.

use std::{
    future::{Ready, ready},
    sync::Arc,
};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header::HeaderMap, web};
use prometheus::IntGauge;
use service_kit::{prometheus, reload::Reloadable};

use super::{
    account::PageSettings,
    layout::{LocalizedPages, Pages},
    on_failure::OnFailure,
};
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

impl FromRequest for LocalizedPages {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let pages = request.app_data::<web::Data<ServedPages>>();
        let pages = pages.ok_or_else(|| Problem::internal(anyhow::anyhow!("no pages in the application's data")));
        let settings = request.app_data::<web::Data<PageSettings>>();
        let has_account_pages = settings.is_some_and(|settings| settings.is_enabled);
        ready(pages.map(|pages| {
            let mut localized = pages.localized(request.headers());
            localized.has_account_pages = has_account_pages;
            localized
        }))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::{body::MessageBody, http::StatusCode};

    use super::*;
    use crate::http::pages::{layout::LINK, link_views::LinkView, tests::branding};

    fn html(served: &ServedPages, title: &str) -> String {
        let response = served.localized(&HeaderMap::new()).response(StatusCode::OK, LINK, title, &LinkView::default());
        assert_eq!(response.status(), 200);
        String::from_utf8(response.into_body().try_into_bytes().unwrap().to_vec()).unwrap()
    }

    #[test]
    fn a_template_of_the_brand_that_fails_is_replaced_by_the_built_in_one_and_sets_the_gauge() {
        let layout = "OWN {{ title }}{% if title == \"x\" %}{{ nothing }}{% endif %}{% block content %}{% endblock %}";
        let (_folder, own) = branding(&[("pages/layout.html", layout), ("brand.toml", "product = \"Acme\"")]);
        let served = ServedPages::for_test(&own);
        assert!(html(&served, "y").starts_with("OWN y"));
        assert_eq!(served.failed.get(), 0);
        let built_in = html(&served, "x");
        assert!(built_in.starts_with("<!doctype html>") && built_in.contains("<title>x · Acme</title>"), "{built_in}");
        assert_eq!(served.failed.get(), 1);
    }

    #[test]
    fn a_template_of_the_brand_that_panics_or_nests_deeply_stops_no_page() {
        for breaking in [
            "{% for x in [1] %}{{ loop.cycle() }}{% endfor %}",
            "{% set ns = namespace(x=1) %}{% for i in range(19000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ nothing }}",
        ] {
            let (_folder, own) = branding(&[("pages/layout.html", breaking)]);
            let served = ServedPages::for_test(&own);
            assert!(html(&served, "x").starts_with("<!doctype html>"), "{breaking}");
            assert_eq!(served.failed.get(), 1);
        }
    }

    #[test]
    fn a_page_that_has_begun_ends_with_the_set_that_it_began_with() {
        let (_folder, own) = branding(&[("brand.toml", "product = \"Acme\"")]);
        let served = ServedPages::for_test(&own);
        let begun = served.localized(&HeaderMap::new());
        served.pages.set(Pages::new(&branding::Branding::default()).unwrap());
        let page = begun.response(StatusCode::OK, LINK, "x", &LinkView::default());
        let page = String::from_utf8(page.into_body().try_into_bytes().unwrap().to_vec()).unwrap();
        assert!(page.contains("Acme") && !html(&served, "x").contains("Acme"), "{page}");
    }
}
