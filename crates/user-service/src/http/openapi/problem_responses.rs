//! The problem responses of each operation in the document. An operation names only those that do not follow from its
//! other parts: `extensions(("x-problems" = json!(["email-taken", "conflict: the second factor is not on"])))`. Each has
//! the slug of its type, and may say when it occurs; the status comes from the table of types.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use serde_json::Value;
use utoipa::{
    ToSchema,
    openapi::{
        ContentBuilder, Ref, RefOr, ResponseBuilder,
        path::{Operation, ParameterIn},
    },
};

use super::endpoint::take_extension;
use crate::{http::errors::problem_response::ProblemDetails, problem::ProblemType};

const EXTENSION: &str = "x-problems";
/// The occasion of `rate-limited`, unless the operation says another.
const RATE_LIMITED: &str = "every response of this operation has `RateLimit-Policy` and `RateLimit`";

/// Adds the problem responses to an operation.
///
/// # Panics
/// Panics if the operation names a problem that is not in the table; a test creates the whole document.
pub(super) fn add(operation: &mut Operation) {
    let named = take_extension(operation, EXTENSION);
    let named = named.as_ref().and_then(Value::as_array).into_iter().flatten().map(|text| {
        text.as_str().and_then(problem).unwrap_or_else(|| panic!("{:?}: no problem is {text}", operation.operation_id))
    });
    let mut problems: Vec<_> = implied(operation).into_iter().map(|problem_type| (problem_type, None)).collect();
    for (problem_type, occasion) in named {
        problems.retain(|(implied, _)| *implied != problem_type);
        problems.push((problem_type, occasion));
    }
    let mut by_status = BTreeMap::<StatusCode, Vec<_>>::new();
    for (problem_type, occasion) in problems {
        by_status.entry(problem_type.status()).or_default().push((problem_type, occasion));
    }
    for (status, problems) in by_status {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(ProblemDetails::name()))).build();
        let response = ResponseBuilder::new()
            .description(description(&problems))
            .content("application/problem+json", content)
            .build();
        operation.responses.responses.insert(status.as_str().to_owned(), response.into());
    }
}

/// Returns the problem types that follow from the other parts of the operation.
fn implied(operation: &Operation) -> Vec<ProblemType> {
    let parameters = || {
        operation.parameters.iter().flatten().filter_map(|parameter| match parameter {
            RefOr::T(parameter) => Some(parameter),
            RefOr::Ref(_) => None,
        })
    };
    let has_body = operation.request_body.is_some();
    // An endpoint with errors of its own says in these what is wrong with a request.
    let has_own_errors = operation.responses.responses.keys().any(|status| status.as_str() >= "400");
    let is_for_admins = operation.tags.iter().flatten().any(|tag| tag == "administration");
    let is_in = |part: &ParameterIn| parameters().any(|parameter| parameter.parameter_in == *part);
    let implications: [(bool, &[ProblemType]); 8] = [
        (has_body, &[ProblemType::BodyTooLarge, ProblemType::UnsupportedMediaType]),
        (has_body && !has_own_errors, &[ProblemType::MalformedBody]),
        (
            (has_body && !has_own_errors) || is_in(&ParameterIn::Query) || is_in(&ParameterIn::Header),
            &[ProblemType::ValidationFailed],
        ),
        (operation.security.is_some() && !has_own_errors, &[ProblemType::Unauthorized]),
        (is_for_admins, &[ProblemType::Forbidden]),
        (is_in(&ParameterIn::Path), &[ProblemType::NotFound]),
        (parameters().any(|parameter| parameter.name == "If-Match"), &[ProblemType::PreconditionFailed]),
        (true, &[ProblemType::Overloaded, ProblemType::Unavailable]),
    ];
    implications.iter().filter(|(applies, _)| *applies).flat_map(|(_, problems)| *problems).copied().collect()
}

