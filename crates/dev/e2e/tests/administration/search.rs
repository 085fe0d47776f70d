//! The list of accounts and the search in it.

use bson::doc;
use e2e::{
    accounts::update_user,
    administrators::{Admin, create_admin, user_ids},
    start::start_user_service,
};
use serde_json::{Value, json};
use test_support::TestUser;

#[tokio::test]
async fn accounts_are_listed_and_searched() {
    let (world, service, api) = start_user_service("search").await;
    let root = create_admin(&world, &service, "root").await;
    let mut people = Vec::new();
    for (username, local) in
        [("grace.h", "grace"), ("Grace_Two", "second"), ("alan", "graceland"), ("modern", "m.odern"), ("zoë77", "zoe")]
    {
        let mut user = world.test_user(local);
        username.clone_into(&mut user.username);
        people.push(api.register(&user).await.expect(201).string("id"));
    }
    let found = async |query: &str| {
        let pages = root.list_pages(query).await;
        pages.concat()
    };
    let people: Vec<&str> = people.iter().map(String::as_str).collect();
    let &[grace, two, alan, modern, zoe] = &people[..] else { panic!("there are not five users") };
    let own = root.id.as_str();

    // The list starts with the newest account and shows every member of a user.
    assert_eq!(found("").await, [zoe, modern, alan, two, grace, own]);
    let page = root.api.get("/api/admin/users?limit=2").await.expect(200);
    assert_eq!(user_ids(&page.json()), [zoe, modern]);
    assert_eq!(page.json()["items"][0].as_object().expect("the item is a user").len(), 15);
    assert_eq!(page.json()["items"][0]["username"], "zoë77");
    assert!(page.header("link").starts_with("</api/admin/users?limit=2&cursor="), "{}", page.header("link"));
    let last = root.api.get("/api/admin/users?limit=6").await.expect(200);
    assert_eq!((last.json()["nextCursor"].clone(), last.header("link")), (Value::Null, String::new()));

    // The search finds the beginning of username or address, each account once, and ignores case.
    for limit in [1, 2, 20] {
        for query in ["grace", "GRACE", "Gr%41ce", "%20grace%20"] {
            let pages = root.list_pages(&format!("query={query}&limit={limit}")).await;
            assert_eq!(pages.concat(), [grace, two, alan], "{query}");
            assert!(pages.iter().all(|page| page.len() <= limit), "{pages:?}");
        }
    }
    let address = world.address("grace").replace('@', "%40");
    assert_eq!(found(&format!("query={address}")).await, [grace]);
    assert_eq!(found(&format!("query={}", address.to_uppercase())).await, [grace]);
    let begun = address.split_once("%40").expect("the text is an address").0;
    assert_eq!(found(&format!("query={begun}%40exam")).await, [grace]);
    // A username is found by letters that look alike, as such names are also taken.
    assert_eq!(found("query=modern").await, [modern]);
    assert_eq!(found("query=rnod").await, [modern]);
    assert_eq!(found("query=zo%C3%AB").await, [zoe]);
    for unknown in ["query=unknown", "query=.*", "query=%5Egrace", "query=race", "query=%40example.org", "query=%00"] {
        assert_eq!(found(unknown).await, Vec::<String>::new(), "{unknown}");
    }
    assert_eq!(found("query=").await.len(), 6);

    // The status filter works with and without a search text. A deleted account disappears at once.
    let _ = root.api.post(&Admin::user_path(two, "/disable"), &json!({})).await.expect(204);
    assert_eq!(found("status=disabled").await, [two]);
    assert_eq!(found("status=active&limit=2").await, [zoe, modern, alan, grace, own]);
    assert_eq!(found("query=grace&status=active").await, [grace, alan]);
    assert_eq!(found("query=grace&status=disabled").await, [two]);
    let _ = root.api.delete(&Admin::user_path(two, ""), None).await.expect(204);
    assert_eq!(found("query=grace").await, [grace, alan]);
    assert_eq!(found("status=disabled").await, Vec::<String>::new());

    let cursor = page.string("nextCursor");
    let too_long = format!("query={}", "x".repeat(255));
    for (query, parameter) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("status=deleted", "status"),
        ("status=", "status"),
        ("cursor=x", "cursor"),
        (&format!("query=grace&cursor={cursor}"), "cursor"),
        (&too_long, "query"),
        // A text that folds to nothing would match the beginning of every key; it is refused.
        ("query=%E2%80%AE", "query"),
        ("query=%20", "query"),
        ("query=%C2%AD%E2%80%8B&status=active", "query"),
        ("page=2", "page"),
        ("query=a&query=b", "query"),
    ] {
        let refused = root.api.get(&format!("/api/admin/users?{query}")).await;
        let refused = refused.expect_problem(422, "validation-failed");
        assert_eq!(refused.json()["errors"][0]["parameter"], parameter, "{query}: {}", refused.text);
    }
}

