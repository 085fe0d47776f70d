//! `preview --to`: sends one mail with example data through the mail servers of the configuration.

use anyhow::bail;
use serde::Serialize;
use service_kit::{
    Clock, Ids,
    cli::{UsageError, print_result},
};

use super::TOKEN;
use crate::{
    config::SmtpConfig,
    mailer::{
        connection::{DeliveryTimeouts, TransactionStart},
        endpoint::Endpoint,
        reply::Reply,
        verdict::Phase,
    },
    renderer::{ComposedMail, ExampleMail, MailContent, Renderer},
};

/// The mail to send.
pub(super) struct TestMail {
    pub(super) to: String,
    /// The kind of mail and its case, as `preview` names them.
    pub(super) mail: String,
    pub(super) language: String,
}

/// What a server answered.
#[derive(Debug, Serialize)]
struct Accepted {
    to: String,
    mail: String,
    language: String,
    server: String,
    reply: String,
}

/// Sends the mail, and prints the reply of the server that accepted it.
///
/// # Errors
/// Returns an error if there is no such mail, the address is invalid, or no server accepts the mail. The error has the
/// replies of the servers.
pub(super) async fn run(order: &TestMail, renderer: &Renderer, smtp: &SmtpConfig, json: bool) -> anyhow::Result<()> {
    let mail = compose(order, renderer)?;
    let TestMail { to, mail: name, language } = order;
    let (server, reply) = send(&mail, smtp).await?;
    let text = format!("{server} accepted the mail `{name}` in `{language}` for {to}: {reply}");
    let (to, mail, language) = (to.clone(), name.clone(), language.clone());
    print_result(json, &Accepted { to, mail, language, server, reply: reply.to_string() }, text)
}

fn compose(order: &TestMail, renderer: &Renderer) -> anyhow::Result<ComposedMail> {
    let now = Clock::system().now();
    let mut examples = ExampleMail::all(TOKEN);
    let Some(example) = examples.find(|example| example.name() == order.mail) else {
        let names: Vec<String> = ExampleMail::all(TOKEN).map(|example| example.name()).collect();
        return Err(UsageError(format!("there is no mail `{}`; there are {}", order.mail, names.join(", "))).into());
    };
    let Some((tag, _)) = renderer.languages().find(|(tag, _)| tag.eq_ignore_ascii_case(&order.language)) else {
        let tags: Vec<&str> = renderer.languages().map(|(tag, _)| tag).collect();
        return Err(
            UsageError(format!("there is no language `{}`; there are {}", order.language, tags.join(", "))).into()
        );
    };
    let mut example = example.in_language(tag).at(now);
    order.to.clone_into(&mut example.facts.to);
    let message_id = format!("{}@{}", Ids::random().v7(now).simple(), renderer.sender_domain());
    let mail = renderer.compose(&MailContent { message_id: &message_id, date: now, ..example.content() })?;
    match mail.brand_failure {
        Some(failure) => Err(failure.into()),
        None => Ok(mail),
    }
}

/// Sends the mail through the first server that takes it. Returns the server and its reply.
async fn send(mail: &ComposedMail, smtp: &SmtpConfig) -> anyhow::Result<(String, Reply)> {
    let body = mail.message.as_bytes();
    let timeouts = DeliveryTimeouts { body: smtp.step_timeout, dot: smtp.dot_timeout };
    let mut problems = Vec::new();
    for server in smtp.servers()? {
        let name = server.to_string();
        let endpoint = Endpoint::new(server, smtp.hello_name.clone(), smtp.step_timeout);
        let started = match endpoint.connect().await {
            Ok(connection) => connection.begin(&mail.envelope, body).await,
            Err(broken) => Err(broken),
        };
        let transaction = match started {
            Ok(TransactionStart::Open(transaction)) => transaction,
            Ok(TransactionStart::Refused { phase, reply, connection }) => {
                connection.quit().await;
                bail!("{name} refused the mail at {phase}: {reply}");
            }
            Ok(TransactionStart::Unsupported { problem, connection }) => {
                connection.quit().await;
                problems.push(format!("{name}: {problem}"));
                continue;
            }
            Err(broken) => {
                problems.push(format!("{name}: {broken}"));
                continue;
            }
        };
        return match transaction.deliver(body, timeouts).await {
            Ok((reply, connection)) => {
                connection.quit().await;
                if !Phase::Dot.accepts(&reply) {
                    bail!("{name} refused the mail at {}: {reply}", Phase::Dot);
                }
                Ok((name, reply))
            }
            Err(broken) => bail!("it is unknown whether {name} accepted the mail: {broken}"),
        };
    }
    bail!("no mail server can be used: {}", problems.join("; "))
}
