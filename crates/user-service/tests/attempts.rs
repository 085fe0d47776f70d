//! The rows of attempts on a real MongoDB: what is charged, what refuses, and what a refund undoes.
#![expect(clippy::unwrap_used, reason = "a test: what fails to unwrap fails the test")]

use std::{collections::BTreeMap, time::Duration};

use bson::{DateTime, Document, doc};
use futures_util::future::join_all;
use mongodb::{Collection, Database};
use service_kit::Ids;
use test_support::Stack;
use user_service::store::{
    self, AttemptCharge, AttemptRefund, AttemptState, Backoff, ChargeId, Forget, Store, ThrottleKey, ThrottleRule,
};

const DEADLINE: Duration = Duration::from_secs(20);
const HOUR: Duration = Duration::from_secs(60 * 60);
const SUBJECT: [u8; 16] = [7; 16];
const KEY: ThrottleKey = ThrottleKey::of_subject(SUBJECT);
/// More than a test charges.
const MANY: u32 = 1000;

/// A row of attempts in a database of its own.
struct Attempts {
    store: Store,
    rows: Collection<Document>,
    account: Backoff,
    network: Backoff,
}

impl Attempts {
    async fn new(name: &str, account_free: u32, network_free: u32) -> Self {
        let name = format!("attempts-{name}-{}-{}", std::process::id(), Ids::random().v4().simple());
        let database: Database = Stack::from_env().mongodb().await.database(&name);
        service_kit::mongo::ensure_indexes(&database, &store::non_unique_indexes(DEADLINE)).await.unwrap();
        let backoff = |free| Backoff { free, first: Duration::from_secs(600), longest: HOUR };
        let rows = database.collection("throttles");
        let store = Store::new(&database, DEADLINE, 100);
        Self { store, rows, account: backoff(account_free), network: backoff(network_free) }
    }

    fn charge(&self, network: u8) -> AttemptCharge {
        let network = Some(([network; 16], self.network));
        AttemptCharge { id: ChargeId::random(), key: KEY, rule: self.account, network }
    }

    /// Charges an attempt from this network, and returns its charge and the answer.
    async fn attempt(&self, network: u8) -> (AttemptCharge, AttemptState) {
        let charge = self.charge(network);
        let state = self.store.throttles.charge_attempt(&charge, &[]).await.unwrap();
        (charge, state)
    }

    /// Charges an attempt that must be accepted.
    async fn accepted(&self, network: u8) -> AttemptCharge {
        let (charge, state) = self.attempt(network).await;
        assert!(!state.is_refused(), "{state:?}");
        charge
    }

    async fn refund(&self, refunds: &[AttemptRefund]) {
        let failed = self.store.throttles.refund_attempts(&[(KEY, refunds.to_vec())]).await.unwrap();
        assert_eq!(failed, Vec::<usize>::new());
    }

    async fn row(&self) -> Document {
        self.rows.find_one(doc! { "_id": { "$exists": true } }).await.unwrap().unwrap()
    }

    /// Returns the level of the account, and that of this network.
    async fn levels(&self, network: u8) -> (f64, f64) {
        let row = self.row().await;
        let entry = entries(&row).into_iter().find(|(of, _)| *of == network);
        (row.get_f64("level").unwrap().round(), entry.map_or(0.0, |(_, entry)| entry.get_f64("level").unwrap().round()))
    }

    /// Moves all times of the row into the past.
    async fn let_pass(&self, time: Duration) {
        let millis = i64::try_from(time.as_millis()).unwrap();
        let less = |field: &str| {
            doc! { "$cond": [
                { "$eq": [{ "$type": field }, "date"] }, { "$subtract": [field, millis] }, "$$REMOVE",
            ] }
        };
        let entry = doc! { "$mergeObjects": [
            { "$unsetField": { "field": "until", "input": "$$entry" } },
            { "at": less("$$entry.at"), "until": less("$$entry.until") },
        ] };
        let networks = doc! { "$map": { "input": "$networks", "as": "entry", "in": entry } };
        let earlier = vec![doc! { "$set": { "at": less("$at"), "until": less("$until"), "networks": networks } }];
        self.rows.update_many(doc! {}, earlier).await.unwrap();
    }
}

