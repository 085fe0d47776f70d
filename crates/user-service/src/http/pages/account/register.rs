//! `/register`: creates an account. Asks for the attributes that the schema requires, too. The page after it is the same
//! whether or not the address has an account, so it works with hidden registration.

use actix_web::{Error, HttpResponse, http::StatusCode, web};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    attribute_fields::{self, Entered},
    check_mail,
    form_problem::FormProblem,
    requests::{VisitorForm, VisitorRequest, redirect},
    return_to::{HOME, ReturnTo},
    sign_in::{NextQuery, hidden_next},
    view::{AccountView, Block, FieldKind, FieldView, FormView, HiddenView, LinkView},
};
use crate::{
    domain::{AttributeField, AttributeInput, AttributeRules, IdempotencyKey, attribute_patch},
    http::pages::layout::LocalizedPages,
    problem::Problem,
    usecase::{self, Registration},
};

/// The members of the API's body that the form has.
const MEMBERS: [&str; 4] = ["username", "email", "password", "displayName"];

/// The fields of the form.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::http) struct RegistrationForm {
    username: String,
    email: String,
    password: SecretString,
    display_name: String,
    /// The idempotency key: a form that is sent twice creates one account.
    key: String,
    next: Option<String>,
    /// The attributes, and what else was sent.
    #[serde(flatten)]
    others: Entered,
}

/// What the form shows besides what was typed.
struct Shown<'a> {
    next: Option<&'a ReturnTo>,
    /// The minimum length of a password.
    min_length: usize,
    /// The attributes that a user must have.
    attributes: Vec<AttributeField>,
}

impl<'a> Shown<'a> {
    fn new(request: &VisitorRequest, next: Option<&'a ReturnTo>) -> Self {
        let min_length = request.accounts.passwords.min_length();
        Self { next, min_length, attributes: required_attributes(&request.accounts.attributes) }
    }
}

/// Returns the attributes without which there is no account, except those that only an administrator writes.
fn required_attributes(rules: &AttributeRules) -> Vec<AttributeField> {
    let mut fields = rules.fields(&Map::new());
    fields.retain(|field| field.is_required() && field.input != AttributeInput::ReadOnly);
    fields
}

/// Shows the form. A signed-in reader goes on to the account.
pub(in crate::http) async fn show_register(
    request: VisitorRequest,
    query: web::Query<NextQuery>,
) -> Result<HttpResponse, Error> {
    let next = query.next(&request);
    if request.caller().await?.is_some() {
        return Ok(redirect(next.as_ref().map_or(HOME, ReturnTo::as_str)));
    }
    let form = RegistrationForm { key: new_key(&request), ..RegistrationForm::default() };
    let view = view(&request.pages, &form, &Shown::new(&request, next.as_ref()), None);
    Ok(request.page(StatusCode::OK, &request.pages.catalogue.texts.entry.register.title, view))
}

/// Creates the account, and leads on to the page about the mail.
pub(in crate::http) async fn submit_register(
    VisitorForm { request, mut form }: VisitorForm<RegistrationForm>,
) -> Result<HttpResponse, Error> {
    let next = request.return_to(form.next.as_deref());
    let shown = Shown::new(&request, next.as_ref());
    let registration = registration(&form, &shown.attributes, request.pages.tag());
    let problem = match usecase::register(&request.accounts, registration, request.origin.clone()).await {
        Ok(_) => return Ok(check_mail::sent(&request, &form.email, check_mail::Sent::ByRegistration, next.as_ref())),
        Err(problem) => problem,
    };
    if matches!(problem, Problem::IdempotencyKeyReused) {
        form.key = new_key(&request);
    }
    let problem = request.problem(problem);
    let view = view(&request.pages, &form, &shown, Some(&problem));
    Ok(request.refused(&problem, &request.pages.catalogue.texts.entry.register.title, view))
}

fn new_key(request: &VisitorRequest) -> String {
    request.accounts.ids.v4().to_string()
}

/// Returns what the use case gets. The language of the page is that of the account, and so of its mails.
fn registration(form: &RegistrationForm, attributes: &[AttributeField], language: &str) -> Registration {
    let entered = |field: &AttributeField| form.others.get(&attribute_fields::name(field)).map(String::as_str);
    let attributes = attribute_patch(&Map::new(), attributes, entered);
    Registration {
        username: form.username.clone(),
        email: form.email.clone(),
        password: form.password.clone(),
        display_name: Some(form.display_name.clone()).filter(|name| !name.trim().is_empty()),
        locale: Some(language.to_owned()),
        attributes: (!attributes.is_empty()).then_some(Value::Object(attributes)),
        // The reader has not written the key, so an invalid one is no error of the reader.
        idempotency_key: IdempotencyKey::parse(&form.key).ok().map(Ok),
    }
}

