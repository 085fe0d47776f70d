//! How a row changes: update pipelines that set the state, the fields that go with it, and
//! the entry of history, all in one write.

use std::time::Duration;

use bson::{Bson, Document, doc};

use super::State;

/// After this an unknown delivery is sent again, where its policy allows: time for a late
/// 250 to be written down first.
const RESEND_AFTER: Duration = Duration::from_secs(10);

/// How many steps of history are kept beside those that concern `unknown`.
const MAX_HISTORY: i32 = 60;

/// A mail whose sender disappeared is due at once the first time, then this much later
/// with each time: one that takes its process down must not do so in a circle.
const PAUSE_AFTER_LOSS: Duration = Duration::from_secs(30);

/// One step: the state, `fields`, and the entry of history.
pub(super) fn transition(by: &str, to: State, note: Option<&str>, fields: Document) -> Vec<Document> {
    let mut entry = doc! { "at": "$$NOW", "from": "$state", "to": to.as_str(), "by": literal(by) };
    if let Some(note) = note {
        entry.insert("note", literal(note));
    }
    let mut set = doc! { "state": to.as_str(), "history": bounded_history(entry) };
    set.extend(fields);
    vec![doc! { "$set": set }]
}

/// `preparing -> queued` by recovery.
pub(super) fn requeued_fields() -> Document {
    let losses = doc! { "$ifNull": ["$losses", 0_i64] };
    let pause = doc! { "$multiply": [millis(PAUSE_AFTER_LOSS), { "$min": [losses.clone(), 20_i64] }] };
    doc! {
        "epoch": { "$add": ["$epoch", 1_i64] },
        "lease": "$$REMOVE",
        "losses": { "$add": [losses, 1_i64] },
        "nextAttemptAt": { "$add": ["$$NOW", pause] },
    }
}

/// `unknown -> queued` by policy.
pub(super) fn resent_fields() -> Document {
    doc! {
        "epoch": { "$add": ["$epoch", 1_i64] },
        "resends": { "$add": [{ "$ifNull": ["$resends", 0_i64] }, 1_i64] },
        "nextAttemptAt": "$$NOW",
    }
}

/// Back to `queued` by an operator's order, due at once. `second`: the server may have taken
/// it already, so it counts as its resend, and the policy adds none.
pub(super) fn operator_requeue_fields(counts_as_resend: bool) -> Document {
    let mut fields = resent_fields();
    fields.insert("lease", "$$REMOVE");
    fields.insert("terminalAt", "$$REMOVE");
    fields.insert("losses", 0_i64);
    if !counts_as_resend {
        fields.remove("resends");
    }
    fields
}

/// The end by an operator's order. The epoch rises: whoever held the mail finds it no more.
pub(super) fn operator_resolve_fields() -> Document {
    let mut fields = terminal_fields();
    fields.insert("epoch", doc! { "$add": ["$epoch", 1_i64] });
    fields
}

/// The fields of a row that nothing more happens to.
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

/// `unknown` waits for its resend, or is terminal: under `hold`, after its one resend, and
/// once the mail has expired. The epoch stays: a late 250 still finds it.
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

/// The history with `entry` at its end. Beyond its bound old steps go, but never one that
/// concerns `unknown`: those say why a mail may have been sent twice.
fn bounded_history(entry: Document) -> Bson {
    let all = doc! { "$concatArrays": ["$history", [entry]] };
    let unknown = |field: &str| doc! { "$eq": [format!("$$step.{field}"), State::Unknown.as_str()] };
    let older = doc! { "$slice": ["$$all", { "$subtract": [{ "$size": "$$all" }, MAX_HISTORY] }] };
    let kept = doc! { "$filter": {
        "input": older, "as": "step", "cond": { "$or": [unknown("from"), unknown("to")] },
    } };
    doc! { "$let": {
        "vars": { "all": all },
        "in": { "$cond": [
            { "$lte": [{ "$size": "$$all" }, MAX_HISTORY] },
            "$$all",
            { "$concatArrays": [kept, { "$slice": ["$$all", -MAX_HISTORY] }] },
        ] },
    } }
    .into()
}

/// The history of a dead letter with `entry` at its end: the first entry, and the newest.
pub(super) fn bounded_letter_history(entry: Document) -> Bson {
    let all = doc! { "$concatArrays": [{ "$ifNull": ["$history", []] }, [entry]] };
    let kept = doc! { "$concatArrays": [{ "$slice": ["$$all", 1] }, { "$slice": ["$$all", -MAX_HISTORY] }] };
    let short = doc! { "$lte": [{ "$size": "$$all" }, MAX_HISTORY] };
    doc! { "$let": { "vars": { "all": all }, "in": { "$cond": [short, "$$all", kept] } } }.into()
}

/// A text as it is: in a pipeline a string that begins with `$` would name a field.
pub(super) fn literal(text: &str) -> Document {
    doc! { "$literal": text }
}

pub(super) fn from_now(duration: Duration) -> Document {
    doc! { "$add": ["$$NOW", millis(duration)] }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}
