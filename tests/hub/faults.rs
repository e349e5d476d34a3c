//! Everything that goes wrong on the way. The end is a whole file, or an error that names the
//! file and the cause.

use std::time::{Duration, Instant};

use mlc_package::fetch::hub::{FetchEvent, HubError, Secret};

use super::place::{Place, commit, repo, weights};
use super::server::{COMMIT, Fault, File, Seen, Server};

const BIG: &str = "params_shard_0.bin";

fn files() -> Vec<(&'static str, File)> {
    vec![
        (BIG, File::lfs(weights(450_000))),
        ("mlc-chat-config.json", File::small(b"{}")),
        ("sub/dir/tokenizer.json", File::small(&weights(5_000))),
        ("empty.txt", File::small(b"")),
    ]
}

/// The fault for the first requests of the big file.
fn big(first: usize, fault: Fault) -> impl Fn(&Seen, usize) -> Option<Fault> {
    move |seen, nth| (seen.path.ends_with(BIG) && nth < first).then(|| fault.clone())
}

#[test]
fn a_sound_hub_is_asked_once_and_then_never() {
    let server = Server::sound(&files());
    let place = Place::new(&server.url());
    let dir = place.fetch().unwrap();
    place.assert_complete(&files());
    assert_eq!(dir, place.repo_dir().join("snapshots").join(COMMIT));
    assert_eq!(fs_err::read_to_string(place.repo_dir().join("refs/main")).unwrap(), COMMIT);
    let link = fs_err::read_link(dir.join("sub/dir/tokenizer.json")).unwrap();
    assert!(link.starts_with("../../../../blobs"), "{}", link.display());
    // 450,000 bytes in ranges of 100,000; the other files each in one request, the empty one in
    // none.
    assert_eq!(server.downloads(BIG).len(), 5);
    assert_eq!(server.downloads("empty.txt").len(), 0);
    assert_eq!(server.seen().len(), 2 + 5 + 2);
    let events = place.events.borrow();
    let verified = events.iter().filter(|event| matches!(event, FetchEvent::Verified { .. }));
    assert_eq!(verified.count(), 4);
    drop(events);

    server.forget();
    let hub = place.hub();
    let listing = hub.listing(&repo(), &commit()).unwrap();
    assert!(listing.files.iter().all(|file| hub.cached(&repo(), &commit(), file)));
    place.fetch_files(&hub, &commit(), &listing.files).unwrap();
    assert_eq!(server.seen().len(), 0, "with a lock nothing is asked");
    place.fetch().unwrap();
    assert_eq!(server.seen().len(), 1, "without one a small request");
}

#[test]
fn interrupted_bodies_are_gone_on_with() {
    for fault in [Fault::Cut(70_000), Fault::CutUnannounced(70_000), Fault::CutChunked(70_000)] {
        let server = Server::new(&files(), big(3, fault.clone()));
        let mut place = Place::new(&server.url());
        place.options.range_bytes = 1 << 30;
        place.fetch().unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        place.assert_complete(&files());
        // The first request is for all; each goes on where the last one ended, or before, as
        // far as the bytes came.
        let starts: Vec<_> = server
            .downloads(BIG)
            .iter()
            .map(|seen| seen.range.map_or(0, |range| range.0))
            .collect();
        assert_eq!(starts.len(), 4, "{fault:?}");
        assert_eq!(starts, [0, 70_000, 140_000, 210_000], "{fault:?}");
        assert_eq!(place.retries().len(), 3, "{fault:?}");
    }
}

#[test]
fn bodies_in_chunks_are_whole_bodies() {
    let server = Server::new(&files(), big(usize::MAX, Fault::Chunked));
    let place = Place::new(&server.url());
    place.fetch().unwrap();
    place.assert_complete(&files());
    assert_eq!(place.retries(), [""; 0]);
}

#[test]
fn a_file_that_stays_interrupted_is_an_error_that_names_it() {
    for fault in [Fault::Cut(10), Fault::CutUnannounced(10), Fault::CutChunked(10)] {
        let server = Server::new(&files(), big(usize::MAX, fault));
        let place = Place::new(&server.url());
        let error = place.fetch().unwrap_err();
        assert!(matches!(error, HubError::GaveUp { attempts: 4, .. }), "{error}");
        assert!(error.to_string().contains(BIG), "{error}");
        place.assert_sound(&files());
    }
}

