//! The pages of an account: to register, to sign in, and to see and change everything. A handler reads a form, calls the
//! use case that the API calls, and shows the result.

pub(super) mod examples;
mod form_problem;
#[allow(dead_code, reason = "the member pages use it; removed with the first of them")]
mod requests;
mod return_to;
mod same_origin;
mod settings;
mod sign_in;
mod sign_out;
pub(super) mod view;

use actix_web::{
    http::Method,
    web::{self, ServiceConfig},
};

pub(in crate::http) use requests::PageRefusal;
pub use settings::PageSettings;

use crate::http::resource::Resource;

/// Registers the pages. Without [`PageSettings`] that turn them on, each is 404.
pub(in crate::http) fn configure(config: &mut ServiceConfig) {
    config
        .service(
            Resource::at("/sign-in")
                .on(Method::GET, web::to(sign_in::show_sign_in))
                .on(Method::POST, web::to(sign_in::submit_sign_in)),
        )
        .service(Resource::at("/sign-in/code").on(Method::POST, web::to(sign_in::submit_code)))
        .service(Resource::at("/sign-out").on(Method::POST, web::to(sign_out::submit_sign_out)))
        .service(Resource::at("/signed-out").on(Method::GET, web::to(sign_out::show_signed_out)));
}