fn entries(row: &Document) -> Vec<(u8, Document)> {
    let networks = row.get_array("networks").unwrap().iter().map(|entry| entry.as_document().unwrap().clone());
    networks.map(|entry| (entry.get_binary_generic("network").unwrap()[0], entry)).collect()
}

fn success(charge: &AttemptCharge) -> AttemptRefund {
    refund(charge, Forget::Through)
}

fn unjudged(charge: &AttemptCharge) -> AttemptRefund {
    refund(charge, Forget::Own)
}

fn refund(charge: &AttemptCharge, of_network: Forget) -> AttemptRefund {
    let network = charge.network.map(|(network, _)| (network, of_network));
    AttemptRefund { id: charge.id, row: Forget::Own, network }
}

fn about(wait: Duration, expected: u64) -> bool {
    wait <= Duration::from_secs(expected) && wait + DEADLINE > Duration::from_secs(expected)
}

#[tokio::test]
async fn a_network_that_is_held_charges_nothing_to_the_account() {
    let attempts = Attempts::new("network", MANY, 3).await;
    for expected in 1..=3_u32 {
        let (_, state) = attempts.attempt(1).await;
        let network = state.network.unwrap();
        let levels = [network.level.round(), state.row.level.round()];
        assert_eq!(levels, [f64::from(expected); 2], "{state:?}");
        assert_eq!((state.is_refused(), network.wait > Duration::ZERO), (false, expected == 3), "{state:?}");
    }
    let before = attempts.row().await;
    let (_, state) = attempts.attempt(1).await;
    assert!(state.network.unwrap().refused && !state.row.refused && state.row.wait == Duration::ZERO, "{state:?}");
    assert!(about(state.network.unwrap().wait, 600), "{state:?}");
    assert_eq!(attempts.row().await, before, "a refused attempt writes nothing");
    // Another network is not held. Its failures do not shorten the wait of the first one.
    attempts.accepted(2).await;
    assert_eq!(attempts.levels(1).await, (4.0, 3.0));
    assert!(attempts.attempt(1).await.1.is_refused());
    // The next failure after the wait doubles it.
    attempts.let_pass(Duration::from_secs(600)).await;
    let (_, state) = attempts.attempt(1).await;
    assert!(!state.is_refused() && about(state.network.unwrap().wait, 1200), "{state:?}");
}

#[tokio::test]
async fn an_account_under_attack_charges_nothing_to_networks_and_is_not_written() {
    let attempts = Attempts::new("account", 4, 3).await;
    for network in 1..=4 {
        attempts.accepted(network).await;
    }
    let before = attempts.row().await;
    for network in 1..=40 {
        let (_, state) = attempts.attempt(network).await;
        let network = state.network.unwrap();
        assert!(state.row.refused && !network.refused && network.wait == Duration::ZERO, "{state:?}");
        assert!(about(state.row.wait, 600), "{state:?}");
    }
    assert_eq!(attempts.row().await, before, "a crowd of refused attempts writes nothing");
}

#[tokio::test]
async fn concurrent_attempts_cannot_exceed_either_limit() {
    let attempts = Attempts::new("burst", 6, 3).await;
    let accepted = async |networks: [u8; 2]| {
        let answers = join_all((0..40).map(|n| attempts.attempt(networks[n % 2]))).await;
        answers.iter().filter(|(_, state)| !state.is_refused()).count()
    };
    assert_eq!(accepted([1, 1]).await, 3);
    assert_eq!(accepted([2, 3]).await, 3);
    assert_eq!(accepted([4, 5]).await, 0);
}

