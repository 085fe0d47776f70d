//! The rows of attempts. One update judges an attempt and charges it, to the row and to the entry of its network.
//!
//! Each charge has an id, and a refund names it. So a refund undoes its own charge only, and can be repeated.

use std::{collections::HashMap, sync::LazyLock, time::Duration};

use bson::{Bson, DateTime, Document, RawArrayBuf, doc};
use parking_lot::Mutex;
use serde::Deserialize;
use service_kit::{
    mongo::{self, RepeatableUpdate, StoreError, with_deadline},
    random_bytes,
};

use super::{
    collection::{SCHEMA_VERSION, binary, bson_error},
    throttles::{Backoff, ThrottleKey, ThrottleState, ThrottleStore, millis, retry_upsert, subject_range},
};

/// The maximum number of networks in a row.
const MAX_NETWORKS: i32 = 32;
/// The maximum number of charges in a row or an entry that can be refunded.
const MAX_OPEN: i32 = 100;
/// The maximum number of doublings, whatever the longest wait is.
const MAX_DOUBLINGS: i32 = 40;

/// The identity of a charge, unique within its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChargeId(i64);

impl ChargeId {
    /// Returns a new id.
    #[must_use]
    pub fn random() -> Self {
        Self(i64::from_be_bytes(random_bytes()))
    }
}

/// A charge of an attempt to a row, and to the entry of a network in this row.
#[derive(Debug, Clone, Copy)]
pub struct AttemptCharge {
    pub id: ChargeId,
    pub key: ThrottleKey,
    pub rule: Backoff,
    pub network: Option<([u8; 16], Backoff)>,
}

/// The rules of a row, and of the entries of networks in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct ChargeRules {
    row: Backoff,
    network: Option<Backoff>,
}

/// The updates of attempts, which differ only by their rules. Building one takes longer than all else that this service
/// does for a charge.
static CHARGE_PIPELINES: LazyLock<Mutex<HashMap<ChargeRules, RawArrayBuf>>> = LazyLock::new(Mutex::default);

fn charge_pipeline(rules: ChargeRules) -> Result<RawArrayBuf, StoreError> {
    let mut pipelines = CHARGE_PIPELINES.lock();
    if let Some(pipeline) = pipelines.get(&rules) {
        return Ok(pipeline.clone());
    }
    let pipeline = mongo::stages(&charge_stages(rules))?;
    pipelines.insert(rules, pipeline.clone());
    Ok(pipeline)
}

/// The states of a row, and of the entry of the network, after an attempt.
#[derive(Debug, Clone, Copy)]
pub struct AttemptState {
    pub row: ThrottleState,
    pub network: Option<ThrottleState>,
}

impl AttemptState {
    /// Returns whether the attempt was refused. A refused attempt is charged nowhere.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.row.refused || self.network.is_some_and(|network| network.refused)
    }
}

/// The charges that a refund undoes in a row, or in the entry of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forget {
    /// The charge of the attempt itself.
    Own,
    /// The charge of the attempt itself, and all earlier ones.
    Through,
}

/// A refund of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttemptRefund {
    pub id: ChargeId,
    pub row: Forget,
    pub network: Option<([u8; 16], Forget)>,
}

/// The part of a row that the answer to an attempt needs.
#[derive(Deserialize)]
struct Row {
    now: DateTime,
    level: f64,
    until: Option<DateTime>,
    #[serde(default)]
    open: Vec<i64>,
    #[serde(default)]
    networks: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    network: bson::Binary,
    level: f64,
    until: Option<DateTime>,
}

impl ThrottleStore {
    /// Charges an attempt to the row and to the entry of its network, unless one of them refuses it: then neither is
    /// charged. Refunds of the same row are applied before.
    pub async fn charge_attempt(
        &self,
        charge: &AttemptCharge,
        refunds: &[AttemptRefund],
    ) -> Result<AttemptState, StoreError> {
        let AttemptCharge { id, key, rule, network } = *charge;
        let rules = ChargeRules { row: rule, network: network.map(|(_, rule)| rule) };
        let network = network.map(|(network, _)| network);
        let mut variables = doc! { "charge": id.0 };
        variables.extend(network.map(|network| ("network".to_owned(), binary(&network).into())));
        // A charge that is repeated finds itself in its row, and changes nothing.
        let update = RepeatableUpdate {
            filter: doc! { "_id": key.id() },
            pipeline: if refunds.is_empty() {
                charge_pipeline(rules)?
            } else {
                mongo::stages(&[refund_stages(refunds), charge_stages(rules)].concat())?
            },
            variables,
            upsert: true,
            projection: answer_fields(network.is_some()),
        };
        let document = retry_upsert(|| with_deadline(self.deadline, update.run(&self.collection))).await?;
        attempt_state(document.unwrap_or_default(), id, network)
    }

