//! One SMTP connection, based on lettre's: every step has a deadline, and the types make it
//! impossible to reuse a connection whose replies could be out of step.
//!
//! Every step takes the connection and returns it only if the step was completed. A step that
//! fails, times out or is cancelled drops it, and closes the socket: nothing, not even QUIT, is
//! written into a transaction of unknown state.

use std::{fmt, sync::Arc, time::Duration};

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

/// The label in the metric of caught panics.
pub(super) const PANIC_LABEL: &str = "smtp";

/// The time of one more poll after a deadline, for data that has already arrived: if the process
/// was suspended, its deadlines pass before it has read what arrived meanwhile.
const FINAL_POLL: Duration = Duration::from_millis(100);

/// lettre ends every mail with an additional line end.
const FINAL_LINE_END_BYTES: usize = 2;

/// A step was not completed: the connection is closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{step}: {problem}")]
pub struct ConnectionBroken {
    /// The step that failed.
    pub step: &'static str,
    pub problem: String,
}

impl ConnectionBroken {
    pub(super) fn new(step: &'static str, problem: impl fmt::Display) -> Self {
        Self { step, problem: printable(&problem.to_string()) }
    }
}

/// Runs a step; a panic at the server's data breaks the connection like any other failure.
async fn catch_panic<T>(
    step: &'static str,
    work: impl Future<Output = Result<T, ConnectionBroken>>,
) -> Result<T, ConnectionBroken> {
    let done = panics::catch_future(PANIC_LABEL, work).await;
    done.unwrap_or_else(|panicked| Err(ConnectionBroken::new(step, panicked)))
}

/// A connection without an open transaction.
pub struct Connection {
    smtp: AsyncSmtpConnection,
    capabilities: EhloCapabilities,
    flags: Arc<StreamFlags>,
    step: Duration,
    /// The time of its opening.
    pub opened: Instant,
}

/// A transaction in which the server has said 354 and waits for the body. Dropping it closes the
/// socket, so that the server discards the transaction.
pub struct OpenTransaction {
    connection: Connection,
}

/// The result of opening a transaction.
pub enum TransactionStart {
    /// 354: the body may follow.
    Open(OpenTransaction),
    /// The server refused, or sent a reply that is invalid here.
    Refused { phase: Phase, reply: Reply, connection: Connection },
    /// This server does not support the mail, and was not asked. Another one may.
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

    /// Sends MAIL, RCPT and DATA.
    ///
    /// # Errors
    /// Returns [`ConnectionBroken`]: the mail was not accepted, and the connection is closed.
    pub async fn begin(self, envelope: &Envelope, body: &[u8]) -> Result<TransactionStart, ConnectionBroken> {
        catch_panic("begin", self.try_begin(envelope, body)).await
    }

    async fn try_begin(mut self, envelope: &Envelope, body: &[u8]) -> Result<TransactionStart, ConnectionBroken> {
        let Some((from, to, ascii)) = plain_addresses(envelope) else {
            let problem = "the envelope does not have exactly one plain recipient".to_owned();
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

    /// Sends RSET: checks that the connection works and that its replies are in step.
    ///
    /// # Errors
    /// Returns [`ConnectionBroken`]: the connection is closed.
    pub async fn reset(mut self) -> Result<Self, ConnectionBroken> {
        let reply = self.command("RSET", Rset.to_string()).await?;
        if reply.code == 250 { Ok(self) } else { Err(ConnectionBroken::new("RSET", reply)) }
    }

    /// Sends QUIT, as the protocol asks for; not after DATA.
    pub async fn quit(mut self) {
        const QUIT_TIMEOUT: Duration = Duration::from_secs(2);
        // The reply to it changes nothing.
        let quit = timeout(QUIT_TIMEOUT, self.command("QUIT", Quit.to_string()));
        let _ = panics::catch_future(PANIC_LABEL, quit).await;
    }

    /// Returns the parameters of MAIL for this mail, or why this server does not support it.
    fn parameters(&self, ascii: bool, body: &[u8]) -> Result<Vec<MailParameter>, String> {
        let mut parameters = Vec::new();
        // RFC 1870 counts neither the final dot nor the doubled dots.
        let size = body.len() + FINAL_LINE_END_BYTES;
        match self.capabilities.size {
            SizeLimit::Bytes(max) if u64::try_from(size).is_ok_and(|size| size > max) => {
                return Err(format!("the mail has {size} bytes, and the server accepts {max} (SIZE)"));
            }
            SizeLimit::Bytes(_) | SizeLimit::Open => parameters.push(MailParameter::Size(size)),
            SizeLimit::Unknown => {}
        }
        if !body.is_ascii() {
            if !self.capabilities.eight_bit_mime {
                return Err("the server does not support 8BITMIME".to_owned());
            }
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        if !ascii {
            if !self.capabilities.smtp_utf8 {
                return Err("the server does not support non-ASCII addresses (SMTPUTF8)".to_owned());
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        Ok(parameters)
    }

    /// Sends one command and waits for its reply, whatever it is.
    async fn command(&mut self, step: &'static str, command: String) -> Result<Reply, ConnectionBroken> {
        let answer = timeout(self.step, self.smtp.command(command)).await;
        step_reply(step, answer.ok())
    }
}

impl OpenTransaction {
    /// Sends the body and the dot, and waits for the reply to the dot.
    ///
    /// # Errors
    /// Returns [`ConnectionBroken`]: it is unknown whether the mail was accepted.
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
        // The second part is always absent; the request for it shows that the first is written.
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

/// The time limits once the body is being sent.
#[derive(Debug, Clone, Copy)]
pub struct DeliveryTimeouts {
    /// The limit for writing the body.
    pub body: Duration,
    /// The limit for the reply to the dot.
    pub dot: Duration,
}

/// Returns the reply to a step if it is readable; an `answer` of `None` means a timeout.
fn step_reply(
    step: &'static str,
    answer: Option<Result<Response, lettre::transport::smtp::Error>>,
) -> Result<Reply, ConnectionBroken> {
    match answer {
        None => Err(ConnectionBroken::new(step, "no answer in time")),
        Some(answer) => read_reply(answer).map_err(|error| ConnectionBroken::new(step, error)),
    }
}

/// Returns the sender and the one recipient, with their domains as A-labels, and whether both are
/// ASCII. `None` for anything that is not one plain address: no part of it may reach the wire.
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
