//! Each part of a mail's way alone, one after the other, with nothing else under way.

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
    kafka::{Arrivals, PARTITIONS, Producer, Record},
    limits::{
        ledger::{Ledger, as_new},
        smtp::Smtp,
    },
    people::People,
    sampling::{millis, percentile},
};

/// On the way of every mail, in its order.
const ON_THE_WAY: [&str; 5] = ["produce, acks=all", "insert into the ledger", "claim", "fence", "SMTP conversation"];
/// Part of the work, and not of the sum: beside the way, or behind the acceptance.
const BESIDE: [&str; 3] = ["produced until a consumer has it", "look-up of suppressions", "note that it was sent"];

/// About as long as a welcome mail.
const BODY_LINES: usize = 80;

/// What the parts need.
pub(super) struct Parts {
    producer: Producer,
    topic: String,
    arrivals: Arrivals,
    people: People,
    ledger: Ledger,
    model: Document,
    smtp: Smtp,
    body: String,
    count: usize,
}

/// How long each part took, every time.
#[derive(Default)]
pub(super) struct Times(BTreeMap<&'static str, Vec<Duration>>);

impl Parts {
    /// After the first mails of `world`: one of its rows is the model.
    pub(super) async fn new(world: &World, mail_server: &str) -> Result<Self> {
        let client = database::client(world.stack().mongodb_uri()).await?;
        let rows: Collection<Document> = client.database(world.email_database().await.name()).collection("mailJobs");
        let model = as_new(rows.find_one(doc! { "state": "sent" }).await?.context("a mail that was sent")?)?;
        let ledger = Ledger::new(&client.database(&format!("parts-{}", world.tag())));
        database::index_like(ledger.rows(), &rows).await?;
        let topic = format!("{}.parts", world.topic());
        test_support::create_topic(world.brokers(), world.broker_kind(), &topic, PARTITIONS).await;
        Ok(Self {
            producer: Producer::new(world.brokers())?,
            arrivals: Arrivals::of(world.brokers(), &topic)?,
            topic,
            people: People::new(&world.keys())?,
            ledger,
            model,
            smtp: Smtp::connect(mail_server).await?,
            body: "Welcome! This line is about as long as the lines of a mail are wont to be.\r\n".repeat(BODY_LINES),
            count: 0,
        })
    }

    /// Each part so often.
    pub(super) async fn take(&mut self, times: usize) -> Result<Times> {
        let mut taken = Times::default();
        for _ in 0..times {
            self.once(&mut taken).await?;
        }
        Ok(taken)
    }

    async fn once(&mut self, taken: &mut Times) -> Result<()> {
        self.count += 1;
        let record = Record::of(&self.people.registration(self.count));
        let [produce, insert, claim, fence, smtp] = ON_THE_WAY;
        let [consumed, suppressed, sent] = BESIDE;
        let begun = Instant::now();
        self.producer.send(&self.topic, &record).await?;
        taken.add(produce, begun);
        taken.0.entry(consumed).or_default().push(self.arrivals.next().await?.duration_since(begun));

        let begun = Instant::now();
        self.ledger.suppressed(&["somebody@example.org"]).await?;
        taken.add(suppressed, begun);

        let mut row = self.model.clone();
        row.insert("_id", format!("{}/welcome", self.count));
        let begun = Instant::now();
        self.ledger.insert(&[row]).await?;
        taken.add(insert, begun);

        let begun = Instant::now();
        let row = self.ledger.claim().await?.context("the row")?;
        taken.add(claim, begun);

        let begun = Instant::now();
        self.ledger.flip(&row).await?;
        taken.add(fence, begun);

        let begun = Instant::now();
        self.smtp.mail("nobody@example.org", &self.body).await?;
        taken.add(smtp, begun);

        let begun = Instant::now();
        self.ledger.sent(&row).await?;
        taken.add(sent, begun);
        Ok(())
    }
}

impl Times {
    fn add(&mut self, part: &'static str, begun: Instant) {
        self.0.entry(part).or_default().push(begun.elapsed());
    }

    pub(super) fn extend(&mut self, others: Self) {
        for (part, times) in others.0 {
            self.0.entry(part).or_default().extend(times);
        }
    }

    /// Of the medians of what is on the way, in milliseconds.
    pub(super) fn sum(&self) -> f64 {
        ON_THE_WAY.iter().map(|part| self.median(part)).sum()
    }

    pub(super) fn remark(&self) -> String {
        let list = |parts: &[&str]| {
            parts.iter().map(|part| format!("{part} {:.2}", self.median(part))).collect::<Vec<_>>().join(", ")
        };
        format!("ms: {}; not in the sum: {}", list(&ON_THE_WAY), list(&BESIDE))
    }

    fn median(&self, part: &str) -> f64 {
        millis(percentile(self.0.get(part).map_or(&[], Vec::as_slice), 50.0))
    }
}
