//! Tests that today's code understands what earlier releases have stored and how they were configured.
//! `docs/UPGRADE.md` says how a release is recorded.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    time::Duration,
};

use bson::{Document, doc};
use email_service::{
    config::{Config, SOURCE},
    ledger::{DeadLetter, DeadLetterFilter, DeadLetterStore, Ledger, MailFilter, MailJob, Suppressions},
};
use events::sealing::{KeyRing, PrivateKey};
use mongodb::Database;
use service_kit::Clock;
use test_support::{DocumentRule, ReleasedCollection, Stack, check_stored_document, released_collections};
use uuid::Uuid;

/// The sealing key of the recorded runs: 32 bytes, 1, 2, … 32.
const SEALING_KEY: &str = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";
const OPERATION_DEADLINE: Duration = Duration::from_secs(10);

fn recorded(name: &str) -> Vec<ReleasedCollection> {
    let mut collections = released_collections(env!("CARGO_MANIFEST_DIR"));
    collections.retain(|collection| collection.name == name);
    assert!(!collections.is_empty(), "{name} is not recorded");
    collections
}

#[test]
fn mails_of_every_release_are_read_and_written_back_unchanged_and_their_links_can_be_opened() {
    let ring = KeyRing::new(vec![PrivateKey::from_base64(SEALING_KEY).expect("32 bytes")]).expect("a ring of one key");
    for collection in recorded("mailJobs") {
        let mut opened = 0;
        for document in &collection.documents {
            let job: MailJob = check_stored_document(document)
                .unwrap_or_else(|breach| panic!("mailJobs of {}: {breach}\n{document}", collection.release));
            if let Some(link) = &job.link {
                let event = Uuid::try_parse(&job.event_id).expect("an event id is a UUID");
                let token = ring.open_bound(&link.token, &job.facts.to, link.purpose, event);
                token.unwrap_or_else(|error| panic!("{}: {error}", job.id));
                opened += 1;
            }
        }
        assert!(opened > 0, "{}: a mail with a link is recorded", collection.release);
    }
}

#[test]
fn dead_letters_of_every_release_are_read_and_written_back_unchanged() {
    for collection in recorded("deadLetters") {
        for document in &collection.documents {
            let letter: DeadLetter = check_stored_document(document)
                .unwrap_or_else(|breach| panic!("deadLetters of {}: {breach}\n{document}", collection.release));
            assert!(letter.record().is_some(), "the record can be replayed");
        }
    }
}

/// The recorded mails are in every state and of every kind of that release, so that none is untested.
#[test]
fn the_recorded_mails_of_0_1_0_have_every_state_and_kind_of_that_release() {
    let collections = recorded("mailJobs");
    let mails = &collections.iter().find(|found| found.release == "0.1.0").expect("mails are recorded").documents;
    let values =
        |member: &str| -> BTreeSet<&str> { mails.iter().filter_map(|mail| mail.get_str(member).ok()).collect() };
    let states = ["data", "discarded", "expired", "failed", "preparing", "queued", "sent", "suppressed", "unknown"];
    assert_eq!(values("state"), BTreeSet::from(states));
    let templates = [
        "account-locked",
        "email-change-confirm",
        "email-change-notice",
        "email-change-undone",
        "email-changed",
        "goodbye",
        "password-changed",
        "password-reset",
        "recovery-code-used",
        "totp-disabled",
        "totp-enabled",
        "verify-email",
        "welcome",
    ];
    assert_eq!(values("template"), BTreeSet::from(templates));
}

#[tokio::test]
async fn the_stores_work_on_the_collections_of_every_release() {
    let mut releases: BTreeMap<String, Vec<ReleasedCollection>> = BTreeMap::new();
    for collection in released_collections(env!("CARGO_MANIFEST_DIR")) {
        releases.entry(collection.release.clone()).or_default().push(collection);
    }
    for (release, collections) in releases {
        let name = format!("released-{}-{}", release.replace('.', "-"), std::process::id());
        let database = Stack::from_env().mongodb().await.database(&name);
        database.drop().await.expect("a database of this test");
        for collection in &collections {
            let stored = database.collection::<Document>(&collection.name).insert_many(&collection.documents).await;
            stored.unwrap_or_else(|error| panic!("{} of {release}: {error}", collection.name));
        }
        check_stores(&database, &collections).await;
        database.drop().await.expect("a database of this test");
    }
}

