//! All users at once: taken over from another system with their passwords, and given away.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::{fs::PermissionsExt as _, process::ExitStatusExt as _},
    path::PathBuf,
    process::Output,
};

use bson::{Document, doc};
use e2e::topic_order::first_occurrences;
use futures_util::TryStreamExt as _;
use serde_json::{Value, json};
use test_support::{DEADLINE, Record, ServiceSpec, Stack, TestUser, World, wait_for};

/// What all hashes below are of.
const PASSWORD: &str = "correct horse";

/// Each form in which a hash may come, made by the systems themselves.
const HASHES: &[(&str, &str)] = &[
    ("supabase", "$2a$04$Z2bbUoBftxNnjLfumaeRvOvbGDwl2/NwQcV1pvpHGx0UyIeILWACu"),
    ("bcrypt-2b", "$2b$04$ksMzF5T1GreQtTXV/JSTrOWUcnoZY5391MQQprrPbL5mpLKkZdc2y"),
    ("php", "$2y$04$/Ux7RSSoJLxEEOX1pDsaW.CDOGAybZHUQB5mxm77jm4gxb7nPChWq"),
    ("spring", "{bcrypt}$2a$04$Z2bbUoBftxNnjLfumaeRvOvbGDwl2/NwQcV1pvpHGx0UyIeILWACu"),
    ("django-bcrypt", "bcrypt_sha256$$2b$04$E4Etm1aCgHzkkIWY42CSC.VJgqBouma8mDIBxIg1lh1VUAc1q/JKW"),
    ("django", "pbkdf2_sha256$100$seasalt2seasalt2seasal$fCMvPN7+LsUOuZXWp1jwQdFkBeiJKX96mOKVC1lypZo="),
    (
        "django-scrypt",
        "scrypt$16$seasalt2$8$1$g6boA7xf7bEmdFgBE8gH9MRthb3+mhfXNDiLf9hYhImBXVRXpspbDubt+pWT/PiclzwrfYljvLUNCEN5AXGjqA==",
    ),
    (
        "django-argon2",
        "argon2$argon2id$v=19$m=64,t=2,p=1$c2Vhc2FsdDJzZWFzYWx0Mg$GVWZ51ImvqhfSxNNk6/lMB/aRw3dRWQerTsPy3YuxSc",
    ),
    ("django-old", "sha1$seasalt2$e824926f4299e407ff642a1c09651c3ef477b993"),
    ("passlib", "$pbkdf2-sha256$100$WEvJmZNy7h2jlDJGiBFizA$3tlw7LXnlnlUam.Gxip1jQ7aBkSQnjpW.Sf/TrAqwMQ"),
    ("passlib-sha1", "$pbkdf2$100$ao3x3vs/ZwwBgBCi1FoLIQ$yoH2nl6cKVes9mI6XoJnXm/KbqE"),
    ("scrypt", "$scrypt$ln=4,r=8,p=2$zHlPiXGOUUqJEQLgnBOCEA$cSm2SZbLjK9uJ5mJNvKUbxcJpKPoTuzNRG8ectwpGM8"),
    (
        "firebase",
        "$fbscrypt$v=1,n=4,r=8,p=1,ss=Bw==,sk=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw==$c2FsdHNhbHQ=$kSRbTSB3GDOR5ZgEvFSwS7oibMwypHmHyKkRQH1lZGFMLHwAGCz6NwaeMaNxtGmUT2pSLCagy7U1zIbF/RhIrQ==",
    ),
    ("argon2i", "$argon2i$v=19$m=64,t=2,p=2$xUkLlnt/wWdUWiTLQupqNw$fKWo52AvQjVaYiGmMiYS+pDSqkkgfF80KdVBp2onbDs"),
    ("ldap", "{SSHA}uoCwdEtzQWDQfobFDeQHar5+ibkE4DyH"),
    (
        "ldap-512",
        "{SSHA512}uJE3AVsfKacXEZdOquwRhobKDBxKOTOHxRgnVJFH7buqR9QqpcUm/3U4mvUziJhKgRuQdCdf7ygbjPvc6Esxjr73HqPUei9F",
    ),
];
const KEYCLOAK: &str = r#"{"secretData":"{\"value\":\"/yFakMlDl2xIXcbIvCmwQ3f5b+vB2Ui5t7qa6qg93Z6NvAdTkzlGNgvVQDGF+H9HWKVKWQEKRd6jq7U5b+vBag==\",\"salt\":\"MDEyMzQ1Njc4OWFiY2RlZg==\"}","credentialData":"{\"hashIterations\":100,\"algorithm\":\"pbkdf2-sha512\"}"}"#;