#[tokio::test]
async fn a_success_forgets_the_earlier_failures_of_its_network_and_only_itself_for_the_account() {
    let attempts = Attempts::new("success", MANY, 5).await;
    attempts.accepted(1).await;
    attempts.accepted(2).await;
    let charge = attempts.accepted(1).await;
    attempts.accepted(1).await;
    assert_eq!(attempts.levels(1).await, (4.0, 3.0));
    attempts.refund(&[success(&charge)]).await;
    assert_eq!(attempts.levels(1).await, (3.0, 1.0));
    assert_eq!(attempts.levels(2).await, (3.0, 1.0));
    // A refund that is repeated changes nothing.
    let before = attempts.row().await;
    attempts.refund(&[success(&charge), unjudged(&charge)]).await;
    assert_eq!(attempts.row().await, before);
}

#[tokio::test]
async fn an_attempt_that_was_not_judged_is_undone_alone() {
    let attempts = Attempts::new("unjudged", MANY, 3).await;
    let first = attempts.accepted(1).await;
    attempts.accepted(1).await;
    let third = attempts.accepted(1).await;
    assert!(attempts.attempt(1).await.1.is_refused());
    // The wait was set by the third charge, so it stays without the first one and goes with the third one.
    attempts.refund(&[unjudged(&first)]).await;
    assert_eq!(attempts.levels(1).await, (2.0, 2.0));
    assert!(attempts.attempt(1).await.1.is_refused());
    attempts.refund(&[unjudged(&third)]).await;
    assert_eq!(attempts.levels(1).await, (1.0, 1.0));
    assert!(!attempts.attempt(1).await.1.is_refused());
}

#[tokio::test]
async fn a_charge_applies_refunds_that_wait() {
    let attempts = Attempts::new("waiting", 2, 2).await;
    let mut waiting = Vec::new();
    for _ in 0..10 {
        let charge = attempts.charge(1);
        let state = attempts.store.throttles.charge_attempt(&charge, &waiting).await.unwrap();
        assert!(!state.is_refused(), "{state:?}");
        assert_eq!(state.row.level.round(), 1.0);
        waiting.push(success(&charge));
    }
    attempts.accepted(2).await;
    // The account refuses, and the refunds are applied nevertheless.
    let state = attempts.store.throttles.charge_attempt(&attempts.charge(3), &waiting[..9]).await.unwrap();
    assert!(state.row.refused, "{state:?}");
    let state = attempts.store.throttles.charge_attempt(&attempts.charge(3), &waiting).await.unwrap();
    assert!(state.row.refused, "the refund is not of the charge that set the wait");
    assert_eq!(attempts.levels(1).await, (1.0, 0.0));
}

#[tokio::test]
async fn the_same_charge_again_is_accepted_and_counts_once() {
    let attempts = Attempts::new("again", 2, 2).await;
    let (first, second) = (attempts.charge(1), attempts.charge(1));
    for charge in [first, second, second] {
        let state = attempts.store.throttles.charge_attempt(&charge, &[]).await.unwrap();
        assert!(!state.is_refused(), "{state:?}");
    }
    // The account and the network refuse any other one.
    assert!(attempts.attempt(1).await.1.is_refused());
    assert_eq!(attempts.levels(1).await, (2.0, 2.0));
}

#[tokio::test]
async fn a_crowd_cannot_evict_a_network_that_is_held() {
    let attempts = Attempts::new("crowd", MANY, 2).await;
    for _ in 0..2 {
        attempts.accepted(200).await;
    }
    for network in 1..=60 {
        attempts.accepted(network).await;
    }
    let row = attempts.row().await;
    let networks: Vec<u8> = entries(&row).into_iter().map(|(network, _)| network).collect();
    let expected: Vec<u8> = [60, 200].into_iter().chain((30..60).rev()).collect();
    assert_eq!(networks, expected);
    assert!(attempts.attempt(200).await.1.is_refused());
    // An entry that is not held is evicted when all others are.
    for network in 101..=140 {
        for _ in 0..2 {
            attempts.accepted(network).await;
        }
    }
    let networks: Vec<u8> = entries(&attempts.row().await).into_iter().map(|(network, _)| network).collect();
    assert_eq!(networks, (109..=140).rev().collect::<Vec<u8>>());
}

