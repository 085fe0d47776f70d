//! `/account/profile`: the names, the language, the time zone and the attributes of the user. The form keeps the version
//! of the account that it was shown with, so that two windows do not undo each other's changes.

use std::collections::HashMap;

use actix_web::{Error, HttpResponse, http::StatusCode, web};
use serde_json::Map;

use super::{
    attribute_fields::{self, Entered, select_options},
    form_problem::FormProblem,
    home::Done,
    requests::{MemberForm, MemberRequest, redirect},
    view::{AccountView, Block, DetailView, FieldKind, FieldView, FormView, HiddenView},
};
use crate::{
    domain::{AttributeField, AttributeInput, ExpectedVersion, Timezone, User, attribute_patch},
    http::pages::texts::settings::ProfileTexts,
    problem::Problem,
    usecase::{self, ProfilePatch},
};

const PATH: &str = "/account/profile";

/// The profile, and what the page shows of it.
struct Profile {
    user: User,
    fields: Vec<AttributeField>,
    /// Title and value of each member that cannot be changed.
    read_only: Vec<(String, String)>,
}

/// A form that was refused.
struct Refused {
    entered: Entered,
    problem: FormProblem,
}

/// Shows the profile.
pub(in crate::http) async fn show_profile(request: MemberRequest, done: web::Query<Done>) -> HttpResponse {
    let texts = texts(&request);
    let profile = profile(&request, request.caller.user.user());
    let status = done.is("saved").then(|| (&*texts.saved).into());
    let view = AccountView { status, ..view(&request, &profile, None) };
    request.page(StatusCode::OK, &texts.title, view)
}

/// Saves what was changed in the form.
pub(in crate::http) async fn submit_profile(
    MemberForm { request, form: entered }: MemberForm<Entered>,
) -> Result<HttpResponse, Error> {
    let shown = profile(&request, request.caller.user.user());
    let patch = patch(&shown, &entered);
    let expected = ExpectedVersion::OneOf(entered.get("version").and_then(|it| it.parse().ok()).into_iter().collect());
    let visitor = &request.visitor;
    let updated =
        usecase::update_profile(&visitor.accounts, request.caller.clone(), patch, expected, visitor.origin.clone());
    let problem = match updated.await {
        Ok(_) => return Ok(redirect("/account/profile?done=saved")),
        Err(problem) => problem,
    };
    // The reader decides again, about the profile as it is now.
    let shown = match (&problem, visitor.caller().await?) {
        (Problem::PreconditionFailed, Some(caller)) => profile(&request, caller.user.user()),
        _ => shown,
    };
    let refused = Refused { entered, problem: request.problem(problem)? };
    let view = view(&request, &shown, Some(&refused));
    Ok(request.refused(&refused.problem, &texts(&request).title, view))
}

fn texts(request: &MemberRequest) -> &ProfileTexts {
    &request.visitor.pages.catalogue.texts.settings.profile
}

fn profile(request: &MemberRequest, user: User) -> Profile {
    let none = Map::new();
    let stored = user.attributes.as_ref().and_then(|it| it.as_object()).unwrap_or(&none);
    let all = request.visitor.accounts.attributes.fields(stored);
    let (read_only, fields): (Vec<_>, Vec<_>) = all.into_iter().partition(|it| it.input == AttributeInput::ReadOnly);
    let texts = texts(request);
    let line = |field: &AttributeField| (attribute_fields::title(field), attribute_fields::shown_value(field, texts));
    Profile { read_only: read_only.iter().map(line).collect(), user, fields }
}

