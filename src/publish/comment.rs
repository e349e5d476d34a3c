//! One comment on a pull request, written anew instead of followed by others. It is known by a
//! marker that is the first thing in it, and by its author: anybody can write a marker.

use std::collections::BTreeMap;

use serde_json::json;

use super::text::{COMMENT_LIMIT, cut};
use crate::github::api::{Api, ApiError, Call, Comment, Permission, User};

/// A comment to be.
#[derive(Clone, Debug)]
pub struct StickyComment<'a> {
    /// The pull request.
    pub pull_request: u64,
    /// Which one it is, or which section of it.
    pub place: Place<'a>,
    /// Its text; what is longer than a comment can be is cut.
    pub markdown: &'a str,
    /// Whether it is made if it is not there.
    pub create: bool,
}

/// Which comment on a pull request.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// What tells several comments apart: `size`, `release`.
    pub key: &'a str,
    /// The section of a comment that several jobs write, each its own; none for all of it.
    pub section: Option<&'a str>,
}

/// How often a section is written again where another job has written the comment without it.
const ROUNDS: u32 = 5;

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commented {
    /// It is new.
    Created,
    /// It was there, and says something else now.
    Updated,
    /// It says this already.
    Unchanged,
    /// It is not there, and was not to be made.
    Left,
}

/// Writes the comment.
pub fn comment(api: &Api<'_>, sticky: &StickyComment<'_>) -> Result<Commented, ApiError> {
    let marker = marker(sticky.place.key);
    // What it is to be, given what it is.
    let body_of = |before: Option<&Comment>| {
        let before = before.and_then(|comment| comment.body.as_deref()).unwrap_or_default();
        let text = match sticky.place.section {
            None => sticky.markdown.to_owned(),
            Some(section) => {
                let mut sections = Sections::read(before);
                sections.0.remove(section);
                // The others' are whole, and ours is cut.
                let taken: usize = sections.0.values().map(|text| text.len() + 200).sum();
                let room = COMMENT_LIMIT.saturating_sub(taken).max(COMMENT_LIMIT / 8);
                sections.with(section, &cut(sticky.markdown, room))
            }
        };
        format!("{marker}\n{}", cut(&text, COMMENT_LIMIT))
    };
    let me = api.me()?;
    let number = sticky.pull_request.to_string();
    let path = ["issues", &number, "comments"];
    let list = || -> Result<Vec<Comment>, ApiError> {
        let mut ours = Vec::new();
        let call = Call::get(&path, Permission::PullRequests);
        api.each_page(call, |page: Vec<Comment>| {
            ours.extend(page.into_iter().filter(|comment| is_ours(comment, &marker, me.as_ref())));
        })?;
        ours.sort_by_key(|comment| comment.id);
        Ok(ours)
    };
    let result = api.insist(|| {
        let ours = list()?;
        if let Some(first) = ours.first() {
            match update(api, first, &body_of(Some(first))) {
                // Another bot's: ours will stand beside it.
                Err(error) if error.is_refused() && me.is_none() => {}
                done => return done,
            }
        }
        if !sticky.create {
            return Ok(Commented::Left);
        }
        let call = Call::post(&path, Permission::PullRequests);
        let _: Comment = api.make(call, &json!({"body": body_of(None)}))?;
        Ok(Commented::Created)
    })?;
    // Another job may have read the comment before ours was in it, and written it after.
    if sticky.place.section.is_some() && result != Commented::Left {
        for _ in 0..ROUNDS {
            let ours = list()?;
            let Some(first) = ours.first() else { break };
            if update(api, first, &body_of(Some(first)))? == Commented::Unchanged {
                break;
            }
        }
    }
    if result == Commented::Created {
        // Two runs at once may both have made one: the older stays.
        for double in list()?.iter().skip(1) {
            let id = double.id.to_string();
            let path = ["issues", "comments", &id];
            match api.delete(Call::delete(&path, Permission::PullRequests)) {
                // Another bot's.
                Err(error) if error.is_refused() => {}
                done => done?,
            }
        }
    }
    Ok(result)
}

fn update(api: &Api<'_>, comment: &Comment, body: &str) -> Result<Commented, ApiError> {
    // GitHub may keep lines as forms send them.
    let plain = |text: &str| text.replace("\r\n", "\n").trim_end().to_owned();
    if comment.body.as_deref().map(plain) == Some(plain(body)) {
        return Ok(Commented::Unchanged);
    }
    let id = comment.id.to_string();
    let path = ["issues", "comments", &id];
    let call = Call::patch(&path, Permission::PullRequests);
    let _: Comment = api.set(call, &json!({"body": body}))?;
    Ok(Commented::Updated)
}