#[test]
fn a_complete_but_short_body_is_no_file() {
    // As a range it is a part, and the rest is asked for; as a whole it is another file.
    let server = Server::new(&files(), big(3, Fault::Short(30_000)));
    let place = Place::new(&server.url());
    place.fetch().unwrap();
    place.assert_complete(&files());

    let config = |seen: &Seen, _| seen.path.ends_with("tokenizer.json").then_some(Fault::Short(99));
    let server = Server::new(&files(), config);
    let place = Place::new(&server.url());
    let error = place.fetch().unwrap_err().to_string();
    assert!(error.contains("tokenizer.json: it has 99 bytes there"), "{error}");
    assert!(error.contains("listing says 5000"), "{error}");
    place.assert_sound(&files());
}

#[test]
fn wrong_bytes_are_fetched_again_and_never_get_the_name() {
    let server = Server::new(&files(), big(1, Fault::Wrong));
    let place = Place::new(&server.url());
    place.fetch().unwrap();
    place.assert_complete(&files());
    assert!(place.retries()[0].starts_with("the digest is "), "{:?}", place.retries());

    let server = Server::new(&files(), big(usize::MAX, Fault::Wrong));
    let place = Place::new(&server.url());
    let error = place.fetch().unwrap_err();
    assert!(matches!(error, HubError::Digest { .. }), "{error}");
    assert!(error.to_string().contains(BIG), "{error}");
    place.assert_sound(&files());
    let etag = &files()[0].1.etag;
    assert!(place.blobs().iter().all(|name| !name.starts_with(etag)), "{:?}", place.blobs());
}

#[test]
fn retry_after_is_obeyed_and_capped() {
    let server = Server::new(&files(), big(1, Fault::Status(429, "Retry-After: 1")));
    let mut place = Place::new(&server.url());
    place.options.range_bytes = 1 << 30;
    let begun = Instant::now();
    place.fetch().unwrap();
    place.assert_complete(&files());
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());

    let server = Server::new(&files(), big(1, Fault::Status(429, "Retry-After: 3600")));
    let mut place = Place::new(&server.url());
    place.options.retry.longest_asked = Duration::from_millis(100);
    let begun = Instant::now();
    place.fetch().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn a_server_in_trouble_is_asked_again_and_not_for_ever() {
    let trouble =
        |first: usize| move |_: &Seen, nth: usize| (nth < first).then_some(Fault::Status(500, ""));
    let server = Server::new(&files(), trouble(2));
    let place = Place::new(&server.url());
    place.fetch().unwrap();
    place.assert_complete(&files());

    let server = Server::new(&files(), trouble(usize::MAX));
    let place = Place::new(&server.url());
    let error = place.fetch().unwrap_err().to_string();
    assert!(error.contains("/api/models/user/model/revision/main: 500"), "{error}");
    assert!(error.contains("tried 4 times"), "{error}");
    assert_eq!(server.seen().len(), 4);

    let server = Server::new(&files(), big(usize::MAX, Fault::Status(503, "")));
    let place = Place::new(&server.url());
    let error = place.fetch().unwrap_err().to_string();
    assert!(error.contains(BIG) && error.contains("503"), "{error}");
    place.assert_sound(&files());
}

#[test]
fn refusals_say_what_to_do_and_are_not_repeated() {
    for status in [401, 403] {
        let server = Server::new(&files(), move |_, _| Some(Fault::Status(status, "")));
        let place = Place::new(&server.url());
        let error = place.fetch().unwrap_err();
        assert!(error.to_string().contains("`user/model` is private or gated"), "{error}");
        assert!(error.to_string().contains(&server.url()), "{error}");
        assert!(error.help().unwrap().contains("HF_TOKEN"), "{error}");
        assert_eq!(server.seen().len(), 1);
    }
    let server = Server::new(&files(), big(usize::MAX, Fault::Status(403, "")));
    let place = Place::new(&server.url());
    assert!(matches!(place.fetch(), Err(HubError::Refused { status: 403, .. })));
    place.assert_sound(&files());
}

