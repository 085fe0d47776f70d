//! The routes of the whole API.

use actix_web::web::{self, ServiceConfig, resource};

use super::{
    api::{
        account, admin_user_actions, admin_users, audit_log, email_change, email_verification, jwks, login,
        password_change, password_reset, personal_data_export, registration, second_factor, sessions, undo,
    },
    errors::not_found::{get_or_head, method_not_allowed, not_found},
    extractors::extractor_errors,
    openapi::{document, swagger_ui},
    pages::{link_handlers, problem_pages},
};

/// Registers every route; the routes below `/docs` only if `docs` is true.
pub fn configure(config: &mut ServiceConfig, docs: bool) {
    let allow_only = method_not_allowed;
    let api = web::scope("/api")
        .service(resource("/users").route(web::post().to(registration::register)).default_service(allow_only("POST")))
        .service(
            resource("/users/me")
                .route(get_or_head().to(account::get_me))
                .route(web::patch().to(account::update_me))
                .route(web::delete().to(account::delete_me))
                .default_service(allow_only("GET, HEAD, PATCH, DELETE")),
        )
        .service(
            resource("/users/me/delete")
                .route(web::post().to(account::delete_me_by_post))
                .default_service(allow_only("POST")),
        )
        .service(
            resource("/users/me/password")
                .route(web::put().to(password_change::change_password))
                .default_service(allow_only("PUT")),
        )
        .service(
            resource("/users/me/sessions")
                .route(get_or_head().to(sessions::list_sessions))
                .route(web::delete().to(sessions::end_other_sessions))
                .default_service(allow_only("GET, HEAD, DELETE")),
        )
        .service(
            resource("/users/me/sessions/{id}")
                .route(web::delete().to(sessions::end_session))
                .default_service(allow_only("DELETE")),
        )
        .service(
            resource("/users/me/totp")
                .route(get_or_head().to(second_factor::get_totp))
                .route(web::post().to(second_factor::start_totp))
                .route(web::delete().to(second_factor::remove_totp))
                .default_service(allow_only("GET, HEAD, POST, DELETE")),
        )
        .service(
            resource("/users/me/totp/confirm")
                .route(web::post().to(second_factor::confirm_totp))
                .default_service(allow_only("POST")),
        )
        .service(
            resource("/users/me/totp/remove")
                .route(web::post().to(second_factor::remove_totp_by_post))
                .default_service(allow_only("POST")),
        )
        .service(
            resource("/users/me/totp/recovery-codes")
                .route(web::post().to(second_factor::renew_recovery_codes))
                .default_service(allow_only("POST")),
        )
        .service(
            resource("/users/me/email")
                .route(web::put().to(email_change::change_email))
                .default_service(allow_only("PUT")),
        )
        .service(
            resource("/users/me/export")
                .route(get_or_head().to(personal_data_export::export_me))
                .default_service(allow_only("GET, HEAD")),
        )
        .service(
            resource("/users/me/audit")
                .route(get_or_head().to(audit_log::get_my_audit_log))
                .default_service(allow_only("GET, HEAD")),
        )
        .service(resource("/auth/login").route(web::post().to(login::login)).default_service(allow_only("POST")))
        .service(
            resource("/auth/login/totp").route(web::post().to(login::login_totp)).default_service(allow_only("POST")),
        )
        .service(resource("/auth/refresh").route(web::post().to(sessions::refresh)).default_service(allow_only("POST")))
        .service(resource("/auth/logout").route(web::post().to(sessions::logout)).default_service(allow_only("POST")))
        .service(
            resource("/auth/email-verification")
                .route(web::post().to(email_verification::verify_email))
                .default_service(allow_only("POST")),
        )
        .service(
            resource("/auth/email-verification/resend")
                .route(web::post().to(email_verification::resend_verification))
                .default_service(allow_only("POST")),
        )
        .service(
            resource("/auth/email-verification/disown")
                .route(web::post().to(email_verification::disown_account))
                .default_service(allow_only("POST")),
        )
        .service(
            resource("/auth/password-reset")
                .route(web::post().to(password_reset::request_password_reset))
                .default_service(allow_only("POST")),
        )
        .service(
            resource("/auth/password-reset/confirm")
                .route(web::post().to(password_reset::confirm_password_reset))
                .default_service(allow_only("POST")),
        )
        .service(
            resource("/admin/users")
                .route(get_or_head().to(admin_users::list_users))
                .default_service(allow_only("GET, HEAD")),
        )
        .service(
            resource("/admin/users/{id}")
                .route(get_or_head().to(admin_users::get_user))
                .route(web::patch().to(admin_users::update_user))
                .route(web::delete().to(admin_users::delete_user))
                .default_service(allow_only("GET, HEAD, PATCH, DELETE")),
        )
        .service(
            resource("/admin/users/{id}/disable")
                .route(web::post().to(admin_user_actions::disable))
                .default_service(allow_only("POST")),
        )
        .service(
            resource("/admin/users/{id}/enable")
                .route(web::post().to(admin_user_actions::enable))
                .default_service(allow_only("POST")),
        )
        .service(
            resource("/admin/users/{id}/audit")
                .route(get_or_head().to(audit_log::get_user_audit_log))
                .default_service(allow_only("GET, HEAD")),
        )
        .service(
            resource("/admin/users/{id}/unlock")
                .route(web::post().to(admin_user_actions::unlock))
                .default_service(allow_only("POST")),
        )
        .service(
            resource("/admin/users/{id}/logout")
                .route(web::post().to(admin_user_actions::logout))
                .default_service(allow_only("POST")),
        )
        .service(
            resource("/admin/users/{id}/remove-second-factor")
                .route(web::post().to(admin_user_actions::remove_second_factor))
                .default_service(allow_only("POST")),
        )
        .service(
            resource("/auth/email-change/confirm")
                .route(web::post().to(email_change::confirm_email_change))
                .default_service(allow_only("POST")),
        )
        .service(
            resource("/auth/email-change/undo")
                .route(web::post().to(email_change::undo_email_change))
                .default_service(allow_only("POST")),
        )
        .service(resource("/auth/undo").route(web::post().to(undo::undo_change)).default_service(allow_only("POST")))
        .service(
            resource("/openapi.json")
                .route(get_or_head().to(document::get_openapi))
                .default_service(allow_only("GET, HEAD")),
        )
        .default_service(web::to(not_found));

    config
        .configure(extractor_errors::configure)
        .service(api)
        .service(
            resource("/.well-known/jwks.json")
                .route(get_or_head().to(jwks::get_jwks))
                .default_service(allow_only("GET, HEAD")),
        )
        .service(
            resource("/verify-email")
                .route(get_or_head().to(link_handlers::show_verify_email))
                .route(web::post().to(link_handlers::submit_verify_email))
                .default_service(allow_only("GET, HEAD, POST")),
        )
        .service(
            resource("/reset-password")
                .route(get_or_head().to(link_handlers::show_reset_password))
                .route(web::post().to(link_handlers::submit_reset_password))
                .default_service(allow_only("GET, HEAD, POST")),
        )
        .service(
            resource("/confirm-email")
                .route(get_or_head().to(link_handlers::show_confirm_email))
                .route(web::post().to(link_handlers::submit_confirm_email))
                .default_service(allow_only("GET, HEAD, POST")),
        )
        .service(
            resource("/undo-email-change")
                .route(get_or_head().to(link_handlers::show_undo_email_change))
                .route(web::post().to(link_handlers::submit_undo_email_change))
                .default_service(allow_only("GET, HEAD, POST")),
        )
        .service(
            resource("/undo-change")
                .route(get_or_head().to(link_handlers::show_undo_change))
                .route(web::post().to(link_handlers::submit_undo_change))
                .default_service(allow_only("GET, HEAD, POST")),
        )
        .configure(problem_pages::configure)
        .default_service(web::to(not_found));
    if docs {
        config.configure(swagger_ui::configure);
    }
}