/// A workflow's own token is that of an app, which cannot ask who it is; its comments are a bot's,
/// and nobody can write as one.
fn is_ours(comment: &Comment, marker: &str, me: Option<&User>) -> bool {
    let author = match (me, &comment.user) {
        (Some(me), Some(user)) => me.login == user.login,
        (None, Some(user)) => user.kind == "Bot",
        (_, None) => false,
    };
    author && comment.body.as_deref().is_some_and(|body| body.starts_with(marker))
}

/// The sections of a comment, by name: each begins with a line that nobody sees.
struct Sections(BTreeMap<String, String>);

impl Sections {
    const BEGIN: &str = "<!-- mlc-package-section:";
    const END: &str = " -->";

    /// Of a comment's text; what is before the first section is not kept.
    fn read(text: &str) -> Self {
        let mut sections = BTreeMap::new();
        let mut name = None;
        for line in text.replace("\r\n", "\n").split_inclusive('\n') {
            let begins = line.trim_end().strip_prefix(Self::BEGIN);
            if let Some(begins) = begins.and_then(|rest| rest.strip_suffix(Self::END)) {
                name = Some(begins.to_owned());
                sections.insert(begins.to_owned(), String::new());
            } else if let Some(text) = name.as_ref().and_then(|name| sections.get_mut(name)) {
                text.push_str(line);
            }
        }
        Self(sections)
    }

    /// All of them, with this one as it is now.
    fn with(mut self, name: &str, text: &str) -> String {
        // A line of the text must not begin another section.
        let text = text.replace(Self::BEGIN, "<!-- ");
        self.0.insert(name.to_owned(), text);
        let one = |(name, text): (&String, &String)| {
            format!("{}{name}{}\n{}\n", Self::BEGIN, Self::END, text.trim_end())
        };
        self.0.iter().map(one).collect::<Vec<_>>().join("\n")
    }
}

/// The first line of the comment, which nobody sees.
fn marker(key: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_') { c } else { '-' };
    let key: String = key.chars().map(plain).collect();
    // Two hyphens would end an HTML comment.
    let words: Vec<_> = key.split('-').filter(|word| !word.is_empty()).collect();
    format!("<!-- mlc-package:{} -->", words.join("-"))
}

#[cfg(test)]
mod tests {
    use super::{Comment, Sections, User, is_ours, marker};

    #[test]
    fn each_job_writes_its_own_section_and_leaves_the_others() {
        let first = Sections::read("").with("ios", "# iOS\nbig\n");
        let both =
            Sections::read(&format!("<!-- mlc-package:size -->\n{first}")).with("android", "A");
        let (android, ios) = (both.find("A\n").unwrap(), both.find("# iOS\nbig\n").unwrap());
        assert!(android < ios, "{both}");
        // GitHub may keep lines as forms send them.
        let again = Sections::read(&both.replace('\n', "\r\n")).with("ios", "small");
        assert!(again.contains("A\n") && again.contains("small\n") && !again.contains("big"));
        assert_eq!(Sections::read(&again).with("ios", "small"), again);
        let forged = Sections::read("").with("x", "<!-- mlc-package-section:ios -->\nmine");
        assert_eq!(Sections::read(&forged).0.len(), 1, "{forged}");
    }

    #[test]
    fn a_marker_stays_a_comment() {
        assert_eq!(marker("size"), "<!-- mlc-package:size -->");
        assert_eq!(marker("a/b --> <b>\n"), "<!-- mlc-package:a-b-b -->");
    }

    #[test]
    fn a_marker_of_a_stranger_is_not_ours() {
        let user =
            |login: &str, kind: &str| User { login: login.to_owned(), kind: kind.to_owned() };
        let comment = |body: &str, user| Comment { id: 1, body: Some(body.to_owned()), user };
        let (bot, person) = (user("github-actions[bot]", "Bot"), user("eve", "User"));
        let marker = marker("size");
        let text = format!("{marker}\nsizes");
        assert!(is_ours(&comment(&text, Some(bot.clone())), &marker, None));
        assert!(!is_ours(&comment(&text, Some(person.clone())), &marker, None));
        assert!(!is_ours(&comment(&text, Some(person.clone())), &marker, Some(&bot)));
        assert!(is_ours(&comment(&text, Some(person.clone())), &marker, Some(&person)));
        assert!(!is_ours(&comment(&text, None), &marker, None));
        assert!(!is_ours(&comment(&format!("> {text}"), Some(bot)), &marker, None));
    }
}
