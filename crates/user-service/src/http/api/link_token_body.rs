//! The bodies with the token of a mailed link. They have the same member, and different names in the OpenAPI document.

use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

macro_rules! link_token_bodies {
    ($($body:ident as $schema:ident;)+) => {$(
        /// The token from the link in the mail.
        #[derive(Deserialize, ToSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        #[schema(as = $schema)]
        pub(crate) struct $body {
            #[schema(value_type = String)]
            pub(super) token: SecretString,
        }
    )+};
}

link_token_bodies! {
    VerificationTokenBody as EmailVerification;
    EmailChangeTokenBody as EmailChangeToken;
    UndoTokenBody as UndoToken;
}
