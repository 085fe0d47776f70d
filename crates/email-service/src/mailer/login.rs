//! AUTH: PLAIN, or LOGIN where that is all that is offered (RFC 4954, RFC 4616).

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use secrecy::{ExposeSecret as _, SecretString};

use super::{connection::read_reply, offers::Offers, servers::Login, verdict::Reply};

const SUCCEEDED: u16 = 235;
const GO_ON: u16 = 334;

/// A line that nobody may read but the server.
struct SecretLine(SecretString);

impl SecretLine {
    fn new(text: String) -> Self {
        Self(text.into())
    }

    fn encoded(text: &str) -> Self {
        Self::new(STANDARD.encode(text))
    }
}

/// On its way into the connection; lettre takes anything that can be displayed.
impl fmt::Display for SecretLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\r\n", self.0.expose_secret())
    }
}

/// Logs in.
///
/// # Errors
/// What the server said, without anything of the login in it. The connection is of no more
/// use then.
pub(super) async fn log_in(smtp: &mut AsyncSmtpConnection, offers: &Offers, login: &Login) -> Result<(), String> {
    let password = login.password.expose_secret();
    let reply = if offers.auth_plain {
        let response = STANDARD.encode(format!("\0{}\0{password}", login.user));
        said(smtp, SecretLine::new(format!("AUTH PLAIN {response}"))).await?
    } else if offers.auth_login {
        // Servers word the two questions as they like, and ask them in this order.
        let mut reply = said(smtp, SecretLine::new("AUTH LOGIN".to_owned())).await?;
        for answer in [login.user.as_str(), password] {
            if reply.code == GO_ON {
                reply = said(smtp, SecretLine::encoded(answer)).await?;
            }
        }
        reply
    } else {
        return Err("the server offers neither PLAIN nor LOGIN".to_owned());
    };
    if reply.code == SUCCEEDED { Ok(()) } else { Err(without(login, &reply)) }
}

async fn said(smtp: &mut AsyncSmtpConnection, line: SecretLine) -> Result<Reply, String> {
    let answer = smtp.command(line).await;
    read_reply(answer).map_err(|error| error.to_string())
}

/// The reply, unless the server repeats in it what it was sent.
fn without(login: &Login, reply: &Reply) -> String {
    let password = login.password.expose_secret();
    let plain = STANDARD.encode(format!("\0{}\0{password}", login.user));
    let repeated = [password.to_owned(), STANDARD.encode(password), plain];
    if repeated.iter().any(|secret| !secret.is_empty() && reply.text.contains(secret)) {
        return format!("{:03} (the text repeats the login)", reply.code);
    }
    reply.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_that_repeats_the_login_is_not_passed_on() {
        let login = Login { user: "mailer".into(), password: "hunter2".to_owned().into() };
        let shown = |text: &str| without(&login, &Reply::new(535, text));
        assert_eq!(shown("5.7.8 bad credentials"), "535 5.7.8 bad credentials");
        for text in ["no hunter2 here", "bad command aHVudGVyMg==", "AUTH PLAIN AG1haWxlcgBodW50ZXIy"] {
            assert_eq!(shown(text), "535 (the text repeats the login)", "{text}");
        }
    }
}
