//! The pages of an account: to register, to sign in, and to see and change everything. A handler reads a form, calls the
//! use case that the API calls, and shows the result.

mod attribute_fields;
mod check_mail;
mod email;
pub(super) mod examples;
mod forgot_password;
mod form_problem;
mod home;
mod password;
pub(in crate::http) mod password_strength;
mod profile;
mod register;
mod requests;
mod return_to;
mod same_origin;
mod settings;
mod sign_in;
mod sign_out;
pub(super) mod start;
pub(super) mod view;

use actix_web::{
    http::Method,
    web::{self, ServiceConfig},
};

pub(in crate::http) use requests::{PageRefusal, VisitorRequest};
pub use settings::PageSettings;

use crate::http::resource::Resource;

/// Registers the pages. Without [`PageSettings`] that turn them on, each is 404.
pub(in crate::http) fn configure(config: &mut ServiceConfig) {
    config
        .service(
            Resource::at("/check-mail")
                .on(Method::GET, web::to(check_mail::show_check_mail))
                .on(Method::POST, web::to(check_mail::submit_check_mail)),
        )
        .service(
            Resource::at("/forgot-password")
                .on(Method::GET, web::to(forgot_password::show_forgot_password))
                .on(Method::POST, web::to(forgot_password::submit_forgot_password)),
        )
        .service(
            Resource::at("/register")
                .on(Method::GET, web::to(register::show_register))
                .on(Method::POST, web::to(register::submit_register)),
        )
        .service(
            Resource::at("/account")
                .on(Method::GET, web::to(home::show_home))
                .on(Method::POST, web::to(home::submit_home)),
        )
        .service(
            Resource::at("/account/email")
                .on(Method::GET, web::to(email::show_email))
                .on(Method::POST, web::to(email::submit_email)),
        )
        .service(
            Resource::at("/account/password")
                .on(Method::GET, web::to(password::show_password))
                .on(Method::POST, web::to(password::submit_password)),
        )
        .service(
            Resource::at("/account/profile")
                .on(Method::GET, web::to(profile::show_profile))
                .on(Method::POST, web::to(profile::submit_profile)),
        )
        .service(
            Resource::at("/sign-in")
                .on(Method::GET, web::to(sign_in::show_sign_in))
                .on(Method::POST, web::to(sign_in::submit_sign_in)),
        )
        .service(Resource::at("/sign-in/code").on(Method::POST, web::to(sign_in::submit_code)))
        .service(Resource::at("/sign-out").on(Method::POST, web::to(sign_out::submit_sign_out)))
        .service(Resource::at("/signed-out").on(Method::GET, web::to(sign_out::show_signed_out)));
}
