//! The password policy, in every request that sets a password: all reasons are reported together, and never the
//! password.

use std::{fs, path::Path};

use e2e::{
    commands::{assert_start_refused, stdout_of},
    start::start_user_service_with,
};
use serde_json::json;
use sha1::{Digest as _, Sha1};
use test_support::{ApiResponse, Stack, TestUser, World, remember_secret};

/// Returns the codes for one member, in the order of the response.
fn codes(answer: ApiResponse, member: &str) -> Vec<String> {
    let errors = answer.expect_problem(422, "validation-failed").errors();
    assert!(errors.iter().all(|(pointer, _)| *pointer == format!("#/{member}")), "{errors:?}");
    errors.into_iter().map(|(_, code)| code).collect()
}

#[tokio::test]
async fn a_password_is_refused_with_all_reasons_in_every_request_that_sets_one() {
    let (world, _service, api) = start_user_service_with(
        "choice",
        &[
            ("AUTH__ISSUER", "https://accounts.acme.example/"),
            ("AUTH__PASSWORD_CONTEXT_WORDS", "Rocketskates,tunnel paint"),
        ],
    )
    .await;
    let ada = TestUser {
        username: "Countess1815".to_owned(),
        email: world.address("ada.lovelace"),
        password: "purple engines weave".to_owned(),
    };
    let registration = ada.registration_with("displayName", "Augusta King-Noel");

    let refused: [(&str, &[&str]); 15] = [
        ("hx7#Lq2", &["too-short"]),
        (&"wx7#Lq2!".repeat(33), &["too-long"]),
        ("password", &["common"]),
        ("P@$$w0rd1", &["common"]),
        ("qwertyuiop", &["common"]),
        ("aaaaaaaaaaaaaaaa", &["common"]),
        // This password has 31 turns on a keypad, at which zxcvbn panics.
        ("15142626352358657848636353535362", &["strength-unknown"]),
        ("Countess1815", &["contains-own-words"]),
        ("c0unt3ss", &["common", "contains-own-words"]),
        ("lovelaceada1980", &["contains-own-words"]),
        ("sseTnuoc-5181", &["contains-own-words"]),
        ("AugustaKing!", &["contains-own-words"]),
        ("acme-accounts", &["contains-own-words"]),
        ("r0cketSkates42", &["contains-own-words"]),
        (&ada.email, &["contains-own-words"]),
    ];
    for (password, expected) in refused {
        let mut body = registration.clone();
        body["password"] = json!(password);
        let answer = api.post("/api/users", &body).await;
        assert!(password == "password" || !answer.text.contains(password), "{}", answer.text);
        assert_eq!(codes(answer, "password"), expected, "{password}");
    }
    // The policy requires no kinds of characters, and allows a name within a longer password.
    let _ = api.post("/api/users", &registration).await.expect(201);
    let me = api.logged_in_as(&ada).await;
    let change = |new: &str| json!({ "currentPassword": ada.password, "newPassword": new });
    for (password, expected) in refused {
        let answer = me.put("/api/users/me/password", &change(password)).await;
        assert_eq!(codes(answer, "newPassword"), expected, "{password}");
    }
    let fine = "ada likes 紫 engines that weave";
    remember_secret("password", fine);
    let _ = me.put("/api/users/me/password", &change(fine)).await.expect(204);
    // Full-width letters give the same password, because it is normalised.
    let full_width = TestUser { password: "ａｄａ likes 紫 engines that weave".to_owned(), ..ada.clone() };
    api.login(&full_width).await;
}

#[tokio::test]
async fn the_minimum_length_is_configurable_and_counted_in_characters() {
    let (world, _service, api) = start_user_service_with("length", &[("AUTH__PASSWORD_MIN_LENGTH", "15")]).await;
    let ada = world.test_user("ada");
    let fourteen = "äöü quick wren";
    assert_eq!(
        codes(api.post("/api/users", &ada.registration_with("password", fourteen)).await, "password"),
        ["too-short"]
    );
    let _ = api.post("/api/users", &ada.registration_with("password", "äöü quick wrens")).await.expect(201);
}

fn sha1(password: &str) -> [u8; 20] {
    Sha1::digest(password.as_bytes()).into()
}

fn hex(hash: &[u8; 20]) -> String {
    hash.iter().map(|byte| format!("{byte:02X}")).collect()
}

fn sorted_hashes(known: &[&str]) -> Vec<[u8; 20]> {
    let filler = (0..5000).map(|n| sha1(&format!("password of user {n}")));
    let mut hashes: Vec<_> = filler.chain(known.iter().map(|password| sha1(password))).collect();
    hashes.sort_unstable();
    hashes
}

#[tokio::test]
async fn a_breached_password_is_refused() {
    let world = World::new(&Stack::from_env(), "breach").await;
    let directory = tempfile::tempdir().expect("a directory can be created");
    let breached = ["violet kettle drum", "Grüße aus dem Süden", "password"];
    let hashes = sorted_hashes(&breached);
    let text: String = hashes.iter().map(|hash| format!("{}:{}\r\n", hex(hash), 7)).collect();
    for (file, contents) in [("pwned.txt", text.into_bytes()), ("pwned.bin", hashes.concat())] {
        let path = directory.path().join(file);
        fs::write(&path, contents).expect("the list can be written");
        let service = world.user_service().set("AUTH__BREACHED_PASSWORDS_FILE", path_text(&path)).start().await;
        let api = service.api();
        let user = world.test_user(file.trim_start_matches("pwned."));
        for (password, expected) in [
            ("violet kettle drum", &["breached"][..]),
            ("ｖｉｏｌｅｔ ｋｅｔｔｌｅ ｄｒｕｍ", &["breached"]),
            ("Grüße aus dem Süden", &["breached"]),
            ("password", &["common", "breached"]),
        ] {
            let answer = api.post("/api/users", &user.registration_with("password", password)).await;
            assert_eq!(codes(answer, "password"), expected, "{file}: {password}");
        }
        let _ = api.post("/api/users", &user.registration()).await.expect(201);
        // A password that was set before it was breached still works.
        api.login(&user).await;
    }
}

#[tokio::test]
async fn an_unusable_list_of_breached_passwords_prevents_the_start() {
    let world = World::without_topic(&Stack::from_env(), "list");
    let directory = tempfile::tempdir().expect("a directory can be created");
    let hashes = sorted_hashes(&[]);
    let lines: Vec<String> = hashes.iter().map(|hash| format!("{}:1", hex(hash))).collect();
    let mut unsorted = lines.clone();
    unsorted.reverse();
    for (name, contents, expected) in [
        ("missing", None, "cannot be read"),
        ("empty", Some(String::new()), "empty"),
        ("words", Some("password\nletmein\n".to_owned()), "40 hexadecimal digits"),
        ("unsorted", Some(unsorted.join("\n")), "not sorted"),
        ("cut-off", Some(lines.join("\n")[..70_000].to_owned()), "is not 40"),
    ] {
        let path = directory.path().join(name);
        if let Some(contents) = contents {
            fs::write(&path, contents).expect("the list can be written");
        }
        let spec = world.user_service().set("AUTH__BREACHED_PASSWORDS_FILE", path_text(&path));
        assert_start_refused(&spec, &["auth.breached_passwords_file", expected, name]).await;
    }
    let path = directory.path().join("good");
    fs::write(&path, lines.join("\n")).expect("the list can be written");
    let good =
        world.user_service().set("AUTH__BREACHED_PASSWORDS_FILE", path_text(&path)).command(&["check-config"]).await;
    let _ = stdout_of(&good, 0);
}

fn path_text(path: &Path) -> String {
    path.display().to_string()
}
