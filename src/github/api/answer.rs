use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::error::{ApiError, Permission};
use crate::io::http::address::printable;
use crate::io::http::{Response, Url};
use crate::io::retry::{Passing, retry_after};

/// The longest text of a refusal that is read, in bytes.
const REFUSAL_LIMIT: u64 = 64 << 10;

/// The least wait after a secondary limit that names none
/// (<https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api>).
const SECONDARY: Duration = Duration::from_secs(60);

/// An answer that is no success.
#[derive(Debug, Default)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) message: String,
    /// What is wrong, in words for programs: `already_exists`.
    pub(super) codes: Vec<String>,
    pub(super) retry_after: Option<Duration>,
    /// Requests that are left, and when there will be more, in seconds since 1970.
    pub(super) remaining: Option<u64>,
    pub(super) reset: Option<u64>,
    /// Whether the API itself answers, and not a storage that it redirected to.
    pub(super) elsewhere: bool,
}

impl Refusal {
    pub(super) fn read(response: Response<'_>) -> Self {
        let number = |name: &str| response.header(name)?.trim().parse().ok();
        let mut refusal = Self {
            status: response.status().as_u16(),
            retry_after: response
                .header("retry-after")
                .and_then(|value| retry_after(value, SystemTime::now())),
            remaining: number("x-ratelimit-remaining"),
            reset: number("x-ratelimit-reset"),
            ..Self::default()
        };
        // Its status says what there is to say, should the text not come.
        let body = response.body(REFUSAL_LIMIT).unwrap_or_default();
        let text: Value = serde_json::from_slice(&body).unwrap_or_default();
        (refusal.message, refusal.codes) = said(&text);
        refusal
    }

    pub(super) fn error(self, url: &Url, permission: Permission) -> ApiError {
        self.error_at(url, permission, SystemTime::now())
    }

    fn error_at(self, url: &Url, permission: Permission, now: SystemTime) -> ApiError {
        if let Some(after) = self.limit(now) {
            let why = match self.status {
                429 => "GitHub's limit on requests (429)".to_owned(),
                _ if self.is_secondary() => "GitHub's secondary limit on requests".to_owned(),
                status => format!("GitHub's limit on requests ({status})"),
            };
            return ApiError::Passing(Passing::in_trouble(why, Some(after)));
        }
        let (url, message) = (printable(url), self.message);
        match self.status {
            401 if !self.elsewhere => ApiError::BadToken { url, message },
            // Another host's addresses are signed for a time, and may have run out.
            400..=499 if self.elsewhere => {
                ApiError::Passing(Passing::new(format!("{url} answers {}", self.status)))
            }
            403 | 404 => ApiError::Refused { status: self.status, url, message, permission },
            408 | 425 | 500..=599 => {
                let why = format!("{url} answers {}", self.status);
                ApiError::Passing(Passing::in_trouble(why, self.retry_after))
            }
            422 => ApiError::Invalid { url, message, codes: self.codes },
            status => ApiError::Status { url, status, message },
        }
    }

    /// How long to wait, if this is a limit on how often may be asked.
    fn limit(&self, now: SystemTime) -> Option<Duration> {
        if !matches!(self.status, 403 | 429) {
            return None;
        }
        let used_up = self.remaining == Some(0);
        if self.status == 403 && !used_up && self.retry_after.is_none() && !self.is_secondary() {
            return None;
        }
        let reset = || {
            let reset = Duration::from_secs(self.reset.filter(|_| used_up)?);
            // A header may say any number.
            let reset = UNIX_EPOCH.checked_add(reset)?;
            Some(reset.duration_since(now).unwrap_or(Duration::ZERO))
        };
        Some(self.retry_after.or_else(reset).unwrap_or(SECONDARY))
    }

    fn is_secondary(&self) -> bool {
        let message = self.message.to_ascii_lowercase();
        message.contains("secondary rate limit") || message.contains("abuse detection")
    }
}

