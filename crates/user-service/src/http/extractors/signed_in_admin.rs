//! The extractor behind every endpoint for administrators: the caller, or 401, or 403.

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use futures_util::future::LocalBoxFuture;
use uuid::Uuid;

use super::signed_in_caller::SignedInCaller;
use crate::{domain::role, http::errors::problem::Problem};

/// Who asks, with a valid access token and the role `admin` now: what the token says of
/// roles does not count.
pub(in crate::http) struct SignedInAdmin {
    pub(in crate::http) id: Uuid,
}

impl FromRequest for SignedInAdmin {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let caller = SignedInCaller::from_request(request, payload);
        Box::pin(async move {
            let SignedInCaller(caller) = caller.await?;
            if role::administrate(&caller.user.roles) {
                Ok(Self { id: caller.user.id.into() })
            } else {
                Err(Problem::Forbidden)
            }
        })
    }
}