#[tokio::test]
async fn failures_decay_and_entries_that_have_decayed_are_left_out() {
    let attempts = Attempts::new("decay", MANY, 5).await;
    let oldest = attempts.accepted(1).await;
    for _ in 0..3 {
        attempts.accepted(1).await;
    }
    attempts.accepted(2).await;
    attempts.let_pass(HOUR * 5 / 2).await;
    let newest = attempts.accepted(1).await;
    let row = attempts.row().await;
    // Of five charges, two and a half have decayed for the account, and of four for the network.
    let (account, network) = (row.get_f64("level").unwrap(), entries(&row)[0].1.get_f64("level").unwrap());
    assert!((account - 3.5).abs() < 0.01 && (network - 2.5).abs() < 0.01, "{row}");
    assert_eq!((row.get_array("open").unwrap().len(), entries(&row).len()), (4, 1), "{row}");
    let expires = row.get_datetime("expiresAt").unwrap().timestamp_millis();
    let end = row.get_datetime("at").unwrap().timestamp_millis() + 3_600_000 * 7 / 2;
    assert!((expires - end).abs() < 1000, "{row}");
    // The charge has decayed: its refund changes nothing.
    attempts.refund(&[unjudged(&oldest)]).await;
    assert_eq!(attempts.row().await, row);
    // Of the network's oldest charge half is left: a refund of all others leaves it.
    attempts.refund(&[unjudged(&newest)]).await;
    let level = entries(&attempts.row().await)[0].1.get_f64("level").unwrap();
    assert!((level - 1.5).abs() < 0.01, "{level}");
}

#[tokio::test]
async fn a_refund_of_a_charge_that_has_partly_decayed_takes_nothing_from_the_others() {
    let attempts = Attempts::new("partly", MANY, 5).await;
    let oldest = attempts.accepted(1).await;
    attempts.let_pass(HOUR * 9 / 10).await;
    attempts.accepted(1).await;
    attempts.refund(&[unjudged(&oldest)]).await;
    let row = attempts.row().await;
    assert_eq!(row.get_f64("level").unwrap(), 1.0);
    assert_eq!(entries(&row)[0].1.get_f64("level").unwrap(), 1.0);
}

#[tokio::test]
async fn only_failures_that_have_not_decayed_are_deleted() {
    let attempts = Attempts::new("delete", MANY, 5).await;
    let store = &attempts.store.throttles;
    let charge = attempts.accepted(1).await;
    attempts.refund(&[success(&charge)]).await;
    assert_eq!(store.delete_failures(SUBJECT, attempts.account).await.unwrap(), 0);
    let known = ThrottleKey { part: [9; 16], ..KEY };
    let of_known = AttemptCharge { id: ChargeId::random(), key: known, rule: attempts.network, network: None };
    store.charge_attempt(&of_known, &[]).await.unwrap();
    attempts.accepted(1).await;
    assert_eq!(store.delete_failures([8; 16], attempts.account).await.unwrap(), 0);
    assert_eq!(store.delete_failures(SUBJECT, attempts.account).await.unwrap(), 2);
    attempts.accepted(1).await;
    attempts.let_pass(HOUR).await;
    assert_eq!(store.delete_failures(SUBJECT, attempts.account).await.unwrap(), 0);
}

#[tokio::test]
async fn a_row_of_its_own_is_charged_and_refunded_without_networks() {
    let attempts = Attempts::new("own", MANY, 2).await;
    let store = &attempts.store.throttles;
    let key = ThrottleKey { part: [9; 16], ..KEY };
    let charge = || AttemptCharge { id: ChargeId::random(), key, rule: attempts.network, network: None };
    let (first, second) = (charge(), charge());
    for charge in [&first, &second] {
        assert!(!store.charge_attempt(charge, &[]).await.unwrap().is_refused());
    }
    let held = store.charge_attempt(&charge(), &[]).await.unwrap();
    assert!(held.row.refused && held.network.is_none(), "{held:?}");
    let success = AttemptRefund { id: second.id, row: Forget::Through, network: None };
    assert_eq!(store.refund_attempts(&[(key, vec![success])]).await.unwrap(), Vec::<usize>::new());
    let row = attempts.row().await;
    assert_eq!((row.get_f64("level").unwrap(), row.contains_key("until")), (0.0, false), "{row}");
    assert!(!row.contains_key("networks"), "{row}");
    // A refund of a row that is gone creates none.
    attempts.rows.delete_many(doc! {}).await.unwrap();
    assert_eq!(store.refund_attempts(&[(key, vec![success])]).await.unwrap(), Vec::<usize>::new());
    assert_eq!(attempts.rows.count_documents(doc! {}).await.unwrap(), 0);
}

