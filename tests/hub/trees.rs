//! Lists of files that nobody should believe.

use mlc_package::fetch::hub::HubError;

use super::place::{Place, commit, repo};
use super::server::{Fault, Server};

const OID: &str = "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0";

fn entry(path: &str) -> String {
    format!(r#"{{"type": "file", "path": "{path}", "size": 1, "oid": "{OID}"}}"#)
}

/// What a client says of a hub whose list this is.
fn why(body: String, link: &str) -> String {
    let link = link.to_owned();
    let server = Server::new(&[], move |_, _| Some(Fault::Json(body.clone(), link.clone())));
    let place = Place::new(&server.url());
    let error = place.hub().listing(&repo(), &commit()).unwrap_err();
    assert!(!place.options.listings_dir.exists(), "it was kept");
    error.to_string()
}

#[test]
fn names_that_lead_out_are_refused_by_name() {
    for (path, what) in [
        ("../evil.bin", "a `.` or `..`"),
        ("sub/../../evil.bin", "a `.` or `..`"),
        ("/etc/cron.d/evil", "an absolute path"),
        ("a\\\\..\\\\evil", "a backslash or a control character"),
    ] {
        let error = why(format!("[{}, {}]", entry("good"), entry(path)), "");
        assert!(error.contains("the files of `user/model` cannot be used"), "{error}");
        assert!(error.contains("evil") && error.contains(what), "{error}");
    }
    let error = why(format!("[{}, {}]", entry("Config.json"), entry("config.json")), "");
    assert!(error.contains("`Config.json` and `config.json` are one name"), "{error}");
}

#[test]
fn a_list_has_an_end() {
    let many: Vec<_> = (0..=100_000)
        .map(|n| format!(r#"{{"type":"file","path":"{n}","size":1,"oid":"{OID}"}}"#))
        .collect();
    let error = why(format!("[{}]", many.join(",")), "");
    assert!(error.contains("there are more than 100000 files"), "{error}");
    // Each page names the next one.
    let page =
        format!("[{}]", vec![entry("directory").replace("file", "directory"); 9_000].join(","));
    let error = why(page, "</api/models/user/model/tree/x>; rel=\"next\"");
    assert!(error.contains("the list has more than 67108864 bytes"), "{error}");
    let error = why("[]".to_owned(), "</api/models/user/model/tree/x>; rel=\"next\"");
    assert!(error.contains("a next page that cannot be one"), "{error}");
    let error = why(format!("[{}]", entry("a")), "<https://evil.example/>; rel=\"next\"");
    assert!(error.contains("https://evil.example/ answers what the Hub does not"), "{error}");
}

#[test]
fn a_page_without_end_is_left() {
    let server = Server::new(&[], |_, _| Some(Fault::Endless));
    let place = Place::new(&server.url());
    let error = place.hub().listing(&repo(), &commit()).unwrap_err();
    assert!(matches!(error, HubError::Listing { .. }), "{error}");
    assert!(error.to_string().contains("the list has more than 16777216 bytes"), "{error}");
}

#[test]
fn pages_are_put_together() {
    let server = Server::new(&[], |seen, _| {
        let next = r#"</api/models/user/model/tree/x?cursor=2>; rel="next""#;
        Some(match seen.path.contains("cursor") {
            false => Fault::Json(format!("[{}]", entry("b")), next.to_owned()),
            true => Fault::Json(format!("[{}]", entry("a")), String::new()),
        })
    });
    let place = Place::new(&server.url());
    let listing = place.hub().listing(&repo(), &commit()).unwrap();
    let paths: Vec<_> = listing.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["a", "b"]);
    place.hub().listing(&repo(), &commit()).unwrap();
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn what_is_not_the_hubs_json_is_an_error_that_names_the_address() {
    for body in ["<html>", "{}", "[1]", r#"[{"type": "file"}]"#] {
        let error = why(body.to_owned(), "");
        assert!(error.contains("/tree/0123456789abcdef"), "{error}");
        assert!(error.contains("answers what the Hub does not"), "{error}");
    }
    let server =
        Server::new(&[], |_, _| Some(Fault::Json(r#"{"sha": "../x"}"#.to_owned(), String::new())));
    let error = Place::new(&server.url()).hub().commit(&repo(), "main").unwrap_err().to_string();
    assert!(error.contains("a commit is 40 lowercase hex digits, and `../x` is not"), "{error}");
}