    /// Writes the refunds of many rows in one command, and returns the positions of the rows that were not written. A
    /// refund whose charge is not in its row any more changes nothing.
    pub async fn refund_attempts(&self, rows: &[(ThrottleKey, Vec<AttemptRefund>)]) -> Result<Vec<usize>, StoreError> {
        let updates: Vec<Document> =
            rows.iter().map(|(key, refunds)| doc! { "q": { "_id": key.id() }, "u": refund_stages(refunds) }).collect();
        let command = doc! {
            "update": self.collection.name(),
            "updates": updates,
            "ordered": false,
            "writeConcern": { "w": 1, "j": false },
        };
        let database = self.collection.client().database(&self.collection.namespace().db);
        let answer = with_deadline(self.deadline, database.run_command(command)).await?;
        let errors = answer.get_array("writeErrors").into_iter().flatten();
        let position = |error: &Bson| usize::try_from(error.as_document()?.get_i32("index").ok()?).ok();
        Ok(errors.filter_map(position).collect())
    }

    /// Deletes the rows of a subject that have failures which have not decayed, and returns their number.
    pub async fn delete_failures(&self, subject: [u8; 16], rule: Backoff) -> Result<u64, StoreError> {
        let failures = doc! { "$gt": [last_end(millis(rule.longest)), "$$NOW"] };
        let filter = doc! { "_id": subject_range(subject), "$expr": failures };
        Ok(with_deadline(self.deadline, self.collection.delete_many(filter)).await?.deleted_count)
    }
}

fn attempt_state(document: Document, id: ChargeId, network: Option<[u8; 16]>) -> Result<AttemptState, StoreError> {
    let row: Row = bson::deserialize_from_document(document).map_err(bson_error)?;
    let now = row.now.to_jiff();
    let charged = row.open.contains(&id.0);
    let state = |level: f64, until: Option<DateTime>| {
        let wait =
            until.map_or(Duration::ZERO, |until| until.to_jiff().duration_since(now).try_into().unwrap_or_default());
        ThrottleState { refused: !charged && wait > Duration::ZERO, level, wait, now }
    };
    let entry = network.and_then(|network| row.networks.iter().find(|entry| entry.network.bytes == network));
    Ok(AttemptState {
        row: state(row.level, row.until),
        network: network.map(|_| entry.map_or_else(|| state(0.0, None), |entry| state(entry.level, entry.until))),
    })
}

/// Returns the projection for [`Row`].
fn answer_fields(with_network: bool) -> Document {
    let mut fields = doc! { "_id": 0, "now": "$$NOW", "level": 1, "until": 1, "open": 1 };
    if with_network {
        let is_own = doc! { "$eq": ["$$entry.network", "$$network"] };
        fields.insert("networks", filter(array("$networks"), is_own));
    }
    fields
}

/// Returns the update of an attempt, whose variables are the id of the charge and the network. A refused attempt changes
/// nothing, so a crowd of them writes nothing. The same charge again changes nothing either.
fn charge_stages(rules: ChargeRules) -> Vec<Document> {
    let decay = millis(rules.row.longest);
    let mut stages = Vec::new();
    // A command that is repeated, because its answer was lost, finds its charge.
    let mut unchanged = vec![is_held("$until"), doc! { "$in": ["$$charge", array("$open")] }];
    let mut charged = doc! { "judged.row": unless_unchanged(Bson::Null, charged("$", rules.row)) };
    if let Some(rule) = rules.network {
        let is_own = doc! { "$eq": ["$$entry.network", "$$network"] };
        let entry = doc! { "$first": filter(array("$networks"), is_own) };
        stages.push(doc! { "$set": { "judged.entry": entry } });
        unchanged.push(is_held("$judged.entry.until"));
        let entry = doc! { "$mergeObjects": [{ "network": "$$network" }, self::charged("$judged.entry.", rule)] };
        charged.insert("judged.entry", unless_unchanged(Bson::Null, entry));
    }
    stages.push(doc! { "$set": { "judged.unchanged": { "$or": unchanged } } });
    stages.push(doc! { "$set": charged });
    let mut fields = doc! { "schemaVersion": SCHEMA_VERSION };
    for field in ["level", "at", "until", "open"] {
        fields.insert(field, unless_unchanged(format!("${field}"), format!("$judged.row.{field}")));
    }
    if rules.network.is_some() {
        fields.insert("networks", unless_unchanged("$networks", with_charged_entry(decay)));
    }
    stages.push(doc! { "$set": fields });
    stages.push(doc! { "$set": { "expiresAt": unless_unchanged("$expiresAt", last_end(decay)) } });
    stages.push(doc! { "$unset": "judged" });
    stages
}

