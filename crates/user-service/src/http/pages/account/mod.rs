//! The pages of an account: to register, to sign in, and to see and change everything. A handler reads a form, calls the
//! use case that the API calls, and shows the result.

mod attribute_fields;
mod check_mail;
mod confirm_identity;
mod delete;
mod email;
pub(super) mod examples;
mod export;
mod forgot_password;
mod form_problem;
mod history;
mod home;
mod local_time;
mod password;
pub(in crate::http) mod password_strength;
mod profile;
mod register;
mod requests;
mod return_to;
mod routes;
pub(super) mod same_origin;
mod second_factor;
mod sessions;
mod settings;
mod sign_in;
mod sign_out;
pub(super) mod start;
pub(super) mod view;

pub(in crate::http) use requests::VisitorRequest;
pub(in crate::http) use routes::configure;
pub use settings::PageSettings;
