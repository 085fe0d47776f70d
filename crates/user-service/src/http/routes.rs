//! The whole API on one screen.

use actix_web::web::{self, ServiceConfig, resource};

use super::{
    admin::{
        audit as audit_of_user, delete_user, disable, enable, get_user, list_users, logout as logout_user, patch_user,
        remove_second_factor, unlock,
    },
    auth::{
        confirm_email_page, email_change, email_verification, login, login_totp, logout, password_reset, refresh,
        reset_password_page, undo, undo_change_page, undo_email_change_page, verify_email_page,
    },
    extractor_errors, jwks,
    not_found::{get, method_not_allowed, not_found},
    openapi, problem_pages, swagger_ui,
    users::{audit, delete_me, email, export, get_me, password, patch_me, register, sessions, totp},
};

/// Registers every route; those below `/docs` only if `docs`.
pub fn configure(config: &mut ServiceConfig, docs: bool) {
    let not = method_not_allowed;
    let api = web::scope("/api")
        .service(resource("/users").route(web::post().to(register::post)).default_service(not("POST")))
        .service(
            resource("/users/me")
                .route(get().to(get_me::get))
                .route(web::patch().to(patch_me::patch))
                .route(web::delete().to(delete_me::delete))
                .default_service(not("GET, HEAD, PATCH, DELETE")),
        )
        .service(resource("/users/me/delete").route(web::post().to(delete_me::post)).default_service(not("POST")))
        .service(resource("/users/me/password").route(web::put().to(password::put)).default_service(not("PUT")))
        .service(
            resource("/users/me/sessions")
                .route(get().to(sessions::get))
                .route(web::delete().to(sessions::delete_others))
                .default_service(not("GET, HEAD, DELETE")),
        )
        .service(
            resource("/users/me/sessions/{id}")
                .route(web::delete().to(sessions::delete_one))
                .default_service(not("DELETE")),
        )
        .service(
            resource("/users/me/totp")
                .route(get().to(totp::status::get))
                .route(web::post().to(totp::start::post))
                .route(web::delete().to(totp::remove::delete))
                .default_service(not("GET, HEAD, POST, DELETE")),
        )
        .service(
            resource("/users/me/totp/confirm").route(web::post().to(totp::confirm::post)).default_service(not("POST")),
        )
        .service(
            resource("/users/me/totp/remove").route(web::post().to(totp::remove::post)).default_service(not("POST")),
        )
        .service(
            resource("/users/me/totp/recovery-codes")
                .route(web::post().to(totp::recovery_codes::post))
                .default_service(not("POST")),
        )
        .service(resource("/users/me/email").route(web::put().to(email::put)).default_service(not("PUT")))
        .service(resource("/users/me/export").route(get().to(export::get)).default_service(not("GET, HEAD")))
        .service(resource("/users/me/audit").route(get().to(audit::get)).default_service(not("GET, HEAD")))
        .service(resource("/auth/login").route(web::post().to(login::post)).default_service(not("POST")))
        .service(resource("/auth/login/totp").route(web::post().to(login_totp::post)).default_service(not("POST")))
        .service(resource("/auth/refresh").route(web::post().to(refresh::post)).default_service(not("POST")))
        .service(resource("/auth/logout").route(web::post().to(logout::post)).default_service(not("POST")))
        .service(
            resource("/auth/email-verification")
                .route(web::post().to(email_verification::post))
                .default_service(not("POST")),
        )
        .service(
            resource("/auth/email-verification/resend")
                .route(web::post().to(email_verification::resend))
                .default_service(not("POST")),
        )
        .service(
            resource("/auth/email-verification/disown")
                .route(web::post().to(email_verification::disown))
                .default_service(not("POST")),
        )
        .service(
            resource("/auth/password-reset").route(web::post().to(password_reset::post)).default_service(not("POST")),
        )
        .service(
            resource("/auth/password-reset/confirm")
                .route(web::post().to(password_reset::confirm))
                .default_service(not("POST")),
        )
        .service(resource("/admin/users").route(get().to(list_users::get)).default_service(not("GET, HEAD")))
        .service(
            resource("/admin/users/{id}")
                .route(get().to(get_user::get))
                .route(web::patch().to(patch_user::patch))
                .route(web::delete().to(delete_user::delete))
                .default_service(not("GET, HEAD, PATCH, DELETE")),
        )
        .service(
            resource("/admin/users/{id}/disable").route(web::post().to(disable::post)).default_service(not("POST")),
        )
        .service(resource("/admin/users/{id}/enable").route(web::post().to(enable::post)).default_service(not("POST")))
        .service(
            resource("/admin/users/{id}/audit").route(get().to(audit_of_user::get)).default_service(not("GET, HEAD")),
        )
        .service(resource("/admin/users/{id}/unlock").route(web::post().to(unlock::post)).default_service(not("POST")))
        .service(
            resource("/admin/users/{id}/logout").route(web::post().to(logout_user::post)).default_service(not("POST")),
        )
        .service(
            resource("/admin/users/{id}/remove-second-factor")
                .route(web::post().to(remove_second_factor::post))
                .default_service(not("POST")),
        )
        .service(
            resource("/auth/email-change/confirm")
                .route(web::post().to(email_change::confirm))
                .default_service(not("POST")),
        )
        .service(
            resource("/auth/email-change/undo").route(web::post().to(email_change::undo)).default_service(not("POST")),
        )
        .service(resource("/auth/undo").route(web::post().to(undo::post)).default_service(not("POST")))
        .service(resource("/openapi.json").route(get().to(openapi::get)).default_service(not("GET, HEAD")))
        .default_service(web::to(not_found));

    config
        .configure(extractor_errors::configure)
        .service(api)
        .service(resource("/.well-known/jwks.json").route(get().to(jwks::get)).default_service(not("GET, HEAD")))
        .service(
            resource("/verify-email")
                .route(get().to(verify_email_page::get))
                .route(web::post().to(verify_email_page::post))
                .default_service(not("GET, HEAD, POST")),
        )
        .service(
            resource("/reset-password")
                .route(get().to(reset_password_page::get))
                .route(web::post().to(reset_password_page::post))
                .default_service(not("GET, HEAD, POST")),
        )
        .service(
            resource("/confirm-email")
                .route(get().to(confirm_email_page::get))
                .route(web::post().to(confirm_email_page::post))
                .default_service(not("GET, HEAD, POST")),
        )
        .service(
            resource("/undo-email-change")
                .route(get().to(undo_email_change_page::get))
                .route(web::post().to(undo_email_change_page::post))
                .default_service(not("GET, HEAD, POST")),
        )
        .service(
            resource("/undo-change")
                .route(get().to(undo_change_page::get))
                .route(web::post().to(undo_change_page::post))
                .default_service(not("GET, HEAD, POST")),
        )
        .configure(problem_pages::configure)
        .default_service(web::to(not_found));
    if docs {
        config.configure(swagger_ui::configure);
    }
}
