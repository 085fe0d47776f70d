//! The `{id}` of a path.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use uuid::Uuid;

use crate::http::errors::problem::Problem;

/// What stands in the path where an id belongs. An extractor that refuses nothing, so
/// that who is not signed in hears that first.
pub(in crate::http) struct PathId(Option<Uuid>);

impl PathId {
    /// The id.
    ///
    /// # Errors
    /// `not-found` for what is no UUID: nothing has such an id.
    pub(in crate::http) fn uuid(&self) -> Result<Uuid, Problem> {
        self.0.ok_or(Problem::NotFound)
    }
}

impl FromRequest for PathId {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(request.match_info().get("id").and_then(|text| Uuid::try_parse(text).ok()))))
    }
}