#[test]
fn what_is_not_there_is_said() {
    let server = Server::sound(&files());
    let place = Place::new(&server.url());
    let hub = place.hub();
    let error = hub.commit(&repo(), "v9").unwrap_err().to_string();
    let start = "no such repository or revision: `user/model` at `v9` (404 from http://";
    assert!(error.starts_with(start), "{error}");
    assert_eq!(hub.commit(&repo(), "refs/pr/1").unwrap(), commit());
    assert!(matches!(hub.commit(&repo(), "../x"), Err(HubError::Revision { .. })));

    let server = Server::new(&files(), big(usize::MAX, Fault::Status(404, "")));
    let place = Place::new(&server.url());
    let error = place.fetch().unwrap_err().to_string();
    assert!(error.starts_with("`user/model` has no file `params_shard_0.bin`"), "{error}");
    place.assert_sound(&files());
}

#[test]
fn the_token_stays_with_its_host() {
    let other = Server::sound(&files());
    let to = format!("{}/cdn/{BIG}?X-Signature=s", other.url());
    let server = Server::new(&files(), big(usize::MAX, Fault::Redirect(to)));
    let mut place = Place::new(&server.url());
    place.options.token = Secret::new("hf_secret");
    place.fetch().unwrap();
    place.assert_complete(&files());
    assert!(
        server.seen().iter().all(|seen| seen.authorization.as_deref() == Some("Bearer hf_secret"))
    );
    assert!(other.seen().len() >= 5);
    assert!(other.seen().iter().all(|seen| seen.authorization.is_none()), "the token followed");
    // Where the Hub redirects to is asked at once for later ranges.
    assert!(server.downloads(BIG).len() < 5, "{}", server.downloads(BIG).len());
}

#[test]
fn redirects_that_lead_nowhere_good_are_errors() {
    for (to, why) in [
        ("file:///etc/passwd", "to file://"),
        ("/user/model/resolve/x/params_shard_0.bin", "more than 8 times"),
        ("http://", "to an address that is not valid"),
    ] {
        let server = Server::new(&files(), big(usize::MAX, Fault::Redirect(to.to_owned())));
        let place = Place::new(&server.url());
        let error = place.fetch().unwrap_err().to_string();
        assert!(error.contains(why), "{to}: {error}");
    }
}

#[test]
fn an_address_that_ran_out_is_asked_for_again() {
    // A signed address is good for two requests.
    let other = Server::new(&files(), |_, nth| (nth >= 2).then_some(Fault::Status(403, "")));
    let url = other.url();
    let server = Server::new(&files(), move |seen, nth| {
        let to = format!("{url}/cdn/{BIG}?X-Signature={nth}");
        seen.path.ends_with(BIG).then_some(Fault::Redirect(to))
    });
    let mut place = Place::new(&server.url());
    place.options.connections = 1;
    place.fetch().unwrap();
    place.assert_complete(&files());
}

#[test]
fn a_silent_server_is_left_and_asked_again() {
    let server = Server::new(&files(), big(1, Fault::Stall(40_000)));
    let mut place = Place::new(&server.url());
    place.options.stall = Duration::from_millis(400);
    place.fetch().unwrap();
    place.assert_complete(&files());
    assert!(place.retries().contains(&"no byte for 0.4 s".to_owned()), "{:?}", place.retries());

    let server = Server::new(&files(), big(usize::MAX, Fault::Stall(0)));
    let mut place = Place::new(&server.url());
    place.options.stall = Duration::from_millis(400);
    let error = place.fetch().unwrap_err().to_string();
    assert!(error.contains(BIG) && error.contains("no byte for 0.4 s"), "{error}");
}

#[test]
fn nobody_there_is_an_error_that_names_the_address() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let place = Place::new(&format!("http://{address}"));
    let error = place.fetch().unwrap_err().to_string();
    assert!(error.contains(&address.to_string()), "{error}");
    assert!(error.to_lowercase().contains("connection refused"), "{error}");
}