/// Files of one test, in a directory that goes with it.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory can be made"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, lines: &[Value]) -> String {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        self.write_text(name, text)
    }

    fn write_text(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::write(&path, text).expect("a file can be written");
        path.display().to_string()
    }

    /// The objects of a file with one a line.
    fn read(&self, name: &str) -> Vec<Value> {
        objects(&fs::read_to_string(self.path(name)).expect("the file is there"))
    }
}

fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect()
}

/// Runs `users …` and checks its exit code; what it wrote to standard output.
async fn users(spec: &ServiceSpec, arguments: &[&str], code: i32) -> String {
    let all: Vec<&str> = ["users"].into_iter().chain(arguments.iter().copied()).collect();
    said(&spec.command(&all).await, code)
}

fn said(output: &Output, code: i32) -> String {
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{out}\n{error}");
    out.into_owned()
}

/// The last line of `--json`.
fn summary(text: &str) -> Value {
    objects(text).pop().unwrap_or_else(|| panic!("nothing was said"))
}

fn line(world: &World, name: &str) -> Value {
    json!({ "username": name, "email": world.address(name) })
}

fn with(mut line: Value, member: &str, value: Value) -> Value {
    line[member] = value;
    line
}

async fn documents(world: &World, collection: &str) -> Vec<Document> {
    let found = world.user_database().await.collection(collection).find(doc! {}).await.expect("MongoDB answers");
    found.try_collect().await.expect("MongoDB answers")
}

async fn stored_hash(world: &World, email: &str) -> String {
    let users = world.user_database().await.collection::<Document>("users");
    let user = users.find_one(doc! { "email": email }).await.expect("MongoDB answers").expect("the user is there");
    user.get_str("passwordHash").expect("it has a hash").to_owned()
}

fn test_user(world: &World, name: &str, password: &str) -> TestUser {
    TestUser { username: name.to_owned(), email: world.address(name), password: password.to_owned() }
}

/// A sweep that looks soon.
fn brisk(spec: ServiceSpec) -> ServiceSpec {
    spec.set("RELAY__SWEEP_INTERVAL", "100ms").set("RELAY__SWEEP_MIN_AGE", "0s")
}

