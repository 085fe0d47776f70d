//! `smtp.url`: the list of servers, in the order in which they are tried.

use std::{fmt, net::IpAddr, str::FromStr};

use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use url::Url;

/// How a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// `smtps://`: TLS before the first byte (RFC 8314).
    Implicit,
    /// STARTTLS is required.
    Required,
    /// STARTTLS if the server offers it.
    Opportunistic,
    /// No encryption.
    None,
}

/// The username and the password for a server.
#[derive(Debug, Clone)]
pub struct Credentials {
    pub user: String,
    pub password: SecretString,
}

/// One server.
#[derive(Debug, Clone)]
pub struct Server {
    pub host: String,
    pub port: u16,
    pub encryption: Encryption,
    pub credentials: Option<Credentials>,
}

/// Why a text is not a server URL. The message never quotes the text, which may contain a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ServerUrlError {
    #[error("no server is named")]
    Empty,
    #[error("not a URL such as smtp://host:port or smtps://user:password@host")]
    NotAUrl,
    #[error("the scheme is neither smtp nor smtps")]
    Scheme,
    #[error("the host is missing")]
    NoHost,
    #[error("a path or fragment is not allowed")]
    Path,
    #[error("the only parameter is tls=none|opportunistic|required, and only for smtp://")]
    Parameter,
    #[error("user and password must both be given, as percent-encoded UTF-8")]
    Credentials,
    #[error("a password is never sent unencrypted over a network: tls=none is for servers without user and password")]
    ClearLogin,
}

impl Server {
    /// Parses a list of URLs separated by commas (a comma in a password is `%2C`).
    ///
    /// # Errors
    /// Returns [`ServerUrlError`] if the list is empty or an entry is invalid.
    pub fn parse_list(list: &str) -> Result<Vec<Server>, ServerUrlError> {
        let entries = list.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let servers = entries.map(str::parse).collect::<Result<Vec<_>, _>>()?;
        if servers.is_empty() { Err(ServerUrlError::Empty) } else { Ok(servers) }
    }
}

impl FromStr for Server {
    type Err = ServerUrlError;

    fn from_str(text: &str) -> Result<Self, ServerUrlError> {
        let url = Url::parse(text).map_err(|_| ServerUrlError::NotAUrl)?;
        let implicit = match url.scheme() {
            "smtp" => false,
            "smtps" => true,
            _ => return Err(ServerUrlError::Scheme),
        };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(ServerUrlError::NoHost)?;
        let host = percent_decoded(host).ok_or(ServerUrlError::NoHost)?;
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(ServerUrlError::Path);
        }
        let credentials = credentials(&url)?;
        let encryption = match (tls_parameter(&url)?, implicit) {
            (None, true) => Encryption::Implicit,
            (Some(_), true) => return Err(ServerUrlError::Parameter),
            (Some(chosen), false) => chosen,
            (None, false) if is_loopback(&host) => Encryption::Opportunistic,
            (None, false) => Encryption::Required,
        };
        if encryption == Encryption::None && credentials.is_some() && !is_loopback(&host) {
            return Err(ServerUrlError::ClearLogin);
        }
        let default_port = if implicit {
            465
        } else if credentials.is_some() {
            587
        } else {
            25
        };
        let port = url.port().unwrap_or(default_port);
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Server { host, port, encryption, credentials })
    }
}

/// Shows the URL without the credentials, for logs and metrics.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.encryption == Encryption::Implicit { "smtps" } else { "smtp" };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

fn credentials(url: &Url) -> Result<Option<Credentials>, ServerUrlError> {
    match (url.username(), url.password()) {
        ("", None) => Ok(None),
        ("", Some(_)) | (_, None) => Err(ServerUrlError::Credentials),
        (user, Some(password)) => {
            let decoded = |text| percent_decoded(text).ok_or(ServerUrlError::Credentials);
            Ok(Some(Credentials { user: decoded(user)?, password: decoded(password)?.into() }))
        }
    }
}

fn tls_parameter(url: &Url) -> Result<Option<Encryption>, ServerUrlError> {
    let mut chosen = None;
    for (name, value) in url.query_pairs() {
        let encryption = match (&*name, &*value) {
            ("tls", "none") => Encryption::None,
            ("tls", "opportunistic") => Encryption::Opportunistic,
            ("tls", "required") => Encryption::Required,
            _ => return Err(ServerUrlError::Parameter),
        };
        if chosen.replace(encryption).is_some() {
            return Err(ServerUrlError::Parameter);
        }
    }
    Ok(chosen)
}

/// Returns whether the host is this machine, by its name or its address. All other hosts are
/// reached over a network.
fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(ip) => ip.to_canonical().is_loopback(),
        Err(_) => bare == "localhost" || bare.ends_with(".localhost"),
    }
}

