//! Which tokens are accepted, and why the others are refused.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};
use token_verifier::{Claims, Error, Reason, Verifier};

use crate::support::{AUDIENCE, ISSUER, Issuer, ManualClock, NOW, Signer, base64url, claims, claims_with};

struct Setting {
    es256: Signer,
    eddsa: Signer,
    rs256: Signer,
    clock: ManualClock,
    verifier: Verifier,
}

impl Setting {
    fn new() -> Self {
        let (es256, eddsa, rs256) = (Signer::es256(), Signer::eddsa(), Signer::rs256());
        let clock = ManualClock::new();
        let issuer = Issuer::new(None, &[es256.jwk("es"), eddsa.jwk("ed"), rs256.jwk("rs")]);
        let verifier = issuer.builder(&clock).build().expect("it is configured");
        Self { es256, eddsa, rs256, clock, verifier }
    }

    async fn refusal(&self, token: &str) -> Option<Reason> {
        match self.verifier.verify(token).await {
            Ok(_) => None,
            Err(Error::Invalid(reason)) => Some(reason),
            Err(error) => panic!("{error}"),
        }
    }

    /// Returns why a genuine token with this header is refused.
    async fn refusal_of_header(&self, header: Value) -> Option<Reason> {
        self.refusal(&self.es256.token(&header, &claims())).await
    }

    /// Returns why a genuine token with these claims is refused.
    async fn refusal_of_claims(&self, claims: &Value) -> Option<Reason> {
        self.refusal(&self.es256.token(&json!({ "alg": "ES256", "kid": "es" }), claims)).await
    }

    async fn accepted(&self, claims: &Value) -> Claims {
        let token = self.es256.token(&json!({ "alg": "ES256", "kid": "es" }), claims);
        self.verifier.verify(&token).await.expect("the token is valid")
    }
}

#[tokio::test]
async fn a_genuine_token_of_each_algorithm_is_accepted() {
    let setting = Setting::new();
    for (signer, kid) in [(&setting.es256, "es"), (&setting.eddsa, "ed"), (&setting.rs256, "rs")] {
        let claims = setting.verifier.verify(&signer.valid_token(kid)).await.expect(kid);
        assert_eq!(claims.sub, "01981f2e-0000-7000-8000-000000000001");
        assert_eq!(claims.roles, ["admin"]);
        assert!(claims.has_role("admin") && !claims.has_role("adm"));
        assert_eq!(claims.scope, Vec::<String>::new());
        assert_eq!(claims.session_id.as_deref(), Some("s"));
        assert_eq!(claims.expires_at, UNIX_EPOCH + Duration::from_secs(NOW + 900));
        assert_eq!(claims.all["client_id"], "user-service");
    }
}

#[tokio::test]
async fn the_token_of_a_machine_has_scopes_and_no_roles() {
    let mut claims = claims_with("scope", Some(json!("users:read users:invite")));
    claims.as_object_mut().unwrap().retain(|name, _| !["roles", "sid", "epoch"].contains(&name.as_str()));
    let claims = Setting::new().accepted(&claims).await;
    assert_eq!(claims.scope, ["users:read", "users:invite"]);
    assert!(claims.has_scope("users:read") && !claims.has_scope("users"));
    assert!(claims.roles.is_empty() && claims.session_id.is_none());
}

#[tokio::test]
async fn roles_and_scopes_of_another_shape_grant_nothing() {
    let setting = Setting::new();
    for odd in [json!("admin"), json!({ "admin": true }), json!(["admin", 7]), json!(null), json!([["admin"]])] {
        let claims = setting.accepted(&claims_with("roles", Some(odd.clone()))).await;
        assert!(claims.roles.is_empty(), "{odd}");
        assert_eq!(claims.all["roles"], odd);
        assert!(setting.accepted(&claims_with("scope", Some(json!(["users:read"])))).await.scope.is_empty());
    }
}

#[tokio::test]
async fn only_the_three_algorithms_are_accepted() {
    let setting = Setting::new();
    for alg in ["none", "None", "", "HS256", "HS512", "es256", "ES384", "ES256K", "RS384", "RS512", "PS256", "Ed448"] {
        let refusal = setting.refusal_of_header(json!({ "alg": alg, "kid": "es" })).await;
        assert_eq!(refusal, Some(Reason::Algorithm), "{alg}");
    }
    for header in
        [json!({ "kid": "es" }), json!({ "alg": null, "kid": "es" }), json!({ "alg": ["ES256"], "kid": "es" })]
    {
        assert_eq!(setting.refusal_of_header(header).await, Some(Reason::Algorithm));
    }
}

