//! A summary of a run in figures.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use faults::checker::{History, Outcome, Promise, Recovery, RecoveryReport, Report, TopicRecord};

/// The figures of a run.
pub(crate) struct Summary {
    pub(crate) seed: u64,
    pub(crate) minutes: u32,
    /// The numbers of succeeded, refused and unknown operations, by action.
    operations: BTreeMap<String, [usize; 3]>,
    /// The numbers of operations that were refused by a rate limit, by action.
    limited: BTreeMap<String, usize>,
    faults: BTreeMap<String, usize>,
    pub(crate) events: usize,
    pub(crate) duplicates: usize,
    states: usize,
    repeated_states: usize,
    mails: BTreeMap<String, usize>,
    pub(crate) resent: usize,
    dead_letters: BTreeMap<String, usize>,
    pub(crate) lost: usize,
    pub(crate) doubled: usize,
    /// The maximum of memory in bytes, file descriptors and threads, by service.
    largest: BTreeMap<String, [u64; 3]>,
    /// The recovery of a run on clusters.
    pub(crate) recovery: Option<RecoverySummary>,
}

/// The worst times of a run on clusters, in milliseconds.
pub(crate) struct RecoverySummary {
    pub(crate) slowest: i64,
    /// `None` if no fault of a cluster was injected.
    pub(crate) worst: Option<Recovery>,
}

impl Summary {
    pub(crate) fn new(
        seed: u64,
        minutes: u32,
        history: &History,
        report: &Report,
        recovery: Option<&RecoveryReport>,
    ) -> Self {
        let mut operations: BTreeMap<String, [usize; 3]> = BTreeMap::new();
        for operation in &history.operations {
            let [succeeded, refused, unknown] = operations.entry(format!("{:?}", operation.action)).or_default();
            *match &operation.outcome {
                Outcome::Answered(response) if response.status < 300 => succeeded,
                Outcome::Answered(_) => refused,
                Outcome::Unknown { .. } => unknown,
            } += 1;
        }
        let limited = history.operations.iter().filter(|operation| is_limited(&operation.outcome));
        let mut largest: BTreeMap<String, [u64; 3]> = BTreeMap::new();
        for sample in &history.samples {
            let service = sample.process.split(' ').next().unwrap_or_default();
            let most = largest.entry(service.to_owned()).or_default();
            *most = [most[0].max(sample.resident), most[1].max(sample.descriptors), most[2].max(sample.threads)];
        }
        let (events, duplicates) = records_and_repeats(&history.records);
        let (states, repeated_states) = records_and_repeats(history.states.as_deref().unwrap_or_default());
        let resends = history.mails.iter().flat_map(|mail| &mail.history);
        Self {
            seed,
            minutes,
            operations,
            limited: counted(limited.map(|operation| format!("{:?}", operation.action))),
            faults: counted(history.faults.iter().map(|fault| fault.name.clone())),
            events,
            duplicates,
            states,
            repeated_states,
            mails: counted(history.mails.iter().map(|mail| mail.state.clone())),
            resent: resends.filter(|step| step.from.as_deref() == Some("unknown") && step.to == "queued").count(),
            dead_letters: counted(history.dead_letters.iter().map(|letter| letter.reason.clone())),
            lost: [Promise::I1, Promise::I4, Promise::I8, Promise::I9].iter().map(|lost| report.count(*lost)).sum(),
            doubled: report.count(Promise::I5),
            largest,
            recovery: recovery
                .map(|recovery| RecoverySummary { slowest: recovery.slowest, worst: recovery.worst_of_all() }),
        }
    }

    pub(crate) fn operations(&self) -> usize {
        self.operations.values().flatten().sum()
    }

    pub(crate) fn unknown(&self) -> usize {
        self.operations.values().map(|[_, _, unknown]| unknown).sum()
    }

    pub(crate) fn faults(&self) -> usize {
        self.faults.values().sum()
    }

    pub(crate) fn mails(&self) -> usize {
        self.mails.values().sum()
    }

    pub(crate) fn dead_letters(&self) -> usize {
        self.dead_letters.values().sum()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nseed {}, {} minute(s)", self.seed, self.minutes)?;
        writeln!(f, "{} operations (succeeded, refused, no answer)", self.operations())?;
        for (action, [succeeded, refused, unknown]) in &self.operations {
            writeln!(f, "  {action:<20} {succeeded:>6} {refused:>6} {unknown:>6}")?;
        }
        writeln!(f, "{} operations refused by rate limits", self.limited.values().sum::<usize>())?;
        list(f, &self.limited)?;
        writeln!(f, "{} faults", self.faults())?;
        list(f, &self.faults)?;
        writeln!(f, "{} events published, {} of them twice or more", self.events, self.duplicates)?;
        writeln!(f, "{} states published, {} of them twice or more", self.states, self.repeated_states)?;
        writeln!(f, "{} mails, {} sent again by policy", self.mails(), self.resent)?;
        list(f, &self.mails)?;
        writeln!(f, "{} dead letters", self.dead_letters())?;
        list(f, &self.dead_letters)?;
        writeln!(f, "lost {}, doubled {}", self.lost, self.doubled)?;
        for (service, [resident, descriptors, threads]) in &self.largest {
            let megabytes = resident >> 20;
            writeln!(f, "{service}: at most {megabytes} MiB, {descriptors} descriptors, {threads} threads")?;
        }
        Ok(())
    }
}

fn is_limited(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Answered(response) if response.status == 429)
}

/// Returns the number of records of a topic with different ids, and how many records repeat one.
pub(crate) fn records_and_repeats(records: &[TopicRecord]) -> (usize, usize) {
    let ids = records.iter().filter(|record| !record.foreign).filter_map(|record| {
        let id = record.headers.iter().find(|(name, _)| name == "ce_id");
        id.and_then(|(_, value)| value.as_deref())
    });
    let all = ids.clone().count();
    let different = ids.collect::<BTreeSet<_>>().len();
    (different, all - different)
}

fn list<K: AsRef<str>>(f: &mut fmt::Formatter<'_>, counts: &BTreeMap<K, usize>) -> fmt::Result {
    counts.iter().try_for_each(|(name, count)| writeln!(f, "  {:<44} {count:>6}", name.as_ref()))
}

fn counted<K: Ord>(all: impl Iterator<Item = K>) -> BTreeMap<K, usize> {
    let mut counts = BTreeMap::new();
    for one in all {
        *counts.entry(one).or_default() += 1;
    }
    counts
}
