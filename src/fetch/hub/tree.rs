//! Asking for a repository's commit and files.

use serde::Deserialize;

use super::listing::{ListingError, MAX_FILES, TreePage};
use super::requests::{Asker, Failure, Subject, below};
use super::{Commit, HubError, Listing};
use crate::io::http::address::printable;
use crate::io::http::session::json;
use crate::io::http::{HttpError, Url};
use crate::model::HubRepo;

/// The description of a model is some 100 KiB at most, and only its commit is asked for.
const MAX_DESCRIPTION: u64 = 8 << 20;

/// A page of the Hub has 1000 files, some 300 bytes each.
const MAX_PAGE: u64 = 16 << 20;

/// All pages of one repository, in bytes.
const MAX_LIST: u64 = 64 << 20;

/// Pages of one repository: the Hub fills each but the last.
const MAX_PAGES: u32 = 1000;

/// The commit that a revision is now.
pub(super) fn commit(
    asker: &Asker<'_>,
    repo: &HubRepo,
    revision: &str,
) -> Result<Commit, HubError> {
    #[derive(Deserialize)]
    struct Description {
        sha: String,
    }
    let parts = ["api", "models", repo.user(), repo.repo(), "revision", revision];
    let mut url = below(asker.session.home, parts)?;
    url.set_query(Some("expand=sha"));
    asker.insist(&url, || {
        let answer = asker.ask(&url, None, Subject::Revision(repo, revision))?;
        let body = answer.response.body(MAX_DESCRIPTION);
        let body = body.map_err(|error| Failure::of(error, &answer.url))?;
        let wrong = |why: String| Failure::Final(HubError::Answer { url: printable(&url), why });
        let description: Description = json(&body, &url)?;
        description.sha.parse().map_err(|error: super::NotACommit| wrong(error.to_string()))
    })
}

/// The files of a commit.
pub(super) fn listing(
    asker: &Asker<'_>,
    repo: &HubRepo,
    commit: &Commit,
) -> Result<Listing, HubError> {
    let refuse = |why| HubError::Listing { repo: Box::new(repo.clone()), why };
    let parts = ["api", "models", repo.user(), repo.repo(), "tree", commit.as_str()];
    let mut url = below(asker.session.home, parts)?;
    url.set_query(Some("recursive=true"));
    let mut next = Some(url);
    let (mut files, mut rest, mut pages) = (Vec::new(), MAX_LIST, 0);
    while let Some(url) = next {
        pages += 1;
        if pages > MAX_PAGES {
            return Err(refuse(ListingError::TooManyPages(MAX_PAGES)));
        }
        let page = asker.insist(&url, || page(asker, repo, commit, &url, rest))?;
        rest = rest.saturating_sub(page.bytes);
        let empty = page.entries.is_empty();
        for file in page.entries.files() {
            files.push(file.map_err(refuse)?);
            if files.len() > MAX_FILES {
                return Err(refuse(ListingError::TooMany));
            }
        }
        next = page.next;
        if let Some(next) = &next {
            // The token goes along, and nothing else says where the list ends.
            if next.origin() != asker.session.home.origin() || empty {
                let why = "a next page that cannot be one".to_owned();
                return Err(HubError::Answer { url: printable(next), why });
            }
        }
    }
    Listing::new(files).map_err(refuse)
}

struct Page {
    entries: TreePage,
    bytes: u64,
    next: Option<Url>,
}

fn page(
    asker: &Asker<'_>,
    repo: &HubRepo,
    commit: &Commit,
    url: &Url,
    rest: u64,
) -> Result<Page, Failure> {
    let answer = asker.ask(url, None, Subject::Revision(repo, commit.as_str()))?;
    let response = answer.response;
    let link = response.header("link").and_then(next_of);
    let next = match link.map(|link| url.join(link)) {
        None => None,
        Some(Ok(next)) => Some(next),
        Some(Err(error)) => {
            let why = format!("a next page without an address ({error})");
            return Err(Failure::Final(HubError::Answer { url: printable(url), why }));
        }
    };
    let body = match response.body(rest.min(MAX_PAGE)) {
        Err(HttpError::TooLong(bytes)) => {
            let limit = if bytes < MAX_PAGE { MAX_LIST } else { MAX_PAGE };
            let why = ListingError::TooLong(limit);
            return Err(Failure::Final(HubError::Listing { repo: Box::new(repo.clone()), why }));
        }
        body => body.map_err(|error| Failure::of(error, &answer.url))?,
    };
    let entries: TreePage = json(&body, url)?;
    Ok(Page { entries, bytes: body.len() as u64, next })
}

/// The address of `rel="next"` in a `Link` header (RFC 8288).
fn next_of(header: &str) -> Option<&str> {
    header.split(",").find_map(|link| {
        let (address, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let mut parameters = parameters.split(';').map(str::trim);
        parameters
            .any(|parameter| matches!(parameter, "rel=\"next\"" | "rel=next"))
            .then_some(address)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::next_of;

    #[test]
    fn the_next_page_is_the_link_of_that_name() {
        let header = r#"<https://h/a?cursor=1>; rel="prev", </b?cursor=2>; x=y; rel="next""#;
        assert_eq!(next_of(header), Some("/b?cursor=2"));
        assert_eq!(next_of(r#"<https://h/a>; rel="last""#), None);
        assert_eq!(next_of("next"), None);
    }

    proptest! {
        #[test]
        fn any_header_names_the_next_page_or_none(
            before in "(<[a-z:/?&=]{0,20}>; rel=\"(prev|first)\", ?)?",
            address in "[a-zA-Z0-9:/?&=%.-]{1,40}",
            noise in "[<>;,= a-z\"]{0,40}|\\PC{0,20}",
        ) {
            let header = format!("{before}<{address}>; rel=\"next\"");
            prop_assert_eq!(next_of(&header), Some(address.as_str()));
            if let Some(found) = next_of(&noise) {
                prop_assert!(noise.contains(&format!("<{found}>")), "{}", found);
            }
        }
    }
}
