//! Lists and searches among very many accounts examine only about as many documents as they return, as counted by the
//! database's profiler.

use std::collections::BTreeSet;

use bson::{Document, Uuid, doc};
use e2e::{
    accounts::parse_uuid,
    administrators::{Admin, create_admin, user_ids},
    profiler,
    start::start_user_service,
};
use futures_util::TryStreamExt as _;
use mongodb::{Collection, Database};
use test_support::{DEADLINE, wait_for};

/// The number of accounts whose username and address begin with the same word.
const MEMBERS: usize = 40_000;
/// The number of accounts whose username begins with another word than the address, so that one search finds each of
/// them by both.
const FOUND_BY_BOTH: usize = 10_000;
/// One in this many accounts is disabled.
const DISABLED_EVERY: usize = 4_000;
const LIMIT: usize = 20;

#[tokio::test]
async fn a_page_of_fifty_thousand_accounts_examines_few_more_documents_than_it_shows() {
    let (world, service, _api) = start_user_service("many").await;
    let root = create_admin(&world, &service, "root").await;
    let database = world.user_database().await;
    let users = database.collection::<Document>("users");
    insert_accounts(&users, &root).await;
    profiler::start(&database).await;

    // Covers each status and each order, first and later pages, and searches with no, few and very many results.
    let all = MEMBERS + FOUND_BY_BOTH + 1;
    let disabled = MEMBERS / DISABLED_EVERY;
    for (query, found) in [
        ("", all),
        ("status=active", all - disabled),
        ("status=disabled", disabled),
        ("query=beta", MEMBERS),
        ("query=beta&status=active", MEMBERS - disabled),
        ("query=beta&status=disabled", disabled),
        ("query=betaaba", 16),
        ("query=betaabab%40example", 1),
        ("query=unknown", 0),
        ("query=unknown&status=disabled", 0),
        ("query=kappa", FOUND_BY_BOTH),
        ("query=kappann", FOUND_BY_BOTH),
        ("query=kappa&status=disabled", 0),
        ("query=old", 0),
    ] {
        let mut seen = BTreeSet::new();
        let mut cursor = String::new();
        for _ in 0..5 {
            let before = scans(&database).await.len();
            let at = if cursor.is_empty() { String::new() } else { format!("&cursor={cursor}") };
            let page = root.api.get(&format!("/api/admin/users?{query}&limit={LIMIT}{at}")).await.expect(200);
            let ids = user_ids(&page.json());
            assert!(ids.iter().all(|id| seen.insert(id.clone())), "{query}: an account is listed twice");
            cursor = page.string("nextCursor");
            assert!(cursor.is_empty() || ids.len() == LIMIT, "{query}: a short page of {}", ids.len());
            let scans = scans(&database).await.split_off(before);
            assert_index_scans(query, &scans, 4 * (LIMIT + 1));
            if cursor.is_empty() {
                break;
            }
        }
        assert_eq!(seen.len(), found.min(5 * LIMIT), "{query}");
    }
    assert_paging_finds_each_account_once(&root, &database).await;
    assert_exact_searches_examine_only_results(&root, &database, &users).await;
}

/// Searches by ids, address and username, for accounts that exist and others.
async fn assert_exact_searches_examine_only_results(root: &Admin, database: &Database, users: &Collection<Document>) {
    let some = users.find(doc! { "username": { "$regex": "^betaaa" } }).limit(50).await.expect("users can be read");
    let some: Vec<Document> = some.try_collect().await.expect("users can be read");
    let ids = some.iter().filter_map(|user| bson::deserialize_from_bson::<Uuid>(user.get("_id")?.clone()).ok());
    let ids: Vec<String> = ids.chain((0..50).map(|_| Uuid::new())).map(|id| id.to_string()).collect();
    for (query, found, status_index) in [
        (format!("ids={}", ids.join(",")), 50, false),
        (format!("ids={}&status=disabled", ids[50..].join(",")), 0, false),
        ("email=betaabab%40example.org".to_owned(), 1, true),
        ("email=beta%40example.org".to_owned(), 0, true),
        ("username=betaabab".to_owned(), 1, true),
        ("username=beta&status=disabled".to_owned(), 0, true),
    ] {
        let before = scans(database).await.len();
        let page = root.api.get(&format!("/api/admin/users?{query}")).await.expect(200);
        assert_eq!(user_ids(&page.json()).len(), found, "{query}");
        let scans = scans(database).await.split_off(before);
        let [scan] = &scans[..] else { panic!("{query}: {scans:?}") };
        let number = |field: &str| scan.get(field).and_then(bson::Bson::as_i32).unwrap_or(i32::MAX);
        let plan = scan.get_str("planSummary").unwrap_or_default();
        assert_eq!(plan, if status_index { plan } else { "IXSCAN { _id: 1 }" }, "{query}");
        assert!(plan.starts_with("IXSCAN {") && !scan.contains_key("hasSortStage"), "{query}: {scan}");
        assert_eq!(usize::try_from(number("docsExamined")).expect("not negative"), found, "{query}: {scan}");
        // Each of the hundred ids, and each status of an exact key, may need one more key.
        assert!(number("keysExamined") <= 2 * 100 + 1, "{query}: {scan}");
    }
}

