//! How access tokens are signed and typed: the names of both in a token's header.

use serde::Deserialize;

/// The algorithm of a signing key (RFC 7518, RFC 8037).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum SigningAlgorithm {
    /// ECDSA with P-256 and SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
    /// RSASSA-PKCS1-v1_5 with SHA-256 and 2048 bits.
    Rs256,
}

impl SigningAlgorithm {
    pub const ALL: [Self; 3] = [Self::Es256, Self::EdDsa, Self::Rs256];

    /// Returns the name: `alg` in the header of a token and in a JWK.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
        }
    }

    /// Returns the algorithm with exactly this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }
}

impl TryFrom<String> for SigningAlgorithm {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::from_name(&name).ok_or("expected ES256, EdDSA or RS256")
    }
}

/// The `typ` of an access token's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum TokenType {
    /// The usual type (RFC 7519), which every library accepts.
    #[serde(rename = "JWT")]
    Jwt,
    /// The type of RFC 9068, which many libraries refuse unless they are told about it.
    #[serde(rename = "at+jwt")]
    AtJwt,
}

impl TokenType {
    /// Returns the value of `typ`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Jwt => "JWT",
            Self::AtJwt => "at+jwt",
        }
    }

    /// Returns whether `typ` is one of the types, without regard to case (RFC 7515, section 4.1.9).
    #[must_use]
    pub fn is_accepted(typ: &str) -> bool {
        [Self::Jwt, Self::AtJwt].iter().any(|accepted| accepted.name().eq_ignore_ascii_case(typ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_algorithm_is_found_by_its_exact_name_only() {
        for algorithm in SigningAlgorithm::ALL {
            assert_eq!(SigningAlgorithm::from_name(algorithm.name()), Some(algorithm));
        }
        for name in ["", "none", "es256", "HS256", "RS512", "ES256 "] {
            assert_eq!(SigningAlgorithm::from_name(name), None, "{name}");
        }
    }

    #[test]
    fn both_types_are_accepted_and_no_other_is() {
        for typ in ["JWT", "jwt", "at+jwt", "AT+JWT"] {
            assert!(TokenType::is_accepted(typ), "{typ}");
        }
        for typ in ["", "dpop+jwt", "logout+jwt", "jwt ", "at+JWTs"] {
            assert!(!TokenType::is_accepted(typ), "{typ}");
        }
    }
}