fn view<'a>(
    pages: &'a LocalizedPages,
    form: &'a RegistrationForm,
    shown: &Shown<'a>,
    problem: Option<&'a FormProblem>,
) -> AccountView<'a> {
    let (all, language) = (&pages.catalogue.texts, &pages.catalogue.language);
    let texts = &all.entry.register;
    let mut hidden = hidden_next(shown.next);
    hidden.push(HiddenView { name: "key", value: form.key.as_str().into() });
    let field = |name: &'static str, label: &'a str| FieldView {
        name: name.into(),
        label: label.into(),
        error: problem.and_then(|problem| problem.at(name)),
        ..FieldView::default()
    };
    let mut fields = vec![
        FieldView {
            value: form.username.as_str().into(),
            hint: Some((&*all.invitation.username_hint).into()),
            autocomplete: Some("username"),
            is_required: true,
            ..field("username", &all.account.username)
        },
        FieldView {
            kind: FieldKind::Email,
            value: form.email.as_str().into(),
            autocomplete: Some("email"),
            is_required: true,
            is_ltr: true,
            ..field("email", &all.fields.address)
        },
        FieldView {
            kind: FieldKind::NewPassword,
            hint: Some(all.reset.hint(language, shown.min_length).into()),
            autocomplete: Some("new-password"),
            is_required: true,
            ..field("password", &all.invitation.password)
        },
        FieldView {
            value: form.display_name.as_str().into(),
            hint: Some((&*texts.name_hint).into()),
            autocomplete: Some("name"),
            ..field("displayName", &texts.name)
        },
    ];
    // A form that was not sent yet has no box that was not ticked.
    let entered = problem.map(|_| &form.others);
    let attribute = |field| attribute_fields::view(field, &all.settings.profile, entered, problem);
    fields.extend(shown.attributes.iter().map(attribute));
    let sign_in = LinkView { path: ReturnTo::add_to("/sign-in", shown.next), text: &texts.sign_in, value: None };
    AccountView {
        error: problem.and_then(|problem| error(pages, shown, problem)).map(Into::into),
        blocks: vec![
            Block::Form(FormView {
                path: "/register".into(),
                hidden,
                fields,
                button: &texts.button,
                ..FormView::default()
            }),
            Block::Links { heading: None, items: vec![sign_in] },
        ],
        ..AccountView::default()
    }
}

