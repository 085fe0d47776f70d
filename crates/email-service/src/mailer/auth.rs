//! SMTP authentication: PLAIN and LOGIN (RFC 4954, RFC 4616). Some servers offer both and accept
//! only one, so the other one is tried after a refusal. The mechanism that succeeded is tried first
//! on the next connection.

use std::{fmt, net::IpAddr, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::timeout;

use super::{
    ehlo_capabilities::EhloCapabilities,
    reply::{Reply, read_reply},
    server_config::Credentials,
};

const SUCCEEDED: u16 = 235;
const CONTINUE: u16 = 334;
const SERVICE_CLOSING: u16 = 421;

/// A line with credentials, which only the server may read.
struct SecretLine(SecretString);

impl SecretLine {
    fn new(text: String) -> Self {
        Self(text.into())
    }

    fn encoded(text: &str) -> Self {
        Self::new(STANDARD.encode(text))
    }
}

/// Writes the line to the connection; lettre accepts anything that implements `Display`.
impl fmt::Display for SecretLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\r\n", self.0.expose_secret())
    }
}

/// The supported mechanisms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mechanism {
    Plain,
    Login,
}

impl Mechanism {
    fn as_str(self) -> &'static str {
        match self {
            Mechanism::Plain => "PLAIN",
            Mechanism::Login => "LOGIN",
        }
    }
}

/// Returns the mechanisms that the server offers, in the order of attempts: first the one that it
/// accepted last.
pub(super) fn mechanisms_in_order(capabilities: &EhloCapabilities, last_accepted: Option<Mechanism>) -> Vec<Mechanism> {
    let all = [(Mechanism::Plain, capabilities.auth_plain), (Mechanism::Login, capabilities.auth_login)];
    let mut mechanisms: Vec<_> =
        all.into_iter().filter_map(|(mechanism, offered)| offered.then_some(mechanism)).collect();
    mechanisms.sort_by_key(|mechanism| Some(*mechanism) != last_accepted);
    mechanisms
}

/// Why authentication failed. The connection is not usable afterwards.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum AuthError {
    /// The server's replies, without any credentials in them.
    Refused(String),
    /// The server refused one mechanism and did not answer the next: the remaining ones are worth
    /// another connection.
    ConnectionClosed { problem: String, remaining: Vec<Mechanism> },
}

/// Authenticates with the first of `mechanisms` that the server accepts, and returns it. Each is
/// tried once.
///
/// # Errors
/// Returns [`AuthError`] if the server accepts none.
pub(super) async fn authenticate(
    smtp: &mut AsyncSmtpConnection,
    mechanisms: &[Mechanism],
    credentials: &Credentials,
    step: Duration,
) -> Result<Mechanism, AuthError> {
    let mut refusals: Vec<String> = Vec::new();
    for (tried, &mechanism) in mechanisms.iter().enumerate() {
        let problem = match attempt_mechanism(smtp, mechanism, credentials, step).await {
            Ok(reply) if reply.code == SUCCEEDED => return Ok(mechanism),
            Ok(reply) if reply.code != SERVICE_CLOSING => {
                refusals.push(format!("{}: {}", mechanism.as_str(), redacted(credentials, &reply)));
                if allows_another_mechanism(reply.code) {
                    continue;
                }
                break;
            }
            Ok(reply) => redacted(credentials, &reply),
            Err(problem) => problem,
        };
        refusals.push(format!("{}: {problem}", mechanism.as_str()));
        if tried > 0 {
            return Err(AuthError::ConnectionClosed {
                problem: refusals.join("; "),
                remaining: mechanisms[tried..].to_vec(),
            });
        }
        break;
    }
    if refusals.is_empty() {
        refusals.push("the server offers neither PLAIN nor LOGIN".to_owned());
    }
    Err(AuthError::Refused(refusals.join("; ")))
}

/// Returns whether another mechanism may succeed: after 504 (unsupported), 534 (too weak), and 535,
/// which some servers send for the same. Not after a temporary refusal (4xx), nor where TLS is
/// required first.
fn allows_another_mechanism(code: u16) -> bool {
    matches!(code, 500..=599) && !matches!(code, 530 | 538)
}