#[tokio::test]
async fn an_unsigned_token_is_refused() {
    let setting = Setting::new();
    let payload = base64url(claims().to_string());
    let unsigned = |alg: &str| format!("{}.{payload}.", base64url(json!({ "alg": alg, "kid": "es" }).to_string()));
    assert_eq!(setting.refusal(&unsigned("none")).await, Some(Reason::Algorithm));
    assert_eq!(setting.refusal(&unsigned("ES256")).await, Some(Reason::Signature));
    assert_eq!(setting.refusal(unsigned("ES256").trim_end_matches('.')).await, Some(Reason::Malformed));
}

#[tokio::test]
async fn an_hmac_with_the_public_key_as_its_secret_is_refused() {
    let setting = Setting::new();
    let public = setting.rs256.jwk("rs").to_string();
    let secret = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, public.as_bytes());
    let signed =
        format!("{}.{}", base64url(r#"{"alg":"HS256","kid":"rs","typ":"JWT"}"#), base64url(claims().to_string()));
    let token = format!("{signed}.{}", base64url(ring::hmac::sign(&secret, signed.as_bytes())));
    assert_eq!(setting.refusal(&token).await, Some(Reason::Algorithm));
}

#[tokio::test]
async fn a_key_verifies_only_its_own_algorithm() {
    let setting = Setting::new();
    let signers = [(&setting.es256, "es"), (&setting.eddsa, "ed"), (&setting.rs256, "rs")];
    for (signer, own) in signers {
        for kid in ["es", "ed", "rs"].into_iter().filter(|kid| *kid != own) {
            assert_eq!(setting.refusal(&signer.valid_token(kid)).await, Some(Reason::WrongKeyType), "{own} as {kid}");
        }
    }
}

#[tokio::test]
async fn a_signature_of_another_key_is_refused_whatever_the_header_says() {
    let setting = Setting::new();
    for (attacker, kid) in [(Signer::es256(), "es"), (Signer::eddsa(), "ed")] {
        assert_eq!(setting.refusal(&attacker.valid_token(kid)).await, Some(Reason::Signature));
        let own = attacker.jwk("mine");
        let header = |kid: &str| {
            json!({ "alg": attacker.algorithm(), "kid": kid, "jwk": own, "jku": "https://attacker.example/keys",
                "x5u": "https://attacker.example/certificate" })
        };
        assert_eq!(setting.refusal(&attacker.token(&header(kid), &claims())).await, Some(Reason::Signature));
        assert_eq!(setting.refusal(&attacker.token(&header("mine"), &claims())).await, Some(Reason::UnknownKey));
    }
}

#[tokio::test]
async fn a_signature_of_zeros_or_of_another_length_or_encoding_is_refused() {
    let setting = Setting::new();
    let genuine = setting.es256.valid_token("es");
    let (signed, _) = genuine.rsplit_once('.').unwrap();
    let fixed = setting.es256.sign(signed.as_bytes());
    // The same numbers in DER, as OpenSSL returns them.
    let integer = |bytes: &[u8]| [&[2, 33, 0], bytes].concat();
    let der = [vec![0x30, 70], integer(&fixed[..32]), integer(&fixed[32..])].concat();
    let signatures = [vec![0; 64], vec![0; 63], Vec::new(), der, fixed[..63].to_vec(), [&fixed[..], &[0]].concat()];
    for signature in signatures {
        let token = format!("{signed}.{}", base64url(&signature));
        assert_eq!(setting.refusal(&token).await, Some(Reason::Signature), "{signature:?}");
    }
    assert_eq!(setting.refusal(&format!("{signed}.{}", base64url(&fixed))).await, None);
}

#[tokio::test]
async fn changed_claims_are_refused() {
    let setting = Setting::new();
    let genuine = setting.es256.valid_token("es");
    let parts: Vec<&str> = genuine.split('.').collect();
    let other = base64url(claims_with("sub", Some(json!("another user"))).to_string());
    assert_eq!(setting.refusal(&format!("{}.{other}.{}", parts[0], parts[2])).await, Some(Reason::Signature));
}

#[tokio::test]
async fn what_is_not_a_compact_jws_is_refused() {
    let setting = Setting::new();
    let genuine = setting.es256.valid_token("es");
    let padded = genuine.replace('.', "=.");
    for token in [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "e30",
        "e30.e30",
        "Bearer x.y.z",
        "W10.e30.AA",
        "bnVsbA.e30.AA",
        "ä.ö.ü",
        &format!(" {genuine}"),
        &format!("{genuine}\n"),
        &format!("Bearer {genuine}"),
        &padded,
    ] {
        let refusal = setting.refusal(token).await;
        assert!(matches!(refusal, Some(Reason::Malformed)), "{token:?}: {refusal:?}");
    }
    for claims in [json!([]), json!("text"), json!(null)] {
        assert_eq!(setting.refusal_of_claims(&claims).await, Some(Reason::Malformed));
    }
    // A JWE has five parts.
    assert!(setting.refusal(&format!("{genuine}.AA.AA")).await.is_some());
}

#[tokio::test]
async fn a_token_of_more_than_16_kib_is_refused_before_it_is_parsed() {
    let setting = Setting::new();
    let with_filling = |length: usize| claims_with("filling", Some(json!("x".repeat(length))));
    let _ = setting.accepted(&with_filling(11_500)).await;
    assert_eq!(setting.refusal_of_claims(&with_filling(12_500)).await, Some(Reason::TooLong));
    assert_eq!(setting.refusal(&".".repeat(100_000)).await, Some(Reason::TooLong));
}

#[tokio::test]
async fn a_critical_header_is_refused() {
    let setting = Setting::new();
    for crit in [json!(["b64"]), json!(["exp"]), json!([]), json!(null), json!("exp")] {
        let refusal =
            setting.refusal_of_header(json!({ "alg": "ES256", "kid": "es", "crit": crit, "b64": false })).await;
        assert_eq!(refusal, Some(Reason::CriticalHeader), "{crit}");
    }
}

#[tokio::test]
async fn the_type_is_that_of_an_access_token_or_absent() {
    let setting = Setting::new();
    for typ in ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", "Application/JWT"] {
        assert_eq!(setting.refusal_of_header(json!({ "alg": "ES256", "kid": "es", "typ": typ })).await, None, "{typ}");
    }
    assert_eq!(setting.refusal_of_header(json!({ "alg": "ES256", "kid": "es" })).await, None);
    let others =
        ["", "JWS", "dpop+jwt", "logout+jwt", "secevent+jwt", "text/JWT", "application/", "JWT ", "application/a/JWT"];
    for typ in others.map(Value::from).into_iter().chain([json!(null), json!(7), json!(["JWT"])]) {
        let refusal = setting.refusal_of_header(json!({ "alg": "ES256", "kid": "es", "typ": typ })).await;
        assert_eq!(refusal, Some(Reason::Type), "{typ}");
    }
}

