//! The values of the template of account pages.

use std::borrow::Cow;

use i18n::SafeHtml;
use serde::Serialize;

/// The contents of a page: messages, and blocks in their order.
#[derive(Default, Serialize)]
pub(in crate::http::pages) struct AccountView<'a> {
    /// The signed-in user, on a member page.
    pub nav: Option<NavView<'a>>,
    /// Why a form is shown again, if that is not beside a field.
    pub error: Option<Cow<'a, str>>,
    /// The result of what the reader did.
    pub status: Option<Cow<'a, str>>,
    pub text: Option<Cow<'a, str>>,
    pub blocks: Vec<Block<'a>>,
}

/// The links of every member page: to the account, and the button that signs out.
#[derive(Serialize)]
pub(in crate::http::pages) struct NavView<'a> {
    pub username: &'a str,
    /// The link to the account home; `None` on the account home.
    pub home: Option<LinkView<'a>>,
    pub sign_out: FormView<'a>,
}

/// A part of a page.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(in crate::http::pages) enum Block<'a> {
    Form(FormView<'a>),
    /// Labels and values.
    Details {
        heading: Option<&'a str>,
        items: Vec<DetailView<'a>>,
    },
    /// A list whose entries may have a button each.
    Entries {
        heading: Option<&'a str>,
        items: Vec<EntryView<'a>>,
    },
    /// A QR code, and the same secret as text.
    QrCode {
        svg: SafeHtml,
        label: &'a str,
        secret_label: &'a str,
        secret: String,
    },
    /// Recovery codes, which are shown once.
    Codes {
        codes: Vec<String>,
    },
    Links {
        heading: Option<&'a str>,
        items: Vec<LinkView<'a>>,
    },
    Text {
        heading: Option<&'a str>,
        text: Cow<'a, str>,
    },
}

/// A form that is sent by POST.
#[derive(Default, Serialize)]
pub(in crate::http::pages) struct FormView<'a> {
    pub heading: Option<&'a str>,
    pub text: Option<Cow<'a, str>>,
    pub path: Cow<'a, str>,
    /// The token that binds the form to the session.
    pub csrf: Option<&'a str>,
    pub hidden: Vec<HiddenView<'a>>,
    pub fields: Vec<FieldView<'a>>,
    pub button: &'a str,
    /// Whether the action cannot be undone.
    pub is_destructive: bool,
}

#[derive(Serialize)]
pub(in crate::http::pages) struct HiddenView<'a> {
    pub name: &'a str,
    pub value: Cow<'a, str>,
}

/// The kind of a field, which selects its element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::http::pages) enum FieldKind {
    #[default]
    Text,
    Email,
    Password,
    /// A new password, whose strength is shown while it is typed.
    NewPassword,
    /// A code of the second factor.
    Code,
    Number,
    Date,
    Url,
    Select,
    Checkbox,
    Multiline,
    /// A username that only password managers see.
    Unseen,
}

/// A field of a form.
#[derive(Default, Serialize)]
pub(in crate::http::pages) struct FieldView<'a> {
    pub kind: FieldKind,
    pub name: Cow<'a, str>,
    pub label: Cow<'a, str>,
    pub value: Cow<'a, str>,
    pub hint: Option<Cow<'a, str>>,
    pub error: Option<FieldErrorView>,
    pub autocomplete: Option<&'a str>,
    pub is_required: bool,
    /// Whether the value is written from left to right in every language.
    pub is_ltr: bool,
    /// Whether the reader can only read it.
    pub is_read_only: bool,
    /// The choices of a select field.
    pub options: Vec<OptionView<'a>>,
    pub is_checked: bool,
}

impl<'a> FieldView<'a> {
    /// Returns the field of the present password.
    pub(super) fn password(name: &'static str, label: &'a str, error: Option<FieldErrorView>) -> Self {
        Self {
            kind: FieldKind::Password,
            name: name.into(),
            label: label.into(),
            error,
            autocomplete: Some("current-password"),
            is_required: true,
            ..Self::default()
        }
    }

    /// Returns the field `code` of a code of the second factor.
    pub(super) fn code(label: &'a str, hint: &'a str, error: Option<FieldErrorView>) -> Self {
        Self {
            kind: FieldKind::Code,
            name: "code".into(),
            label: label.into(),
            hint: Some(hint.into()),
            error,
            autocomplete: Some("one-time-code"),
            is_required: true,
            is_ltr: true,
            ..Self::default()
        }
    }

    /// Returns the field `username` that tells a password manager whose password the form is about.
    pub(super) fn unseen_username(username: &'a str) -> Self {
        Self { kind: FieldKind::Unseen, name: "username".into(), value: username.into(), ..Self::default() }
    }
}

/// Why a value was refused.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(in crate::http::pages) struct FieldErrorView {
    pub reasons: Vec<ReasonView>,
}

impl FieldErrorView {
    /// Returns one reason in the language of the page.
    pub(super) fn new(text: &str) -> Self {
        Self { reasons: vec![ReasonView { text: text.to_owned(), is_english: false }] }
    }
}

#[derive(Debug, PartialEq, Eq, Serialize)]
pub(in crate::http::pages) struct ReasonView {
    pub text: String,
    /// There is no text in the language of the page.
    pub is_english: bool,
}

#[derive(Serialize)]
pub(in crate::http::pages) struct OptionView<'a> {
    pub value: Cow<'a, str>,
    pub text: Cow<'a, str>,
    pub is_selected: bool,
}

#[derive(Serialize)]
pub(in crate::http::pages) struct DetailView<'a> {
    pub label: &'a str,
    pub value: Cow<'a, str>,
}

/// An entry of a list, such as a session.
#[derive(Default, Serialize)]
pub(in crate::http::pages) struct EntryView<'a> {
    pub title: Cow<'a, str>,
    pub lines: Vec<Cow<'a, str>>,
    /// What distinguishes this entry, such as "this device".
    pub mark: Option<&'a str>,
    pub form: Option<FormView<'a>>,
}

#[derive(Serialize)]
pub(in crate::http::pages) struct LinkView<'a> {
    pub path: Cow<'a, str>,
    pub text: &'a str,
    /// The present value of what the link leads to.
    pub value: Option<Cow<'a, str>>,
}

impl AccountView<'_> {
    /// Returns whether a form has a field for a new password.
    pub(super) fn has_new_password(&self) -> bool {
        let is_new_password = |field: &FieldView<'_>| field.kind == FieldKind::NewPassword;
        let has = |block: &Block<'_>| matches!(block, Block::Form(form) if form.fields.iter().any(is_new_password));
        self.blocks.iter().any(has)
    }
}