#[tokio::test(flavor = "multi_thread")]
async fn people_of_another_system_log_in_with_their_passwords_and_their_hashes_become_ours() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "takeover").await;
    let files = Files::new();
    let mut lines: Vec<Value> =
        HASHES.iter().map(|(name, hash)| with(line(&world, name), "passwordHash", json!(hash))).collect();
    let credential: Value = serde_json::from_str(KEYCLOAK).expect("it is JSON");
    lines.push(with(line(&world, "keycloak"), "credential", credential));
    lines.push(line(&world, "no-password"));
    let file = files.write("users.ndjson", &lines);
    let spec = brisk(world.user_service());

    // No service has ever run: the import makes what it needs.
    let done = summary(&users(&spec, &["import", &file, "--json"], 0).await);
    assert_eq!(done["imported"], lines.len());
    assert_eq!((&done["refused"], &done["dryRun"], &done["continuedAfterLine"]), (&json!(0), &json!(false), &json!(0)));

    let (service, _emails) = tokio::join!(spec.start(), world.email_service().start());
    let api = service.api();
    let names: Vec<&str> = HASHES.iter().map(|(name, _)| *name).chain(["keycloak"]).collect();
    for name in names {
        let person = test_user(&world, name, PASSWORD);
        let before = stored_hash(&world, &person.email).await;
        let wrong = json!({ "identifier": person.email, "password": "correct house" });
        let _ = api.post("/api/auth/login", &wrong).await.expect_problem(401, "invalid-credentials");
        assert_eq!(stored_hash(&world, &person.email).await, before, "{name}");
        api.login(&person).await;
        let after = stored_hash(&world, &person.email).await;
        assert!(after.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{name}: {after}");
        api.login(&person).await;
        assert_eq!(stored_hash(&world, &person.email).await, after, "{name}");
    }
    let nobody = json!({ "identifier": "no-password", "password": PASSWORD });
    let _ = api.post("/api/auth/login", &nobody).await.expect_problem(401, "invalid-credentials");
    assert!(stored_hash(&world, &world.address("no-password")).await.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));

    let mut topic = world.topic_reader();
    let imported = topic.read_type("user.imported.v1", lines.len()).await;
    assert_eq!(imported.len(), lines.len());
    assert!(imported.iter().all(|record| record.json()["welcome"] == false && record.sequence() == 1));
    // Everything was read by the email service when a mail that comes after is there.
    let ada = world.test_user("ada");
    let _ = api.register(&ada).await.expect(201);
    world.mailbox(&ada.email).wait_for_mails(1).await;
    let jobs = world.email_database().await.collection::<Document>("mailJobs");
    wait_for(DEADLINE, "one mail alone", async || {
        let count = jobs.count_documents(doc! {}).await.expect("the ledger can be read");
        assert!(count <= 1, "nobody was to be welcomed");
        (count == 1).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_told_line_by_line_and_the_rest_is_imported() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "refused").await;
    let files = Files::new();
    let service = world.user_service().start().await;
    let holder = world.test_user("holder");
    let _ = service.api().register(&holder).await.expect(201);

    let blowfish = "ksMzF5T1GreQtTXV/JSTrOWUcnoZY5391MQQprrPbL5mpLKkZdc2y";
    let lines = [
        line(&world, "first").to_string(),
        String::new(),
        with(line(&world, "taken"), "email", json!(holder.email.to_uppercase())).to_string(),
        json!({ "username": holder.username, "email": world.address("taken-name") }).to_string(),
        with(line(&world, "First"), "email", json!(world.address("FIRST"))).to_string(),
        "{\"username\":".to_owned(),
        with(line(&world, "costly"), "passwordHash", json!(format!("$2b$15${blowfish}"))).to_string(),
        with(line(&world, "weak"), "passwordHash", json!("md5$seasalt2$80fef0aa4805d23838480e040ce0f027")).to_string(),
        with(line(&world, "plain"), "password", json!("hunter2-hunter2")).to_string(),
        with(line(&world, "large"), "displayName", json!("x".repeat(200_000))).to_string(),
        json!({ "username": "x", "email": "nowhere", "timezone": "Mars/Olympus" }).to_string(),
        with(line(&world, "root"), "roles", json!(["admin"])).to_string(),
        with(line(&world, "last"), "passwordHash", json!(format!("$2b$04${blowfish}"))).to_string(),
    ];
    let file = files.write_text("users.ndjson", lines.join("\n"));
    let expected: BTreeMap<u64, Vec<(&str, &str)>> = BTreeMap::from([
        (3, vec![("#/email", "email-taken")]),
        (4, vec![("#/username", "username-taken")]),
        (5, vec![("#/email", "duplicate-line"), ("#/username", "duplicate-line")]),
        (6, vec![("#", "malformed-line")]),
        (7, vec![("#/passwordHash", "beyond-bounds")]),
        (8, vec![("#/passwordHash", "unsupported-hash")]),
        (9, vec![("#/password", "unknown")]),
        (10, vec![("#", "too-long")]),
        (11, vec![("#/username", "too-short"), ("#/email", "not-an-address"), ("#/timezone", "not-a-time-zone")]),
        (12, vec![("#/roles", "not-allowed")]),
    ]);
    let told = |refused: &[Value]| {
        let codes = |line: &Value| -> BTreeSet<(String, String)> {
            let text = |error: &Value, member: &str| error[member].as_str().unwrap_or_default().to_owned();
            let errors = line["errors"].as_array().expect("there are errors");
            errors.iter().map(|error| (text(error, "pointer"), text(error, "code"))).collect()
        };
        let found: BTreeMap<u64, _> =
            refused.iter().map(|line| (line["line"].as_u64().expect("a number"), codes(line))).collect();
        let owned = |codes: &Vec<(&str, &str)>| codes.iter().map(|(p, c)| ((*p).to_owned(), (*c).to_owned())).collect();
        assert_eq!(found, expected.iter().map(|(line, codes)| (*line, owned(codes))).collect());
    };

    // A dry run says the same, and writes nothing at all.
    let text = users(service.spec(), &["import", &file, "--dry-run", "--json"], 1).await;
    let mut dry = objects(&text);
    let said = dry.pop().expect("a summary");
    assert_eq!((&said["dryRun"], &said["imported"], &said["refused"]), (&json!(true), &json!(2), &json!(10)));
    told(&dry);
    assert_eq!(documents(&world, "users").await.len(), 1);
    assert_eq!(documents(&world, "imports").await.len(), 0);

    let report = files.path("refused.ndjson").display().to_string();
    let text = users(service.spec(), &["import", &file, "--report", &report, "--json"], 1).await;
    let said = summary(&text);
    assert_eq!((&said["dryRun"], &said["imported"], &said["refused"]), (&json!(false), &json!(2), &json!(10)));
    assert_eq!(objects(&text).len(), 1, "the rest is in the report");
    told(&files.read("refused.ndjson"));
    let report = fs::read_to_string(files.path("refused.ndjson")).expect("the report is there");
    for value in [blowfish, "hunter2", "80fef0aa", "Mars"] {
        assert!(!report.contains(value), "{report}");
    }
    let mode = fs::metadata(files.path("refused.ndjson")).expect("the report is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let emails: BTreeSet<String> = documents(&world, "users")
        .await
        .iter()
        .filter_map(|user| user.get_str("email").ok().map(str::to_owned))
        .collect();
    assert_eq!(emails, BTreeSet::from([holder.email.clone(), world.address("first"), world.address("last")]));
    service.api().login(&test_user(&world, "last", PASSWORD)).await;

    // For people: sentences on standard error, and no surprise in the codes.
    let output = service.spec().command(&["users", "import", &file, "--again"]).await;
    assert_eq!(said_by(&output), (Some(1), true, true));
    let missing = files.path("missing").display().to_string();
    let _ = users(service.spec(), &["import", &missing], 2).await;
    let _ = users(service.spec(), &["import"], 2).await;
}

/// The code; whether standard output has the summary, and standard error a refused line.
fn said_by(output: &Output) -> (Option<i32>, bool, bool) {
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let summary = out.starts_with("0 imported, 10 refused, 2 were there already (13 lines, ");
    let told =
        error.contains("line 3: #/email: Another account has it.") && error.ends_with("10 of 13 lines refused\n");
    assert!(summary && told, "{out}\n{error}");
    (output.status.code(), summary, told)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_at_which_the_code_panics_is_refused_and_the_others_are_imported() {
    const SAID: &str = "what-the-panic-of-an-import-says";
    let world = World::new(&Stack::from_env(), "line-panic").await;
    let files = Files::new();
    let file = files.write("users.ndjson", &["ann", "bob", "cyd"].map(|name| line(&world, name)));
    let spec = world.user_service().fail_points(&format!("import.read_line=1*off->1*panic({SAID})->off"));
    let output = spec.command(&["users", "import", &file, "--json"]).await;
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("panic in thread") && !error.contains(SAID), "{error}");
    let lines = objects(&said(&output, 1));
    let [refused, done] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!((&refused["line"], &refused["errors"][0]["code"]), (&json!(2), &json!("processing-failed")));
    assert_eq!((&done["imported"], &done["refused"]), (&json!(2), &json!(1)));
    assert_eq!(documents(&world, "users").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_is_killed_goes_on_and_nobody_is_there_twice() {
    const PEOPLE: usize = 4_500;
    let stack = Stack::from_env();
    let world = World::new(&stack, "killed").await;
    let files = Files::new();
    let mut lines: Vec<Value> = (0..PEOPLE).map(|n| line(&world, &format!("user{n}"))).collect();
    // Refused in the part that is done before the kill, and in the part after it.
    lines[10] = json!({});
    lines[4_000] = json!({});
    let file = files.write("users.ndjson", &lines);
    let report = files.path("refused.ndjson").display().to_string();
    let spec = brisk(world.user_service());

    let armed = spec.clone().fail_points("import.after_batch=2*off->return");
    let killed = armed.command(&["users", "import", &file, "--report", &report]).await;
    assert_eq!(killed.status.signal(), Some(9), "{killed:?}");
    let so_far = documents(&world, "users").await.len();
    assert!(so_far >= 2_999, "{so_far}");
    let record = documents(&world, "imports").await.pop().expect("the import is noted");
    assert_eq!((record.get_i64("lines").ok(), record.get_i64("refused").ok()), (Some(2_000), Some(1)));
    assert!(!record.contains_key("finishedAt"));

    // The other half is not to be welcomed if the first was not.
    let other = spec.command(&["users", "import", &file, "--welcome"]).await;
    assert_eq!(other.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&other.stderr).contains("without --welcome"), "{other:?}");

    let done = summary(&users(&spec, &["import", &file, "--report", &report, "--json"], 1).await);
    assert_eq!((&done["continuedAfterLine"], &done["lastLine"]), (&json!(2_000), &json!(PEOPLE)));
    let count = |member: &str| done[member].as_u64().expect("a number");
    // Of this half: one refused, and those that the killed run had inserted recognised.
    assert_eq!(count("imported") + count("alreadyImported"), 2_499, "{done}");
    assert!(count("alreadyImported") >= 1_000, "{done}");
    let refused: Vec<u64> = files.read("refused.ndjson").iter().filter_map(|line| line["line"].as_u64()).collect();
    assert_eq!(refused, [11, 4_001]);
    let imported = documents(&world, "users").await;
    let emails: BTreeSet<&str> = imported.iter().filter_map(|user| user.get_str("email").ok()).collect();
    assert_eq!((imported.len(), emails.len()), (PEOPLE - 2, PEOPLE - 2));

    // Once more: nothing to do; and if that is insisted on, still nobody twice.
    let again = summary(&users(&spec, &["import", &file, "--json"], 1).await);
    assert_eq!((&again["alreadyImported"], &again["alreadyRefused"]), (&json!(PEOPLE - 2), &json!(2)));
    let again = summary(&users(&spec, &["import", &file, "--again", "--json"], 1).await);
    assert_eq!((&again["imported"], &again["alreadyImported"]), (&json!(0), &json!(PEOPLE - 2)));
    assert_eq!(documents(&world, "users").await.len(), PEOPLE - 2);

    // The relay of the service that runs finds them all, and each event is there once.
    let _service = spec.start().await;
    let mut topic = world.topic_reader();
    topic.read_type("user.imported.v1", PEOPLE - 2).await;
    let records = topic.read_all().await;
    assert_eq!(first_occurrences(records).len(), PEOPLE - 2);
    let people: BTreeSet<String> = records.iter().map(Record::key_text).collect();
    assert_eq!((records.len(), people.len()), (PEOPLE - 2, PEOPLE - 2));
    let pending = world.user_database().await.collection::<Document>("users");
    wait_for(DEADLINE, "nothing pending", async || {
        let left = pending.count_documents(doc! { "pendingEvents.0": { "$exists": true } }).await;
        (left.expect("MongoDB answers") == 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_to_be_welcomed_gets_one_mail() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "welcomed").await;
    let files = Files::new();
    let spec = brisk(world.user_service());
    let (service, _emails) = tokio::join!(spec.start(), world.email_service().start());
    let text: String = ["ada", "eve", "joe"].map(|name| format!("{}\n", line(&world, name))).concat();
    let file = files.write_text("users.ndjson", &text);
    let done = summary(&users(service.spec(), &["import", &file, "--welcome", "--json"], 0).await);
    assert_eq!(done["imported"], 3);
    for name in ["ada", "eve", "joe"] {
        let mails = world.mailbox(&world.address(name)).wait_for_mails(1).await;
        assert!(mails[0].subject.starts_with("Welcome to "), "{}", mails[0].subject);
    }
    // From a pipe, which has no memory: they are taken.
    let output = service.spec().command_with_input(&["users", "import", "-", "--welcome", "--json"], text.into()).await;
    let told = objects(&said(&output, 1));
    assert_eq!((told.len(), &told[3]["refused"]), (4, &json!(3)));
    let more = format!("{}\n", line(&world, "may"));
    let output = service.spec().command_with_input(&["users", "import", "-"], more.into()).await;
    assert!(said(&output, 0).starts_with("1 imported, 0 refused (1 lines, "));
    let mut topic = world.topic_reader();
    let records = topic.read_type("user.imported.v1", 4).await;
    assert_eq!(records.iter().filter(|record| record.json()["welcome"] == true).count(), 3);
    let ada = world.test_user("after");
    let _ = service.api().register(&ada).await.expect(201);
    world.mailbox(&ada.email).wait_for_mails(1).await;
    for (name, mails) in [("ada", 1), ("eve", 1), ("joe", 1), ("may", 0)] {
        assert_eq!(world.mailbox(&world.address(name)).mails().await.len(), mails, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_comes_only_where_admins_are_asked_for_and_nobody_expires_for_an_old_date() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "roles").await;
    let files = Files::new();
    let hash = json!(HASHES[0].1);
    let root = with(with(line(&world, "root"), "roles", json!(["admin"])), "passwordHash", hash);
    let old = with(line(&world, "old"), "createdAt", json!("2020-02-29T12:00:00Z"));
    let file = files.write("users.ndjson", &[root, old]);
    let spec = brisk(world.user_service()).set("AUTH__UNVERIFIED_EXPIRY", "1h");
    let _ = users(&spec, &["import", &file, "--dry-run"], 1).await;
    let _ = users(&spec, &["import", &file, "--admins"], 0).await;
    let mut service = spec.start().await;
    let api = service.api();
    let admin = api.with_token(&api.login(&test_user(&world, "root", PASSWORD)).await.access);
    let listed = admin.get("/api/admin/users").await.expect(200);
    assert_eq!(listed.json()["items"].as_array().map(Vec::len), Some(2));
    // The last admin stays, so this one is in the list of admins.
    let id = listed.json()["items"].as_array().expect("a list").iter().find(|user| user["username"] == "root").cloned();
    let path = format!("/api/admin/users/{}", id.expect("root is listed")["id"].as_str().expect("a user has an id"));
    let _ = admin.delete(&path, None).await.expect_problem(409, "conflict");

    // Somebody as old who was not imported goes; a link was mailed to them.
    let late = world.test_user("late");
    let _ = api.register(&late).await.expect(201);
    let all = world.user_database().await.collection::<Document>("users");
    let back = doc! { "$set": { "createdAt": bson::DateTime::from_millis(1_582_977_600_000) } };
    let _ = all.update_one(doc! { "email": &late.email }, back).await.expect("MongoDB answers");
    assert_eq!(service.terminate().await.code(), Some(0));
    service.restart().await;
    wait_for(DEADLINE, "the one who is too old to go", async || {
        let there = all.count_documents(doc! { "email": &late.email }).await.expect("MongoDB answers");
        (there == 0).then_some(())
    })
    .await;
    assert_eq!(all.count_documents(doc! { "email": world.address("old") }).await.expect("MongoDB answers"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_exported_can_be_imported_elsewhere() {
    let stack = Stack::from_env();
    let (here, there) = (World::new(&stack, "here").await, World::new(&stack, "there").await);
    let files = Files::new();
    let service = here.user_service().start().await;
    let api = service.api();
    let ada = here.test_user("ada");
    let _ = api.register(&ada).await.expect(201);
    let me = api.with_token(&api.login(&ada).await.access);
    let profile =
        json!({ "displayName": "Ada", "locale": "en-GB", "timezone": "Europe/London", "attributes": { "a": [1] } });
    let _ = me.patch("/api/users/me", &profile).await.expect(200);
    let gone = here.test_user("gone");
    let _ = api.register(&gone).await.expect(201);
    let leaving = api.with_token(&api.login(&gone).await.access);
    let _ = leaving.delete("/api/users/me", Some(&json!({ "password": gone.password }))).await.expect(204);
    let mut lines: Vec<Value> = (0..1_200).map(|n| line(&here, &format!("user{n}"))).collect();
    let id = "018f2f3e-7c4b-4f5a-8d3e-000000000001";
    lines[7] = json!({
        "id": id, "username": "user7", "email": here.address("user7"), "emailVerified": true, "roles": ["writer"],
        "status": "disabled", "createdAt": "2020-02-29T12:00:00Z", "lastLoginAt": "2021-01-01T00:00:00Z",
        "passwordHash": HASHES[0].1,
    });
    let file = files.write("users.ndjson", &lines);
    let _ = users(service.spec(), &["import", &file], 0).await;

    let out = files.path("export.ndjson").display().to_string();
    let said = summary(&users(service.spec(), &["export", "--out", &out, "--json"], 0).await);
    assert_eq!((&said["users"], &said["hashes"]), (&json!(1_201), &json!(true)));
    let mode = fs::metadata(&out).expect("the file is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // Never overwritten.
    let _ = users(service.spec(), &["export", "--out", &out], 1).await;
    let exported = files.read("export.ndjson");
    assert!(exported.is_sorted_by_key(|user| user["id"].as_str().map(str::to_owned)));
    let user =
        |name: &str| exported.iter().find(|user| user["username"] == name).expect("the user is exported").clone();
    let of_ada = user(&ada.username);
    for member in ["displayName", "locale", "timezone", "attributes"] {
        assert_eq!(of_ada[member], profile[member]);
    }
    assert!(of_ada["passwordHash"].as_str().is_some_and(|hash| hash.starts_with("$argon2id$")));
    assert!(of_ada["lastLoginAt"].is_string());
    assert_eq!((&user("user7")["id"], &user("user7")["createdAt"]), (&json!(id), &json!("2020-02-29T12:00:00Z")));

    let elsewhere = there.user_service();
    let done = summary(&users(&elsewhere, &["import", &out, "--json"], 0).await);
    assert_eq!(done["imported"], 1_201);
    let again = users(&elsewhere, &["export"], 0).await;
    assert_eq!(objects(&again), exported);
    let there_runs = elsewhere.start().await;
    there_runs.api().login(&ada).await;

    // Without the hashes nobody gets in, and nobody learns why.
    let third = World::new(&stack, "third").await;
    let bare = users(there_runs.spec(), &["export", "--without-hashes"], 0).await;
    assert!(!bare.contains("passwordHash"));
    let bare = files.write_text("bare.ndjson", bare);
    let spec = third.user_service();
    let _ = users(&spec, &["import", &bare], 0).await;
    let third = spec.start().await;
    let login = json!({ "identifier": ada.email, "password": ada.password });
    let _ = third.api().post("/api/auth/login", &login).await.expect_problem(401, "invalid-credentials");

    // Its own export, at home: everybody is there already, and stays as they are.
    let output = service.spec().command(&["users", "import", &out, "--json"]).await;
    assert_eq!(summary(&String::from_utf8_lossy(&output.stdout))["refused"], 1_201);
    assert_eq!(output.status.code(), Some(1));
}
