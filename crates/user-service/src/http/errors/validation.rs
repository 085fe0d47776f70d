//! Collects the errors in the fields of a request, so that the response reports all of them at once.

use super::{field_errors::FieldError, problem::Problem};
use crate::domain::Invalid;

/// The errors found so far.
#[derive(Default)]
pub(in crate::http) struct Validation(Vec<FieldError>);

impl Validation {
    /// Returns the parsed value, or records the error of the body member.
    pub(in crate::http) fn check<T>(&mut self, member: &str, parsed: Result<T, Invalid>) -> Option<T> {
        parsed.map_err(|invalid| self.0.push(FieldError::body(member, &invalid))).ok()
    }

    /// Does the same as [`Self::check`] for a member that may be missing.
    pub(in crate::http) fn check_optional<T>(&mut self, member: &str, parsed: Option<Result<T, Invalid>>) -> Option<T> {
        parsed.and_then(|parsed| self.check(member, parsed))
    }

    /// Does the same as [`Self::check`] for a header that may be missing.
    pub(in crate::http) fn check_header<T>(&mut self, name: &str, parsed: Option<Result<T, Invalid>>) -> Option<T> {
        parsed?.map_err(|invalid| self.0.push(FieldError::header(name, invalid.code, invalid.detail))).ok()
    }

    /// Fails if an error was recorded.
    pub(in crate::http) fn finish(&mut self) -> Result<(), Problem> {
        if self.0.is_empty() { Ok(()) } else { Err(self.problem()) }
    }

    /// Returns the problem with all recorded errors.
    pub(in crate::http) fn problem(&mut self) -> Problem {
        Problem::ValidationFailed(std::mem::take(&mut self.0))
    }
}
