//! Measures how long a mail takes: from the response to a registration until the mail server accepted the welcome
//! mail, one registration at a time.
//!
//! It needs a running stack (release builds, an otherwise idle machine):
//! `cargo run -p e2e --example mail_latency -- 200`

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use service_kit::Clock;

const API: &str = "http://127.0.0.1:3000";
const MAIL_API: &str = "http://127.0.0.1:8025";
/// The number of registrations that warm up connections and caches and are not counted.
const WARM_UP: usize = 20;
const PATIENCE: SignedDuration = SignedDuration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);

#[tokio::main]
async fn main() -> Result<()> {
    let count = std::env::args().nth(1).map_or(Ok(200), |text| text.parse()).context("a number of registrations")?;
    let (client, clock) = (reqwest::Client::new(), Clock::system());
    let run = clock.now().as_millisecond();
    let mut millis = Vec::with_capacity(count);
    for number in 0..WARM_UP + count {
        let name = format!("latency{run}.{number}");
        let email = format!("{name}@example.org");
        register(&client, &name, &email).await?;
        let answered = clock.now();
        let accepted = accepted(&client, &email, &clock).await?;
        if number >= WARM_UP {
            millis.push(accepted.duration_since(answered).as_secs_f64() * 1_000.0);
        }
    }
    millis.sort_by(f64::total_cmp);
    let share = |percent: usize| millis[(millis.len() - 1) * percent / 100];
    println!(
        "from the answer to the accepted mail, {count} registrations: p50 {:.1} ms, p90 {:.1} ms, p99 {:.1} ms",
        share(50),
        share(90),
        share(99)
    );
    Ok(())
}

async fn register(client: &reqwest::Client, name: &str, email: &str) -> Result<()> {
    let body = json!({ "username": name, "email": email, "password": "correct horse battery" });
    let answer = client.post(format!("{API}/api/users")).json(&body).send().await?;
    ensure!(answer.status() == 201, "registration answered {}", answer.status());
    Ok(())
}

/// Returns when the mail server accepted the mail to `email`. The server runs on this host and uses the same clock.
async fn accepted(client: &reqwest::Client, email: &str, clock: &Clock) -> Result<Timestamp> {
    let begun = clock.now();
    while clock.now().duration_since(begun) < PATIENCE {
        let query = [("kind", "to"), ("query", email)];
        let found: Value = client.get(format!("{MAIL_API}/api/v2/search")).query(&query).send().await?.json().await?;
        if let Some(created) = found["items"][0]["Created"].as_str() {
            return created.parse().context("a time");
        }
        tokio::time::sleep(POLL).await;
    }
    bail!("no mail to {email} within {PATIENCE:?}")
}
