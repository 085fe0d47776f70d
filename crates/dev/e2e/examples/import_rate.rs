//! Measures how long `users import` takes for 100 000 users in each format, next to MongoDB's own limit: a program that
//! only inserts the same documents.
//!
//! ```sh
//! cargo build --release --bin user-service
//! cargo run --release -p e2e --example import_rate [USERS] [FORMAT...]
//! ```
//!
//! Both write to the same replica set of one, with the same indexes, batch size, concurrency and write concern, and
//! take turns. The program prints the medians and their ratios. The import also reads and checks the records, derives the usernames of formats
//! without them, builds the
//! accounts, and records its progress after each batch.

use std::{
    env, fs,
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    thread,
    time::Instant,
};

use anyhow::{Context as _, Result, ensure};
use bson::{Document, RawDocumentBuf, doc};
use e2e::measured_mongod::{MeasuredMongod, cpu_seconds, own_cpu_seconds};
use futures_util::TryStreamExt as _;
use mongodb::{
    Client, Database, IndexModel,
    options::{Acknowledgment, ClientOptions, WriteConcern},
};
use serde_json::json;

const USERS: usize = 100_000;
const ROUNDS: usize = 3;
/// The batch size of the import.
const BATCH: usize = 1_000;

const FORMATS: [&str; 6] = ["ndjson", "firebase", "auth0", "keycloak", "supabase", "wordpress"];
const BCRYPT: &str = "$2b$10$ksMzF5T1GreQtTXV/JSTrOWUcnoZY5391MQQprrPbL5mpLKkZdc2y";
const WORDPRESS_HASH: &str = "$wp$2y$10$8iBofiQNPOQZPkoDyqPIduf2iuxtHrwoYSmP4IP3m3ccefzu/q9vW";
/// The example of Firebase's documentation.
const FIREBASE_HASH: &str = "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==";
const FIREBASE_HASH_CONFIG: &str = "hash_config {
  algorithm: SCRYPT,
  base64_signer_key: jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==,
  base64_salt_separator: Bw==,
  rounds: 8,
  mem_cost: 14,
}
";
const KEYCLOAK_SECRET: &str = r#"{"value":"/yFakMlDl2xIXcbIvCmwQ3f5b+vB2Ui5t7qa6qg93Z6NvAdTkzlGNgvVQDGF+H9HWKVKWQEKRd6jq7U5b+vBag==","salt":"MDEyMzQ1Njc4OWFiY2RlZg==","additionalParameters":{}}"#;
const KEYCLOAK_CREDENTIAL: &str = r#"{"hashIterations":1000,"algorithm":"pbkdf2-sha512","additionalParameters":{}}"#;
const SUPABASE_COLUMNS: &str = "id,email,encrypted_password,email_confirmed_at,last_sign_in_at,raw_app_meta_data,raw_user_meta_data,created_at,phone,banned_until,is_sso_user,deleted_at,is_anonymous";

/// The result of one round: elapsed seconds, and the processor seconds of the writing process and of mongod.
#[derive(Clone, Copy)]
struct Sample {
    seconds: f64,
    own_cpu: f64,
    mongod_cpu: f64,
}

/// The medians of a format.
struct Row {
    format: &'static str,
    bytes_per_user: u64,
    import: Sample,
    insert: Sample,
    ratio: f64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = env::args().skip(1).peekable();
    let users = arguments.next_if(|first| first.bytes().all(|byte| byte.is_ascii_digit()));
    let users = users.map_or(Ok(USERS), |users| users.parse()).context("how many users?")?;
    let chosen: Vec<String> = arguments.collect();
    let mut mongod = MeasuredMongod::start("import-rate").await?;
    let (uri, pid, directory) = (mongod.uri(), mongod.pid(), mongod.directory());
    let measured = measure(&uri, pid, &directory, users, &chosen).await;
    mongod.stop().await;
    report(users, &measured?);
    Ok(())
}

async fn measure(uri: &str, mongod: u32, directory: &Path, users: usize, chosen: &[String]) -> Result<Vec<Row>> {
    let program = service()?;
    run(Command::new(&program).args(["keygen", "--out"]).arg(directory))?;
    fs::write(directory.join("hash_config.txt"), FIREBASE_HASH_CONFIG)?;
    let mut rows = Vec::new();
    for (index, format) in FORMATS.into_iter().enumerate() {
        if chosen.is_empty() || chosen.iter().any(|name| name == format) {
            rows.push(rounds(uri, mongod, directory, &program, index, users).await?);
        }
    }
    Ok(rows)
}