/// Decodes percent-encoding (RFC 3986, 2.1). `None` if a `%` is not followed by two hex digits, or
/// the result is not UTF-8.
fn percent_decoded(text: &str) -> Option<String> {
    let is_escape = |after: &str| after.as_bytes().get(..2).is_some_and(|it| it.iter().all(u8::is_ascii_hexdigit));
    let decoded = percent_decode_str(text).decode_utf8().ok()?;
    text.split('%').skip(1).all(is_escape).then(|| decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn server(url: &str) -> Server {
        url.parse().unwrap()
    }

    fn error(url: &str) -> ServerUrlError {
        url.parse::<Server>().unwrap_err()
    }

    #[test]
    fn a_list_keeps_its_order() {
        let servers = Server::parse_list("smtp://a:1, smtps://b ,smtp://c:2,").unwrap();
        let shown: Vec<String> = servers.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["smtp://a:1", "smtps://b:465", "smtp://c:2"]);
        assert_eq!(Server::parse_list(" , ").unwrap_err(), ServerUrlError::Empty);
    }

    #[test]
    fn ports_follow_the_scheme_and_the_login() {
        assert_eq!(server("smtp://mail.example.com").port, 25);
        assert_eq!(server("smtp://u:p@mail.example.com").port, 587);
        assert_eq!(server("smtps://u:p@mail.example.com").port, 465);
        assert_eq!(server("smtps://u:p@mail.example.com:8465/").port, 8465);
    }

    #[test]
    fn a_login_is_percent_decoded_and_never_shown() {
        let server = server("smtps://me%40example.com:p%2Cw%25d@mail.example.com");
        let credentials = server.credentials.as_ref().unwrap();
        assert_eq!(credentials.user, "me@example.com");
        assert_eq!(credentials.password.expose_secret(), "p,w%d");
        assert!(!format!("{server} {server:?}").contains("p,w"));
        assert_eq!(error("smtp://user@mail.example.com"), ServerUrlError::Credentials);
        assert_eq!(error("smtp://u:%zz@mail.example.com"), ServerUrlError::Credentials);
    }

    #[test]
    fn every_remote_server_requires_tls_unless_configured_otherwise() {
        let encryption = |url: &str| server(url).encryption;
        for host in ["mail.example.com", "198.51.100.7", "mailhog", "10.1.2.3", "192.168.0.9", "[fd00::1]"] {
            assert_eq!(encryption(&format!("smtp://{host}:1025")), Encryption::Required, "{host}");
        }
        assert_eq!(encryption("smtps://mail.example.com"), Encryption::Implicit);
        for host in ["localhost", "mail.localhost", "127.0.0.1", "127.1.2.3", "[::1]", "[::ffff:127.0.0.1]"] {
            assert_eq!(encryption(&format!("smtp://{host}:1025")), Encryption::Opportunistic, "{host}");
        }
        assert_eq!(encryption("smtp://mailhog:1025?tls=none"), Encryption::None);
        assert_eq!(encryption("smtp://localhost?tls=required"), Encryption::Required);
    }

    #[test]
    fn a_login_without_tls_over_a_network_is_refused_at_start() {
        assert_eq!(error("smtp://u:p@mail.example.com?tls=none"), ServerUrlError::ClearLogin);
        assert_eq!(error("smtp://u:p@10.1.2.3?tls=none"), ServerUrlError::ClearLogin);
        assert_eq!(server("smtp://u:p@localhost?tls=none").encryption, Encryption::None);
        assert_eq!(server("smtp://u:p@mail.example.com").encryption, Encryption::Required);
    }

    #[test]
    fn an_invalid_server_url_is_refused_and_not_quoted() {
        assert_eq!(error("mail.example.com:25"), ServerUrlError::Scheme);
        assert_eq!(error("secret"), ServerUrlError::NotAUrl);
        assert_eq!(error("http://mail.example.com"), ServerUrlError::Scheme);
        assert_eq!(error("smtp:///x"), ServerUrlError::NoHost);
        assert_eq!(error("smtp://a/b"), ServerUrlError::Path);
        assert_eq!(error("smtp://a?tls=maybe"), ServerUrlError::Parameter);
        assert_eq!(error("smtp://a?tls=none&tls=required"), ServerUrlError::Parameter);
        assert_eq!(error("smtps://a?tls=none"), ServerUrlError::Parameter);
        assert!(!error("secret").to_string().contains("secret:"));
    }

    #[test]
    fn any_text_is_parsed_or_refused_without_showing_a_password() {
        corpus::corpus!("smtp_url").holds_for_text(|text| {
            match Server::parse_list(text) {
                Ok(servers) => {
                    for server in servers {
                        proptest::prop_assert!(!server.host.is_empty());
                        let mut other = server.clone();
                        if let Some(credentials) = &mut other.credentials {
                            credentials.password = "another".into();
                        }
                        proptest::prop_assert_eq!(format!("{server:?}"), format!("{other:?}"), "the password is shown");
                    }
                }
                Err(error) => proptest::prop_assert!(!error.to_string().contains("s3cr3t"), "{}", error),
            }
            Ok(())
        });
    }

    #[test]
    fn an_ipv6_host_has_brackets_only_in_its_url() {
        let server = server("smtp://[::1]:1025");
        assert_eq!(server.host, "::1");
        assert_eq!(server.to_string(), "smtp://[::1]:1025");
    }
}
