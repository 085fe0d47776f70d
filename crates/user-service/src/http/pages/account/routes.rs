//! The routes of the account pages.

use actix_web::{
    http::Method,
    web::{self, ServiceConfig},
};

use super::{
    check_mail, confirm_identity, delete, email, export, forgot_password, history, home, password, profile, register,
    second_factor, sessions, sign_in, sign_out,
};
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
            Resource::at("/account/confirm-identity")
                .on(Method::GET, web::to(confirm_identity::show_confirm_identity))
                .on(Method::POST, web::to(confirm_identity::submit_confirm_identity)),
        )
        .service(
            Resource::at("/account/delete")
                .on(Method::GET, web::to(delete::show_delete))
                .on(Method::POST, web::to(delete::submit_delete)),
        )
        .service(Resource::at("/account/deleted").on(Method::GET, web::to(delete::show_deleted)))
        .service(
            Resource::at("/account/email")
                .on(Method::GET, web::to(email::show_email))
                .on(Method::POST, web::to(email::submit_email)),
        )
        .service(
            Resource::at("/account/export")
                .on(Method::GET, web::to(export::show_export))
                .on(Method::POST, web::to(export::submit_export)),
        )
        .service(Resource::at("/account/history").on(Method::GET, web::to(history::show_history)))
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
            Resource::at("/account/second-factor")
                .on(Method::GET, web::to(second_factor::show_second_factor))
                .on(Method::POST, web::to(second_factor::start_set_up)),
        )
        .service(
            Resource::at("/account/second-factor/confirm")
                .on(Method::GET, web::to(second_factor::lead_to_second_factor))
                .on(Method::POST, web::to(second_factor::confirm_set_up)),
        )
        .service(
            Resource::at("/account/second-factor/recovery-codes")
                .on(Method::GET, web::to(second_factor::lead_to_second_factor))
                .on(Method::POST, web::to(second_factor::renew_codes)),
        )
        .service(
            Resource::at("/account/second-factor/turn-off")
                .on(Method::GET, web::to(second_factor::lead_to_second_factor))
                .on(Method::POST, web::to(second_factor::turn_off)),
        )
        .service(
            Resource::at("/account/sessions")
                .on(Method::GET, web::to(sessions::show_sessions))
                .on(Method::POST, web::to(sessions::end_session)),
        )
        .service(
            Resource::at("/account/sessions/others")
                .on(Method::GET, web::to(sessions::lead_to_sessions))
                .on(Method::POST, web::to(sessions::end_others)),
        )
        .service(
            Resource::at("/sign-in")
                .on(Method::GET, web::to(sign_in::show_sign_in))
                .on(Method::POST, web::to(sign_in::submit_sign_in)),
        )
        .service(
            Resource::at("/sign-in/code")
                .on(Method::GET, web::to(sign_in::lead_to_sign_in))
                .on(Method::POST, web::to(sign_in::submit_code)),
        )
        .service(Resource::at("/sign-out").on(Method::POST, web::to(sign_out::submit_sign_out)))
        .service(Resource::at("/signed-out").on(Method::GET, web::to(sign_out::show_signed_out)));
}