/// Returns the members that were changed in the form. A field that was not sent leaves its member as it is.
fn patch(shown: &Profile, entered: &Entered) -> ProfilePatch {
    let changed = |name: &str, stored: Option<&str>| {
        let new = entered.get(name)?.trim();
        (new != stored.unwrap_or_default()).then(|| new.to_owned())
    };
    let optional =
        |name: &str, stored: Option<&str>| changed(name, stored).map(|new| Some(new).filter(|it| !it.is_empty()));
    let user = &shown.user;
    let none = Map::new();
    let stored = user.attributes.as_ref().and_then(|it| it.as_object()).unwrap_or(&none);
    let names: HashMap<&[String], String> =
        shown.fields.iter().map(|field| (field.path.as_slice(), attribute_fields::name(field))).collect();
    let attributes = attribute_patch(stored, &shown.fields, |field| {
        entered.get(names.get(field.path.as_slice())?).map(String::as_str)
    });
    ProfilePatch {
        username: changed("username", Some(&user.username)),
        display_name: optional("displayName", user.display_name.as_deref()),
        locale: optional("locale", user.locale.as_deref()),
        timezone: optional("timezone", user.timezone.as_deref()),
        attributes: (!attributes.is_empty()).then_some(Some(attributes)),
    }
}

fn view<'a>(request: &'a MemberRequest, shown: &'a Profile, refused: Option<&'a Refused>) -> AccountView<'a> {
    let texts = texts(request);
    let problem = refused.map(|refused| &refused.problem);
    let is_conflict = problem.is_some_and(|problem| matches!(problem.problem(), Problem::PreconditionFailed));
    // After a conflict, the form is for the profile as it is now.
    let version = refused.filter(|_| !is_conflict).and_then(|refused| refused.entered.get("version"));
    let version = version.map_or_else(|| shown.user.version.to_string().into(), |it| it.as_str().into());
    let mut fields = fields(request, shown, refused);
    if is_conflict {
        let stored = self::fields(request, shown, None);
        for (field, stored) in fields.iter_mut().zip(&stored) {
            add_stored_value(field, stored, request);
        }
    }
    let names: Vec<_> = fields.iter().map(|field| field.name.clone()).collect();
    let form = FormView {
        hidden: vec![HiddenView { name: "version", value: version }],
        fields,
        ..request.form(PATH, &texts.button)
    };
    let mut blocks = vec![Block::Form(form)];
    if !shown.read_only.is_empty() {
        let item = |(title, value): &'a (String, String)| DetailView { label: title, value: value.into() };
        let items = shown.read_only.iter().map(item).collect();
        blocks.push(Block::Details { heading: Some(&texts.read_only_title), items });
    }
    let error = match problem {
        Some(_) if is_conflict => Some(&*texts.conflict),
        Some(problem) => problem.above(names),
        None => None,
    };
    AccountView { error: error.map(Into::into), blocks, ..AccountView::default() }
}

fn fields<'a>(request: &'a MemberRequest, shown: &'a Profile, refused: Option<&'a Refused>) -> Vec<FieldView<'a>> {
    let (texts, user) = (texts(request), &shown.user);
    let (entered, problem) = (refused.map(|it| &it.entered), refused.map(|it| &it.problem));
    let value =
        |name: &str, stored: &'a str| entered.and_then(|entered| entered.get(name)).map_or(stored, String::as_str);
    let field = |name: &'static str, label: &'a str, stored: Option<&'a str>| FieldView {
        name: name.into(),
        label: label.into(),
        value: value(name, stored.unwrap_or_default()).into(),
        error: problem.and_then(|problem| problem.at(name)),
        ..FieldView::default()
    };
    let not_set = || [(String::new(), texts.not_set.to_string())].into_iter();
    let languages = request.visitor.pages.languages().map(|it| (it.tag.clone(), it.name.clone()));
    let zones = Timezone::common_names().map(|name| (name.to_owned(), name.replace('_', " ")));
    let username_label = &request.visitor.pages.catalogue.texts.account.username;
    let mut fields = vec![
        FieldView {
            hint: Some((&*texts.username_hint).into()),
            autocomplete: Some("username"),
            is_required: true,
            ..field("username", username_label, Some(&user.username))
        },
        FieldView {
            hint: Some((&*texts.display_name_hint).into()),
            autocomplete: Some("name"),
            ..field("displayName", &texts.display_name, user.display_name.as_deref())
        },
        FieldView {
            kind: FieldKind::Select,
            hint: Some((&*texts.locale_hint).into()),
            options: select_options(
                not_set().chain(languages),
                value("locale", user.locale.as_deref().unwrap_or_default()),
            ),
            ..field("locale", &texts.locale, user.locale.as_deref())
        },
        FieldView {
            kind: FieldKind::Select,
            is_ltr: true,
            options: select_options(
                not_set().chain(zones),
                value("timezone", user.timezone.as_deref().unwrap_or_default()),
            ),
            ..field("timezone", &texts.timezone, user.timezone.as_deref())
        },
    ];
    fields.extend(shown.fields.iter().map(|field| attribute_fields::view(field, texts, entered, problem)));
    fields
}

