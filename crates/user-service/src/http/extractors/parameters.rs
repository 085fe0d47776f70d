//! Extractors for path and query parameters. They are as strict as those for bodies: unknown, repeated and malformed
//! query parameters are refused.

use std::{
    collections::BTreeMap,
    future::{Ready, ready},
};

use actix_web::{FromRequest, HttpRequest, dev::Payload, web};
use utoipa::IntoParams;
use uuid::Uuid;

use crate::problem::{FieldError, Problem};

/// The query parameters of a request by name. An extractor; a query that is not
/// `application/x-www-form-urlencoded`, or repeats a parameter, is `validation-failed`.
#[derive(Debug)]
pub(in crate::http) struct Query(BTreeMap<String, String>);

impl Query {
    /// Checks that every parameter is one of `known`.
    ///
    /// # Errors
    /// Returns `validation-failed` with the names of all others.
    pub(in crate::http) fn reject_unknown(&self, known: &[&str]) -> Result<(), Problem> {
        let unknown: Vec<_> = self
            .0
            .keys()
            .filter(|name| !known.contains(&name.as_str()))
            .map(|name| FieldError::parameter(&truncated(name), "unknown", "There is no such parameter."))
            .collect();
        if unknown.is_empty() { Ok(()) } else { Err(Problem::ValidationFailed(unknown)) }
    }

    /// Returns the value of the parameter.
    pub(in crate::http) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Parses a query string.
    ///
    /// # Errors
    /// Returns `validation-failed` if it is malformed or repeats a parameter.
    pub(in crate::http) fn parse(query: &str) -> Result<Self, Problem> {
        let pairs = web::Query::<Vec<(String, String)>>::from_query(query).map_err(|_| {
            Problem::ValidationFailed(vec![FieldError::parameter("", "malformed", "The query cannot be read.")])
        })?;
        let mut parameters = BTreeMap::new();
        for (name, value) in pairs.into_inner() {
            if parameters.contains_key(&name) {
                let repeated =
                    FieldError::parameter(&truncated(&name), "repeated", "The parameter occurs more than once.");
                return Err(Problem::ValidationFailed(vec![repeated]));
            }
            parameters.insert(name, value);
        }
        Ok(Self(parameters))
    }
}

impl FromRequest for Query {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::parse(request.query_string()))
    }
}

/// Returns the first 64 characters of a parameter's name, for an error.
fn truncated(name: &str) -> String {
    name.chars().take(64).collect()
}

/// The id in the path. An extractor that never fails, so that a request without a valid access token gets 401 first.
#[derive(IntoParams)]
#[into_params(names("id"), parameter_in = Path)]
pub(in crate::http) struct PathId(
    /// The account's id
    #[param(value_type = Uuid)]
    Option<Uuid>,
);

impl PathId {
    /// Returns the id.
    ///
    /// # Errors
    /// Returns `not-found` if the path does not hold a UUID, because no resource has such an id.
    pub(in crate::http) fn uuid(&self) -> Result<Uuid, Problem> {
        self.0.ok_or(Problem::NotFound)
    }
}

impl FromRequest for PathId {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(request.match_info().get("id").and_then(|text| Uuid::try_parse(text).ok()))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_parameters_are_read_and_others_are_refused() {
        let query = Query::parse("limit=5&query=ada%20l&status=").unwrap();
        assert_eq!((query.get("limit"), query.get("query"), query.get("status")), (Some("5"), Some("ada l"), Some("")));
        assert_eq!(query.get("cursor"), None);
        assert!(query.reject_unknown(&["limit", "query", "status"]).is_ok());
        assert!(
            matches!(query.reject_unknown(&["limit"]), Err(Problem::ValidationFailed(errors)) if errors.len() == 2)
        );
        assert!(matches!(Query::parse("a=1&a=1"), Err(Problem::ValidationFailed(_))));
    }
}
