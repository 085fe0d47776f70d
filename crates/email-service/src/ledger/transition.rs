//! The update pipelines that change a row: each sets the state, the fields that belong to it and
//! the history entry in one write.

use std::time::Duration;

use bson::{Bson, Document, doc};

use super::State;

/// The delay before an unknown delivery is resent, if its policy allows. A late 250 is recorded
/// before that.
const RESEND_AFTER: Duration = Duration::from_secs(10);

/// The number of history entries that are kept besides those about `unknown`.
const MAX_HISTORY: i32 = 60;

/// The additional delay of a mail for each earlier loss of its sender. After the first loss the
/// mail is due at once; a mail that crashes its process must not do so in a loop.
const PAUSE_AFTER_LOSS: Duration = Duration::from_secs(30);

/// Returns the update that sets the state and `fields` and appends to the history.
pub(super) fn transition(by: &str, to: State, note: Option<&str>, fields: Document) -> Vec<Document> {
    let history = mail_history(history_entry(by, to.as_str(), note));
    let mut set = doc! { "state": to.as_str(), "history": history };
    set.extend(fields);
    vec![doc! { "$set": set }]
}

/// Returns the update that writes `row`, a new mail, as claimed by `by`, and leaves a row that exists as it is. It belongs
/// to an upsert by `_id`.
pub(super) fn insert_claimed(row: Document, by: &str, lease: Duration) -> Vec<Document> {
    let queued = row.get_array("history").cloned().unwrap_or_default();
    let mut entry = history_entry(by, State::Preparing.as_str(), None);
    entry.insert("from", State::Queued.as_str());
    let claimed = doc! {
        "state": State::Preparing.as_str(),
        "epoch": 1_i64,
        "lease": lease_fields(by, lease),
        "history": { "$concatArrays": [{ "$literal": queued }, [entry]] },
    };
    let exists = doc! { "$ne": [{ "$type": "$state" }, "missing"] };
    let new = doc! { "$mergeObjects": [{ "$literal": row }, claimed] };
    vec![doc! { "$replaceWith": { "$cond": [exists, "$$ROOT", new] } }]
}

/// Returns the lease of a claim.
pub(super) fn lease_fields(owner: &str, lease: Duration) -> Document {
    doc! { "owner": literal(owner), "until": from_now(lease) }
}

/// Returns the fields of a mail that is `queued` again, and due at this time. The raised epoch makes
/// writes of an earlier holder match nothing.
pub(super) fn queued_fields(next_attempt_at: impl Into<Bson>) -> Document {
    doc! { "epoch": { "$add": ["$epoch", 1_i64] }, "lease": "$$REMOVE", "nextAttemptAt": next_attempt_at }
}

/// Returns the fields of `preparing -> queued` by recovery.
pub(super) fn requeued_fields() -> Document {
    let losses = doc! { "$ifNull": ["$losses", 0_i64] };
    let pause = doc! { "$multiply": [millis(PAUSE_AFTER_LOSS), { "$min": [losses.clone(), 20_i64] }] };
    let mut fields = queued_fields(doc! { "$add": ["$$NOW", pause] });
    fields.insert("losses", doc! { "$add": [losses, 1_i64] });
    fields
}

/// Returns the fields of `unknown -> queued` by policy.
pub(super) fn resent_fields() -> Document {
    let mut fields = queued_fields("$$NOW");
    fields.insert("resends", doc! { "$add": [{ "$ifNull": ["$resends", 0_i64] }, 1_i64] });
    fields
}

/// Returns the fields of a return to `queued` by an operator, due at once. `counts_as_resend`: the
/// server may have accepted the mail, so this counts as its resend, and the policy adds none.
pub(super) fn operator_requeue_fields(counts_as_resend: bool) -> Document {
    let mut fields = resent_fields();
    fields.insert("terminalAt", "$$REMOVE");
    fields.insert("losses", 0_i64);
    if !counts_as_resend {
        fields.remove("resends");
    }
    fields
}

