//! One SMTP connection over lettre's: a deadline on every step, and types that make it
//! impossible to reuse a connection whose replies could be out of step.
//!
//! Every step takes the connection and gives it back only if the step was completed. A
//! step that fails, takes too long or is cancelled drops it, and with it the socket:
//! nothing (no QUIT) is ever written into a transaction of unknown state.

use std::{sync::Arc, time::Duration};

use lettre::{
    Address,
    address::Envelope,
    transport::smtp::{
        client::AsyncSmtpConnection,
        commands::{Data, Mail, Quit, Rcpt, Rset},
        extension::{MailBodyParameter, MailParameter},
        response::Response,
    },
};
use service_kit::panics;
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};

use super::{
    ehlo_capabilities::{EhloCapabilities, SizeLimit},
    reply::{Reply, printable, read_reply},
    stream::StreamFlags,
    verdict::Phase,
};

/// The label of the metric of caught panics.
pub(super) const PANIC_LABEL: &str = "smtp";

/// A process that was stopped finds all its deadlines over before it hears what came
/// meanwhile: one more look, at what is there already.
const FINAL_POLL: Duration = Duration::from_millis(100);

/// lettre ends every mail with a line end of its own.
const FINAL_LINE_END_BYTES: usize = 2;

/// A step was not completed: the connection is gone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{step}: {problem}")]
pub struct ConnectionBroken {
    pub step: &'static str,
    pub problem: String,
}

/// Runs a step; a panic at what the server says breaks the connection like any other failure.
async fn catch_panic<T>(
    step: &'static str,
    work: impl Future<Output = Result<T, ConnectionBroken>>,
) -> Result<T, ConnectionBroken> {
    let done = panics::catch_future(PANIC_LABEL, work).await;
    done.unwrap_or_else(|panicked| Err(ConnectionBroken { step, problem: panicked.to_string() }))
}

/// A connection with no transaction open.
pub struct Connection {
    smtp: AsyncSmtpConnection,
    capabilities: EhloCapabilities,
    flags: Arc<StreamFlags>,
    step: Duration,
    /// When it was opened.
    pub opened: Instant,
}

/// The server has said 354 and waits for the body. Whoever drops this closes the socket
/// without a word, so the server throws the transaction away.
pub struct OpenTransaction {
    connection: Connection,
}

/// How far a transaction came.
pub enum TransactionStart {
    /// 354: the body may follow.
    Open(OpenTransaction),
    /// The server refused, or answered something that does not belong here.
    Refused { phase: Phase, reply: Reply, connection: Connection },
    /// This server cannot take such a mail, and was not asked to. Another one may.
    Unsupported { problem: String, connection: Connection },
}

impl Connection {
    pub(super) fn new(
        smtp: AsyncSmtpConnection,
        capabilities: EhloCapabilities,
        flags: Arc<StreamFlags>,
        step: Duration,
    ) -> Self {
        Self { smtp, capabilities, flags, step, opened: Instant::now() }
    }

    /// MAIL, RCPT and DATA.
    ///
    /// # Errors
    /// [`ConnectionBroken`]: the mail was not accepted, and the connection is gone.
    pub async fn begin(self, envelope: &Envelope, body: &[u8]) -> Result<TransactionStart, ConnectionBroken> {
        catch_panic("begin", self.try_begin(envelope, body)).await
    }

    async fn try_begin(mut self, envelope: &Envelope, body: &[u8]) -> Result<TransactionStart, ConnectionBroken> {
        let Some((from, to, ascii)) = plain_addresses(envelope) else {
            let problem = "the envelope has no single plain recipient".to_owned();
            return Ok(TransactionStart::Unsupported { problem, connection: self });
        };
        let parameters = match self.parameters(ascii, body) {
            Ok(parameters) => parameters,
            Err(problem) => return Ok(TransactionStart::Unsupported { problem, connection: self }),
        };
        let commands = [
            (Phase::Mail, Mail::new(from, parameters).to_string()),
            (Phase::Rcpt, Rcpt::new(to, Vec::new()).to_string()),
            (Phase::Data, Data.to_string()),
        ];
        for (phase, command) in commands {
            let reply = self.command(phase.as_str(), command).await?;
            if !phase.accepts(&reply) {
                return Ok(TransactionStart::Refused { phase, reply, connection: self });
            }
        }
        Ok(TransactionStart::Open(OpenTransaction { connection: self }))
    }

    /// RSET: makes sure that the connection lives and that its replies are in step.
    ///
    /// # Errors
    /// [`ConnectionBroken`]: the connection is gone.
    pub async fn reset(mut self) -> Result<Self, ConnectionBroken> {
        let reply = self.command("RSET", Rset.to_string()).await?;
        if reply.code == 250 { Ok(self) } else { Err(ConnectionBroken { step: "RSET", problem: reply.to_string() }) }
    }

    /// Says goodbye, for politeness; not after a DATA.
    pub async fn quit(mut self) {
        const QUIT_TIMEOUT: Duration = Duration::from_secs(2);
        // What the server says to it changes nothing.
        let quit = timeout(QUIT_TIMEOUT, self.command("QUIT", Quit.to_string()));
        let _ = panics::catch_future(PANIC_LABEL, quit).await;
    }

