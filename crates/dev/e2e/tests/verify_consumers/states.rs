//! Writes pseudo-random records into a topic of states, and knows what a consumer must have after the last of them.

use std::{collections::BTreeMap, future::Future, pin::pin, time::Duration};

use e2e::{
    foreign_consumers::{UserCopies, UserCopy},
    pseudo_random::PseudoRandom,
};
use events::{StateRecord, UserState, UserStatus};
use jiff::{SignedDuration, Timestamp};
use rdkafka::{
    ClientConfig,
    message::{Header, OwnedHeaders},
    producer::{FutureProducer, FutureRecord, future_producer::DeliveryFuture},
};
use serde_json::{Value, json};
use tokio::time::sleep;
use uuid::Uuid;

/// A text in every member of a state and in every malformed record: it must not be in a log.
pub(crate) const MARKER: &str = "kept-out-of-logs";
/// The longest time for which a record may wait for its broker.
const DELIVERY_DEADLINE: Duration = Duration::from_secs(120);
/// The pause between two groups of records, and their number.
const PACE: (Duration, usize) = (Duration::from_millis(50), 5);

/// A compacted topic has no records without a key.
type KeyValueHeaders<'a> = (&'a str, Option<&'a str>, Vec<(&'a str, &'a str)>);

/// The writer of a topic of states.
pub(crate) struct States {
    producer: FutureProducer,
    topic: String,
    random: PseudoRandom,
    deliveries: Vec<DeliveryFuture>,
    /// Every record of each user, in the order of the topic.
    users: Vec<Vec<StateRecord>>,
    expected: UserCopies,
    counts: BTreeMap<&'static str, u32>,
    /// Whether one instance reads all records in their order. While partitions move between instances, the earlier of
    /// two states of the same version may be written again after the later one.
    read_in_order: bool,
}

impl States {
    pub(crate) fn new(brokers: &str, topic: &str, seed: u64) -> Self {
        let producer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            // As the relay's producer.
            .set("compression.type", "lz4")
            .set("enable.idempotence", "true")
            .set("partitioner", "murmur2_random")
            .set("linger.ms", "10")
            .set("message.timeout.ms", DELIVERY_DEADLINE.as_millis().to_string())
            .create()
            .expect("these settings are valid");
        Self {
            producer,
            topic: topic.to_owned(),
            random: PseudoRandom::new(seed),
            deliveries: Vec::new(),
            users: Vec::new(),
            expected: UserCopies::new(),
            counts: BTreeMap::new(),
            read_in_order: true,
        }
    }

    /// Returns what a consumer must have when it has read all records.
    pub(crate) fn expected(&self) -> &UserCopies {
        &self.expected
    }