/// Adds what is stored to the hint of a field that shows another value.
fn add_stored_value<'a>(field: &mut FieldView<'a>, stored: &FieldView<'a>, request: &'a MemberRequest) {
    let texts = texts(request);
    let text = match stored.kind {
        FieldKind::Checkbox if field.is_checked == stored.is_checked => return,
        FieldKind::Checkbox => {
            if stored.is_checked {
                &*texts.yes
            } else {
                &*texts.no
            }
        }
        _ if field.value.replace("\r\n", "\n") == stored.value => return,
        FieldKind::Select => {
            let chosen = stored.options.iter().find(|option| option.is_selected);
            chosen.map_or(&*texts.not_set, |option| &option.text)
        }
        _ if stored.value.is_empty() => &texts.not_set,
        _ => &stored.value,
    };
    let stored_now = texts.stored_now(&request.visitor.pages.catalogue.language, text);
    field.hint = Some(match field.hint.take() {
        Some(hint) => format!("{hint} {stored_now}").into(),
        None => stored_now.into(),
    });
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::domain::{AttributeRules, UserStatus};

    fn shown() -> Profile {
        let attributes = json!({ "team": "blue", "letters": true });
        let schema = json!({ "properties": { "team": { "type": "string" }, "letters": { "type": "boolean" } } });
        let fields = AttributeRules::parse(&schema.to_string()).unwrap().fields(attributes.as_object().unwrap());
        let user = User {
            id: Uuid::nil(),
            version: 7,
            username: "ada".into(),
            email: "ada@example.org".into(),
            email_verified: true,
            display_name: Some("Ada".into()),
            locale: Some("de-CH".into()),
            timezone: None,
            attributes: Some(attributes),
            roles: Vec::new(),
            status: UserStatus::Active,
            invited: false,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
            last_login_at: None,
        };
        Profile { user, fields, read_only: Vec::new() }
    }

    fn patch_of(entered: &[(&str, &str)]) -> ProfilePatch {
        let entered = entered.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        patch(&shown(), &entered)
    }

    const AS_SHOWN: [(&str, &str); 6] = [
        ("username", "ada"),
        ("displayName", "Ada"),
        ("locale", "de-CH"),
        ("timezone", ""),
        ("attributes/team", "blue"),
        ("attributes/letters", "yes"),
    ];

    #[test]
    fn only_what_was_changed_is_in_the_patch() {
        let same = patch_of(&AS_SHOWN);
        assert!(same.username.is_none() && same.display_name.is_none() && same.locale.is_none());
        assert!(same.timezone.is_none() && same.attributes.is_none());
        let changed = patch_of(&[
            ("username", " countess "),
            ("displayName", "  "),
            ("locale", ""),
            ("timezone", "Europe/London"),
            ("attributes/team", "red"),
        ]);
        assert_eq!(changed.username.as_deref(), Some("countess"));
        assert_eq!((changed.display_name, changed.locale), (Some(None), Some(None)));
        assert_eq!(changed.timezone, Some(Some("Europe/London".to_owned())));
        let attributes = json!({ "team": "red", "letters": false });
        assert_eq!(changed.attributes, Some(attributes.as_object().cloned()));
        assert_eq!(patch_of(&[("username", "")]).username.as_deref(), Some(""), "it is refused, not ignored");
    }
}
