//! The kinds of requests whose costs are compared.

use std::fmt;

/// A kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RequestKind {
    Registration,
    Login,
    Refresh,
    Profile,
    Change,
    FirstPage,
    MiddlePage,
    Search,
    SearchCommon,
    ByEmail,
    Disabled,
}

impl RequestKind {
    /// In an order in which each kind has what it needs: refreshes need the tokens of logins.
    pub(super) const ALL: [Self; 11] = [
        Self::Registration,
        Self::Login,
        Self::Refresh,
        Self::Profile,
        Self::Change,
        Self::FirstPage,
        Self::MiddlePage,
        Self::Search,
        Self::SearchCommon,
        Self::ByEmail,
        Self::Disabled,
    ];
}

impl fmt::Display for RequestKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Registration => "registration",
            Self::Login => "login",
            Self::Refresh => "refresh",
            Self::Profile => "GET me",
            Self::Change => "PATCH me",
            Self::FirstPage => "list, first page",
            Self::MiddlePage => "list, a page in the middle",
            Self::Search => "search by email prefix",
            Self::SearchCommon => "search by a prefix that all users have",
            Self::ByEmail => "search by a whole email address",
            Self::Disabled => "list of the disabled users",
        })
    }
}
