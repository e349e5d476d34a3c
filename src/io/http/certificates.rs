//! Whom a connection trusts besides the system's own roots: a company's certificate authority,
//! where the variables of other tools name it.

use std::path::PathBuf;

use reqwest::Certificate;

/// The variables that name a file of certificates (PEM), or a directory of such files: OpenSSL's,
/// that of Python's requests, which `huggingface_hub` obeys, and curl's.
pub const VARIABLES: [&str; 3] = ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"];

/// Why the certificates that a variable names cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{variable} names `{}`: {fault}", .path.display())]
pub(super) struct CertificateError {
    variable: &'static str,
    path: PathBuf,
    fault: CertificateFault,
}

/// What is wrong with a file of certificates, or a directory of them.
#[derive(Debug, thiserror::Error)]
enum CertificateFault {
    /// It cannot be read.
    #[error("{}", said(.0))]
    Unreadable(rustls_native_certs::Error),
    /// Another file.
    #[error("there is no certificate in it (expected PEM)")]
    Empty,
    /// A certificate that is damaged.
    #[error("{0}")]
    Damaged(reqwest::Error),
}

/// The certificates that this process's variables name.
pub(super) fn named() -> Result<Vec<Certificate>, CertificateError> {
    let mut found = Vec::new();
    for variable in VARIABLES {
        let Some(path) = std::env::var_os(variable).filter(|path| !path.is_empty()) else {
            continue;
        };
        let path = PathBuf::from(path);
        let wrong = |fault| CertificateError { variable, path: path.clone(), fault };
        let mut loaded = match path.is_dir() {
            true => rustls_native_certs::load_certs_from_paths(None, Some(&path)),
            false => rustls_native_certs::load_certs_from_paths(Some(&path), None),
        };
        if loaded.certs.is_empty() {
            let first = loaded.errors.drain(..).next();
            return Err(wrong(first.map_or(CertificateFault::Empty, CertificateFault::Unreadable)));
        }
        for certificate in &loaded.certs {
            let certificate = Certificate::from_der(certificate);
            found.push(certificate.map_err(|error| wrong(CertificateFault::Damaged(error)))?);
        }
    }
    Ok(found)
}

/// An error with its cause.
fn said(error: &rustls_native_certs::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => cause.to_string(),
        None => error.to_string(),
    }
}

/// Mozilla's root certificates, for a machine that has none of its own.
pub(super) fn mozillas() -> impl Iterator<Item = Certificate> {
    let certificates = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
    certificates.filter_map(|der| Certificate::from_der(der).ok())
}

/// Whether an error, or what it comes from, is that a certificate is not trusted.
pub(super) fn is_untrusted(error: &reqwest::Error) -> bool {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(rustls::Error::InvalidCertificate(_)) = error.downcast_ref() {
            return true;
        }
        // What an I/O error was made of is not among its sources.
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    false
}