/// Returns the text above the form.
fn error<'a>(pages: &'a LocalizedPages, shown: &Shown<'_>, problem: &'a FormProblem) -> Option<&'a str> {
    match problem.problem() {
        Problem::IdempotencyKeyReused => Some(&pages.catalogue.texts.entry.register.sent_before),
        _ => {
            let members = MEMBERS.map(str::to_owned).into_iter();
            problem.above(members.chain(shown.attributes.iter().map(attribute_fields::name)))
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::body::MessageBody;
    use secrecy::ExposeSecret;
    use test_support::LANGUAGES;

    use super::*;
    use crate::{
        http::pages::layout::{ACCOUNT, tests::pages_in},
        problem::FieldError,
    };

    fn filled_in() -> RegistrationForm {
        RegistrationForm {
            username: "a<b".to_owned(),
            email: "ada at example".to_owned(),
            password: SecretString::from("hunter2"),
            display_name: "Ada \"Countess\"".to_owned(),
            key: "the-key".to_owned(),
            next: None,
            others: [("attributes/team".to_owned(), "blue".to_owned())].into(),
        }
    }

    fn shown() -> Shown<'static> {
        let schema = r#"{ "required": ["team"], "properties": { "team": { "type": "string", "maxLength": 3 },
            "plan": { "enum": ["pro"], "x-admin-only": true }, "size": { "type": "number" } } }"#;
        let attributes = required_attributes(&AttributeRules::parse(schema).unwrap());
        Shown { next: None, min_length: 8, attributes }
    }

    /// Returns the page with the form, after a problem or before one.
    fn html(tag: &str, form: &RegistrationForm, problem: Option<Problem>) -> String {
        let pages = pages_in(tag);
        let problem = problem.map(|problem| FormProblem::new(problem, pages.clone(), 8));
        let (shown, problem) = (shown(), problem.as_ref());
        let view = view(&pages, form, &shown, problem);
        let response = pages.response(StatusCode::OK, ACCOUNT, &pages.catalogue.texts.entry.register.title, &view);
        String::from_utf8(response.into_body().try_into_bytes().unwrap().to_vec()).unwrap()
    }

    fn refused(fields: &[(&str, &'static str)]) -> Problem {
        let error = |(member, code): &(&str, &'static str)| FieldError::at(format!("#/{member}"), code, "In English.");
        Problem::ValidationFailed(fields.iter().map(error).collect())
    }

    /// Returns the text beside a field.
    fn beside<'a>(html: &'a str, name: &str) -> Option<&'a str> {
        let (_, rest) = html.split_once(&format!("id=\"field-1-{name}-error\">"))?;
        rest.split_once("</p>").map(|(text, _)| text)
    }

    #[test]
    fn every_refusal_is_beside_its_field_in_the_language_of_the_page() {
        for tag in LANGUAGES {
            for (member, code) in [
                ("username", "too-short"),
                ("username", "too-long"),
                ("username", "invalid-character"),
                ("username", "mixed-scripts"),
                ("email", "not-an-address"),
                ("email", "too-long"),
                ("password", "too-short"),
                ("password", "too-long"),
                ("password", "common"),
                ("password", "contains-own-words"),
                ("password", "breached"),
                ("displayName", "too-short"),
                ("displayName", "too-long"),
                ("displayName", "invalid-character"),
            ] {
                let html = html(tag, &filled_in(), Some(refused(&[(member, code)])));
                let text = beside(&html, member).unwrap_or_else(|| panic!("{tag} {member} {code}: {html}"));
                assert!(
                    !text.is_empty() && !text.contains("lang=\"en\"") && !text.contains('{'),
                    "{tag} {code}: {text}"
                );
                assert!(!html.contains("role=\"alert\""), "{tag} {member} {code}: {html}");
                assert_eq!(html.matches("aria-invalid=\"true\"").count(), 1, "{tag} {member} {code}: {html}");
            }
            for (problem, member) in [(Problem::UsernameTaken, "username"), (Problem::EmailTaken, "email")] {
                let html = html(tag, &filled_in(), Some(problem));
                assert!(beside(&html, member).is_some_and(|text| !text.contains("lang=\"en\"")), "{tag}: {html}");
            }
        }
    }

    #[test]
    fn what_was_typed_stays_but_the_password() {
        let html = html("en", &filled_in(), Some(refused(&[("password", "common"), ("email", "not-an-address")])));
        assert!(html.contains("value=\"a&lt;b\"") && html.contains("value=\"ada at example\""), "{html}");
        assert!(html.contains("value=\"Ada &quot;Countess&quot;\""), "{html}");
        assert!(html.contains("name=\"key\" value=\"the-key\""), "{html}");
        assert!(!html.contains("hunter2"), "{html}");
        assert!(beside(&html, "password").is_some() && beside(&html, "email").is_some(), "{html}");
        assert!(beside(&html, "username").is_none() && beside(&html, "displayName").is_none(), "{html}");
    }

    #[test]
    fn a_problem_that_belongs_to_no_field_is_above_the_form() {
        for (problem, text) in [
            (refused(&[("attributes/plan", "missing")]), "This did not work. Nothing was changed."),
            (Problem::RateLimited(std::time::Duration::from_secs(1)), "There were too many attempts."),
            (Problem::unavailable("the store"), "Something we need is not available right now."),
            (Problem::IdempotencyKeyReused, "This form was sent before, with other values."),
        ] {
            let html = html("en", &filled_in(), Some(problem));
            assert!(html.contains(&format!("role=\"alert\">{text}")), "{html}");
        }
        assert!(!html("en", &filled_in(), None).contains("role=\"alert\""));
    }

    #[test]
    fn an_empty_name_is_none_and_an_invalid_key_is_ignored() {
        let form = |display_name: &str, key: &str| RegistrationForm {
            display_name: display_name.to_owned(),
            key: key.to_owned(),
            ..filled_in()
        };
        let sent = registration(&form("Ada", "a-key"), &[], "de");
        assert_eq!((sent.display_name.as_deref(), sent.locale.as_deref()), (Some("Ada"), Some("de")));
        assert!(sent.idempotency_key.is_some_and(|key| key.is_ok()));
        assert_eq!(sent.password.expose_secret(), "hunter2");
        let sent = registration(&form(" \t", "not a key\n"), &[], "de");
        assert!(sent.display_name.is_none() && sent.idempotency_key.is_none());
    }

    #[test]
    fn the_attributes_that_a_user_must_have_are_asked_for_and_sent() {
        let page = html("en", &RegistrationForm::default(), None);
        assert!(page.contains("name=\"attributes/team\" required"), "{page}");
        assert!(!page.contains("attributes/plan") && !page.contains("attributes/size"), "{page}");
        let sent = registration(&filled_in(), &shown().attributes, "de");
        assert_eq!(sent.attributes, Some(serde_json::json!({ "team": "blue" })));
        assert_eq!(registration(&filled_in(), &[], "de").attributes, None);
        let refused = html("en", &filled_in(), Some(refused(&[("attributes/team", "out-of-range")])));
        assert!(beside(&refused, "attributes/team").is_some() && refused.contains("value=\"blue\""), "{refused}");
        assert!(!refused.contains("role=\"alert\""), "{refused}");
    }

    #[test]
    fn a_form_is_read_with_its_attributes_and_without_any_field() {
        let read = |form| web::Query::<RegistrationForm>::from_query(form).map(web::Query::into_inner);
        let form = read("username=ada&attributes%2Fteam=blue&x=y").unwrap();
        assert_eq!((form.username.as_str(), form.others["attributes/team"].as_str()), ("ada", "blue"));
        assert!(read("").is_ok_and(|form| form.username.is_empty() && form.others.is_empty()));
    }
}
