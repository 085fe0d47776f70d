//! Resident memory: idle, and the peak under full load. The hash arenas are allocated and touched at start. Their
//! size is configured, so they are reported separately.

use std::time::Duration;

use anyhow::{Context as _, Result};
use hyper::StatusCode;
use test_support::Service;
use tokio::time::timeout;

use crate::{
    environment::{Environment, user_service},
    http_client::ApiRequest,
    load::Load,
    processes::{resident_file_mib, resident_mib},
    report::{Goal, Row},
    rows::{
        hashing::MEMORY_KIB,
        registered_users::{RegisteredUser, register_users, saturating_logins},
    },
    sampling::Sample,
    smtp_sink::SmtpSink,
};

const ROUNDS: usize = 2;
/// The time between the last request or mail and the idle measurement.
const SETTLE_TIME: Duration = Duration::from_secs(3);
const LOAD_DURATION: Duration = Duration::from_secs(5);
const READERS: usize = 32;
/// The number of registrations, whose mails the email service then sends at once.
const REGISTRATIONS: usize = 200;
const SAMPLE_EVERY: Duration = Duration::from_millis(20);
const MAIL_DEADLINE: Duration = Duration::from_secs(60);

const USER_IDLE_GOAL: f64 = 27.0;
const EMAIL_IDLE_GOAL: f64 = 25.0;
const LOADED_GOAL: f64 = 60.0;

/// Resident memory in MB of each service; the user service's without its arenas.
struct Round {
    user_idle: f64,
    user_program: f64,
    user_loaded: f64,
    email_idle: f64,
    email_loaded: f64,
}

pub(super) async fn rows(environment: &Environment) -> Result<Vec<Row>> {
    let mut rounds = Vec::new();
    for _ in 0..environment.rounds().min(ROUNDS) {
        rounds.push(round(environment).await?);
    }
    let row = |service: &str, when: &str, value: fn(&Round) -> f64, goal: f64| {
        let sample = Sample::from_rounds(&rounds.iter().map(value).collect::<Vec<_>>());
        Row::value(format!("resident memory of {service}, {when}"), "MB", sample, Goal::AtMost(goal))
    };
    let arenas = format!("without its hash arenas of {:.0} MB", arenas(environment));
    let program = Sample::from_rounds(&rounds.iter().map(|round| round.user_program).collect::<Vec<_>>()).median;
    let idle = format!("{arenas}; {program:.1} MB are pages of the program and its libraries, which replicas share");
    let mails = format!("{} mails at once", environment.scaled(REGISTRATIONS));
    Ok(vec![
        row("user-service", "idle", |round| round.user_idle, USER_IDLE_GOAL).note(idle),
        row("user-service", "logins and reads", |round| round.user_loaded, LOADED_GOAL).note(arenas),
        row("email-service", "idle", |round| round.email_idle, EMAIL_IDLE_GOAL),
        row("email-service", "many mails", |round| round.email_loaded, LOADED_GOAL).note(mails),
    ])
}

async fn round(environment: &Environment) -> Result<Round> {
    let (world, mut sink) = environment.world_with_sink("memory").await?;
    let (user, mut email) = tokio::join!(user_service(&world).start(), world.email_service().start());
    let arenas = arenas(environment);

    register_users(&user.base_url(), &world, 1).await?;
    wait_for_mails(&mut sink, 1).await?;
    tokio::time::sleep(environment.duration(SETTLE_TIME)).await;
    let (user_idle, email_idle) = (megabytes(&user)? - arenas, megabytes(&email)?);
    let user_program = in_mb(resident_file_mib(user.pid())?);

    email.pause();
    let registrations = environment.scaled(REGISTRATIONS);
    let users = register_users(&user.base_url(), &world, registrations).await?;
    let user_loaded = peak_memory(&user, apply_load(environment, &user, &users)).await? - arenas;
    email.resume();
    let email_loaded = peak_memory(&email, wait_for_mails(&mut sink, registrations)).await?;
    Ok(Round { user_idle, user_program, user_loaded, email_idle, email_loaded })
}

/// Sends logins that keep every hash thread busy, and reads as fast as they are answered. Reads take precedence
/// and may leave so little processor time to hashing that logins are refused.
async fn apply_load(environment: &Environment, service: &Service, users: &[RegisteredUser]) -> Result<()> {
    let (length, base_url) = (environment.duration(LOAD_DURATION), service.base_url());
    let requests: Vec<ApiRequest> = users.iter().map(RegisteredUser::get_me).collect();
    let reads = Load::saturating(READERS, length);
    let reads = reads.run(&base_url, move |connection, turn| requests[(connection + turn) % requests.len()].clone());
    let (logins, reads) = tokio::join!(saturating_logins(environment, &base_url, users, length), reads);
    logins?.require_statuses(&[StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE])?;
    reads?.require_statuses(&[StatusCode::OK])?;
    Ok(())
}

/// Waits for `count` mails at the mail server.
async fn wait_for_mails(sink: &mut SmtpSink, count: usize) -> Result<()> {
    let taken = async {
        for _ in 0..count {
            sink.next().await?;
        }
        Ok(())
    };
    timeout(MAIL_DEADLINE, taken).await.context("the mails were not sent in time")?
}

/// Returns the peak memory of the service in MB while `happening` runs.
async fn peak_memory(service: &Service, happening: impl Future<Output = Result<()>>) -> Result<f64> {
    let mut happening = std::pin::pin!(happening);
    let mut most = megabytes(service)?;
    loop {
        tokio::select! {
            ended = &mut happening => return ended.map(|()| most),
            () = tokio::time::sleep(SAMPLE_EVERY) => most = most.max(megabytes(service)?),
        }
    }
}

fn megabytes(service: &Service) -> Result<f64> {
    Ok(in_mb(resident_mib(service.pid())?))
}

fn in_mb(mib: f64) -> f64 {
    mib * 1_048_576.0 / 1e6
}

/// Returns the size of the user service's hash arenas in MB: one arena for each core.
fn arenas(environment: &Environment) -> f64 {
    environment.cores() as f64 * f64::from(MEMORY_KIB) * 1024.0 / 1e6
}
