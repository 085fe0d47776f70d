//! The token of a mailed link, from the link itself or from the form of its page.

use serde::Deserialize;

/// A query or a form.
#[derive(Deserialize)]
pub(crate) struct Link {
    pub token: String,
}
