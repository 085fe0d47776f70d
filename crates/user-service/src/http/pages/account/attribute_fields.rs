//! The attributes in the form of the profile: a field for each that can be entered, and a line for each other.

use std::collections::HashMap;

use super::{
    form_problem::FormProblem,
    view::{FieldKind, FieldView, OptionView},
};
use crate::{
    domain::{AttributeField, AttributeInput, LineFormat, json_pointer},
    http::pages::texts::settings::ProfileTexts,
};

/// The fields of a form as they were sent.
pub(super) type Entered = HashMap<String, String>;

/// Returns the name of the field: the JSON pointer of the member in the API's body, without its `#/`.
pub(super) fn name(field: &AttributeField) -> String {
    let path = ["attributes"].into_iter().chain(field.path.iter().map(String::as_str));
    json_pointer(path).split_off("#/".len())
}

/// Returns the title of the member, after those of the objects around it.
pub(super) fn title(field: &AttributeField) -> String {
    field.titles.join(" · ")
}

/// Returns the value of a member that is shown and cannot be changed.
pub(super) fn shown_value(field: &AttributeField, texts: &ProfileTexts) -> String {
    match &field.value {
        Some(serde_json::Value::Bool(true)) => texts.yes.to_string(),
        Some(serde_json::Value::Bool(false)) => texts.no.to_string(),
        _ => field.text(),
    }
}

/// Returns the field of a form. `entered` is what was sent before, if the form is shown again.
pub(super) fn view<'a>(
    field: &AttributeField,
    texts: &'a ProfileTexts,
    entered: Option<&Entered>,
    problem: Option<&FormProblem>,
) -> FieldView<'a> {
    let name = name(field);
    let is_checked = entered.map_or_else(|| field.is_ticked(), |entered| entered.contains_key(&name));
    let value = entered.and_then(|entered| entered.get(&name)).cloned().unwrap_or_else(|| field.text());
    let kind = match field.input {
        AttributeInput::Line(LineFormat::Any) | AttributeInput::ReadOnly => FieldKind::Text,
        AttributeInput::Line(LineFormat::Email) => FieldKind::Email,
        AttributeInput::Line(LineFormat::Uri) => FieldKind::Url,
        AttributeInput::Line(LineFormat::Date) => FieldKind::Date,
        AttributeInput::Multiline | AttributeInput::Lines => FieldKind::Multiline,
        AttributeInput::Number => FieldKind::Number,
        AttributeInput::Checkbox => FieldKind::Checkbox,
        AttributeInput::Choice(_) => FieldKind::Select,
    };
    let hints = [field.description.as_deref(), (field.input == AttributeInput::Lines).then_some(&*texts.list_hint)];
    let hint = hints.into_iter().flatten().collect::<Vec<_>>().join(" ");
    FieldView {
        kind,
        label: title(field).into(),
        hint: (!hint.is_empty()).then(|| hint.into()),
        error: problem.and_then(|problem| problem.within(&name)),
        // A box that must be there need not be ticked.
        is_required: field.is_required() && field.input != AttributeInput::Checkbox,
        is_ltr: matches!(kind, FieldKind::Email | FieldKind::Url | FieldKind::Date | FieldKind::Number),
        options: options(field, &value, texts),
        is_checked,
        value: value.into(),
        name: name.into(),
        ..FieldView::default()
    }
}

/// Returns the options of a choice: the first one removes the member, and the last one is a stored value that the schema
/// does not have.
fn options<'a>(field: &AttributeField, chosen: &str, texts: &'a ProfileTexts) -> Vec<OptionView<'a>> {
    let AttributeInput::Choice(choices) = &field.input else { return Vec::new() };
    let none = (String::new(), texts.not_set.to_string());
    let known = choices.iter().map(|choice| (choice.text(), choice.title.clone()));
    select_options([none].into_iter().chain(known), chosen)
}

