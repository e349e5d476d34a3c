//! Addresses: of servers as people name them, of things below a server, and as they are printed.

use std::str::FromStr;

use super::Url;

/// Why an address is not one to be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// A text that is no address.
    #[error("{0}")]
    Malformed(<Url as FromStr>::Err),
    /// More than the address of a server has.
    #[error("it must not have a query or a fragment")]
    Query,
    /// A protocol that is not spoken here.
    #[error("it must begin with https:// or http://")]
    Scheme,
    /// One that nothing is below.
    #[error("it has no path")]
    NoPath,
}

/// The address of a server as a person or a variable names it.
pub fn server(text: &str) -> Result<Url, AddressError> {
    let url = Url::parse(text.trim_end_matches('/')).map_err(AddressError::Malformed)?;
    match url.scheme() {
        "http" | "https" if url.query().is_none() && url.fragment().is_none() => Ok(url),
        "http" | "https" => Err(AddressError::Query),
        _ => Err(AddressError::Scheme),
    }
}

/// An address below a server's, its parts encoded.
pub fn below<'s>(
    server: &Url,
    parts: impl IntoIterator<Item = &'s str>,
) -> Result<Url, AddressError> {
    let mut url = server.clone();
    match url.path_segments_mut() {
        Ok(mut path) => {
            path.pop_if_empty().extend(parts);
        }
        Err(()) => return Err(AddressError::NoPath),
    }
    Ok(url)
}

/// An address without what may be secret in it: a signature in the query, a password.
pub fn printable(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // Fails for addresses that cannot have either.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.into()
}

/// A part of an address with its percent-encoding undone (RFC 3986, 2.1); none if that is no UTF-8.
pub fn decoded(part: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = part.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let digits = digits.filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::{Url, below, decoded, printable, server};

    proptest::proptest! {
        #[test]
        fn what_an_address_encodes_comes_back(part in "\\PC{1,12}") {
            // Two names have no place of their own in an address.
            proptest::prop_assume!(!matches!(part.as_str(), "." | ".."));
            let url = below(&Url::parse("https://a.example").unwrap(), [part.as_str()]).unwrap();
            let encoded = url.path().trim_start_matches('/');
            // A percent sign is kept as it is: nobody can tell it from an encoding.
            if !part.contains('%') && !part.starts_with('/') {
                proptest::prop_assert_eq!(decoded(encoded), Some(part));
            }
        }
    }

    #[test]
    fn only_whole_escapes_are_undone() {
        assert_eq!(decoded("a%2Fb%20c").as_deref(), Some("a/b c"));
        assert_eq!(decoded("100%").as_deref(), Some("100%"));
        assert_eq!(decoded("%+1%zz%2").as_deref(), Some("%+1%zz%2"));
        assert_eq!(decoded("%ff"), None);
    }

    #[test]
    fn parts_of_an_address_stay_parts() {
        let mirror = Url::parse("https://mirror.example/hub").unwrap();
        let url = below(&mirror, ["a", "refs/pr/1", "x y?#%.bin", "b+c"]).unwrap();
        let expected = "https://mirror.example/hub/a/refs%2Fpr%2F1/x%20y%3F%23%25.bin/b+c";
        assert_eq!(url.as_str(), expected);
        assert!(below(&Url::parse("data:x").unwrap(), ["a"]).is_err());
    }

    #[test]
    fn signatures_are_not_printed() {
        let url = Url::parse("https://me:pw@cdn.example/a/b?X-Amz-Signature=abc#d").unwrap();
        assert_eq!(printable(&url), "https://cdn.example/a/b");
    }

    #[test]
    fn a_server_has_no_query_and_a_scheme_that_we_speak() {
        assert_eq!(server("https://a.example/hub/").unwrap().as_str(), "https://a.example/hub");
        for text in ["a.example", "ftp://a.example", "https://a/?b", "https://a/#b", "http://"] {
            assert!(server(text).is_err(), "{text}");
        }
    }
}