/// Returns the entries with that of the network at the front, as it is after its charge. Entries that have decayed are
/// left out. Beyond the maximum, entries are left out from the end; those that are held come before the others.
fn with_charged_entry(decay: f64) -> Document {
    let other = doc! { "$ne": ["$$entry.network", "$$network"] };
    let held = is_held("$$entry.until");
    let counts = doc! { "$gt": [end("$$entry.", decay), "$$NOW"] };
    let others = doc! { "$concatArrays": [
        filter(array("$networks"), doc! { "$and": [&other, &held] }),
        filter(array("$networks"), doc! { "$and": [&other, { "$not": [&held] }, counts] }),
    ] };
    doc! { "$concatArrays": [["$judged.entry"], { "$slice": [others, MAX_NETWORKS - 1] }] }
}

/// Returns the fields of a row or an entry after a charge. `prefix` is the path of its fields.
fn charged(prefix: &str, rule: Backoff) -> Document {
    let field = |name: &str| format!("{prefix}{name}");
    // After a failover, the clock of the new primary may be behind.
    let elapsed = doc! { "$max": [0, { "$subtract": ["$$NOW", { "$ifNull": [field("at"), "$$NOW"] }] }] };
    let decayed = doc! { "$divide": [elapsed, millis(rule.longest)] };
    let rest = doc! { "$max": [0.0, { "$subtract": [{ "$ifNull": [field("level"), 0.0] }, decayed] }] };
    let step = doc! { "$ceil": { "$subtract": ["$$level", f64::from(rule.free) - 1.0] } };
    let doubled = doc! { "$pow": [2.0, { "$min": [{ "$subtract": [&step, 1.0] }, MAX_DOUBLINGS] }] };
    let wait = doc! { "$min": [millis(rule.longest), { "$multiply": [millis(rule.first), doubled] }] };
    // The older charges have decayed.
    let open = doc! { "$slice": [
        { "$concatArrays": [array(&field("open")), ["$$charge"]] },
        { "$subtract": [0, { "$min": [{ "$ceil": "$$level" }, MAX_OPEN] }] },
    ] };
    doc! { "$let": { "vars": { "level": { "$add": [rest, 1.0] } }, "in": {
        "level": "$$level",
        "at": "$$NOW",
        "until": { "$cond": [{ "$gt": [step, 0.0] }, { "$add": ["$$NOW", wait] }, "$$REMOVE"] },
        "open": open,
    } } }
}

/// Returns the update that refunds attempts.
fn refund_stages(refunds: &[AttemptRefund]) -> Vec<Document> {
    let row = forgotten("$", refunds.iter().map(|refund| (refund.id, refund.row)));
    let mut stages = vec![doc! { "$set": { "refunded": row } }];
    let mut fields = Document::new();
    for field in ["level", "until", "open"] {
        fields.insert(field, format!("$refunded.{field}"));
    }
    let mut networks: Vec<[u8; 16]> = refunds.iter().filter_map(|refund| refund.network).map(|(it, _)| it).collect();
    networks.sort_unstable();
    networks.dedup();
    if !networks.is_empty() {
        let refunded = networks.iter().map(|network| {
            let own = refunds.iter().filter_map(|refund| Some((refund.id, refund.network?)));
            let own = own.filter(|(_, (it, _))| it == network).map(|(id, (_, forget))| (id, forget));
            let rest = doc! { "$unsetField": { "field": "until", "input": "$$entry" } };
            let entry = doc! { "$mergeObjects": [rest, forgotten("$$entry.", own)] };
            doc! { "case": { "$eq": ["$$entry.network", binary(network)] }, "then": entry }
        });
        let entry = doc! { "$switch": { "branches": refunded.collect::<Vec<_>>(), "default": "$$entry" } };
        fields.insert("networks", doc! { "$map": { "input": array("$networks"), "as": "entry", "in": entry } });
    }
    stages.push(doc! { "$set": fields });
    stages.push(doc! { "$unset": "refunded" });
    stages
}

