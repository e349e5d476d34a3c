use crate::github::api::{Api, ApiError, Call, Permission, Pull};
use crate::github::event::{Context, Event};

/// The pull request that a job is about. Where the event does not name it, GitHub is asked: for
/// a run of a fork by its branch, held against the commit, since the branch may have moved to
/// something that nobody has run; for a push by its commit.
pub fn pull_request(api: &Api<'_>, context: &Context) -> Result<Option<u64>, ApiError> {
    if let Some(number) = context.pull_request() {
        return Ok(Some(number));
    }
    let Some(head) = context.head() else { return Ok(None) };
    match &context.event {
        Event::WorkflowRun(run) => {
            let (Some(branch), Some(repository)) = (&run.head_branch, &run.head_repository) else {
                return Ok(None);
            };
            let branch = format!("{}:{branch}", repository.owner());
            let query = [("state", "open"), ("head", branch.as_str())];
            by_commit(api, &["pulls"], &query, head)
        }
        Event::Push(_) => {
            let path = ["commits", head, "pulls"];
            let own = by_commit(api, &path, &[], head)?;
            // After a merge the commit is the merge's, and still belongs to one.
            match own {
                Some(number) => Ok(Some(number)),
                None => Ok(list(api, &path, &[])?.first().map(|pull| pull.number)),
            }
        }
        _ => Ok(None),
    }
}

fn by_commit(
    api: &Api<'_>,
    path: &[&str],
    query: &[(&str, &str)],
    head: &str,
) -> Result<Option<u64>, ApiError> {
    let mut pulls = list(api, path, query)?;
    pulls.retain(|pull| pull.head.sha == head && pull.state == "open");
    Ok(pulls.first().map(|pull| pull.number))
}

fn list(api: &Api<'_>, path: &[&str], query: &[(&str, &str)]) -> Result<Vec<Pull>, ApiError> {
    let mut pulls = Vec::new();
    api.each_page(Call::get(path, Permission::Read).query(query), |page: Vec<Pull>| {
        pulls.extend(page);
    })?;
    Ok(pulls)
}
