//! The cookies of this service: their names, and their attributes (draft-ietf-httpbis-rfc6265bis).

use std::time::Duration;

use actix_web::{
    HttpResponse,
    cookie::{self, Cookie},
    http::header::{self, HeaderMap},
};
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

pub use actix_web::cookie::SameSite;

/// The prefix of a cookie that only this host can set, and only over HTTPS.
const HOST_PREFIX: &str = "__Host-";

/// Whether cookies are restricted to HTTPS. They always are, except on a local machine for development.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CookieSettings {
    is_secure: bool,
}

impl CookieSettings {
    /// Decides by the address of this service. Only plain HTTP on the local host needs cookies without `Secure`, because
    /// some browsers refuse others there.
    #[must_use]
    pub fn new(issuer: &str) -> Self {
        let is_local = Url::parse(issuer)
            .is_ok_and(|url| url.scheme() == "http" && url.host().as_ref().is_some_and(is_local_host));
        Self { is_secure: !is_local }
    }

    /// Returns whether cookies are sent only over HTTPS.
    #[must_use]
    pub const fn is_secure(self) -> bool {
        self.is_secure
    }

    fn full_name(self, name: &str) -> String {
        if self.is_secure { format!("{HOST_PREFIX}{name}") } else { name.to_owned() }
    }

    /// Returns the value of a cookie if the request has exactly one of this name.
    #[must_use]
    pub fn read(self, headers: &HeaderMap, name: &str) -> Option<SecretString> {
        let name = self.full_name(name);
        let lines = headers.get_all(header::COOKIE).filter_map(|line| line.to_str().ok());
        let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let mut values = pairs.filter(|(key, _)| *key == name).map(|(_, value)| value);
        let value = values.next()?;
        values.next().is_none().then(|| value.into())
    }

    /// Makes the browser keep a cookie, which scripts cannot read.
    pub fn set(
        self,
        response: &mut HttpResponse,
        name: &str,
        value: &SecretString,
        same_site: SameSite,
        lifetime: Duration,
    ) {
        let seconds = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
        self.add(response, name, value.expose_secret(), same_site, cookie::time::Duration::seconds(seconds));
    }

    /// Makes the browser forget a cookie.
    pub fn clear(self, response: &mut HttpResponse, name: &str, same_site: SameSite) {
        self.add(response, name, "", same_site, cookie::time::Duration::ZERO);
    }

    fn add(
        self,
        response: &mut HttpResponse,
        name: &str,
        value: &str,
        same_site: SameSite,
        lifetime: cookie::time::Duration,
    ) {
        let cookie = Cookie::build(self.full_name(name), value)
            .path("/")
            .http_only(true)
            .secure(self.is_secure)
            .same_site(same_site)
            .max_age(lifetime)
            .finish();
        let line = cookie.to_string().parse().expect("names and values of cookies are ASCII");
        response.headers_mut().append(header::SET_COOKIE, line);
    }
}

fn is_local_host(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    const SECURE: CookieSettings = CookieSettings { is_secure: true };
    const LOCAL: CookieSettings = CookieSettings { is_secure: false };

    #[test]
    fn only_plain_http_on_the_local_host_has_cookies_that_are_not_secure() {
        for issuer in ["http://localhost:3000", "http://127.0.0.1", "http://[::1]:3000", "http://accounts.localhost"] {
            assert_eq!(CookieSettings::new(issuer), LOCAL, "{issuer}");
        }
        for issuer in ["https://localhost", "https://accounts.example.org", "http://accounts.example.org", "acme", ""] {
            assert_eq!(CookieSettings::new(issuer), SECURE, "{issuer}");
        }
    }

    #[test]
    fn a_cookie_is_hidden_from_scripts_and_belongs_to_this_host_only() {
        let line = |settings: CookieSettings, same_site| {
            let mut response = HttpResponse::Ok().finish();
            settings.set(&mut response, "session", &"v-_1".into(), same_site, Duration::from_secs(90));
            response.headers().get(header::SET_COOKIE).unwrap().to_str().unwrap().to_owned()
        };
        assert_eq!(
            line(SECURE, SameSite::Lax),
            "__Host-session=v-_1; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=90"
        );
        assert_eq!(line(LOCAL, SameSite::Strict), "session=v-_1; HttpOnly; SameSite=Strict; Path=/; Max-Age=90");
        let mut response = HttpResponse::Ok().finish();
        SECURE.clear(&mut response, "session", SameSite::Lax);
        let cleared = response.headers().get(header::SET_COOKIE).unwrap();
        assert_eq!(cleared, "__Host-session=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0");
    }

    #[test]
    fn a_cookie_is_read_only_with_its_full_name_and_once() {
        let read = |settings: CookieSettings, lines: &[&str]| {
            let request = lines.iter().fold(TestRequest::get(), |it, line| it.append_header((header::COOKIE, *line)));
            let value = settings.read(request.to_http_request().headers(), "session");
            value.map(|value| value.expose_secret().to_owned())
        };
        assert_eq!(read(SECURE, &["a=b; __Host-session=x=y; session=z"]).as_deref(), Some("x=y"));
        assert_eq!(read(LOCAL, &["__Host-session=x", "session=z"]).as_deref(), Some("z"));
        for lines in [
            &[][..],
            &["session=z"],
            &["__Host-session=x; __Host-session=y"],
            &["__Host-session=x", "__Host-session=y"],
        ] {
            assert_eq!(read(SECURE, lines), None, "{lines:?}");
        }
    }
}