#[tokio::test]
async fn accounts_are_found_by_ids_and_by_exact_address_and_username() {
    let (world, service, api) = start_user_service("exact").await;
    let root = create_admin(&world, &service, "root").await;
    let mut people = Vec::new();
    for (username, local) in [("grace.h", "grace"), ("Grace.Hopper", "graceh"), ("modern", "modern"), ("zoë77", "zoë")]
    {
        let mut user = world.test_user(local);
        username.clone_into(&mut user.username);
        user.email = world.address(local);
        people.push((api.register(&user).await.expect(201).string("id"), user));
    }
    let found = async |query: &str| {
        let page = root.api.get(&format!("/api/admin/users?{query}")).await.expect(200);
        // All results are on one page.
        assert_eq!((&page.json()["nextCursor"], page.header("link").as_str()), (&Value::Null, ""), "{query}");
        user_ids(&page.json())
    };
    let ids: Vec<&str> = people.iter().map(|(id, _)| id.as_str()).collect();
    let &[grace, hopper, modern, zoe] = &ids[..] else { panic!("there are not four users") };

    // The newest account comes first, whatever the order of the ids. Unknown and repeated ids change nothing.
    let unknown = "0190e1b0-0000-7000-8000-000000000000";
    assert_eq!(found(&format!("ids={grace},{zoe},{unknown},{grace},{modern}")).await, [zoe, modern, grace]);
    assert_eq!(found(&format!("ids={}%2C{hopper}", grace.to_uppercase())).await, [hopper, grace]);
    assert_eq!(found(&format!("ids={unknown}")).await, Vec::<String>::new());
    // A hundred ids are one page, although a page has 20 accounts by default.
    let mut many: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
    for n in 0..21 {
        many.push(api.register(&world.test_user(&format!("user{n}"))).await.expect(201).string("id"));
    }
    let mut newest_first = many.clone();
    newest_first.reverse();
    many.extend((many.len()..100).map(|_| bson::Uuid::new().to_string()));
    assert_eq!(found(&format!("ids={}", many.join(","))).await, newest_first);

    // Address and username are compared as at registration, and only as a whole.
    let address = |local: &str| world.address(local).replace('@', "%40");
    assert_eq!(found(&format!("email={}", address("grace"))).await, [grace]);
    assert_eq!(found(&format!("email=%20{}", address("ZOE%CC%88").to_uppercase())).await, [zoe]);
    assert_eq!(found(&format!("email={}", address("grac"))).await, Vec::<String>::new());
    assert_eq!(found("username=GRACE.H").await, [grace]);
    assert_eq!(found("username=rnodern").await, [modern]);
    assert_eq!(found("username=zo%C3%AB77").await, [zoe]);
    assert_eq!(found("username=grace").await, Vec::<String>::new());

    // A reserved former address and username find no account.
    let ada = TestUser { email: world.address("graceful"), ..people[0].1.clone() };
    update_user(&world, &people[0].1.email, doc! {
        "$set": { "email": &ada.email, "emailKeys": [&ada.email, &people[0].1.email], "usernameKey": "gracious", "usernameKeys": ["gracious", "grace.h"] }
    })
    .await;
    assert_eq!(found(&format!("email={}", address("grace"))).await, Vec::<String>::new());
    assert_eq!(found(&format!("email={}", address("graceful"))).await, [grace]);
    assert_eq!(found("username=grace.h").await, Vec::<String>::new());
    assert_eq!(found("username=gracious").await, [grace]);

    // The status filters each of them, and a deleted account is gone.
    let _ = root.api.post(&Admin::user_path(hopper, "/disable"), &json!({})).await.expect(204);
    assert_eq!(found(&format!("ids={grace},{hopper}&status=disabled")).await, [hopper]);
    assert_eq!(found(&format!("ids={grace},{hopper}&status=active")).await, [grace]);
    assert_eq!(found("username=grace.hopper&status=active").await, Vec::<String>::new());
    assert_eq!(found(&format!("email={}&status=disabled", address("graceh"))).await, [hopper]);
    let _ = root.api.delete(&Admin::user_path(hopper, ""), None).await.expect(204);
    assert_eq!(found(&format!("ids={grace},{hopper}")).await, [grace]);
    assert_eq!(found("username=grace.hopper").await, Vec::<String>::new());

    many.push(unknown.to_owned());
    for (query, parameter, code) in [
        ("ids=", "ids", "not-a-uuid"),
        ("ids=ada", "ids", "not-a-uuid"),
        (&format!("ids={grace},"), "ids", "not-a-uuid"),
        (&format!("ids={grace},%20{zoe}"), "ids", "not-a-uuid"),
        (&format!("ids={}", many.join(",")), "ids", "too-many"),
        (&format!("ids={grace}&ids={zoe}"), "ids", "repeated"),
        ("email=", "email", "not-an-address"),
        ("email=grace", "email", "not-an-address"),
        ("username=", "username", "too-short"),
        ("username=grace%40example.org", "username", "invalid-character"),
        (&format!("ids={grace}&username=grace.h"), "username", "not-combinable"),
        (&format!("query=grace&ids={grace}"), "ids", "not-combinable"),
        ("email=a%40example.org&username=grace.h", "username", "not-combinable"),
        (&format!("ids={grace}&limit=20"), "limit", "not-combinable"),
        ("username=grace.h&limit=1", "limit", "not-combinable"),
        ("email=a%40example.org&cursor=x", "cursor", "not-combinable"),
        (&format!("ids={grace}&status=deleted"), "status", "unknown"),
    ] {
        let refused = root.api.get(&format!("/api/admin/users?{query}")).await;
        let refused = refused.expect_problem(422, "validation-failed");
        assert_eq!(refused.errors(), [(parameter.to_owned(), code.to_owned())], "{query}: {}", refused.text);
    }
}