#[tokio::test]
async fn a_key_id_is_required() {
    let setting = Setting::new();
    for header in
        [json!({ "alg": "ES256" }), json!({ "alg": "ES256", "kid": null }), json!({ "alg": "ES256", "kid": 7 })]
    {
        assert_eq!(setting.refusal_of_header(header).await, Some(Reason::NoKeyId));
    }
    assert_eq!(setting.refusal_of_header(json!({ "alg": "ES256", "kid": "ES" })).await, Some(Reason::UnknownKey));
}

#[tokio::test]
async fn a_token_of_another_issuer_is_refused() {
    let setting = Setting::new();
    for other in ["https://id.example/", "https://id.example.attacker.example", "HTTPS://id.example", "id.example", ""]
    {
        let refusal = setting.refusal_of_claims(&claims_with("iss", Some(json!(other)))).await;
        assert_eq!(refusal, Some(Reason::Issuer), "{other}");
    }
    for odd in [None, Some(json!([ISSUER])), Some(json!(null))] {
        assert_eq!(setting.refusal_of_claims(&claims_with("iss", odd)).await, Some(Reason::Claims));
    }
}

#[tokio::test]
async fn a_token_for_another_audience_is_refused() {
    let setting = Setting::new();
    let _ = setting.accepted(&claims_with("aud", Some(json!(["other", AUDIENCE])))).await;
    let others = [
        json!("other"),
        json!("user-service2"),
        json!("user"),
        json!(""),
        json!([]),
        json!(["other"]),
        json!([[AUDIENCE]]),
        json!({ AUDIENCE: true }),
        json!("other user-service"),
        json!(null),
        json!(7),
    ];
    for other in others {
        let refusal = setting.refusal_of_claims(&claims_with("aud", Some(other.clone()))).await;
        assert_eq!(refusal, Some(Reason::Audience), "{other}");
    }
    assert_eq!(setting.refusal_of_claims(&claims_with("aud", None)).await, Some(Reason::Claims));
}

