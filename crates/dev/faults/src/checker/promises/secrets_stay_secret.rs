//! S1: no password, token or hash is readable in a record, the ledger or a log.

use aho_corasick::AhoCorasick;

use crate::checker::{History, Violation, evidence};

pub(super) fn violations(history: &History) -> Vec<Violation> {
    let values: Vec<&str> = history.secrets.iter().map(|secret| secret.value.as_str()).collect();
    let search = match AhoCorasick::new(&values) {
        Ok(search) => search,
        Err(error) => return vec![Violation::new(format!("the secrets cannot be searched for: {error}"), [])],
    };
    // The report never contains the secret itself.
    let leak = |bytes: &[u8], place: &dyn Fn() -> String| {
        let hit = search.find(bytes)?;
        let what = history.secrets.get(hit.pattern().as_usize()).map_or("secret", |secret| secret.what.as_str());
        Some(Violation::new(format!("a {what} is readable"), [place()]))
    };
    let mut found = Vec::new();
    for record in history.records.iter().chain(history.states.iter().flatten()) {
        let headers = record.headers.iter().filter_map(|(_, value)| value.as_deref());
        let mut parts = headers.chain(record.key.as_deref()).chain(record.value.as_deref());
        let place = || {
            format!(
                "in {}",
                evidence::record(&crate::checker::TopicRecord { headers: Vec::new(), key: None, ..record.clone() })
            )
        };
        found.extend(parts.find_map(|part| leak(part, &place)));
    }
    for mail in &history.mails {
        found.extend(leak(mail.raw.as_bytes(), &|| format!("in the row of mail {}", mail.id)));
    }
    for text in &history.texts {
        found.extend(leak(text.text.as_bytes(), &|| format!("in {}", text.place)));
    }
    found
}
