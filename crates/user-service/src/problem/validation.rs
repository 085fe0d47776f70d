//! Collects the errors in the fields of a request, so that the response reports all of them at once.

use super::{FieldError, Problem};
use crate::domain::{Invalid, SchemaViolation};

/// The errors found so far.
#[derive(Default)]
pub(crate) struct Validation(Vec<FieldError>);

impl Validation {
    /// Returns the parsed value, or the problem of the body member, for a request in which only one member is parsed.
    pub(crate) fn only<T>(member: &str, parsed: Result<T, Invalid>) -> Result<T, Problem> {
        parsed.map_err(|invalid| Problem::ValidationFailed(vec![FieldError::body(member, &invalid)]))
    }

    /// Returns the parsed value, or records the error of the body member.
    pub(crate) fn check<T>(&mut self, member: &str, parsed: Result<T, Invalid>) -> Option<T> {
        parsed.map_err(|invalid| self.0.push(FieldError::body(member, &invalid))).ok()
    }

    /// Does the same as [`Self::check`] for a member that may be missing.
    pub(crate) fn check_optional<T>(&mut self, member: &str, parsed: Option<Result<T, Invalid>>) -> Option<T> {
        parsed.and_then(|parsed| self.check(member, parsed))
    }

    /// Returns the value of another validation, or records its errors.
    ///
    /// # Errors
    /// Returns every other problem.
    pub(crate) fn merge<T>(&mut self, validated: Result<T, Problem>) -> Result<Option<T>, Problem> {
        match validated {
            Ok(value) => Ok(Some(value)),
            Err(Problem::ValidationFailed(errors)) => {
                self.0.extend(errors);
                Ok(None)
            }
            Err(other) => Err(other),
        }
    }

    /// Does the same as [`Self::check`] for a value with a schema.
    pub(crate) fn check_schema<T>(&mut self, member: &str, checked: Result<T, Vec<SchemaViolation>>) -> Option<T> {
        let record = |violation: &SchemaViolation| self.0.push(FieldError::within(member, violation));
        checked.map_err(|violations| violations.iter().for_each(record)).ok()
    }

    /// Does the same as [`Self::check`] for a header that may be missing.
    pub(crate) fn check_header<T>(&mut self, name: &str, parsed: Option<Result<T, Invalid>>) -> Option<T> {
        parsed?.map_err(|invalid| self.0.push(FieldError::header(name, invalid.code, invalid.detail))).ok()
    }

    /// Fails if an error was recorded.
    pub(crate) fn finish(&mut self) -> Result<(), Problem> {
        if self.0.is_empty() { Ok(()) } else { Err(self.problem()) }
    }

    /// Returns the problem with all recorded errors.
    pub(crate) fn problem(&mut self) -> Problem {
        Problem::ValidationFailed(std::mem::take(&mut self.0))
    }
}