async fn attempt_mechanism(
    smtp: &mut AsyncSmtpConnection,
    mechanism: Mechanism,
    credentials: &Credentials,
    step: Duration,
) -> Result<Reply, String> {
    let password = credentials.password.expose_secret();
    match mechanism {
        Mechanism::Plain => {
            let response = STANDARD.encode(format!("\0{}\0{password}", credentials.user));
            send_line(smtp, SecretLine::new(format!("AUTH PLAIN {response}")), step).await
        }
        Mechanism::Login => {
            // The texts of the two prompts differ between servers; their order does not.
            let mut reply = send_line(smtp, SecretLine::new("AUTH LOGIN".to_owned()), step).await?;
            for answer in [credentials.user.as_str(), password] {
                if reply.code == CONTINUE {
                    reply = send_line(smtp, SecretLine::encoded(answer), step).await?;
                }
            }
            Ok(reply)
        }
    }
}

async fn send_line(smtp: &mut AsyncSmtpConnection, line: SecretLine, step: Duration) -> Result<Reply, String> {
    let answer = timeout(step, smtp.command(line)).await.map_err(|_| "no answer in time".to_owned())?;
    read_reply(answer).map_err(|error| error.to_string())
}

/// Returns the reply, without its text if that repeats the credentials.
fn redacted(credentials: &Credentials, reply: &Reply) -> String {
    let password = credentials.password.expose_secret();
    let plain = STANDARD.encode(format!("\0{}\0{password}", credentials.user));
    let repeated = [password.to_owned(), STANDARD.encode(password), plain];
    if repeated.iter().any(|secret| !secret.is_empty() && reply.text.contains(secret)) {
        return format!("{:03} (the text repeats the login)", reply.code);
    }
    reply.to_string()
}

/// Returns whether the password may be sent: over TLS, or to this machine. The address of the
/// connection decides, not the name in the URL.
pub(super) fn may_send_password(encrypted: bool, peer: Option<IpAddr>) -> bool {
    encrypted || peer.is_some_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_that_repeats_the_credentials_is_redacted() {
        let credentials = Credentials { user: "mailer".into(), password: "hunter2".to_owned().into() };
        let shown = |text: &str| redacted(&credentials, &Reply::new(535, text));
        assert_eq!(shown("5.7.8 bad credentials"), "535 5.7.8 bad credentials");
        for text in ["no hunter2 here", "bad command aHVudGVyMg==", "AUTH PLAIN AG1haWxlcgBodW50ZXIy"] {
            assert_eq!(shown(text), "535 (the text repeats the login)", "{text}");
        }
    }

    #[test]
    fn the_mechanism_accepted_last_is_tried_first() {
        use Mechanism::{Login, Plain};
        let capabilities =
            |auth_plain, auth_login| EhloCapabilities { auth_plain, auth_login, ..EhloCapabilities::default() };
        let both = capabilities(true, true);
        for last_accepted in [None, Some(Plain)] {
            assert_eq!(mechanisms_in_order(&both, last_accepted), [Plain, Login]);
        }
        assert_eq!(mechanisms_in_order(&both, Some(Login)), [Login, Plain]);
        assert_eq!(
            mechanisms_in_order(&capabilities(true, false), Some(Login)),
            [Plain],
            "what is not offered is not tried"
        );
        assert_eq!(mechanisms_in_order(&capabilities(false, true), None), [Login]);
        assert!(mechanisms_in_order(&capabilities(false, false), Some(Plain)).is_empty());
    }

    #[test]
    fn only_a_permanent_refusal_allows_another_mechanism() {
        for code in [500, 501, 502, 503, 504, 534, 535, 550, 554] {
            assert!(allows_another_mechanism(code), "{code}");
        }
        for code in [235, 334, 421, 432, 454, 530, 538] {
            assert!(!allows_another_mechanism(code), "{code}");
        }
    }

    #[test]
    fn a_password_leaves_the_machine_only_over_tls() {
        let may = |encrypted, ip: &str| may_send_password(encrypted, Some(ip.parse().unwrap()));
        for near in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            assert!(may(false, near), "{near}");
        }
        for far in ["192.0.2.7", "10.1.2.3", "fd00::1", "fe80::1", "::ffff:192.0.2.7"] {
            assert!(!may(false, far) && may(true, far), "{far}");
        }
        assert!(!may_send_password(false, None));
    }
}
