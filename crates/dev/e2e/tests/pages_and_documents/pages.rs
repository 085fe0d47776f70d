//! The HTML pages.

use e2e::start::start_user_service;
use reqwest::Method;
use test_support::ApiResponse;

const SLUGS: &[&str] = &[
    "malformed-body",
    "validation-failed",
    "unsupported-media-type",
    "body-too-large",
    "email-taken",
    "username-taken",
    "invalid-credentials",
    "unauthorized",
    "mfa-required",
    "wrong-password",
    "wrong-code",
    "conflict",
    "token-invalid",
    "account-disabled",
    "email-not-verified",
    "forbidden",
    "not-found",
    "method-not-allowed",
    "precondition-failed",
    "idempotency-key-reused",
    "rate-limited",
    "overloaded",
    "unavailable",
    "internal",
];

#[tokio::test]
async fn every_page_is_uncacheable_and_runs_no_script() {
    let (_world, service, api) = start_user_service("pages").await;
    let index = api.get("/problems").await.expect(200);
    for slug in SLUGS {
        assert!(index.text.contains(&format!("/problems/{slug}\"")), "{slug} is not listed");
        let page = api.get(&format!("/problems/{slug}")).await.expect(200);
        assert!(page.text.contains(slug), "{slug}");
        assert_is_a_safe_page(&page);
    }
    assert_is_a_safe_page(&index);

    let hostile = "%22%3E%3Cscript%3Ealert(1)%3C/script%3E";
    for path in ["/verify-email", "/reset-password", "/confirm-email", "/undo-email-change", "/undo-change"] {
        // A page says at once that its link is invalid.
        let page = api.get(&format!("{path}?token={hostile}")).await.expect(400);
        assert!(!page.text.contains("<script"), "{}", page.text);
        assert!(page.text.contains("This link does not work any more"), "{}", page.text);
        assert_is_a_safe_page(&page);
        let nothing = api.get(path).await.expect(400);
        assert_is_a_safe_page(&nothing);
        let form = "application/x-www-form-urlencoded";
        for body in ["token=abc&newPassword=long+enough", "token=abc&confirmed=yes", "", "other=1"] {
            let request = api.request(Method::POST, path).header("content-type", form).body(body);
            assert_is_a_safe_page(&api.send(request).await.expect(400));
        }
    }
    let german = api.request(Method::GET, "/verify-email?token=abc").header("accept-language", "de-AT, en;q=0.5");
    let german = api.send(german).await.expect(400);
    assert!(german.text.contains("lang=\"de\"") && german.text.contains("E-Mail-Adresse"), "{}", german.text);
    assert_eq!(german.header("content-language"), "de");
    let arabic = api.request(Method::GET, "/reset-password?token=abc").header("accept-language", "ar-EG, en;q=0.5");
    let arabic = api.send(arabic).await.expect(400);
    assert!(arabic.text.contains("<html lang=\"ar\" dir=\"rtl\">"), "{}", arabic.text);
    assert_eq!(arabic.header("content-language"), "ar");
    assert_is_a_safe_page(&arabic);

    let post = |body: &'static str, media_type: &'static str| {
        api.send(api.request(Method::POST, "/verify-email").header("content-type", media_type).body(body))
    };
    let form = "application/x-www-form-urlencoded";
    for (body, media_type) in [("token=abc", form), ("", form), ("other=1", form), ("token=abc", "text/plain")] {
        let refused = post(body, media_type).await.expect(400);
        assert_is_a_safe_page(&refused);
    }
    let head = api.send(api.request(Method::HEAD, "/problems/not-found")).await.expect(200);
    assert!(head.text.is_empty());
    // The log contains the route of a page, never its query.
    assert!(!service.log().contains("token=abc"), "a query is in the log");
    assert!(service.log().contains("\"/verify-email\""), "the route is not in the log");
}

pub(crate) fn assert_is_a_safe_page(page: &ApiResponse) {
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(page.header("referrer-policy"), "no-referrer");
    assert_eq!(page.header("cache-control"), "no-store");
    assert_eq!(page.header("x-frame-options"), "DENY");
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    assert!(!page.header("x-request-id").is_empty());
    let policy = page.header("content-security-policy");
    for part in ["default-src 'none'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{policy}");
}