async fn rounds(uri: &str, mongod: u32, directory: &Path, program: &Path, index: usize, users: usize) -> Result<Row> {
    let format = FORMATS[index];
    let mut options = ClientOptions::parse(uri).await?;
    options.write_concern = Some(WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build());
    let client = Client::with_options(options)?;
    let (mut samples, mut size) = (Vec::new(), 0);
    for round in 0..=ROUNDS {
        // Each round needs its own file, because a file is imported only once.
        let file = write_users(directory, format, round, users)?;
        size = fs::metadata(&file)?.len();
        let imported = client.database(&format!("imported-{format}-{round}"));
        let import = timed(mongod, async {
            let mut command = Command::new(program);
            command.args(["users", "import", "--json", "--format", format]).arg(&file);
            if format == "firebase" {
                command.arg("--firebase-hash-config").arg(directory.join("hash_config.txt"));
            }
            command.env("USER_SERVICE__MONGODB__URI", uri).env("USER_SERVICE__MONGODB__DATABASE", imported.name());
            command.env("USER_SERVICE__KEYS__ENCRYPTION_KEY_FILE", directory.join("encryption.key"));
            tokio::task::spawn_blocking(move || run(&mut command)).await?
        })
        .await?;
        let documents: Vec<RawDocumentBuf> =
            imported.collection("users").find(doc! {}).sort(doc! { "imported.line": 1 }).await?.try_collect().await?;
        ensure!(documents.len() == users, "{} of {users} were imported", documents.len());
        let bare = client.database(&format!("bare-{format}-{round}"));
        let indexes: Vec<IndexModel> =
            imported.collection::<Document>("users").list_indexes().await?.try_collect().await?;
        for index in indexes.into_iter().filter(|index| index.keys != doc! { "_id": 1 }) {
            bare.collection::<Document>("users").create_index(index).await?;
        }
        let insert = timed(mongod, insert(&bare, documents)).await?;
        imported.drop().await?;
        bare.drop().await?;
        fs::remove_file(file)?;
        // The first round is a warm-up.
        if round > 0 {
            samples.push((import, insert));
        }
    }
    let median = |of: &dyn Fn(&(Sample, Sample)) -> f64| {
        let mut all: Vec<f64> = samples.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    let sample = |pick: fn(&(Sample, Sample)) -> Sample| Sample {
        seconds: median(&|pair| pick(pair).seconds),
        own_cpu: median(&|pair| pick(pair).own_cpu),
        mongod_cpu: median(&|pair| pick(pair).mongod_cpu),
    };
    Ok(Row {
        format,
        bytes_per_user: size / users as u64,
        import: sample(|pair| pair.0),
        insert: sample(|pair| pair.1),
        ratio: median(&|(import, bare)| bare.seconds / import.seconds),
    })
}

/// Inserts the same documents in batches, with as many batches in flight as the import has: this is the limit.
async fn insert(database: &Database, documents: Vec<RawDocumentBuf>) -> Result<()> {
    let users = database.collection::<RawDocumentBuf>("users");
    let at_once = thread::available_parallelism().map_or(1, usize::from).clamp(2, 16) + 2;
    let room = Arc::new(tokio::sync::Semaphore::new(at_once));
    let mut tasks = tokio::task::JoinSet::new();
    let mut documents = documents.into_iter();
    loop {
        let batch: Vec<RawDocumentBuf> = documents.by_ref().take(BATCH).collect();
        if batch.is_empty() {
            break;
        }
        let (place, users) = (Arc::clone(&room).acquire_owned().await?, users.clone());
        tasks.spawn(async move {
            let inserted = users.insert_many(batch).ordered(false).await;
            drop(place);
            inserted
        });
    }
    while let Some(inserted) = tasks.join_next().await {
        inserted??;
    }
    Ok(())
}

async fn timed(mongod: u32, work: impl Future<Output = Result<()>>) -> Result<Sample> {
    let (own, server, started) = (own_cpu_seconds(), cpu_seconds(mongod), Instant::now());
    work.await?;
    let seconds = started.elapsed().as_secs_f64();
    Ok(Sample { seconds, own_cpu: own_cpu_seconds() - own, mongod_cpu: cpu_seconds(mongod) - server })
}

/// Writes an export of users with a hash and a profile, as the system does it.
fn write_users(directory: &Path, format: &str, round: usize, users: usize) -> Result<PathBuf> {
    let path = directory.join(format!("users-{format}-{round}"));
    let mut file = BufWriter::new(fs::File::create(&path)?);
    match format {
        "firebase" => writeln!(file, "{{\"users\": [")?,
        "keycloak" => write!(file, "{{\n  \"realm\" : \"acme\",\n  \"users\" : [ ")?,
        "supabase" => writeln!(file, "{SUPABASE_COLUMNS}")?,
        "wordpress" => write!(file, "[")?,
        _ => {}
    }
    let separator = match format {
        "firebase" => ",\n",
        "keycloak" => ", ",
        "wordpress" => ",",
        _ => "",
    };
    for n in 0..users {
        if n > 0 {
            file.write_all(separator.as_bytes())?;
        }
        write_user(&mut file, format, round, n)?;
    }
    match format {
        "firebase" => write!(file, "]}}")?,
        "keycloak" => writeln!(file, " ]\n}}")?,
        "wordpress" => writeln!(file, "]")?,
        _ => {}
    }
    file.flush()?;
    Ok(path)
}

fn write_user(file: &mut BufWriter<fs::File>, format: &str, round: usize, n: usize) -> Result<()> {
    let (email, name, verified) =
        (format!("User.{round}.{n}@Example.org"), format!("User Number {n}"), n.is_multiple_of(2));
    match format {
        "ndjson" => {
            let line = json!({
                "username": format!("user-{round}-{n}"), "email": email, "emailVerified": verified, "displayName": name,
                "locale": "en-GB", "timezone": "Europe/London", "createdAt": "2023-04-05T06:07:08Z",
                "attributes": { "plan": "pro", "team": n % 100 }, "passwordHash": BCRYPT,
            });
            writeln!(file, "{line}")?;
        }
        "firebase" => {
            let user = json!({
                "localId": format!("bWkqJvFo1SM4OMSDLz{n:010}"), "email": email, "emailVerified": verified,
                "passwordHash": FIREBASE_HASH, "salt": "42xEC+ixf3L2lw==", "displayName": name,
                "lastSignedInAt": "1583243050123", "createdAt": "1583243049000", "disabled": false, "providerUserInfo": [],
            });
            write!(file, "{user:#}")?;
        }
        "auth0" => {
            let user = json!({
                "_id": { "$oid": format!("5dea9f9c82dd7c{n:010}") }, "email": email, "email_verified": verified,
                "passwordHash": BCRYPT, "password_set_date": { "$date": "2019-12-06T18:36:12.412Z" },
                "tenant": "example-tenant-name", "connection": "Username-Password-Authentication",
                "identifiers": [{ "type": "email", "value": email, "verified": verified }],
            });
            writeln!(file, "{user}")?;
        }
        "keycloak" => {
            let user = json!({
                "id": format!("d0a1a1f4-3b1f-4f6c-9f0b-{n:012}"), "username": format!("user-{round}-{n}"),
                "firstName": "User", "lastName": format!("Number {n}"), "email": email, "emailVerified": verified,
                "attributes": { "team": [(n % 100).to_string()] }, "createdTimestamp": 1_588_070_236_163_i64,
                "enabled": true, "totp": false, "disableableCredentialTypes": [], "requiredActions": [],
                "credentials": [{
                    "id": format!("e0a1a1f4-3b1f-4f6c-9f0b-{n:012}"), "type": "password", "createdDate": 1_588_070_236_163_i64,
                    "secretData": KEYCLOAK_SECRET, "credentialData": KEYCLOAK_CREDENTIAL,
                }],
                "realmRoles": ["default-roles-acme"], "notBefore": 0, "groups": [],
            });
            write!(file, "{user:#}")?;
        }
        "supabase" => {
            let time = "2023-04-05 06:07:08.123456+00";
            let confirmed = if verified { time } else { "" };
            writeln!(
                file,
                "018f2f3e-7c4b-4f5a-8d3e-{n:012},{email},{BCRYPT},{confirmed},{time},\"{{\"\"provider\"\": \"\"email\"\"}}\",\
                 \"{{\"\"full_name\"\": \"\"{name}\"\", \"\"team\"\": {}}}\",{time},,,f,,f",
                n % 100
            )?;
        }
        _ => {
            let user = json!({
                "ID": n, "user_login": format!("user-{round}-{n}"), "user_pass": WORDPRESS_HASH, "user_email": email,
                "display_name": name, "user_registered": "2016-06-03 04:37:00", "roles": "customer",
            });
            write!(file, "{user}")?;
        }
    }
    Ok(())
}

fn report(users: usize, rows: &[Row]) {
    println!("{users} users, medians of {ROUNDS} rounds in turns");
    println!(
        "| format | bytes per user | import | its CPU | bare inserts | mongod CPU, import and bare | users/s | ratio |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for Row { format, bytes_per_user, import, insert, ratio } in rows {
        let rate = users as f64 / import.seconds;
        println!(
            "| {format} | {bytes_per_user} | {:.2} s | {:.2} s | {:.2} s | {:.2} s, {:.2} s | {rate:.0} | {ratio:.2} |",
            import.seconds, import.own_cpu, insert.seconds, import.mongod_cpu, insert.mongod_cpu,
        );
    }
}

/// Returns the path of the service, which is next to this program in the target directory.
fn service() -> Result<PathBuf> {
    let own = env::current_exe()?;
    let path = own.ancestors().nth(2).context("an example is two directories deep")?.join("user-service");
    ensure!(path.is_file(), "{} is not built", path.display());
    Ok(path)
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