#[tokio::test]
async fn one_row_that_cannot_be_written_does_not_keep_back_the_others() {
    let attempts = Attempts::new("broken", MANY, 2).await;
    let charge = attempts.accepted(1).await;
    let broken = ThrottleKey { part: [9; 16], ..KEY };
    let id = bson::Binary { subtype: bson::spec::BinarySubtype::Generic, bytes: [[7; 16], [9; 16]].concat() };
    attempts.rows.insert_one(doc! { "_id": id, "level": "high", "open": [1_i64] }).await.unwrap();
    let rows = [(broken, vec![success(&charge)]), (KEY, vec![success(&charge)])];
    assert_eq!(attempts.store.throttles.refund_attempts(&rows).await.unwrap(), [0]);
    let row = attempts.rows.find_one(doc! { "networks": { "$exists": true } }).await.unwrap().unwrap();
    assert_eq!(row.get_f64("level").unwrap(), 0.0);
}

/// The levels of random charges and refunds are the numbers of charges that were neither refunded nor forgotten.
#[tokio::test]
async fn levels_are_the_numbers_of_open_charges_whatever_the_order_of_refunds() {
    for seed in 1..=6_u64 {
        let attempts = Attempts::new("model", MANY, 30).await;
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut next = |below: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            usize::try_from((random >> 11) % below).unwrap()
        };
        let mut charges: Vec<AttemptCharge> = Vec::new();
        let mut account: Vec<usize> = Vec::new();
        let mut networks: BTreeMap<u8, Vec<usize>> = BTreeMap::new();
        for _ in 0..120 {
            let mut refunds = Vec::new();
            for _ in 0..next(4) {
                if charges.is_empty() {
                    break;
                }
                // Some are refunded again, and some charges of a network that has forgotten them.
                let number = next(charges.len() as u64);
                let of_network = if next(2) == 0 { Forget::Through } else { Forget::Own };
                refunds.push((number, refund(&charges[number], of_network)));
            }
            // The refunds of one command are applied together: first those that forget earlier charges.
            for (number, refund) in &refunds {
                account.retain(|open| open != number);
                let (network, forget) = refund.network.unwrap();
                let open = networks.entry(network[0]).or_default();
                if forget == Forget::Through && open.contains(number) {
                    open.retain(|open| open > number);
                }
            }
            for (number, refund) in &refunds {
                networks.entry(refund.network.unwrap().0[0]).or_default().retain(|open| open != number);
            }
            let refunds: Vec<AttemptRefund> = refunds.into_iter().map(|(_, refund)| refund).collect();
            if next(3) == 0 {
                attempts.refund(&refunds).await;
            } else {
                let network = u8::try_from(next(4)).unwrap();
                let charge = attempts.charge(network);
                let state = attempts.store.throttles.charge_attempt(&charge, &refunds).await.unwrap();
                assert!(!state.is_refused(), "seed {seed}: {state:?}");
                account.push(charges.len());
                networks.entry(network).or_default().push(charges.len());
                charges.push(charge);
            }
            for network in 0..4 {
                let expected = networks.get(&network).map_or(0, Vec::len);
                let Some(row) = attempts.rows.find_one(doc! {}).await.unwrap() else { continue };
                let entry = entries(&row).into_iter().find(|(of, _)| *of == network);
                let level = entry.map_or(0.0, |(_, entry)| entry.get_f64("level").unwrap().round());
                assert_eq!(level, expected as f64, "seed {seed}: {row}");
                assert_eq!(row.get_f64("level").unwrap().round(), account.len() as f64, "seed {seed}: {row}");
            }
        }
    }
}