    /// What MAIL has to say about such a mail, or why this server cannot take it.
    fn parameters(&self, ascii: bool, body: &[u8]) -> Result<Vec<MailParameter>, String> {
        let mut parameters = Vec::new();
        // As RFC 1870 counts: without the dot, and without the dots that are doubled.
        let size = body.len() + FINAL_LINE_END_BYTES;
        match self.capabilities.size {
            SizeLimit::Bytes(most) if u64::try_from(size).is_ok_and(|size| size > most) => {
                return Err(format!("the mail has {size} bytes, and the server takes {most} (SIZE)"));
            }
            SizeLimit::Bytes(_) | SizeLimit::Open => parameters.push(MailParameter::Size(size)),
            SizeLimit::Unknown => {}
        }
        if !body.is_ascii() {
            if !self.capabilities.eight_bit_mime {
                return Err("the server takes no 8BITMIME".to_owned());
            }
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        if !ascii {
            if !self.capabilities.smtp_utf8 {
                return Err("the server takes no addresses with characters beyond ASCII (SMTPUTF8)".to_owned());
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        Ok(parameters)
    }

    /// Sends one command and waits for its reply, whatever it says.
    async fn command(&mut self, step: &'static str, command: String) -> Result<Reply, ConnectionBroken> {
        let answer = timeout(self.step, self.smtp.command(command)).await;
        step_reply(step, answer.ok())
    }
}

impl OpenTransaction {
    /// Sends the body and the dot, and waits for the reply to the dot.
    ///
    /// # Errors
    /// [`ConnectionBroken`]: nobody knows whether the mail was accepted.
    pub async fn deliver(
        self,
        body: &[u8],
        timeouts: DeliveryTimeouts,
    ) -> Result<(Reply, Connection), ConnectionBroken> {
        catch_panic("body", self.try_deliver(body, timeouts)).await
    }

    async fn try_deliver(
        mut self,
        body: &[u8],
        timeouts: DeliveryTimeouts,
    ) -> Result<(Reply, Connection), ConnectionBroken> {
        let (flags, written) = (Arc::clone(&self.connection.flags), Notify::new());
        // The second part is never there; asking for it tells that the first is written.
        let end_of_body = std::iter::from_fn(|| {
            flags.body_written();
            written.notify_one();
            None
        });
        let parts = std::iter::once(body).chain(end_of_body);
        let answer = {
            let message = self.connection.smtp.message_iter(parts);
            tokio::pin!(message);
            tokio::select! {
                biased;
                answer = &mut message => Some(answer),
                () = written.notified() => match timeout(timeouts.dot, message.as_mut()).await {
                    Ok(answer) => Some(answer),
                    Err(_) => timeout(FINAL_POLL, message).await.ok(),
                },
                () = sleep(timeouts.body) => None,
            }
        };
        Ok((step_reply("body and final dot", answer)?, self.connection))
    }
}

/// How long to wait once the body is being sent.
#[derive(Debug, Clone, Copy)]
pub struct DeliveryTimeouts {
    /// For the body to be written.
    pub body: Duration,
    /// For the reply to the dot.
    pub dot: Duration,
}

/// The reply to a step, if there is one that can be read; `None` is "not in time".
fn step_reply(
    step: &'static str,
    answer: Option<Result<Response, lettre::transport::smtp::Error>>,
) -> Result<Reply, ConnectionBroken> {
    match answer {
        None => Err(ConnectionBroken { step, problem: "no answer in time".to_owned() }),
        Some(answer) => {
            read_reply(answer).map_err(|error| ConnectionBroken { step, problem: printable(&error.to_string()) })
        }
    }
}

/// Sender and the one recipient, their domains as A-labels, and whether both are ASCII.
/// `None` for anything that is not one plain address: nothing of it may reach the wire.
fn plain_addresses(envelope: &Envelope) -> Option<(Option<Address>, Address, bool)> {
    let [to] = envelope.to() else { return None };
    let to = plain_address(to)?;
    let from = match envelope.from() {
        Some(from) => Some(plain_address(from)?),
        None => None,
    };
    let is_ascii = |address: &Address| AsRef::<str>::as_ref(address).is_ascii();
    let ascii = is_ascii(&to) && from.as_ref().is_none_or(is_ascii);
    Some((from, to, ascii))
}

fn plain_address(address: &Address) -> Option<Address> {
    let text: &str = address.as_ref();
    if text.chars().any(|c| c.is_control() || matches!(c, '<' | '>')) {
        return None;
    }
    if address.domain().is_ascii() {
        return Some(address.clone());
    }
    let domain = url::Host::parse(address.domain()).ok()?.to_string();
    Address::new(address.user(), domain).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(to: &[&str]) -> Envelope {
        let address = |text: &str| text.parse::<Address>().unwrap();
        Envelope::new(Some(address("us@example.org")), to.iter().map(|to| address(to)).collect()).unwrap()
    }

    #[test]
    fn a_domain_becomes_an_a_label() {
        let (_, to, ascii) = plain_addresses(&envelope(&["ada@bücher.example"])).unwrap();
        assert_eq!((to.to_string().as_str(), ascii), ("ada@xn--bcher-kva.example", true));
        let (_, to, ascii) = plain_addresses(&envelope(&["ädä@bücher.example"])).unwrap();
        assert_eq!((to.to_string().as_str(), ascii), ("ädä@xn--bcher-kva.example", false));
    }

    #[test]
    fn there_is_exactly_one_recipient() {
        assert!(plain_addresses(&envelope(&["a@example.org", "b@example.org"])).is_none());
    }

    #[test]
    fn an_address_that_could_inject_a_command_is_refused() {
        for user in ["a\r\nRCPT TO:<eve@example.org>", "a> <b", "\"a\0\""] {
            let hostile = Address::new_dangerous(user, "example.org");
            let envelope = Envelope::new(None, vec![hostile]).unwrap();
            assert!(plain_addresses(&envelope).is_none(), "{user:?}");
        }
    }

    #[test]
    fn a_step_without_an_answer_breaks_the_connection() {
        let broken = step_reply("MAIL", None).unwrap_err();
        assert_eq!(broken.to_string(), "MAIL: no answer in time");
    }
}