/// Returns the fields of an end by an operator. The raised epoch makes writes of an earlier holder
/// match nothing.
pub(super) fn operator_resolve_fields() -> Document {
    let mut fields = terminal_fields();
    fields.insert("epoch", doc! { "$add": ["$epoch", 1_i64] });
    fields
}

/// Returns the fields of a terminal row.
pub(super) fn terminal_fields() -> Document {
    doc! { "terminalAt": "$$NOW", "lease": "$$REMOVE", "nextAttemptAt": "$$REMOVE" }
}

pub(super) fn finished_fields(reply: Option<&str>, attempted: bool) -> Document {
    let mut fields = terminal_fields();
    if attempted {
        fields.insert("attempts", doc! { "$add": ["$attempts", 1_i64] });
    }
    if let Some(reply) = reply {
        fields.insert("lastReply", literal(reply));
    }
    fields
}

/// Returns the fields of an `unknown` mail: it waits for its resend, or is terminal under `hold`,
/// after its one resend, and once it has expired. The epoch stays, so that a late 250 still
/// matches.
pub(super) fn unknown_fields() -> Document {
    let may_resend = doc! { "$and": [
        { "$eq": ["$policy", "resend_once"] },
        { "$eq": [{ "$ifNull": ["$resends", 0_i64] }, 0_i64] },
        { "$gt": ["$expiresAt", "$$NOW"] },
    ] };
    doc! {
        "lease": "$$REMOVE",
        "nextAttemptAt": { "$cond": [may_resend.clone(), from_now(RESEND_AFTER), "$$REMOVE"] },
        "terminalAt": { "$cond": [may_resend, "$$REMOVE", "$$NOW"] },
    }
}

/// Returns a history entry: a change to the state `to` now.
pub(super) fn history_entry(by: &str, to: &str, note: Option<&str>) -> Document {
    let mut entry = doc! { "at": "$$NOW", "from": "$state", "to": to, "by": literal(by) };
    entry.extend(note.map(|note| ("note".to_owned(), literal(note).into())));
    entry
}

/// Appends `entry` to the history of a mail. Above the limit, old entries are removed, but never
/// one about `unknown`: those explain why a mail may have been sent twice.
fn mail_history(entry: Document) -> Document {
    let unknown = |field: &str| doc! { "$eq": [format!("$$step.{field}"), State::Unknown.as_str()] };
    let older = doc! { "$slice": ["$$all", { "$subtract": [{ "$size": "$$all" }, MAX_HISTORY] }] };
    let kept = doc! { "$filter": {
        "input": older, "as": "step", "cond": { "$or": [unknown("from"), unknown("to")] },
    } };
    bounded_history(entry, kept)
}

/// Appends `entry` to the history of a dead letter. Above the limit, only the first entry and the
/// newest ones are kept.
pub(super) fn dead_letter_history(entry: Document) -> Document {
    bounded_history(entry, doc! { "$slice": ["$$all", 1] })
}

/// Appends `entry` to the history. Above the limit, only the newest entries remain after those that
/// `kept` selects from `$$all`.
fn bounded_history(entry: Document, kept: Document) -> Document {
    let all = doc! { "$concatArrays": [{ "$ifNull": ["$history", []] }, [entry]] };
    let short = doc! { "$lte": [{ "$size": "$$all" }, MAX_HISTORY] };
    let bounded = doc! { "$concatArrays": [kept, { "$slice": ["$$all", -MAX_HISTORY] }] };
    doc! { "$let": { "vars": { "all": all }, "in": { "$cond": [short, "$$all", bounded] } } }
}

/// Quotes a text: in a pipeline a string that begins with `$` would name a field.
pub(super) fn literal(text: &str) -> Document {
    doc! { "$literal": text }
}

pub(super) fn from_now(duration: Duration) -> Document {
    doc! { "$add": ["$$NOW", millis(duration)] }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}