/// The update of release 0.1.0 for its row of an account.
fn charge_of_0_1_0() -> Vec<Document> {
    let (decay, free) = (3_600_000.0, 4.0);
    let elapsed = doc! { "$max": [0, { "$subtract": ["$$NOW", { "$ifNull": ["$at", "$$NOW"] }] }] };
    let level = doc! { "$max": [0.0, { "$subtract": [
        { "$ifNull": ["$level", 0.0] }, { "$divide": [elapsed, decay] },
    ] }] };
    let held = doc! { "$gt": [{ "$ifNull": ["$until", DateTime::from_millis(0)] }, "$$NOW"] };
    let charged = doc! { "$cond": ["$held", "$level", { "$add": ["$level", 1.0] }] };
    let step = doc! { "$ceil": { "$subtract": ["$level", free - 1.0] } };
    let doubled = doc! { "$pow": [2.0, { "$min": [{ "$subtract": [&step, 1.0] }, 40] }] };
    let wait = doc! { "$min": [3_600_000.0, { "$multiply": [600_000.0, doubled] }] };
    let until = doc! { "$switch": {
        "branches": [
            { "case": "$held", "then": "$until" },
            { "case": { "$gt": [step, 0.0] }, "then": { "$add": ["$$NOW", wait] } },
        ],
        "default": "$$REMOVE",
    } };
    let all_decayed = doc! { "$add": ["$$NOW", { "$multiply": ["$level", decay] }] };
    vec![
        doc! { "$set": { "level": level } },
        doc! { "$set": { "held": held } },
        doc! { "$set": { "schemaVersion": 1, "level": charged, "at": "$$NOW" } },
        doc! { "$set": { "until": until } },
        doc! { "$set": { "expiresAt": { "$max": [all_decayed, "$until"] } } },
    ]
}

#[tokio::test]
async fn release_0_1_0_and_this_release_count_the_failures_of_an_account_together() {
    let attempts = Attempts::new("released", 4, 3).await;
    let first = attempts.accepted(1).await;
    let id = attempts.row().await.get("_id").unwrap().clone();
    let older = async || {
        let update = attempts.rows.update_one(doc! { "_id": id.clone() }, charge_of_0_1_0()).upsert(true);
        update.await.unwrap();
        attempts.row().await.get_bool("held").unwrap()
    };
    assert!(!older().await);
    // The older release keeps the networks and the ids of charges.
    assert_eq!(attempts.levels(1).await, (2.0, 1.0));
    attempts.refund(&[success(&first)]).await;
    assert_eq!(attempts.levels(1).await, (1.0, 0.0), "the charge of the older release stays");
    attempts.accepted(2).await;
    attempts.accepted(2).await;
    assert!(!older().await);
    assert!(older().await, "the older release sees the charges of this one");
    assert!(attempts.attempt(3).await.1.row.refused, "this release sees the wait of the older one");
    // A row that only the older release has written.
    attempts.rows.delete_many(doc! {}).await.unwrap();
    for _ in 0..3 {
        assert!(!older().await);
    }
    attempts.accepted(1).await;
    assert!(attempts.attempt(1).await.1.row.refused);
    assert_eq!(attempts.levels(1).await, (4.0, 1.0));
}

#[tokio::test]
async fn a_quota_is_counted_in_a_row_that_expires_when_it_has_decayed() {
    let attempts = Attempts::new("quota", MANY, 3).await;
    let store = &attempts.store.throttles;
    let rule = ThrottleRule::Rate { quota: 2, window: HOUR };
    let mut refused = Vec::new();
    for _ in 0..3 {
        refused.push(store.charge(KEY, rule).await.unwrap().refused);
    }
    assert_eq!(refused, [false, false, true]);
    let row = attempts.row().await;
    let time = |field: &str| row.get_datetime(field).unwrap().timestamp_millis();
    assert!((time("expiresAt") - time("at") - 3_600_000).abs() < 1000, "{row}");
    store.refund(KEY).await.unwrap();
    assert!(!store.charge(KEY, rule).await.unwrap().refused);
}
