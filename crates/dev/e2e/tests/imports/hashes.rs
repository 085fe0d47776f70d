//! Password hashes of other systems.

use bson::doc;
use e2e::{
    accounts::{register, stored_hash, try_login},
    commands::json_lines,
};
use serde_json::{Value, json};
use test_support::{DEADLINE, Stack, World, count, wait_for};

use crate::files::{
    Files, PASSWORD, run_users_command, summary, test_user, user_line, with_frequent_sweep, with_member,
};

/// Hashes in each supported form, created by the systems themselves.
pub(crate) const HASHES: &[(&str, &str)] = &[
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
    (
        "werkzeug",
        "scrypt:32768:8:1$il0ZdCPL26cBZ7Iq$adc61f738c1e85240079b115ac11ab233c241d3c2190176d1efe8a86608dcc32898d8e08b78ca44880982659e237d28e90c3dcf1a724debd4057b4fe0b620f90",
    ),
    (
        "werkzeug-pbkdf2",
        "pbkdf2:sha256:100$6U15QsBBCTgG3qhw$0beae2abfd929f4306a6e502210320d6a2537d6c3541140e2ad5f6effc0f9f52",
    ),
    ("wordpress", "$wp$2y$04$loXwW8wRWddyfppjpL0IPu1LzJv7PNU0V9nuEpI.4jPU4k16kjoTu"),
    ("wordpress-old", "$P$B2mUwi.U.rMLHNaTk6rErfy8ghCqJ61"),
    ("phpbb", "$H$6uGTQ/Bt/1kHJvWUp1e421UfzdhZnF1"),
    ("drupal", "$S$DARUIRt5K7.YIPul7WCYTh6CZejzT8FavYVezja86HPmYVqJevwu"),
    ("nextcloud", "3|$argon2id$v=19$m=64,t=2,p=1$VFJQYm5lREZSOG1vcUI0aQ$s+QaItUoZFvxoAL2y+xccdtnseMt8l94B38r5uzg2pI"),
    (
        "nextcloud-argon2i",
        "2|$argon2i$v=19$m=64,t=2,p=1$dW5VS3RzazEwS2Q5WUtUdg$X63nXxywfPWNPvbS+B4KFlKAluFvkAn7rAhNv0C8XSA",
    ),
    ("nextcloud-bcrypt", "1|$2y$04$99Al6sHWFEmpeUWsyBAIYOcxoh.AYqUj4XIAsCGFuVu1fwClxp.YK"),
    ("devise", DEVISE),
];
/// Made with [`DEVISE_PEPPER`].
const DEVISE: &str = "{devise}$2a$04$dtMxrcSo/vkpYs.DQ/3XNOr3P/nDEcv0mpPBUrrg4EBcoOVFHIwae";
const DEVISE_PEPPER: &str = "pepper of the site";
/// The hashes of ASP.NET Core Identity, versions 2 and 3, from its own tests.
const ASP_NET: &[(&str, &str)] = &[
    ("asp-net-2", "ANXrDknc7fGPpigibZXXZFMX4aoqz44JveK6jQuwY3eH/UyPhvr5xTPeGYEckLxz9A=="),
    ("asp-net-3", "AQAAAAEAACcQAAAAEAABAgMEBQYHCAkKCwwNDg+yWU7rLgUwPZb1Itsmra7cbxw2EFpwpVFIEtP+JIuUEw=="),
];
const ASP_NET_PASSWORD: &str = "my password";
/// The hash of [`DECOMPOSED`], by Werkzeug.
const NFD: (&str, &str) =
    ("nfd", "pbkdf2:sha256:100$ofppa9bC6HKmvehz$0e72d087d10fd96733400c50bdbb46f2208e6c7b59b00b390662fc43dfcb68cc");
