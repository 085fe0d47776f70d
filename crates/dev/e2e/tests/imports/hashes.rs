//! Password hashes of other systems.

use bson::doc;
use e2e::accounts::{register, stored_hash, try_login};
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
];
const KEYCLOAK: &str = r#"{"secretData":"{\"value\":\"/yFakMlDl2xIXcbIvCmwQ3f5b+vB2Ui5t7qa6qg93Z6NvAdTkzlGNgvVQDGF+H9HWKVKWQEKRd6jq7U5b+vBag==\",\"salt\":\"MDEyMzQ1Njc4OWFiY2RlZg==\"}","credentialData":"{\"hashIterations\":100,\"algorithm\":\"pbkdf2-sha512\"}"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn imported_users_log_in_with_their_passwords_and_their_hashes_are_renewed() {
    let world = World::new(&Stack::from_env(), "takeover").await;
    let files = Files::new();
    let mut lines: Vec<Value> =
        HASHES.iter().map(|(name, hash)| with_member(user_line(&world, name), "passwordHash", json!(hash))).collect();
    let credential: Value = serde_json::from_str(KEYCLOAK).expect("the text is JSON");
    lines.push(with_member(user_line(&world, "keycloak"), "credential", credential));
    lines.push(user_line(&world, "no-password"));
    let file = files.write("users.ndjson", &lines);
    let spec = with_frequent_sweep(world.user_service());

    // No service has run before: the import creates what it needs.
    let done = summary(&run_users_command(&spec, &["import", &file, "--json"], 0).await);
    assert_eq!(done["imported"], lines.len());
    assert_eq!((&done["refused"], &done["dryRun"], &done["continuedAfterLine"]), (&json!(0), &json!(false), &json!(0)));

    let (_users, _emails, api) = world.start_both_with(spec).await;
    let names: Vec<&str> = HASHES.iter().map(|(name, _)| *name).chain(["keycloak"]).collect();
    for name in names {
        let user = test_user(&world, name, PASSWORD);
        let before = stored_hash(&world, &user.email).await;
        let _ = try_login(&api, &user.email, "correct house").await.expect_problem(401, "invalid-credentials");
        assert_eq!(stored_hash(&world, &user.email).await, before, "{name}");
        api.login(&user).await;
        let after = stored_hash(&world, &user.email).await;
        assert!(after.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{name}: {after}");
        api.login(&user).await;
        assert_eq!(stored_hash(&world, &user.email).await, after, "{name}");
    }
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
