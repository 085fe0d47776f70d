//! The latency of the welcome mail: from the response to a registration until the mail server has accepted the
//! mail, one registration at a time, next to the stages of its path.

mod stages;

use std::time::{Duration, Instant};

use anyhow::Result;
use bson::{Document, doc};
use hyper::StatusCode;
use serde_json::json;
use test_support::World;

use self::stages::{StageTimes, Stages};

use crate::{
    database,
    environment::{Environment, user_service},
    http_client::{ApiRequest, Connection},
    report::{Findings, Goal, Row},
    sampling::{Comparison, Sample, millis, percentile},
    smtp_sink::{AcceptedMail, SmtpSink, monotonic_nanos},
};

/// The number of registrations in each round, and then of runs of each stage.
const MAILS: usize = 40;
/// The number of registrations that fill pools and caches and do not count.
const WARM_UP: usize = 10;
/// The pause between two mails, in which the work after the acceptance ends.
const PAUSE: Duration = Duration::from_millis(50);
const MAIL_TIMEOUT: Duration = Duration::from_secs(20);

/// Registers new users and waits for their welcome mails.
struct WelcomeMails {
    world: World,
    connection: Connection,
    sink: SmtpSink,
    count: usize,
}

pub(super) async fn measure(environment: &Environment) -> Result<Findings> {
    let (world, sink) = environment.world_with_sink("latency").await?;
    let (service, _emails) = tokio::join!(user_service(&world).start(), world.email_service().start());
    let connection = Connection::open(&service.base_url()).await?;
    database::wait_for_index(&world.email_database().await.collection("mailJobs"), "retention").await?;
    let mut welcome_mails = WelcomeMails { world: world.clone(), connection, sink, count: 0 };
    for _ in 0..WARM_UP {
        welcome_mails.measure_one().await?;
    }
    let mut stages = Stages::new(&world, &welcome_mails.sink.address()).await?;
    stages.measure(WARM_UP).await?;

    let (mut rounds, mut all, mut times) = (Vec::new(), Vec::new(), StageTimes::default());
    for _ in 0..environment.rounds() {
        let mut delays = Vec::new();
        for _ in 0..environment.scaled(MAILS) {
            delays.push(welcome_mails.measure_one().await?);
            tokio::time::sleep(PAUSE).await;
        }
        let taken = stages.measure(environment.scaled(MAILS)).await?;
        rounds.push((millis(percentile(&delays, 50.0)), taken.sum()));
        all.extend(delays);
        times.extend(taken);
    }
    let count = all.len();
    let comparison = Comparison::from_rounds(&rounds);
    let commands = Sample::from_rounds(&[welcome_mails.commands_per_mail(environment.scaled(MAILS)).await?]);
    let p99 = Sample::from_rounds(&[millis(percentile(&all, 99.0))]);
    Ok(vec![
        Row::value("from the answer to the accepted mail, p50", "ms", comparison.ours, Goal::AtMost(25.0))
            .note(format!("{count} registrations, one at a time, the next {} ms after the mail", PAUSE.as_millis())),
        Row::value("from the answer to the accepted mail, p99", "ms", p99, Goal::AtMost(100.0)),
        Row::comparison("the same, p50 / the sum of its parts alone", "ms", &comparison, Goal::AtMostTimes(2.0))
            .note(times.remark()),
        Row::value("a mail: commands to MongoDB", "", commands, Goal::AtMost(3.0)),
    ]
    .into())
}

impl WelcomeMails {
    /// Returns the time from the response to the acceptance of the mail; zero if the mail was accepted first.
    async fn measure_one(&mut self) -> Result<Duration> {
        self.count += 1;
        let person = self.world.test_user(&format!("new{}", self.count));
        let body = json!({ "username": person.username, "email": person.email, "password": person.password });
        self.connection.send_expecting(&ApiRequest::post("/api/users", &body), StatusCode::CREATED).await?;
        let answered = monotonic_nanos();
        let accepted = tokio::time::timeout(MAIL_TIMEOUT, self.mail_to(&person.email)).await??;
        Ok(Duration::from_nanos(u64::try_from(accepted.at_nanos - answered).unwrap_or(0)))
    }

    /// Returns the number of commands that each of `mails` mails causes, as the database's profiler counts them: without
    /// those that an idle service sends in the same time.
    async fn commands_per_mail(&mut self, mails: usize) -> Result<f64> {
        let database = self.world.email_database().await;
        let count = async || {
            let commands = database.collection::<Document>("system.profile");
            commands.count_documents(doc! { "appName": "email-service" }).await
        };
        database.run_command(doc! { "profile": 2 }).await?;
        let begun = Instant::now();
        for _ in 0..mails {
            self.measure_one().await?;
            tokio::time::sleep(PAUSE).await;
        }
        let (took, busy) = (begun.elapsed(), count().await?);
        tokio::time::sleep(took).await;
        let idle = count().await? - busy;
        database.run_command(doc! { "profile": 0 }).await?;
        Ok((busy as f64 - idle as f64) / mails as f64)
    }

    /// Waits for the mail to this address, and skips earlier mails of the stages.
    async fn mail_to(&mut self, address: &str) -> Result<AcceptedMail> {
        loop {
            let accepted = self.sink.next().await?;
            if accepted.recipient == address {
                return Ok(accepted);
            }
        }
    }
}
