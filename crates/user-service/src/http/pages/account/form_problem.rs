//! Why a form is shown again: the texts beside its fields, or the text above it.

use actix_web::{
    HttpResponse,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
};

use super::view::{FieldErrorView, ReasonView};
use crate::{
    http::pages::layout::LocalizedPages,
    problem::{FieldError, Location, Problem},
};

/// A problem of a form in the language of its page.
pub(super) struct FormProblem {
    problem: Problem,
    fields: Vec<FieldError>,
    pages: LocalizedPages,
    min_length: usize,
}

impl FormProblem {
    /// Translates a problem for a page in this language. `min_length` is the minimum length of a password.
    pub(super) fn new(problem: Problem, pages: LocalizedPages, min_length: usize) -> Self {
        let at = |member: &str, code| vec![FieldError::at(format!("#/{member}"), code, problem.detail())];
        let fields = match &problem {
            Problem::ValidationFailed(errors) => errors.clone(),
            Problem::EmailTaken => at("email", "taken"),
            Problem::UsernameTaken => at("username", "taken"),
            Problem::WrongPassword => at("password", "wrong"),
            Problem::WrongCode => at("code", "wrong"),
            _ => Vec::new(),
        };
        Self { problem, fields, pages, min_length }
    }

    /// Returns the problem.
    pub(super) const fn problem(&self) -> &Problem {
        &self.problem
    }

    /// Returns the text beside the field of this member of the API's body; for a nested member, its JSON pointer without
    /// `#/`.
    pub(super) fn at(&self, member: &str) -> Option<FieldErrorView> {
        self.matching(member, |pointer, field| pointer == field)
    }

    /// Returns the same for a field that has everything in the member, such as the entries of a list.
    pub(super) fn within(&self, member: &str) -> Option<FieldErrorView> {
        self.matching(member, is_within)
    }

    /// Returns the text for the errors whose pointers belong to that of the member.
    fn matching(&self, member: &str, belongs: fn(&str, &str) -> bool) -> Option<FieldErrorView> {
        let field = format!("#/{member}");
        let is_here = |error: &&FieldError| match &error.location {
            Location::Pointer(pointer) => belongs(pointer, &field),
            Location::Parameter(_) | Location::Header(_) => false,
        };
        let mut reasons: Vec<_> = self.fields.iter().filter(is_here).map(|error| self.reason(member, error)).collect();
        // Several entries of a list may have the same error.
        reasons.dedup();
        (!reasons.is_empty()).then_some(FieldErrorView { reasons })
    }

    fn reason(&self, member: &str, error: &FieldError) -> ReasonView {
        let (texts, language) = (&self.pages.catalogue.texts, &self.pages.catalogue.language);
        let of_member = match member {
            "username" => texts.invitation.reasons.reason(error.code).map(str::to_owned),
            "displayName" => texts.entry.name_reasons.reason(error.code).map(str::to_owned),
            "password" | "newPassword" => texts.reset.reason(error.code, language, self.min_length),
            "email" | "newEmail" if !matches!(error.code, "missing" | "taken") => {
                Some(texts.fields.address_invalid.to_string())
            }
            _ => None,
        };
        match of_member.or_else(|| texts.account_pages.refused.reason(error.code).map(str::to_owned)) {
            Some(text) => ReasonView { text, is_english: false },
            None => ReasonView { text: error.detail.clone(), is_english: true },
        }
    }

    /// Returns the text above the form, for a problem that is not beside a field.
    pub(super) fn general(&self) -> Option<&str> {
        let texts = &self.pages.catalogue.texts.account_pages.failed;
        match &self.problem {
            _ if !self.fields.is_empty() => None,
            Problem::RateLimited(_) => Some(&texts.rate_limited),
            Problem::Overloaded(_) | Problem::Unavailable(_) => Some(&texts.unavailable),
            Problem::PreconditionFailed => Some(&texts.changed_meanwhile),
            Problem::EmailNotVerified => Some(&texts.email_not_verified),
            _ => Some(&texts.other),
        }
    }

    /// Returns the text above a form that has fields for these members only. An error of another member must not be lost.
    pub(super) fn above(&self, members: impl IntoIterator<Item = impl AsRef<str>>) -> Option<&str> {
        let starts: Vec<String> = members.into_iter().map(|member| format!("#/{}", member.as_ref())).collect();
        let is_beside_a_field = |error: &FieldError| match &error.location {
            Location::Pointer(pointer) => starts.iter().any(|start| is_within(pointer, start)),
            Location::Parameter(_) | Location::Header(_) => false,
        };
        if self.fields.iter().all(is_beside_a_field) {
            return self.general();
        }
        Some(&self.pages.catalogue.texts.account_pages.failed.other)
    }

    /// Logs the cause, and returns the page with the status and the waiting time of the problem.
    pub(super) fn respond(&self, page: impl FnOnce(StatusCode) -> HttpResponse) -> HttpResponse {
        self.problem.log_cause();
        let status = match self.problem.status() {
            // A response with this status must have a challenge for a client without pages (RFC 9110, section 15.5.2).
            StatusCode::UNAUTHORIZED => StatusCode::UNPROCESSABLE_ENTITY,
            status => status,
        };
        let mut response = page(status);
        if let Some(seconds) = self.problem.retry_after() {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// Returns whether a JSON pointer is `start`, or leads on from it.
fn is_within(pointer: &str, start: &str) -> bool {
    pointer.strip_prefix(start).is_some_and(|below| below.is_empty() || below.starts_with('/'))
}
