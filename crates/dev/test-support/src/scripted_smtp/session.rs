//! One session of the scripted SMTP server.

use std::{sync::Arc, time::Duration};

use anyhow::{Result, bail, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};
use tokio_util::sync::CancellationToken;

use super::{
    behavior::{Behavior, Phase},
    options::SmtpOptions,
    transcript::{Delivery, SharedState, SmtpSession, SmtpStep, SmtpTransaction, now},
};
use crate::mailbox::ReceivedMail;

/// The maximum lifetime of a connection.
const LIFETIME: Duration = Duration::from_secs(600);

/// Accepts connections until `stop` is cancelled.
pub(super) async fn serve(
    listener: TcpListener,
    state: SharedState,
    options: Arc<SmtpOptions>,
    stop: CancellationToken,
) {
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        let Ok((stream, _)) = accepted else { continue };
        let number = {
            let mut locked = state.lock();
            locked.sessions.push(SmtpSession::default());
            locked.sessions.len() - 1
        };
        let (state, options, stop) = (state.clone(), Arc::clone(&options), stop.clone());
        tokio::spawn(async move {
            let mut session = Session::new(stream, state.clone(), number, options);
            // An error means the end of the connection, which is recorded in any case.
            let _ = stop.run_until_cancelled(tokio::time::timeout(LIFETIME, session.run())).await;
            state.lock().sessions[number].ended = true;
        });
    }
}

/// A connection with or without TLS.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

struct Session {
    stream: BufReader<Box<dyn Stream>>,
    state: SharedState,
    number: usize,
    options: Arc<SmtpOptions>,
    encrypted: bool,
    from: String,
    to: Vec<String>,
}

impl Session {
    fn new(stream: TcpStream, state: SharedState, number: usize, options: Arc<SmtpOptions>) -> Self {
        let _ = stream.set_nodelay(true);
        let stream = BufReader::new(Box::new(stream) as Box<dyn Stream>);
        Self { stream, state, number, options, encrypted: false, from: String::new(), to: Vec::new() }
    }