const COMPOSED: &str = "Gr\u{FC}\u{DF}e aus K\u{F6}ln";
const DECOMPOSED: &str = "Gru\u{308}\u{DF}e aus Ko\u{308}ln";
const KEYCLOAK: &str = r#"{"secretData":"{\"value\":\"/yFakMlDl2xIXcbIvCmwQ3f5b+vB2Ui5t7qa6qg93Z6NvAdTkzlGNgvVQDGF+H9HWKVKWQEKRd6jq7U5b+vBag==\",\"salt\":\"MDEyMzQ1Njc4OWFiY2RlZg==\"}","credentialData":"{\"hashIterations\":100,\"algorithm\":\"pbkdf2-sha512\"}"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn imported_users_log_in_with_their_passwords_and_their_hashes_are_renewed() {
    let world = World::new(&Stack::from_env(), "takeover").await;
    let files = Files::new();
    let hashes = HASHES.iter().chain(ASP_NET).chain([&NFD]);
    let mut lines: Vec<Value> =
        hashes.map(|(name, hash)| with_member(user_line(&world, name), "passwordHash", json!(hash))).collect();
    let credential: Value = serde_json::from_str(KEYCLOAK).expect("the text is JSON");
    lines.push(with_member(user_line(&world, "keycloak"), "credential", credential));
    lines.push(user_line(&world, "no-password"));
    let file = files.write("users.ndjson", &lines);
    let spec = with_frequent_sweep(world.user_service()).set("HASHING__DEVISE_PEPPER", DEVISE_PEPPER);

    // No service has run before: the import creates what it needs.
    let done = summary(&run_users_command(&spec, &["import", &file, "--json"], 0).await);
    assert_eq!(done["imported"], lines.len());
    assert_eq!((&done["refused"], &done["dryRun"], &done["continuedAfterLine"]), (&json!(0), &json!(false), &json!(0)));

    let (_users, _emails, api) = world.start_both_with(spec).await;
    let users = HASHES.iter().map(|(name, _)| (*name, PASSWORD)).chain([("keycloak", PASSWORD)]);
    let users = users.chain(ASP_NET.iter().map(|(name, _)| (*name, ASP_NET_PASSWORD))).chain([(NFD.0, COMPOSED)]);
    for (name, password) in users {
        let user = test_user(&world, name, password);
        let before = stored_hash(&world, &user.email).await;
        let _ = try_login(&api, &user.email, "correct house").await.expect_problem(401, "invalid-credentials");
        assert_eq!(stored_hash(&world, &user.email).await, before, "{name}");
        api.login(&user).await;
        let after = stored_hash(&world, &user.email).await;
        assert!(after.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{name}: {after}");
        api.login(&user).await;
        assert_eq!(stored_hash(&world, &user.email).await, after, "{name}");
    }
    // The new hash is that of the form that this service hashes.
    api.login(&test_user(&world, NFD.0, DECOMPOSED)).await;
    let _ = try_login(&api, "no-password", PASSWORD).await.expect_problem(401, "invalid-credentials");
    assert!(stored_hash(&world, &world.address("no-password")).await.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));

    let mut topic = world.topic_reader();
    let imported = topic.read_type("user.imported.v1", lines.len()).await;
    assert_eq!(imported.len(), lines.len());
    assert!(imported.iter().all(|record| record.json()["welcome"] == false && record.sequence() == 1));
    // A mail of a later event is sent after the email service has read all earlier events.
    let ada = register(&world, &api, "ada").await;
    world.mailbox(&ada.email).wait_for_mails(1).await;
    let jobs = world.email_collection("mailJobs").await;
    wait_for(DEADLINE, "exactly one mail", async || {
        let mails = count(&jobs, doc! {}).await;
        assert!(mails <= 1, "no imported user gets a welcome mail");
        (mails == 1).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hash_of_devise_is_refused_without_the_pepper_and_a_login_that_misses_it_says_so_in_the_log() {
    let world = World::new(&Stack::from_env(), "devise").await;
    let files = Files::new();
    let file = files.write("users.ndjson", &[with_member(user_line(&world, "ada"), "passwordHash", json!(DEVISE))]);
    let (without, with) = (world.user_service(), world.user_service().set("HASHING__DEVISE_PEPPER", DEVISE_PEPPER));

    let refused = json_lines(&run_users_command(&without, &["import", &file, "--dry-run", "--json"], 1).await);
    let error = &refused[0]["errors"][0];
    assert_eq!(error["code"], "missing-pepper", "{error}");
    assert!(error["detail"].as_str().is_some_and(|detail| detail.contains("hashing.devise_pepper")), "{error}");

    let done = summary(&run_users_command(&with, &["import", &file, "--json"], 0).await);
    assert_eq!(done["imported"], 1);
    let ada = test_user(&world, "ada", PASSWORD);
    let imported = stored_hash(&world, &ada.email).await;
    assert!(imported.starts_with("$devise$2a$04$"), "the stored form says that the pepper is needed: {imported}");

    let mut service = without.start().await;
    let _ = try_login(&service.api(), &ada.email, PASSWORD).await.expect_problem(401, "invalid-credentials");
    let log = service.log();
    assert!(log.contains("a stored password hash cannot be used"), "{log}");
    assert!(log.contains("hashing.devise_pepper is not set"), "{log}");
    assert_eq!(stored_hash(&world, &ada.email).await, imported);
    let _ = service.terminate().await;

    let service = with.start().await;
    service.api().login(&ada).await;
    assert!(stored_hash(&world, &ada.email).await.starts_with("$argon2id$"));
}