#[test]
fn a_file_that_changes_between_ranges_begins_anew_once() {
    // The third request sees another file; after that it is the old one again.
    let third = |seen: &Seen, nth: usize| {
        (seen.path.ends_with(BIG) && nth == 2).then_some(Fault::Etag("changed"))
    };
    let server = Server::new(&files(), third);
    let place = Place::new(&server.url());
    place.fetch().unwrap();
    place.assert_complete(&files());

    let always = |seen: &Seen, nth: usize| {
        let odd = seen.path.ends_with(BIG) && nth % 2 == 1;
        odd.then_some(Fault::Etag("changed"))
    };
    let server = Server::new(&files(), always);
    let place = Place::new(&server.url());
    let error = place.fetch().unwrap_err();
    assert!(matches!(error, HubError::Changed { .. }), "{error}");
    assert!(server.downloads(BIG).len() <= 2 * 5, "it began anew more than once");
    assert!(error.to_string().contains(BIG), "{error}");
    place.assert_sound(&files());
}

#[test]
fn a_server_without_ranges_is_good_enough() {
    let server = Server::new(&files(), big(usize::MAX, Fault::IgnoreRange));
    let place = Place::new(&server.url());
    place.fetch().unwrap();
    place.assert_complete(&files());
    // Some ranges came before it turned out; what is there is not written again.
    let late = |seen: &Seen, nth: usize| {
        (seen.path.ends_with(BIG) && nth >= 2).then_some(Fault::IgnoreRange)
    };
    let server = Server::new(&files(), late);
    let place = Place::new(&server.url());
    place.fetch().unwrap();
    place.assert_complete(&files());
}

#[test]
fn a_branch_that_moves_moves_nothing_of_the_commit() {
    let server = Server::sound(&files());
    let place = Place::new(&server.url());
    let hub = place.hub();
    let commit = hub.commit(&repo(), "main").unwrap();
    let listing = hub.listing(&repo(), &commit).unwrap();
    let later = "1123456789abcdef0123456789abcdef01234567";
    server.push(later, BIG, File::lfs(weights(333_333)));
    place.fetch_files(&hub, &commit, &listing.files).unwrap();
    place.assert_complete(&files());
    assert_eq!(hub.commit(&repo(), "main").unwrap().as_str(), later);
}

#[test]
fn one_content_under_two_names_is_fetched_once() {
    let same = File::lfs(weights(150_000));
    let files = [("a.bin", same.clone()), ("b/c.bin", same)];
    let server = Server::sound(&files);
    let place = Place::new(&server.url());
    place.fetch().unwrap();
    place.assert_complete(&files);
    assert_eq!(server.seen().len(), 2 + 2);
}

#[test]
fn offline_asks_nothing_and_names_what_is_missing() {
    let server = Server::sound(&files());
    let mut place = Place::new(&server.url());
    place.options.offline = true;
    let error = place.fetch().unwrap_err().to_string();
    assert!(
        error.starts_with("the revision `main` of `user/model` is not in the cache"),
        "{error}"
    );
    place.options.offline = false;
    place.fetch().unwrap();
    server.forget();
    place.options.offline = true;
    place.fetch().unwrap();
    let etag = &files()[0].1.etag;
    fs_err::remove_file(place.repo_dir().join("blobs").join(etag)).unwrap();
    let error = place.fetch().unwrap_err().to_string();
    assert!(error.contains(BIG), "{error}");
    assert_eq!(server.seen().len(), 0);
}

#[test]
fn a_cached_file_that_was_damaged_is_found_by_verifying() {
    let server = Server::sound(&files());
    let place = Place::new(&server.url());
    place.fetch().unwrap();
    let hub = place.hub();
    let listing = hub.listing(&repo(), &commit()).unwrap();
    let file = listing.file(BIG).unwrap();
    assert_eq!(hub.verify(&repo(), &commit(), file).unwrap(), Some(true));
    let blob = place.repo_dir().join("blobs").join(&files()[0].1.etag);
    let mut bytes = fs_err::read(&blob).unwrap();
    bytes[123] ^= 1;
    fs_err::write(&blob, &bytes).unwrap();
    assert_eq!(hub.verify(&repo(), &commit(), file).unwrap(), Some(false));
    // One of another size is no hit.
    fs_err::write(&blob, &bytes[1..]).unwrap();
    assert!(!hub.cached(&repo(), &commit(), file));
    place.fetch().unwrap();
    place.assert_complete(&files());
}
