//! Tests that the scripted SMTP server follows its rules and records what it receives.

use std::time::Duration;

use test_support::{Behavior, Phase, ScriptedSmtp, SmtpRule};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    async fn connect(server: &ScriptedSmtp) -> Self {
        let mut client =
            Self { stream: BufReader::new(TcpStream::connect(server.address()).await.expect("the server listens")) };
        assert_eq!(client.reply().await.as_deref(), Some("220 scripted ESMTP"));
        client
    }

    async fn say(&mut self, text: &str) -> Option<String> {
        self.stream.get_mut().write_all(format!("{text}\r\n").as_bytes()).await.expect("the server reads");
        self.reply().await
    }

    /// Returns the last line of the reply, or `None` if the connection ends or no reply comes within 0.5 s.
    async fn reply(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            let read = self.stream.read_line(&mut line);
            let read = tokio::time::timeout(Duration::from_millis(500), read).await.ok()?.unwrap_or(0);
            if read == 0 {
                return None;
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return Some(line.trim_end().to_owned());
            }
        }
    }

    async fn mail_to(&mut self, to: &str) -> Option<String> {
        self.say("EHLO test").await?;
        self.say("MAIL FROM:<a@example.org>").await?;
        let reply = self.say(&format!("RCPT TO:<{to}>")).await?;
        if !reply.starts_with("250") {
            return Some(reply);
        }
        self.say("DATA").await?;
        self.say("Subject: hi\r\n\r\n..text\r\n.").await
    }
}

#[tokio::test]
async fn without_rules_every_mail_is_accepted_and_recorded() {
    let server = ScriptedSmtp::start().await;
    let reply = Client::connect(&server).await.mail_to("b@example.org").await;
    assert_eq!(reply.as_deref(), Some("250 2.0.0 taken"));
    let deliveries = server.wait_for_deliveries_to("b@example.org", 1).await;
    assert_eq!(deliveries[0].mail.subject, "hi");
    assert_eq!(deliveries[0].mail.text.trim(), ".text");
    assert!(deliveries[0].is_accepted());
    use Phase::{Body, Data, Dot, Ehlo, Greeting, Mail, Rcpt};
    assert_eq!(server.sessions()[0].phases(), [Greeting, Ehlo, Mail, Rcpt, Data, Body, Dot]);
    server.wait_until_disconnected().await;
}

#[tokio::test]
async fn a_rule_for_one_recipient_does_not_affect_others() {
    let server = ScriptedSmtp::start().await;
    server.add_rule(SmtpRule::always(Phase::Rcpt, Behavior::reply("550 5.1.1 unknown user")).to("b@example.org"));
    let mut client = Client::connect(&server).await;
    assert_eq!(client.mail_to("b@example.org").await.as_deref(), Some("550 5.1.1 unknown user"));
    assert_eq!(client.mail_to("c@example.org").await.as_deref(), Some("250 2.0.0 taken"));
    assert!(server.deliveries_to("b@example.org").is_empty());
}

#[tokio::test]
async fn a_mail_without_a_reply_to_the_final_dot_is_a_delivery_that_is_not_accepted() {
    let server = ScriptedSmtp::start().await;
    server.add_rule(SmtpRule::once(Phase::Dot, Behavior::Drop));
    server.add_rule(SmtpRule::once(Phase::Dot, Behavior::Hang));
    assert_eq!(Client::connect(&server).await.mail_to("b@example.org").await, None);
    assert_eq!(Client::connect(&server).await.mail_to("b@example.org").await, None);
    assert_eq!(Client::connect(&server).await.mail_to("b@example.org").await.as_deref(), Some("250 2.0.0 taken"));
    let accepted: Vec<bool> = server.deliveries().iter().map(test_support::Delivery::is_accepted).collect();
    assert_eq!(accepted, [false, false, true]);
}

#[tokio::test]
async fn an_incomplete_body_is_not_a_delivery() {
    let server = ScriptedSmtp::start().await;
    let mut client = Client::connect(&server).await;
    for line in ["EHLO test", "MAIL FROM:<a@example.org>", "RCPT TO:<b@example.org>", "DATA"] {
        client.say(line).await.unwrap();
    }
    client.stream.get_mut().write_all(b"Subject: hi\r\n").await.unwrap();
    drop(client);
    server.wait_for_phase(Phase::Body, 1).await;
    assert!(server.deliveries().is_empty());
}

#[tokio::test]
async fn a_mail_that_is_refused_within_its_body_gets_no_second_reply() {
    let server = ScriptedSmtp::start().await;
    server.add_rule(SmtpRule::once(Phase::Body, Behavior::reply("452 4.2.2 full")));
    let mut client = Client::connect(&server).await;
    assert_eq!(client.mail_to("b@example.org").await.as_deref(), Some("452 4.2.2 full"));
    assert_eq!(client.reply().await, None);
    let replies: Vec<_> = server.transactions().into_iter().map(|transaction| transaction.reply).collect();
    assert_eq!(replies, [Some("452 4.2.2 full".to_owned())]);
    assert!(!server.deliveries()[0].is_accepted());
}