/// Returns the fields of a row or an entry without these charges, as far as they are still in it. The last charge has
/// set the wait, so the wait goes only with it.
fn forgotten(prefix: &str, charges: impl Iterator<Item = (ChargeId, Forget)>) -> Document {
    let field = |name: &str| format!("{prefix}{name}");
    let (through, own): (Vec<_>, Vec<_>) = charges.partition(|(_, forget)| *forget == Forget::Through);
    let own: Vec<i64> = own.into_iter().map(|(id, _)| id.0).collect();
    let mut positions = vec![Bson::from(-1)];
    positions.extend(through.iter().map(|(id, _)| Bson::from(doc! { "$indexOfArray": ["$$open", id.0] })));
    let size = |of: &str| doc! { "$toDouble": { "$size": of } };
    let later = doc! { "$slice": ["$$open", { "$add": ["$$last", 1] }, { "$max": [1, { "$size": "$$open" }] }] };
    let of_later = doc! { "$cond": [{ "$lt": ["$$last", 0] }, "$$level", { "$min": ["$$level", size("$$later")] }] };
    let left = doc! { "$filter": { "input": "$$later", "as": "id", "cond": { "$not": [{ "$in": ["$$id", own] }] } } };
    // Of the oldest charge, a part may have decayed: only the rest of it is taken back.
    let with_oldest = doc! { "$cond": [
        { "$eq": [{ "$first": "$$later" }, { "$first": "$$left" }] },
        "$$ofLater",
        { "$max": ["$$ofLater", size("$$later")] },
    ] };
    let undone = doc! { "$subtract": [size("$$later"), size("$$left")] };
    let is_last_left = doc! { "$eq": [{ "$last": "$$open" }, { "$last": "$$left" }] };
    let result = doc! {
        "level": { "$max": [0.0, { "$subtract": [with_oldest, undone] }] },
        "until": { "$cond": [is_last_left, field("until"), "$$REMOVE"] },
        "open": "$$left",
    };
    let with = |vars: Document, result: Document| doc! { "$let": { "vars": vars, "in": result } };
    let level = doc! { "$ifNull": [field("level"), 0.0] };
    let result = with(doc! { "left": left, "ofLater": of_later }, result);
    let result = with(doc! { "later": later }, result);
    let result = with(doc! { "last": { "$max": positions } }, result);
    with(doc! { "open": array(&field("open")), "level": level }, result)
}

/// Returns the time after which nothing in the row counts any more.
fn last_end(decay: f64) -> Document {
    let of_networks = doc! { "$map": { "input": array("$networks"), "as": "entry", "in": end("$$entry.", decay) } };
    doc! { "$max": { "$concatArrays": [[end("$", decay)], of_networks] } }
}

/// Returns the time after which a row without its networks, or an entry, does not count any more.
fn end(prefix: &str, decay: f64) -> Document {
    let field = |name: &str| format!("{prefix}{name}");
    let decayed = doc! { "$add": [field("at"), { "$multiply": [field("level"), decay] }] };
    doc! { "$max": [decayed, field("until")] }
}

fn is_held(until: &str) -> Document {
    doc! { "$gt": [{ "$ifNull": [until, DateTime::from_millis(0)] }, "$$NOW"] }
}

fn unless_unchanged(old: impl Into<Bson>, new: impl Into<Bson>) -> Document {
    doc! { "$cond": ["$judged.unchanged", old.into(), new.into()] }
}

/// Returns the array in this field, or an empty one. Rows of release 0.1.0 have none.
fn array(field: &str) -> Document {
    doc! { "$ifNull": [field, []] }
}

fn filter(input: Document, condition: Document) -> Document {
    doc! { "$filter": { "input": input, "as": "entry", "cond": condition } }
}