#[tokio::test]
async fn a_token_without_a_subject_is_refused() {
    let setting = Setting::new();
    for odd in [None, Some(json!("")), Some(json!(7)), Some(json!(null))] {
        assert_eq!(setting.refusal_of_claims(&claims_with("sub", odd)).await, Some(Reason::Claims));
    }
}

#[tokio::test]
async fn a_token_expires_after_exp_and_the_leeway() {
    let setting = Setting::new();
    let token = setting.es256.valid_token("es");
    setting.clock.advance(900 + 29);
    assert_eq!(setting.refusal(&token).await, None);
    setting.clock.advance(1);
    assert_eq!(setting.refusal(&token).await, Some(Reason::Expired));
}

#[tokio::test]
async fn times_are_numbers_and_may_be_extreme() {
    let setting = Setting::new();
    for odd in
        [None, Some(json!(null)), Some(json!("1900000000")), Some(json!(-1)), Some(json!(1e300)), Some(json!([]))]
    {
        assert_eq!(setting.refusal_of_claims(&claims_with("exp", odd.clone())).await, Some(Reason::Claims), "{odd:?}");
    }
    for (exp, refusal) in [
        (json!(0), Some(Reason::Expired)),
        (json!(NOW as f64 + 0.5), None),
        (json!(9_000_000_000_000_000_000_u64), None),
        (json!(NOW - 30), Some(Reason::Expired)),
        (json!(NOW as f64 - 29.5), None),
    ] {
        assert_eq!(setting.refusal_of_claims(&claims_with("exp", Some(exp.clone()))).await, refusal, "{exp}");
    }
    for (nbf, refusal) in [
        (json!(0), None),
        (json!(NOW + 30), None),
        (json!(NOW + 31), Some(Reason::NotYetValid)),
        (json!(9_000_000_000_000_000_000_u64), Some(Reason::NotYetValid)),
        (json!("0"), Some(Reason::Claims)),
        (json!(null), Some(Reason::Claims)),
        (json!(-1), Some(Reason::Claims)),
    ] {
        assert_eq!(setting.refusal_of_claims(&claims_with("nbf", Some(nbf.clone()))).await, refusal, "{nbf}");
    }
}

#[tokio::test]
async fn the_leeway_can_be_chosen() {
    let (es256, clock) = (Signer::es256(), ManualClock::new());
    let issuer = Issuer::new(None, &[es256.jwk("es")]);
    let strict = issuer.builder(&clock).leeway(Duration::ZERO).build().unwrap();
    clock.advance(899);
    assert!(strict.verify(&es256.valid_token("es")).await.is_ok());
    clock.advance(1);
    assert_eq!(strict.verify(&es256.valid_token("es")).await, Err(Error::Invalid(Reason::Expired)));
}

#[tokio::test]
async fn an_error_contains_no_part_of_the_token() {
    let setting = Setting::new();
    let secret = "c2VjcmV0LXBhcnQ";
    let tokens = [
        format!("{secret}.e30.AA"),
        setting.es256.valid_token(secret),
        setting.es256.token(&json!({ "alg": secret, "kid": "es" }), &claims()),
        setting.es256.token(&json!({ "alg": "ES256", "kid": "es" }), &claims_with("iss", Some(json!(secret)))),
    ];
    for token in tokens {
        let error = setting.verifier.verify(&token).await.expect_err("it is refused");
        assert_eq!(error.status(), 401);
        assert!(!format!("{error} {error:?}").contains(secret), "{error}");
    }
}

#[test]
fn a_wrong_configuration_is_refused_when_the_verifier_is_built() {
    let error = |builder: token_verifier::Builder| builder.build().expect_err("refused").to_string();
    assert_eq!(error(Verifier::builder(ISSUER)), "the audience is missing: call `audience`");
    assert_eq!(error(Verifier::builder(ISSUER).audience("")), "the audience is missing: call `audience`");
    assert!(error(Verifier::builder("id.example").audience("a")).starts_with("the issuer \"id.example\": "));
    assert!(error(Verifier::builder("x").audience("a").jwks_url("file:///keys")).starts_with("the JWKS URL"));
    // With a JWKS URL, the issuer may be any text.
    assert!(Verifier::builder("my issuer").audience("a").jwks_url("http://localhost/keys").build().is_ok());
}
