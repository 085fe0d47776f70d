//! The bodies that several of these endpoints have: both factors, and recovery codes.

use actix_web::HttpResponse;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    domain::Password,
    http::{problem::Problem, validation::Validation},
    usecase::BothFactors,
};

/// The password and a code.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = BothFactors)]
pub(in crate::http) struct BothFactorsBody {
    #[schema(value_type = String)]
    password: SecretString,
    /// Of the authenticator, or a recovery code; spaces, dashes and case do not matter.
    #[schema(value_type = String, example = "123 456")]
    code: SecretString,
}

impl BothFactorsBody {
    pub(super) fn parse(self) -> Result<BothFactors, Problem> {
        let mut found = Validation::default();
        let password = found.check("password", Password::parse_attempt(self.password.expose_secret().to_owned()));
        let password = password.ok_or_else(|| found.problem())?;
        Ok(BothFactors { password, code: self.code })
    }
}

/// Recovery codes, shown this once.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RecoveryCodes)]
pub(in crate::http) struct RecoveryCodesBody {
    /// Each gets the person in once without the authenticator.
    #[schema(min_items = 10, max_items = 10, example = json!(["7KQ2XN-4D0HVT-93ZBE1-MCS8GW"]))]
    recovery_codes: Vec<String>,
}

impl RecoveryCodesBody {
    pub(super) fn answer(codes: &[SecretString]) -> HttpResponse {
        let recovery_codes = codes.iter().map(|code| code.expose_secret().to_owned()).collect();
        HttpResponse::Ok().json(Self { recovery_codes })
    }
}
