//! Account pages with invented values, to check templates.

use i18n::SafeHtml;

use super::view::{
    AccountView, Block, DetailView, EntryView, FieldErrorView, FieldKind, FieldView, FormView, HiddenView, LinkView,
    NavView, OptionView, ReasonView,
};

const KINDS: [FieldKind; 12] = [
    FieldKind::Text,
    FieldKind::Email,
    FieldKind::Password,
    FieldKind::NewPassword,
    FieldKind::Code,
    FieldKind::Number,
    FieldKind::Date,
    FieldKind::Url,
    FieldKind::Select,
    FieldKind::Checkbox,
    FieldKind::Multiline,
    FieldKind::Unseen,
];

/// Returns views with every part, with the least, and without any. Every text is `text`.
pub(in crate::http::pages) fn views(text: &str) -> Vec<AccountView<'_>> {
    vec![view(text, true), view(text, false), AccountView::default()]
}

impl AccountView<'static> {
    /// Returns a view whose parts can be told apart: the text of each is its name in the template.
    pub(in crate::http::pages) fn example() -> Self {
        let form = FormView {
            path: "/example-path".into(),
            csrf: Some("example-csrf"),
            hidden: vec![HiddenView { name: "example-hidden", value: "example-hidden-value".into() }],
            fields: KINDS.iter().map(|kind| field(*kind, "example", true)).collect(),
            button: "example-button",
            ..FormView::default()
        };
        let mut view = view("example", true);
        view.blocks = vec![
            Block::Form(form),
            Block::Codes { codes: vec!["example-code".to_owned()] },
            Block::QrCode {
                svg: SafeHtml::new("<svg></svg>"),
                label: "example",
                secret_label: "example",
                secret: "example-secret".to_owned(),
            },
        ];
        view.error = Some("example-error".into());
        view.status = Some("example-status".into());
        view
    }
}

fn view(text: &str, is_full: bool) -> AccountView<'_> {
    let some = |text| is_full.then_some(text);
    let link = || LinkView { path: "/example".into(), text, value: some(text).map(Into::into) };
    let entry = EntryView {
        title: text.into(),
        lines: some(text).map(Into::into).into_iter().collect(),
        mark: some(text),
        form: is_full.then(|| form(text, is_full)),
    };
    AccountView {
        nav: Some(NavView { username: text, home: is_full.then(link), sign_out: form(text, false) }),
        error: some(text).map(Into::into),
        status: some(text).map(Into::into),
        text: some(text).map(Into::into),
        blocks: vec![
            Block::Form(form(text, is_full)),
            Block::Details { heading: some(text), items: vec![DetailView { label: text, value: text.into() }] },
            Block::Entries { heading: some(text), items: vec![entry] },
            Block::QrCode {
                svg: SafeHtml::new("<svg></svg>"),
                label: text,
                secret_label: text,
                secret: text.to_owned(),
            },
            Block::Codes { codes: vec![text.to_owned()] },
            Block::Links { heading: some(text), items: vec![link()] },
            Block::Text { heading: some(text), text: text.into() },
        ],
    }
}

fn form(text: &str, is_full: bool) -> FormView<'_> {
    FormView {
        heading: is_full.then_some(text),
        text: is_full.then(|| text.into()),
        path: "/example".into(),
        csrf: is_full.then_some(text),
        hidden: is_full.then(|| HiddenView { name: "example", value: text.into() }).into_iter().collect(),
        fields: KINDS.iter().map(|kind| field(*kind, text, is_full)).collect(),
        button: text,
        is_destructive: is_full,
    }
}

/// Returns a field of this kind. Its name is that of the kind.
fn field(kind: FieldKind, text: &str, is_full: bool) -> FieldView<'_> {
    let reason = |is_english| ReasonView { text: text.to_owned(), is_english };
    FieldView {
        kind,
        name: format!("{kind:?}").into(),
        label: text.into(),
        value: text.into(),
        hint: is_full.then(|| text.into()),
        error: is_full.then(|| FieldErrorView { reasons: vec![reason(false), reason(true)] }),
        autocomplete: is_full.then_some("off"),
        is_required: is_full,
        is_ltr: is_full,
        is_read_only: is_full,
        options: vec![OptionView { value: text.into(), text: text.into(), is_selected: is_full }],
        is_checked: is_full,
    }
}

/// Returns a part that a page of [`AccountView::example`] needs to work, and does not have.
pub(in crate::http::pages) fn missing_part(html: &str) -> Option<String> {
    let shown = [
        ("example-title", "title"),
        ("example-error", "page.error"),
        ("example-status", "page.status"),
        ("/example-path", "path of the form"),
        ("example-csrf", "csrf of the form"),
        ("example-hidden-value", "hidden fields of the form"),
        ("example-button", "button of the form"),
        ("example-code", "codes"),
        ("example-secret", "secret of the QR code"),
    ];
    let missing = shown.iter().find(|(text, _)| !html.contains(text)).map(|(_, name)| format!("`{name}`"));
    let mut fields = KINDS.iter().map(|kind| format!("{kind:?}")).chain(["csrf".to_owned()]);
    missing.or_else(|| fields.find(|name| !has_field(html, name)).map(|name| format!("field `{name}`")))
}

/// Returns whether the page has a field of this name.
pub(in crate::http::pages) fn has_field(html: &str, name: &str) -> bool {
    ['"', '\''].iter().any(|quote| html.contains(&format!("name={quote}{name}{quote}")))
}