#[tokio::test]
async fn paging_through_all_accounts_misses_and_repeats_none_while_users_register() {
    const BEFORE: usize = 60;
    let (world, service, api) = start_user_service("paging").await;
    let root = create_admin(&world, &service, "root").await;
    let register = async |prefix: &str, n: usize| {
        let user = world.test_user(&format!("{prefix}{n:03}"));
        api.register(&user).await.expect(201).string("id")
    };
    let mut there = vec![root.id.clone()];
    for n in 0..BEFORE {
        there.push(register("walker", n).await);
    }
    // Between two pages one account is added and a new one is deleted: by id, and by key at both ends.
    for (query, expected) in
        [("limit=7", &there[..]), ("limit=7&query=walker", &there[1..]), ("limit=7&status=active", &there[..])]
    {
        let mut seen = Vec::new();
        let mut cursor = String::new();
        for n in 0.. {
            let at = if cursor.is_empty() { String::new() } else { format!("&cursor={cursor}") };
            let page = root.api.get(&format!("/api/admin/users?{query}{at}")).await.expect(200);
            let found = user_ids(&page.json());
            assert!(found.len() <= 7);
            seen.extend(found);
            let tag = query.len();
            for name in [format!("walkeq{tag}x"), format!("walker0{tag}x"), format!("walkerz{tag}x")] {
                let id = register(&name, n).await;
                if n % 2 == 0 {
                    let _ = root.api.delete(&Admin::user_path(&id, ""), None).await.expect(204);
                }
            }
            cursor = page.string("nextCursor");
            if cursor.is_empty() {
                break;
            }
            assert!(n < 60, "the list does not end");
        }
        for id in expected {
            assert_eq!(seen.iter().filter(|it| *it == id).count(), 1, "{query}: {id} of {seen:?}");
        }
        let mut once = seen.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), seen.len(), "{query}");
    }
}