/// GitHub's words, in one line, and its codes. `errors` are objects with the field and a code or a
/// message, texts, or one text: a ruleset's message may stand in any of them.
fn said(text: &Value) -> (String, Vec<String>) {
    let word = |value: &Value, name: &str| value.get(name)?.as_str().map(str::to_owned);
    let errors = match text.get("errors") {
        Some(Value::Array(errors)) => errors.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    let detail = |error: &Value| {
        if let Some(text) = error.as_str() {
            return Some(text.to_owned());
        }
        let code = word(error, "code").filter(|code| code != "custom");
        let said = word(error, "message").or(code)?;
        Some(match word(error, "field") {
            Some(field) => format!("{field}: {said}"),
            None => said,
        })
    };
    let codes = errors.iter().filter_map(|error| word(error, "code")).collect();
    let mut words: Vec<String> = Vec::new();
    for said in word(text, "message").into_iter().chain(errors.iter().filter_map(detail)) {
        // A line break in it would be shown as one that is not there.
        let line = said.split_whitespace().collect::<Vec<_>>().join(" ");
        if !line.is_empty() && !words.contains(&line) {
            words.push(line);
        }
    }
    (words.join(": ").chars().take(500).collect(), codes)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use serde_json::json;

    use super::{ApiError, Permission, Refusal, Url, said};

    fn error(refusal: Refusal) -> ApiError {
        let url = Url::parse("https://u:p@api.example/repos/a/b?secret=1").unwrap();
        refusal.error_at(&url, Permission::Contents, UNIX_EPOCH + Duration::from_secs(1000))
    }

    fn waits(refusal: Refusal) -> Option<u64> {
        match error(refusal) {
            ApiError::Passing(passing) => passing.after.map(|after| after.as_secs()),
            _ => None,
        }
    }

    #[test]
    fn limits_are_told_from_rights() {
        let refusal = |status| Refusal { status, ..Refusal::default() };
        let secondary = "You have exceeded a secondary rate limit. Please wait.".to_owned();
        let seven = Some(Duration::from_secs(7));
        assert_eq!(waits(Refusal { retry_after: seven, ..refusal(429) }), Some(7));
        assert_eq!(waits(Refusal { retry_after: seven, ..refusal(403) }), Some(7));
        assert_eq!(waits(refusal(429)), Some(60));
        assert_eq!(waits(Refusal { message: secondary.clone(), ..refusal(403) }), Some(60));
        let used_up = Refusal { remaining: Some(0), reset: Some(1030), ..refusal(403) };
        assert_eq!(waits(used_up), Some(30));
        let past = Refusal { remaining: Some(0), reset: Some(10), ..refusal(429) };
        assert_eq!(waits(past), Some(0));
        let never = Refusal { remaining: Some(0), reset: Some(u64::MAX), ..refusal(429) };
        assert_eq!(waits(never), Some(60));
        // A secondary limit while there are requests left: their reset is not what it waits for.
        let left =
            Refusal { remaining: Some(9), reset: Some(4000), message: secondary, ..refusal(403) };
        assert_eq!(waits(left), Some(60));
        let forbidden = Refusal { remaining: Some(9), reset: Some(1030), ..refusal(403) };
        assert!(matches!(error(forbidden), ApiError::Refused { status: 403, .. }));
    }

    #[test]
    fn field_code_and_message_of_a_refusal_are_one_line() {
        let words = |text| said(&text).0;
        let taken = json!({"message": "Validation Failed", "errors": [
            {"resource": "ReleaseAsset", "code": "already_exists", "field": "name"},
            {"resource": "Release", "code": "custom", "message": "tag is not a valid tag"},
        ]});
        assert_eq!(
            words(taken.clone()),
            "Validation Failed: name: already_exists: tag is not a valid tag"
        );
        assert_eq!(said(&taken).1, ["already_exists", "custom"]);
        let rules = "Repository rule violations found\n\nCannot create ref due to creations being \
                     restricted.";
        assert_eq!(
            words(json!({"message": rules, "errors": "Cannot\r\ncreate ref"})),
            "Repository rule violations found Cannot create ref due to creations being \
             restricted.: Cannot create ref"
        );
        assert_eq!(words(json!({"message": "x", "errors": ["x", "y", 7, null]})), "x: y");
        for other in [json!(null), json!([1]), json!({"message": 7, "errors": {}})] {
            assert_eq!(words(other), "");
        }
    }

    #[test]
    fn what_may_be_secret_is_not_printed() {
        let ApiError::Refused { url, .. } = error(Refusal { status: 404, ..Refusal::default() })
        else {
            panic!()
        };
        assert_eq!(url, "https://api.example/repos/a/b");
    }
}