async fn check_stores(database: &Database, collections: &[ReleasedCollection]) {
    let count = |name: &str| {
        let found = collections.iter().find(|collection| collection.name == name);
        found.unwrap_or_else(|| panic!("{name} is not recorded")).documents.len()
    };
    let now = Clock::system().now();
    let ledger = Ledger::new(database, OPERATION_DEADLINE, "the test".to_owned());
    let listed = ledger.list(&MailFilter::default(), now, 0).await.expect("mails can be listed");
    assert_eq!((listed.jobs.len(), listed.unreadable), (count("mailJobs"), Vec::new()));
    let letters = DeadLetterStore::new(database, OPERATION_DEADLINE);
    let listed = letters.list(&DeadLetterFilter::default(), now, true, 0).await.expect("dead letters can be listed");
    assert_eq!(listed.len(), count("deadLetters"));
    let suppressions = Suppressions::new(database, OPERATION_DEADLINE);
    let listed = suppressions.list(None, 100).await.expect("suppressions can be listed");
    assert_eq!(listed.len(), count("suppressions"));
    // Senders that have died since are recovered: their leases have ended.
    let recovered = ledger.recover().await.expect("mails can be recovered");
    assert_eq!(recovered.requeued + recovered.unknown, 2, "{recovered:?}");
}

/// Returns the rule that a change of a recorded mail breaks.
fn broken_rule(change: impl Fn(&mut Document)) -> Option<(DocumentRule, String)> {
    let collections = recorded("mailJobs");
    let mails = collections.iter().flat_map(|collection| &collection.documents);
    let mut changed = mails.clone().find(|mail| mail.contains_key("lastReply")).expect("a reply is recorded").clone();
    change(&mut changed);
    let breach = check_stored_document::<MailJob>(&changed).err()?;
    Some((breach.rule, breach.detail))
}

/// Today's code cannot be changed by a test, so the recorded document is: a member that it has and the code does not
/// is the same as a member that the code no longer has.
#[test]
fn a_change_that_breaks_a_rule_for_stored_mails_is_caught() {
    assert_eq!(broken_rule(|_| ()), None);
    let renamed = broken_rule(|mail| {
        let reply = mail.remove("lastReply").expect("the member is recorded");
        mail.insert("reply", reply);
    });
    assert_eq!(renamed, Some((DocumentRule::MemberStays, "/reply".to_owned())));
    let removed = broken_rule(|mail| drop(mail.remove("policy")));
    assert_eq!(removed.map(|broken| broken.0), Some(DocumentRule::StaysReadable));
    let unknown_kind = broken_rule(|mail| drop(mail.insert("template", "birthday")));
    assert_eq!(unknown_kind.map(|broken| broken.0), Some(DocumentRule::StaysReadable));
    let other_type = broken_rule(|mail| drop(mail.insert("history", doc! {})));
    assert_eq!(other_type.map(|broken| broken.0), Some(DocumentRule::StaysReadable));
}

/// Loads today's configuration from the default file of a release. Only the key is another file.
fn load_configuration(path: &Path) -> Result<Config, String> {
    let key = Path::new(env!("CARGO_TARGET_TMPDIR")).join("released-email-service.key");
    fs::write(&key, SEALING_KEY).expect("the directory of the build is writable");
    let variables = [("EMAIL_SERVICE__SEALING__PRIVATE_KEY_FILE".to_owned(), key.display().to_string())];
    let config: Config = SOURCE.load_from(Some(path), variables).map_err(|error| error.to_string())?;
    config.validate().map_err(|error| format!("{error:#}"))?;
    Ok(config)
}

#[test]
fn a_configuration_with_every_key_of_a_release_is_still_accepted() {
    for collection in recorded("mailJobs") {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/released").join(&collection.release);
        let loaded = load_configuration(&path.join("config.default.toml"));
        loaded.unwrap_or_else(|error| panic!("a key of {} is no longer accepted: {error}", collection.release));
    }
}
