//! The bodies of merge patches (RFC 7396): of the caller's profile, and of any account.

use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{http::extractors::json_body::double_option, usecase::ProfilePatch};

/// Defines a body that has the members of a profile, and further members if any. `#[serde(flatten)]` cannot share the
/// members, because it does not support `deny_unknown_fields`.
macro_rules! profile_patch_body {
    ($body:ident as $schema:ident { $($further:tt)* }) => {
        /// The members to change (RFC 7396); null clears a member.
        #[derive(Deserialize, ToSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        #[schema(as = $schema)]
        pub(crate) struct $body {
            /// The new username; cannot be cleared.
            #[schema(nullable = false)]
            username: Option<String>,
            #[serde(default, deserialize_with = "double_option")]
            #[schema(value_type = Option<String>)]
            display_name: Option<Option<String>>,
            #[serde(default, deserialize_with = "double_option")]
            #[schema(value_type = Option<String>)]
            locale: Option<Option<String>>,
            #[serde(default, deserialize_with = "double_option")]
            #[schema(value_type = Option<String>)]
            timezone: Option<Option<String>>,
            /// Merged into the current attributes.
            #[serde(default, deserialize_with = "double_option")]
            #[schema(value_type = Option<Object>)]
            attributes: Option<Option<Map<String, Value>>>,
            $($further)*
        }

        impl From<$body> for ProfilePatch {
            fn from(body: $body) -> Self {
                let $body { username, display_name, locale, timezone, attributes, .. } = body;
                Self { username, display_name, locale, timezone, attributes }
            }
        }
    };
}

profile_patch_body!(ProfilePatchBody as ProfilePatch {});

profile_patch_body!(UserPatchBody as UserPatch {
    /// The new list of all roles of the account.
    #[serde(default, deserialize_with = "double_option")]
    #[schema(value_type = Option<Vec<RoleName>>, max_items = 32)]
    roles: Option<Option<Vec<RoleName>>>,
});

/// The name of a role. `admin` is the role of administrators; the meaning of all others is defined by applications.
#[derive(Deserialize, ToSchema)]
#[schema(as = Role, min_length = 1, max_length = 32, pattern = "^[a-z0-9_-]+$")]
pub(crate) struct RoleName(String);

impl UserPatchBody {
    /// Removes the new roles from the patch, and returns them; `None` if it does not change the roles.
    pub(super) fn take_roles(&mut self) -> Option<Vec<String>> {
        let roles = self.roles.take()?.unwrap_or_default();
        Some(roles.into_iter().map(|role| role.0).collect())
    }
}
