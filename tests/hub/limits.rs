//! Limits of the Hub, and answers that never end or are none. No test here waits: each has a clock of
//! its own.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use mlc_package::fetch::hub::{HubError, Notices, RetryPolicy, Secret};
use mlc_package::io::cancel::Cancel;
use mlc_package::io::clock::{Clock, Time};

use super::place::{Place, commit, repo, weights};
use super::server::{Fault, File, Server};

/// A clock on which every wait is over at once, and every look at it takes some time.
#[derive(Clone, Default)]
struct Quick {
    look: Duration,
    state: Arc<Mutex<(Duration, Vec<Duration>)>>,
}

impl Time for Quick {
    fn elapsed(&self) -> Duration {
        let mut state = self.state.lock().unwrap();
        state.0 += self.look;
        state.0
    }

    fn date(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }

    fn wait(&self, time: Duration, cancel: &Cancel) -> bool {
        let mut state = self.state.lock().unwrap();
        state.0 += time;
        state.1.push(time);
        !cancel.is_cancelled()
    }
}

impl Quick {
    fn waits(&self) -> Vec<Duration> {
        self.state.lock().unwrap().1.clone()
    }
}

/// A place whose policy is the one that users have, on this clock; and what it is told.
fn place(server: &Server, clock: &Quick) -> (Place, Arc<Mutex<Vec<String>>>) {
    let mut place = Place::new(&server.url());
    let defaults = mlc_package::fetch::hub::HubOptions::new(
        server.url().parse().unwrap(),
        "unused".into(),
        "unused".into(),
    );
    place.options.retry = RetryPolicy { clock: Clock::new(clock.clone()), ..defaults.retry };
    let said: Arc<Mutex<Vec<String>>> = Arc::default();
    let hears = said.clone();
    place.options.notices = Notices::new(move |why, _| hears.lock().unwrap().push(why.to_owned()));
    (place, said)
}

fn files() -> Vec<(&'static str, File)> {
    vec![("a.bin", File::lfs(weights(1000))), ("mlc-chat-config.json", File::small(b"{}"))]
}

#[test]
fn the_hubs_own_rate_limit_is_waited_for_and_said() {
    for (token, why) in
        [(None, "rate limit: 280 s; HF_TOKEN raises it"), (Some("hf_x"), "rate limit: 280 s")]
    {
        let header = "RateLimit: \"resolvers\";r=0;t=280";
        let server =
            Server::new(&files(), move |_, nth| (nth == 0).then_some(Fault::Status(429, header)));
        let clock = Quick::default();
        let (mut place, said) = place(&server, &clock);
        place.options.token = token.and_then(Secret::new);
        place.fetch().unwrap();
        place.assert_complete(&files());
        // The commit, the list, and two files.
        assert_eq!(clock.waits(), [Duration::from_secs(280); 4]);
        assert_eq!(*said.lock().unwrap(), [why; 2]);
        assert_eq!(place.retries(), [why; 2]);
    }
}

#[test]
fn a_hub_that_is_down_is_waited_for_longer_than_a_moment() {
    let down = |times| {
        Server::new(&files(), move |_, nth| (nth < times).then_some(Fault::Status(503, "")))
    };
    let clock = Quick::default();
    let server = down(8);
    let (place, said) = place(&server, &clock);
    place.hub().commit(&repo(), "main").unwrap();
    let waited: Duration = clock.waits().iter().sum();
    assert!(waited > Duration::from_secs(9), "{waited:?}");
    assert_eq!(said.lock().unwrap().len(), 8);
    assert!(said.lock().unwrap()[0].starts_with("503"));

    let clock = Quick::default();
    let server = down(usize::MAX);
    let (place, _) = self::place(&server, &clock);
    let error = place.hub().commit(&repo(), "main").unwrap_err().to_string();
    assert!(error.contains("503") && error.contains("tried 12 times"), "{error}");
}

#[test]
fn an_answer_of_a_byte_now_and_then_is_given_up_and_not_asked_for_again() {
    let server = Server::new(&[], |_, _| Some(Fault::Trickle));
    let clock = Quick { look: Duration::from_secs(9), ..Quick::default() };
    let (place, _) = place(&server, &clock);
    let error = place.hub().commit(&repo(), "main").unwrap_err();
    assert!(matches!(error, HubError::Answer { .. }), "{error}");
    assert!(error.to_string().contains("fewer than 60 KiB came in 60 s"), "{error}");
    assert_eq!(server.seen().len(), 1);
    assert!(place.hub().listing(&repo(), &commit()).is_err());
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn answers_that_cannot_be_used_are_not_asked_for_again() {
    for (fault, why) in [
        (Fault::Json("<!DOCTYPE html>".to_owned(), String::new()), "an HTML page came instead"),
        (Fault::Json("{}".to_owned(), String::new()), "it is not the JSON that was expected"),
        (Fault::Endless, "the answer is longer than 8388608 bytes"),
    ] {
        let server = Server::new(&[], move |_, _| Some(fault.clone()));
        let clock = Quick::default();
        let (place, said) = place(&server, &clock);
        let error = place.hub().commit(&repo(), "main").unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
        assert!(error.help().unwrap().contains("HF_ENDPOINT"), "{error}");
        assert_eq!((server.seen().len(), said.lock().unwrap().len()), (1, 0));
    }
}

#[test]
fn a_list_whose_pages_never_end_is_left() {
    let server = Server::new(&[], |_, nth| {
        let next = format!("</api/models/user/model/tree/x?cursor={nth}>; rel=\"next\"");
        let page = r#"[{"type": "directory", "path": "d", "oid": "x"}]"#;
        Some(Fault::Json(page.to_owned(), next))
    });
    let (place, _) = place(&server, &Quick::default());
    let error = place.hub().listing(&repo(), &commit()).unwrap_err().to_string();
    assert!(error.contains("the list goes on after 1000 pages"), "{error}");
}

#[test]
fn a_token_that_is_refused_where_none_is_needed_is_the_fault() {
    let refuses = || {
        Server::new(&files(), |seen, _| {
            seen.authorization.is_some().then_some(Fault::Status(401, ""))
        })
    };
    let server = refuses();
    let mut place = Place::new(&server.url());
    place.options.token = Secret::new("hf_expired");
    place.options.token_from = "/home/me/.cache/huggingface/token".to_owned();
    let error = place.fetch().unwrap_err();
    assert!(matches!(error, HubError::Token { status: 401, .. }), "{error}");
    let (text, help) = (error.to_string(), error.help().unwrap());
    assert!(text.starts_with("the Hub refuses the token (/home/me/"), "{text}");
    assert!(text.contains("`user/model` is public") && !text.contains("hf_expired"), "{text}");
    assert!(help.contains("remove it from /home/me/"), "{help}");
    // Once with the token, once without, and no more.
    assert_eq!(server.seen().len(), 2);
    // A private repository is still called one.
    let server = Server::new(&files(), |_, _| Some(Fault::Status(401, "")));
    let mut place = Place::new(&server.url());
    place.options.token = Secret::new("hf_other");
    assert!(matches!(place.fetch(), Err(HubError::Refused { status: 401, .. })));
}
