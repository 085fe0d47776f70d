//! Firebase Authentication: what `firebase auth:export` writes, as JSON or as CSV without a header.

use serde_json::Map;

use super::{LeftBehind, export::Export};
use crate::usecase::import::records::Fields;

/// The columns of the CSV file, with the names of the JSON members.
pub(super) const CSV_COLUMNS: &[&str] = &[
    "localId",
    "email",
    "emailVerified",
    "passwordHash",
    "salt",
    "displayName",
    "photoUrl",
    "googleId",
    "googleEmail",
    "googleDisplayName",
    "googlePhotoUrl",
    "facebookId",
    "facebookEmail",
    "facebookDisplayName",
    "facebookPhotoUrl",
    "twitterId",
    "twitterEmail",
    "twitterDisplayName",
    "twitterPhotoUrl",
    "githubId",
    "githubEmail",
    "githubDisplayName",
    "githubPhotoUrl",
    "createdAt",
    "lastSignedInAt",
    "phoneNumber",
    "disabled",
    "customAttributes",
];
/// The number of columns of older versions, which do not write the last one.
const FEWEST_COLUMNS: usize = 27;
const EMAIL_VERIFIED: usize = 2;

/// Checks that a CSV record has the columns: some versions write no custom claims, and each line may end in a comma.
pub(super) fn check_fields(fields: &Fields) -> Result<(), String> {
    let values = &fields.values;
    let has_columns = (FEWEST_COLUMNS..=CSV_COLUMNS.len()).contains(&values.len())
        || (values.len() == CSV_COLUMNS.len() + 1 && values.last().is_some_and(Vec::is_empty));
    if !has_columns {
        return Err(format!(
            "The record has {} fields, and not {FEWEST_COLUMNS} to {}.",
            values.len(),
            CSV_COLUMNS.len() + 1
        ));
    }
    match values[EMAIL_VERIFIED].as_slice() {
        b"true" | b"false" | b"" => Ok(()),
        _ => Err(format!("Field {} of the record is neither true nor false.", EMAIL_VERIFIED + 1)),
    }
}

pub(super) fn translate(export: &mut Export<'_>) {
    export.rename("/email", "email");
    if let Some(verified) = export.take_flag("/emailVerified") {
        export.members.insert("emailVerified", "/emailVerified", verified.into());
    }
    export.rename("/passwordHash", "passwordHash");
    export.rename("/salt", "salt");
    export.use_as_display_name("/displayName");
    export.rename_time("/createdAt", "createdAt");
    export.rename_time("/lastSignedInAt", "lastLoginAt");
    if export.take_flag("/disabled") == Some(true) {
        export.members.insert("status", "/disabled", "disabled".into());
    }
    let claims = export.take_object("/customAttributes");
    export.use_as_attributes(("/customAttributes", Map::new()), ("/customAttributes", claims));
    export.leave("/photoUrl", LeftBehind::AVATAR);
    export.leave("/phoneNumber", LeftBehind::PHONE_NUMBER);
    export.leave("/mfaInfo", LeftBehind::SECOND_FACTOR);
    export.leave("/providerUserInfo", LeftBehind::SOCIAL_IDENTITY);
    for pointer in ["/googleId", "/facebookId", "/twitterId", "/githubId"] {
        export.leave(pointer, LeftBehind::SOCIAL_IDENTITY);
    }
    // Users without an address signed in by phone or by a provider, or are anonymous.
    let has_nothing = export.members.get("email").is_none() && export.members.get("passwordHash").is_none();
    if has_nothing && export.left == LeftBehind::default() {
        export.skip(LeftBehind::ANONYMOUS_USER);
    }
}