/// Parses the slug of a problem type, and the text after the colon, if there is one.
fn problem(text: &str) -> Option<(ProblemType, Option<&str>)> {
    let (slug, occasion) = text.split_once(": ").map_or((text, None), |(slug, occasion)| (slug, Some(occasion)));
    let problem_type = *ProblemType::ALL.iter().find(|problem_type| problem_type.slug() == slug)?;
    Some((problem_type, occasion.or((problem_type == ProblemType::RateLimited).then_some(RATE_LIMITED))))
}

/// Returns the slugs of the problems, with the occasions that are given.
fn description(problems: &[(ProblemType, Option<&str>)]) -> String {
    let separator = if problems.iter().any(|(_, occasion)| occasion.is_some()) { "; " } else { ", " };
    let texts = problems.iter().map(|(problem_type, occasion)| match occasion {
        None => format!("`{}`", problem_type.slug()),
        Some(occasion) => format!("`{}`: {occasion}", problem_type.slug()),
    });
    texts.collect::<Vec<_>>().join(separator)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use utoipa::openapi::{
        extensions::Extensions,
        path::{OperationBuilder, ParameterBuilder},
        request_body::RequestBody,
        security::SecurityRequirement,
    };

    use super::*;

    /// Returns status and description of each response that is added.
    fn responses(operation: OperationBuilder, named: Value) -> Vec<(String, String)> {
        let mut operation = operation.build();
        operation.extensions = Some([(EXTENSION, named)].into_iter().collect::<Extensions>());
        add(&mut operation);
        assert!(operation.extensions.is_none());
        let text = |response: RefOr<utoipa::openapi::Response>| match response {
            RefOr::T(response) => response.description,
            RefOr::Ref(_) => panic!("a reference"),
        };
        operation.responses.responses.into_iter().map(|(status, response)| (status, text(response))).collect()
    }

    fn expect(responses: &[(String, String)], expected: &[(&str, &str)]) {
        let responses: Vec<_> = responses.iter().map(|(status, text)| (status.as_str(), text.as_str())).collect();
        assert_eq!(responses, expected);
    }

    #[test]
    fn each_part_of_an_operation_implies_its_problems() {
        let operation = OperationBuilder::new;
        let parameter = |name: &str, part| ParameterBuilder::new().name(name).parameter_in(part).build();
        let always = ("503", "`overloaded`, `unavailable`");
        let invalid = ("422", "`validation-failed`");
        expect(&responses(operation(), json!([])), &[always]);
        expect(
            &responses(operation().parameter(parameter("limit", ParameterIn::Query)), json!([])),
            &[invalid, always],
        );
        expect(
            &responses(operation().parameter(parameter("If-Match", ParameterIn::Header)), json!([])),
            &[("412", "`precondition-failed`"), invalid, always],
        );
        expect(
            &responses(operation().parameter(parameter("id", ParameterIn::Path)), json!([])),
            &[("404", "`not-found`"), always],
        );
        expect(
            &responses(operation().tag("administration").security(SecurityRequirement::default()), json!([])),
            &[("401", "`unauthorized`"), ("403", "`forbidden`"), always],
        );
        expect(
            &responses(operation().request_body(Some(RequestBody::new())), json!([])),
            &[
                ("400", "`malformed-body`"),
                ("413", "`body-too-large`"),
                ("415", "`unsupported-media-type`"),
                invalid,
                always,
            ],
        );
    }

    #[test]
    fn named_problems_of_one_status_are_one_response() {
        let named =
            json!(["email-taken", "username-taken", "wrong-code", "conflict: it is on", "unavailable: no database"]);
        expect(
            &responses(OperationBuilder::new(), named),
            &[
                ("403", "`wrong-code`"),
                ("409", "`email-taken`; `username-taken`; `conflict`: it is on"),
                ("503", "`overloaded`; `unavailable`: no database"),
            ],
        );
        expect(
            &responses(OperationBuilder::new(), json!(["email-taken", "username-taken"])),
            &[("409", "`email-taken`, `username-taken`"), ("503", "`overloaded`, `unavailable`")],
        );
    }

    #[test]
    #[should_panic(expected = "no problem is \"email-takn\"")]
    fn an_unknown_problem_fails() {
        let _ = responses(OperationBuilder::new(), json!(["email-takn"]));
    }
}