    async fn run(&mut self) -> Result<()> {
        if let Some((certificate, true)) = self.options.tls.clone() {
            self.encrypt(certificate).await?;
        }
        self.reply(Phase::Greeting, "", "220 scripted ESMTP").await?;
        loop {
            let line = self.read_line().await?;
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" | "HELO" => self.ehlo(&line).await?,
                "STARTTLS" => self.starttls(&line).await?,
                "AUTH" => self.auth(&line).await?,
                "MAIL" => {
                    self.from = parse_path(&line);
                    self.to.clear();
                    let transaction = SmtpTransaction { session: self.number, ..SmtpTransaction::default() };
                    self.state.lock().transactions.push(transaction);
                    self.reply(Phase::Mail, &line, "250 2.1.0 ok").await?;
                }
                "RCPT" => self.recipient(&line).await?,
                "DATA" => self.data(&line).await?,
                "RSET" => {
                    self.to.clear();
                    self.reply(Phase::Rset, &line, "250 2.0.0 ok").await?;
                }
                "NOOP" => drop(self.reply(Phase::Noop, &line, "250 2.0.0 ok").await?),
                "QUIT" => {
                    self.reply(Phase::Quit, &line, "221 2.0.0 bye").await?;
                    return Ok(());
                }
                _ => self.send(b"500 5.5.1 unknown command\r\n").await?,
            }
        }
    }

    async fn ehlo(&mut self, line: &str) -> Result<()> {
        let mut all = vec!["scripted".to_owned()];
        all.extend(self.options.extensions.iter().cloned());
        if self.options.tls.is_some() && !self.encrypted {
            all.push("STARTTLS".to_owned());
        }
        let last = all.len() - 1;
        let lines: Vec<String> =
            all.iter().enumerate().map(|(n, word)| format!("250{}{word}", if n == last { ' ' } else { '-' })).collect();
        self.reply(Phase::Ehlo, line, &lines.join("\r\n")).await?;
        Ok(())
    }

    async fn starttls(&mut self, line: &str) -> Result<()> {
        let Some((certificate, _)) = self.options.tls.clone().filter(|_| !self.encrypted) else {
            return self.send(b"502 5.5.1 TLS is not available\r\n").await;
        };
        if self.reply(Phase::StartTls, line, "220 2.0.0 go on").await?.starts_with("220") {
            self.encrypt(certificate).await?;
        }
        Ok(())
    }

    async fn encrypt(&mut self, certificate: Arc<ServerConfig>) -> Result<()> {
        let placeholder: Box<dyn Stream> = Box::new(tokio::io::duplex(1).0);
        let clear = std::mem::replace(&mut self.stream, BufReader::new(placeholder)).into_inner();
        let encrypted = TlsAcceptor::from(certificate).accept(clear).await?;
        self.stream = BufReader::new(Box::new(encrypted));
        self.encrypted = true;
        self.state.lock().sessions[self.number].encrypted = true;
        Ok(())
    }

    /// Handles AUTH. The credentials are compared but not recorded.
    async fn auth(&mut self, line: &str) -> Result<()> {
        let mut words = line.split_whitespace().skip(1);
        let mechanism = words.next().unwrap_or_default().to_ascii_uppercase();
        let given = match (mechanism.as_str(), words.next()) {
            ("PLAIN", Some(response)) => decode_base64(response),
            ("PLAIN", None) => decode_base64(&self.challenge("").await?),
            ("LOGIN", None) => {
                let user = decode_base64(&self.challenge("Username:").await?);
                format!("\0{user}\0{}", decode_base64(&self.challenge("Password:").await?))
            }
            _ => return self.send(b"504 5.5.4 unrecognized authentication type\r\n").await,
        };
        if let Some((refused, reply, hangs_up)) = self.options.refused_mechanism.clone()
            && refused.eq_ignore_ascii_case(&mechanism)
        {
            self.reply(Phase::Auth, &format!("AUTH {mechanism}"), &reply).await?;
            ensure!(!hangs_up, "the server closes the connection after this login");
            return Ok(());
        }
        let is_accepted =
            self.options.login.as_ref().is_none_or(|(user, password)| given == format!("\0{user}\0{password}"));
        let usual = if is_accepted { "235 2.7.0 ok" } else { "535 5.7.8 authentication failed" };
        self.reply(Phase::Auth, &format!("AUTH {mechanism}"), usual).await?;
        Ok(())
    }

    async fn challenge(&mut self, question: &str) -> Result<String> {
        self.send(format!("334 {}\r\n", STANDARD.encode(question)).as_bytes()).await?;
        self.read_line().await
    }

    async fn recipient(&mut self, line: &str) -> Result<()> {
        self.to.push(parse_path(line));
        self.state.update_transaction(self.number, |transaction| transaction.to.push(parse_path(line)));
        let accepted = self.reply(Phase::Rcpt, line, "250 2.1.5 ok").await?.starts_with('2');
        if !accepted {
            self.to.pop();
        }
        Ok(())
    }

    async fn data(&mut self, line: &str) -> Result<()> {
        let reply = self.reply(Phase::Data, line, "354 go on").await?;
        if !reply.starts_with("354") {
            return Ok(());
        }
        let mut data = String::new();
        let mut first = true;
        let mut early = None;
        loop {
            let Ok(line) = self.read_line().await else {
                self.record_step(
                    Phase::Body,
                    format!("{} bytes, then the client closed the connection", data.len()),
                    None,
                );
                bail!("the client has closed the connection within the mail");
            };
            if std::mem::take(&mut first) {
                early = self.begin_body().await?;
            }
            if line == "." {
                break;
            }
            data.push_str(line.strip_prefix('.').unwrap_or(&line));
            data.push_str("\r\n");
        }
        self.record_step(Phase::Body, format!("{} bytes", data.len()), None);
        self.dot(&data, early).await
    }

    /// Applies a rule for the body at its first line. A reply there is the reply to the mail: the rest of the mail is
    /// read and discarded. Returns the first line of such a reply.
    async fn begin_body(&mut self) -> Result<Option<String>> {
        match self.state.take_behavior(Phase::Body, &self.to) {
            None => Ok(None),
            Some(Behavior::Delay(delay)) => {
                tokio::time::sleep(delay).await;
                Ok(None)
            }
            Some(Behavior::Reply(reply)) => {
                self.send(format!("{reply}\r\n").as_bytes()).await?;
                Ok(Some(reply.lines().next().unwrap_or_default().to_owned()))
            }
            Some(Behavior::RawBytes(bytes)) => {
                self.send(&bytes).await?;
                Ok(None)
            }
            Some(behavior) => {
                self.record_step(Phase::Body, "begun".to_owned(), None);
                self.misbehave(&behavior).await?;
                Ok(None)
            }
        }
    }

    /// Records the mail and replies to the final dot. `early` is the reply if it was already sent before the dot.
    async fn dot(&mut self, data: &str, early: Option<String>) -> Result<()> {
        let mail = ReceivedMail::parse(&self.from, self.to.clone(), data);
        self.state.update_transaction(self.number, |transaction| {
            transaction.message_id = Some(mail.header("Message-ID")).filter(|id| !id.is_empty());
            transaction.dot_at = Some(now());
        });
        let index = {
            let mut state = self.state.lock();
            state.deliveries.push(Delivery { session: self.number, mail, reply: None });
            state.deliveries.len() - 1
        };
        let reply = match early {
            Some(reply) => reply,
            None => self.reply(Phase::Dot, ".", "250 2.0.0 taken").await?,
        };
        self.state.update_transaction(self.number, |transaction| transaction.reply = Some(reply.clone()));
        self.state.lock().deliveries[index].reply = Some(reply);
        self.to.clear();
        Ok(())
    }

    /// Sends the usual reply, or behaves as a rule says, and records the step. Returns the first line of the reply.
    async fn reply(&mut self, phase: Phase, line: &str, usual: &str) -> Result<String> {
        let reply = match self.state.take_behavior(phase, &self.to) {
            None => usual.to_owned(),
            Some(Behavior::Reply(reply)) => reply,
            Some(Behavior::RawBytes(bytes)) => {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                self.record_step(phase, line.to_owned(), Some(text.clone()));
                self.send(&bytes).await?;
                return Ok(text);
            }
            Some(Behavior::Delay(delay)) => {
                tokio::time::sleep(delay).await;
                usual.to_owned()
            }
            Some(behavior) => {
                self.record_step(phase, line.to_owned(), None);
                self.misbehave(&behavior).await?;
                bail!("a rule ends the connection");
            }
        };
        let first = reply.lines().next().unwrap_or_default().to_owned();
        // The step is recorded before the reply is sent, so that a client that has the reply finds it in the
        // transcript.
        self.record_step(phase, line.to_owned(), Some(first.clone()));
        self.send(format!("{reply}\r\n").as_bytes()).await?;
        Ok(first)
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).await?;
        // TLS buffers data until it is flushed.
        Ok(self.stream.flush().await?)
    }

    async fn misbehave(&mut self, behavior: &Behavior) -> Result<()> {
        if let Behavior::PartialReply(text) = behavior {
            self.send(text.as_bytes()).await?;
        }
        if matches!(behavior, Behavior::Hang | Behavior::PartialReply(_)) {
            // Read and ignore what the client sends until it closes the connection.
            let mut ignored = [0_u8; 4096];
            while self.stream.read(&mut ignored).await? > 0 {}
        }
        bail!("a rule ends the connection")
    }

    fn record_step(&self, phase: Phase, line: String, reply: Option<String>) {
        self.state.lock().sessions[self.number].steps.push(SmtpStep { phase, line, reply });
    }

    async fn read_line(&mut self) -> Result<String> {
        let mut line = Vec::new();
        let read = self.stream.read_until(b'\n', &mut line).await?;
        ensure!(read > 0 && line.ends_with(b"\n"), "the client has closed the connection");
        Ok(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned())
    }
}

/// Decodes Base64 text. Invalid input becomes a text that matches no login.
fn decode_base64(text: &str) -> String {
    STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_else(|| "\u{fffd}".to_owned())
}

/// Returns the address between the angle brackets.
fn parse_path(line: &str) -> String {
    let inner = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inner.map(|(address, _)| address.to_owned()).unwrap_or_default()
}