/// Pages through a list whose end consists of accounts that were already shown by their username: each page skips a
/// bounded number of them.
async fn assert_paging_finds_each_account_once(root: &Admin, database: &Database) {
    const PAGE: usize = 100;
    let mut seen = BTreeSet::new();
    let mut path = format!("/api/admin/users?query=kappa&limit={PAGE}");
    let mut pages = 0;
    loop {
        let before = scans(database).await.len();
        let page = root.api.get(&path).await.expect(200);
        pages += 1;
        assert!(
            user_ids(&page.json()).iter().all(|id| seen.insert(id.clone())),
            "an account is listed twice on page {pages}"
        );
        assert_index_scans(&path, &scans(database).await.split_off(before), 17 * (PAGE + 1));
        let cursor = page.string("nextCursor");
        if cursor.is_empty() {
            break;
        }
        path = format!("/api/admin/users?query=kappa&limit={PAGE}&cursor={cursor}");
    }
    assert_eq!(seen.len(), FOUND_BY_BOTH);
    assert!(pages <= FOUND_BY_BOTH / PAGE + FOUND_BY_BOTH / (7 * PAGE) + 2, "{pages} pages");
}

/// Checks that every scan uses an index with the right order and that few documents are examined in total.
#[track_caller]
fn assert_index_scans(query: &str, scans: &[Document], bound: usize) {
    let number = |scan: &Document, field: &str| scan.get(field).and_then(bson::Bson::as_i32).unwrap_or(i32::MAX);
    assert!(!scans.is_empty(), "{query}: no scan was seen");
    let mut examined = 0;
    for scan in scans {
        let plan = scan.get_str("planSummary").unwrap_or_default();
        assert!(plan.starts_with("IXSCAN { status: 1, "), "{query}: {plan}");
        assert!(!scan.contains_key("hasSortStage"), "{query}: sorted in memory, {plan}");
        examined += usize::try_from(number(scan, "docsExamined")).expect("the number is not negative");
        let keys = usize::try_from(number(scan, "keysExamined")).expect("the number is not negative");
        assert!(keys <= bound + 2, "{query}: {keys} keys by {plan}");
    }
    assert!(examined <= bound, "{query}: {examined} documents in {} scans", scans.len());
}

/// Returns the list queries of the service so far, in order.
async fn scans(database: &Database) -> Vec<Document> {
    let filter = doc! { "appName": "user-service", "op": "query", "command.sort": { "$exists": true }, "ns": format!("{}.users", database.name()), "command.hint": { "$exists": true } };
    let profile = database.collection::<Document>("system.profile");
    let rows = profile.find(filter).sort(doc! { "$natural": 1 }).await.expect("the profile can be read");
    rows.try_collect().await.expect("the profile can be read")
}

/// Inserts copies of an account under other names.
async fn insert_accounts(users: &Collection<Document>, root: &Admin) {
    let root = parse_uuid(&root.id);
    let mut template = wait_for(DEADLINE, "an account without pending events", async || {
        let user = users.find_one(doc! { "_id": root }).await.expect("users can be read").expect("the user exists");
        user.get_array("pendingEvents").is_ok_and(Vec::is_empty).then_some(user)
    })
    .await;
    template.insert("roles", Vec::<String>::new());
    template.insert("tokens", Vec::<Document>::new());
    let copy = |n: usize, name: &str, address: &str, status: &str| {
        let mut user = template.clone();
        let mut id = root.bytes();
        // Each copy is older than the template and has its own id.
        id[0] = 0;
        id[8..].copy_from_slice(&(n as u64).to_be_bytes());
        // One in seven accounts has a reserved former address.
        let mut keys = vec![address.to_owned()];
        keys.extend(n.is_multiple_of(7).then(|| format!("old{n}@example.org")));
        user.insert("_id", Uuid::from_bytes(id));
        user.extend(
            doc! { "username": name, "usernameKey": name, "usernameKeys": [name], "email": address, "emailKeys": keys, "status": status },
        );
        user
    };
    let members = (0..MEMBERS).map(|n| {
        let name = format!("beta{}", four_letters(n));
        let status = if n % DISABLED_EVERY == 7 { "disabled" } else { "active" };
        copy(n, &name, &format!("{name}@example.org"), status)
    });
    let twice = (0..FOUND_BY_BOTH).map(|n| {
        let address = format!("kappaze{}@example.org", four_letters(n));
        copy(MEMBERS + n, &format!("kappann{}", four_letters(n)), &address, "active")
    });
    let all: Vec<Document> = members.chain(twice).collect();
    for some in all.chunks(5_000) {
        let _ = users.insert_many(some).await.expect("accounts can be inserted");
    }
}

/// Writes a number in four letters that have no lookalikes, so that a username of them is its own key.
fn four_letters(n: usize) -> String {
    const ALPHABET: &[u8; 16] = b"abcdefghknpqrstu";
    (0..4).rev().map(|place| char::from(ALPHABET[n >> (4 * place) & 15])).collect()
}