    /// Returns the number of records of each kind.
    pub(crate) fn counts(&self) -> &BTreeMap<&'static str, u32> {
        &self.counts
    }

    /// Writes records until the action has ended.
    pub(crate) async fn write_during<T>(&mut self, action: impl Future<Output = T>) -> T {
        self.read_in_order = false;
        let mut action = pin!(action);
        loop {
            tokio::select! {
                result = &mut action => return result,
                () = sleep(PACE.0) => self.write(PACE.1),
            }
        }
    }

    /// Waits until the broker has all records.
    pub(crate) async fn flush(&mut self) {
        for delivery in self.deliveries.drain(..) {
            delivery.await.expect("the producer lives").expect("the broker acknowledges the record in time");
        }
    }

    /// Writes the next records, without waiting for the broker.
    pub(crate) fn write(&mut self, count: usize) {
        for _ in 0..count {
            self.write_one();
        }
    }

    fn write_one(&mut self) {
        let (kind, at) = (self.random.below(100), self.random.below(self.users.len().max(1)));
        let Some(history) = self.users.get(at) else { return self.write_new_user() };
        let newest = history.iter().max_by_key(|record| record.version).expect("a user has a record").clone();
        let older = history[self.random.below(history.len())].clone();
        match (kind, &newest.state) {
            (0..25, _) => self.write_new_user(),
            (25..55, Some(_)) => {
                let gap = u64::try_from(self.random.below(3)).expect("small");
                let changed = self.state(newest.user, newest.version + 1 + gap);
                self.write_state("changes", at, changed);
            }
            (55..65, _) => self.write_state("repeats", at, newest),
            (65..80, _) => self.write_state("older records that come late", at, older),
            // A snapshot after the operator has marked another attribute as public.
            (80..85, Some(_)) if self.read_in_order => {
                let again = self.state(newest.user, newest.version);
                self.write_state("other states of the same version", at, again);
            }
            (85..93, Some(_)) => {
                let last = self.random.below(4) == 0;
                let version = if last { StateRecord::LAST_VERSION } else { newest.version + 1 };
                let deleted = StateRecord { version, state: None, ..newest };
                self.write_state("tombstones", at, deleted);
            }
            (93.., _) => self.write_malformed(&newest),
            _ => self.write_state("repeats", at, newest),
        }
    }

    fn write_new_user(&mut self) {
        let bytes = [self.random.below(1 << 30), self.random.below(1 << 30), self.users.len()];
        let id = bytes.iter().fold(0_u128, |id, part| (id << 30) | u128::try_from(*part).expect("30 bits"));
        let user = self.state(uuid::Builder::from_random_bytes(id.to_le_bytes()).into_uuid(), 1);
        self.users.push(Vec::new());
        self.write_state("new users", self.users.len() - 1, user);
    }

    /// Writes a record, and applies the rule of the contract: a lower version is ignored.
    fn write_state(&mut self, kind: &'static str, at: usize, record: StateRecord) {
        let headers = record.headers();
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let (key, value) = (record.user.to_string(), record.state.as_ref().map(UserState::to_json));
        self.send(kind, &key, value.as_deref().map(str::as_bytes), &headers);
        if self.expected.get(&key).is_none_or(|copy| copy.version <= record.version) {
            self.expected.insert(key, UserCopy::of_record(&record));
        }
        self.users[at].push(record);
    }

    /// Writes a record that is not a state of this user, although it has the user's key and a greater version.
    fn write_malformed(&mut self, newest: &StateRecord) {
        let record = self.state(newest.user, (newest.version + 1_000).min(StateRecord::LAST_VERSION));
        let (key, sequence) = (record.user.to_string(), format!("{:010}", record.version));
        let value = record.state.as_ref().map(UserState::to_json).expect("a state");
        let headers = |event_type, sequence| vec![("ce_type", event_type), ("ce_sequence", sequence)];
        let valid = headers(StateRecord::TYPE, &sequence);
        let other_user = value.replace(&key, &Uuid::nil().to_string());
        let nul = value.replacen(MARKER, "\\u0000", 1).replacen("\"username\"", "\"user\\u0000name\"", 1);
        let (not_json, text) = (format!("{{\"id\":\"{key}\",{MARKER}"), format!("\"{MARKER}\""));
        let trailing = format!("{value} {{}}");
        let malformed: [KeyValueHeaders<'_>; 17] = [
            (&key, Some(&not_json), valid.clone()),
            (&key, Some(&trailing), valid.clone()),
            (&key, Some(""), valid.clone()),
            (&key, Some("null"), valid.clone()),
            (&key, Some("[]"), valid.clone()),
            (&key, Some(&text), valid.clone()),
            (&key, Some("{}"), valid.clone()),
            (&key, Some(&other_user), valid.clone()),
            (&key, Some(&nul), valid.clone()),
            (MARKER, Some(&value), valid.clone()),
            ("", Some(&value), valid.clone()),
            (&key, Some(&value), Vec::new()),
            (&key, None, vec![("ce_sequence", &sequence)]),
            (&key, Some(&value), vec![("ce_type", StateRecord::TYPE)]),
            (&key, Some(&value), headers("user.state.v2", &sequence)),
            (&key, None, headers("user.registered.v1", &sequence)),
            (&key, Some(&value), headers(StateRecord::TYPE, MARKER)),
        ];
        let (key, value, headers) = &malformed[self.random.below(malformed.len())];
        self.send("malformed records", key, value.map(str::as_bytes), headers);
    }

    fn send(&mut self, kind: &'static str, key: &str, value: Option<&[u8]>, headers: &[(&str, &str)]) {
        let mut all = OwnedHeaders::new();
        for (name, value) in headers {
            all = all.insert(Header { key: name, value: Some(*value) });
        }
        let mut record: FutureRecord<'_, str, [u8]> = FutureRecord::to(&self.topic).headers(all).key(key);
        record.payload = value;
        let sent = self.producer.send_result(record).map_err(|(error, _)| error);
        self.deliveries.push(sent.expect("the queue has space"));
        *self.counts.entry(kind).or_default() += 1;
    }

    /// Returns a state with pseudo-random members, among them what other languages read in another way.
    fn state(&mut self, user: Uuid, version: u64) -> StateRecord {
        let names = ["ada", "O'Neil \"x\"", "$where", "漢字 😀", "a.b", "\u{202e}x\\u0041"];
        let mut text = || format!("{MARKER} {}", names[self.random.below(names.len())]);
        let (username, email, display_name) = (text(), text(), text());
        let mut chance = |one_of: usize| self.random.below(one_of) == 0;
        let deep = (0..13).fold(json!([]), |inner, _| json!({ "d": inner }));
        let attributes = [
            json!({ "tenant": MARKER, "seats": 12, "share": 0.1, "none": null, "list": [1, -2.5, "x", []] }),
            json!({ "largest": u64::MAX, "smallest": i64::MIN, "huge": 1e300, "safe": 9_007_199_254_740_991_u64 }),
            json!({ "$set": { "a.b": 1 }, "": { "$date": "2026-01-01T00:00:00Z" }, "n": { "$numberLong": "5" } }),
            json!({ "__proto__": { "x": true }, "constructor": 1, "_id": 2, "2": "two", "1": "one" }),
            json!({ "deep": deep }),
            json!({}),
        ];
        let created_at = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(490_000);
        let updated_at = created_at + SignedDuration::from_nanos(i64::try_from(version).expect("small") * 1_500_000);
        let state = UserState {
            id: user,
            version,
            username,
            email,
            email_verified: chance(2),
            display_name: chance(2).then_some(display_name),
            locale: chance(2).then(|| "pt-BR".to_owned()),
            timezone: chance(2).then(|| "America/Argentina/Ushuaia".to_owned()),
            roles: if chance(2) { Vec::new() } else { vec!["admin".to_owned(), "support".to_owned()] },
            status: if chance(3) { UserStatus::Disabled } else { UserStatus::Active },
            attributes: (!chance(3)).then(|| attributes[self.random.below(attributes.len())].clone()).map(
                |it| match it {
                    Value::Object(members) => members,
                    other => panic!("not an object: {other}"),
                },
            ),
            created_at,
            updated_at,
        };
        StateRecord { user, version, time: updated_at, state: Some(state) }
    }
}