/// Returns the options of a field with these values and texts, and with the chosen value if it is another one.
pub(super) fn select_options<'a>(choices: impl Iterator<Item = (String, String)>, chosen: &str) -> Vec<OptionView<'a>> {
    let option = |(value, text): (String, String)| OptionView {
        is_selected: value == chosen,
        value: value.into(),
        text: text.into(),
    };
    let mut options: Vec<_> = choices.map(option).collect();
    if !options.iter().any(|option| option.is_selected) {
        options.push(option((chosen.to_owned(), chosen.to_owned())));
    }
    options
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::{
        domain::AttributeRules,
        http::pages::layout::{LocalizedPages, tests::pages_in},
        problem::{FieldError, Problem},
    };

    const SCHEMA: &str = r#"{
        "required": ["team", "terms", "size"],
        "properties": {
            "team": { "type": "string", "title": "Your <team>", "description": "As on the door." },
            "terms": { "type": "boolean" },
            "site": { "type": "string", "format": "uri" },
            "colour": { "enum": ["red", "green"] },
            "size": { "oneOf": [{ "const": 1, "title": "Small" }, { "const": 2, "title": "Large" }] },
            "tags": { "type": "array", "items": { "type": "string" }, "description": "What you like." },
            "a/b": { "title": "Home", "properties": { "c d": { "type": "number" } } },
            "plan": { "enum": ["pro"], "x-admin-only": true },
            "is_blocked": { "type": "boolean", "x-admin-only": true }
        }
    }"#;

    fn fields(stored: Value) -> Vec<AttributeField> {
        let stored: Map<String, Value> = serde_json::from_value(stored).unwrap();
        AttributeRules::parse(SCHEMA).unwrap().fields(&stored)
    }

    fn texts(pages: &LocalizedPages) -> &ProfileTexts {
        &pages.catalogue.texts.settings.profile
    }

    fn view_of<'a>(
        pages: &'a LocalizedPages,
        stored: Value,
        name: &str,
        entered: Option<&Entered>,
        problem: Option<&FormProblem>,
    ) -> FieldView<'a> {
        let fields = fields(stored);
        let field = fields.iter().find(|field| super::name(field) == name).unwrap_or_else(|| panic!("no {name}"));
        view(field, texts(pages), entered, problem)
    }

    fn options_of(view: &FieldView<'_>) -> Vec<(String, String, bool)> {
        let option = |it: &OptionView<'_>| (it.value.to_string(), it.text.to_string(), it.is_selected);
        view.options.iter().map(option).collect()
    }

    #[test]
    fn each_field_has_the_label_the_hint_and_the_kind_of_its_member() {
        let pages = pages_in("en");
        let stored = json!({ "team": "blue", "terms": true, "tags": ["a", "b"], "a/b": { "c d": 1.5 } });
        let view = |name: &str| view_of(&pages, stored.clone(), name, None, None);
        let team = view("attributes/team");
        assert_eq!((team.kind, &*team.label, &*team.value), (FieldKind::Text, "Your <team>", "blue"));
        assert_eq!((team.hint.as_deref(), team.is_required, team.is_ltr), (Some("As on the door."), true, false));
        let terms = view("attributes/terms");
        assert_eq!((terms.kind, terms.is_checked, terms.is_required), (FieldKind::Checkbox, true, false));
        let site = view("attributes/site");
        assert_eq!((site.kind, site.is_ltr, site.is_required, site.hint), (FieldKind::Url, true, false, None));
        let tags = view("attributes/tags");
        assert_eq!((tags.kind, &*tags.value), (FieldKind::Multiline, "a\nb"));
        assert_eq!(tags.hint.as_deref(), Some("What you like. One entry on each line."));
        let number = view("attributes/a~1b/c%20d");
        assert_eq!((number.kind, &*number.label, &*number.value), (FieldKind::Number, "Home · c d", "1.5"));
    }

    #[test]
    fn a_choice_can_be_cleared_and_keeps_a_value_that_the_schema_does_not_have() {
        let pages = pages_in("de");
        let option = |value: &str, text: &str, is_selected| (value.to_owned(), text.to_owned(), is_selected);
        let none = option("", "Keine Angabe", true);
        let colour = |stored: Value| options_of(&view_of(&pages, stored, "attributes/colour", None, None));
        let choices = [option("red", "red", false), option("green", "green", false)];
        assert_eq!(colour(json!({})), [vec![none], choices.to_vec()].concat());
        let known = colour(json!({ "colour": "green" }));
        assert_eq!(known[2], option("green", "green", true));
        let unknown = colour(json!({ "colour": "blue" }));
        assert_eq!((unknown.len(), &unknown[3]), (4, &option("blue", "blue", true)));
        let size = options_of(&view_of(&pages, json!({ "size": 2 }), "attributes/size", None, None));
        assert_eq!(size[1..], [option("1", "Small", false), option("2", "Large", true)]);
    }

    #[test]
    fn a_refused_form_keeps_what_was_entered_and_shows_each_error_at_its_field() {
        let pages = pages_in("en");
        let entered: Entered =
            [("attributes/team", "<b>"), ("attributes/tags", "x\r\ny"), ("attributes/colour", "red")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into();
        let errors = ["#/attributes/team", "#/attributes/tags/1"]
            .map(|pointer| FieldError::at(pointer.to_owned(), "out-of-range", "It must have at most 1 characters."));
        let problem = FormProblem::new(Problem::ValidationFailed(errors.into()), pages.clone(), 8);
        let stored = json!({ "team": "blue", "terms": true, "colour": "green" });
        let view = |name: &str| view_of(&pages, stored.clone(), name, Some(&entered), Some(&problem));
        let team = view("attributes/team");
        assert_eq!((&*team.value, team.error.is_some()), ("<b>", true));
        let tags = view("attributes/tags");
        assert_eq!((&*tags.value, tags.error.is_some()), ("x\r\ny", true), "the error is at an entry of the list");
        assert!(!view("attributes/terms").is_checked, "a box that is not ticked is not sent");
        let colour = view("attributes/colour");
        assert_eq!((options_of(&colour)[1].2, colour.error), (true, None));
    }

    #[test]
    fn what_cannot_be_changed_is_shown_in_the_language_of_the_page() {
        let pages = pages_in("de");
        let shown = fields(json!({ "plan": "pro", "is_blocked": false, "other": [1] })).into_iter();
        let shown = shown.filter(|field| field.input == AttributeInput::ReadOnly);
        let shown: Vec<_> = shown.map(|field| (title(&field), shown_value(&field, texts(&pages)))).collect();
        let expected = [("plan", "pro"), ("is_blocked", "Nein"), ("other", "[1]")];
        assert_eq!(shown, expected.map(|(title, value)| (title.to_owned(), value.to_owned())));
    }
}
