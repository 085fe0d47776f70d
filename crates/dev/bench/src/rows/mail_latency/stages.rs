//! Measures each stage of a mail's path by itself, one after the other, without concurrent work.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use bson::{Document, doc};
use mongodb::Collection;
use test_support::World;

use crate::{
    database,
    kafka::{PARTITIONS, Producer, ProducerRecord, RecordArrivals},
    limits::{
        ledger::{Ledger, reset_row},
        smtp::SmtpClient,
    },
    sampling::{millis, percentile},
    test_users::TestUserEvents,
};

/// The stages on the path of every mail, in order.
const CRITICAL_PATH: [&str; 4] = ["produce, acks=all", "insert as claimed", "fence", "SMTP conversation"];
/// Stages that are not part of the sum, because they run in parallel with the path or after the acceptance.
const OFF_CRITICAL_PATH: [&str; 2] = ["produced until a consumer has it", "note that it was sent"];

/// The number of lines of the body, which make it about as long as a welcome mail.
const BODY_LINES: usize = 80;

/// The clients and data for all stages.
pub(super) struct Stages {
    producer: Producer,
    topic: String,
    arrivals: RecordArrivals,
    test_users: TestUserEvents,
    ledger: Ledger,
    model: Document,
    smtp: SmtpClient,
    body: String,
    count: usize,
}

/// The durations of each stage.
#[derive(Default)]
pub(super) struct StageTimes(BTreeMap<&'static str, Vec<Duration>>);

impl Stages {
    /// Creates the stages after the first mails of `world`, one of whose rows is the model.
    pub(super) async fn new(world: &World, mail_server: &str) -> Result<Self> {
        let client = database::client(world.stack().mongodb_uri()).await?;
        let rows: Collection<Document> = client.database(world.email_database().await.name()).collection("mailJobs");
        let model = reset_row(rows.find_one(doc! { "state": "sent" }).await?.context("a mail that was sent")?)?;
        let ledger = Ledger::new(&client.database(&format!("parts-{}", world.tag())));
        database::copy_indexes(ledger.rows(), &rows).await?;
        let topic = format!("{}.parts", world.topic());
        test_support::create_topic(world.brokers(), world.broker_kind(), &topic, PARTITIONS).await;
        Ok(Self {
            producer: Producer::new(world.brokers())?,
            arrivals: RecordArrivals::from_topic(world.brokers(), &topic)?,
            topic,
            test_users: TestUserEvents::new(&world.keys())?,
            ledger,
            model,
            smtp: SmtpClient::connect(mail_server).await?,
            body: "Welcome! This line is about as long as the lines of a mail usually are.\r\n".repeat(BODY_LINES),
            count: 0,
        })
    }

    /// Runs each stage `times` times.
    pub(super) async fn measure(&mut self, times: usize) -> Result<StageTimes> {
        let mut taken = StageTimes::default();
        for _ in 0..times {
            self.measure_once(&mut taken).await?;
        }
        Ok(taken)
    }

    async fn measure_once(&mut self, taken: &mut StageTimes) -> Result<()> {
        self.count += 1;
        let record = ProducerRecord::from_event(&self.test_users.registration(self.count));
        let [produce, insert, fence, smtp] = CRITICAL_PATH;
        let [consumed, sent] = OFF_CRITICAL_PATH;
        let begun = Instant::now();
        self.producer.send(&self.topic, &record).await?;
        taken.add(produce, begun);
        taken.0.entry(consumed).or_default().push(self.arrivals.next().await?.duration_since(begun));

        let mut row = self.model.clone();
        row.insert("_id", format!("{}/welcome", self.count));
        let begun = Instant::now();
        self.ledger.insert_claimed(&row).await?;
        taken.add(insert, begun);
        row.insert("epoch", 1_i64);

        let begun = Instant::now();
        self.ledger.fence(&row).await?;
        taken.add(fence, begun);

        let begun = Instant::now();
        self.smtp.send_mail("recipient@example.org", &self.body).await?;
        taken.add(smtp, begun);

        let begun = Instant::now();
        self.ledger.mark_sent(&row).await?;
        taken.add(sent, begun);
        Ok(())
    }
}

impl StageTimes {
    fn add(&mut self, part: &'static str, begun: Instant) {
        self.0.entry(part).or_default().push(begun.elapsed());
    }

    pub(super) fn extend(&mut self, others: Self) {
        for (part, times) in others.0 {
            self.0.entry(part).or_default().extend(times);
        }
    }

    /// Returns the sum of the medians of the stages on the path, in milliseconds.
    pub(super) fn sum(&self) -> f64 {
        CRITICAL_PATH.iter().map(|part| self.median(part)).sum()
    }

    pub(super) fn remark(&self) -> String {
        let list = |parts: &[&str]| {
            parts.iter().map(|part| format!("{part} {:.2}", self.median(part))).collect::<Vec<_>>().join(", ")
        };
        format!("ms: {}; not in the sum: {}", list(&CRITICAL_PATH), list(&OFF_CRITICAL_PATH))
    }

    fn median(&self, part: &str) -> f64 {
        millis(percentile(self.0.get(part).map_or(&[], Vec::as_slice), 50.0))
    }
}
