//! A company's certificate authority: a server that speaks TLS with a certificate that nobody else
//! vouches for (`tests/data/tls`).

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::github::Github;
use super::scene::Scene;
use super::sized::package;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tls");

/// Gives this text at any path; says where it is, and counts who came.
fn serve(text: String) -> (String, Arc<AtomicUsize>) {
    let certificate = CertificateDer::from_pem_file(format!("{DATA}/server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(format!("{DATA}/server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0").unwrap());
    let url = format!("https://localhost:{}/manifest.json", listener.local_addr().unwrap().port());
    let came: Arc<AtomicUsize> = Arc::default();
    let counter = came.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            counter.fetch_add(1, Ordering::SeqCst);
            let connection = rustls::ServerConnection::new(config.clone()).unwrap();
            let mut reader = BufReader::new(rustls::StreamOwned::new(connection, stream));
            let mut line = String::new();
            // Who does not trust us goes away here.
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                line.clear();
            }
            let length = text.len();
            let answer = format!("HTTP/1.1 200 X\r\nContent-Length: {length}\r\n\r\n{text}");
            let _ = reader.get_mut().write_all(answer.as_bytes());
            let _ = reader.get_mut().flush();
        }
    });
    (url, came)
}

#[test]
fn a_companys_authority_is_trusted_where_a_variable_names_it_and_is_said_to_be_missing() {
    let github = Github::sound();
    let manifest = package("android", 2).to_string();
    let (url, came) = serve(manifest.clone());
    let arguments = ["report", "--manifest=m.json", &format!("--baseline={url}")];
    for variable in ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"] {
        let mut scene = Scene::new(&github);
        scene.write("m.json", manifest.as_bytes());
        scene.set(variable, &format!("{DATA}/ca.pem"));
        let run = scene.run(&arguments, 0);
        assert!(!run.stdout.contains("no baseline"), "{variable}: {}", run.stdout);
    }
    came.store(0, Ordering::SeqCst);
    let mut scene = Scene::new(&github);
    scene.write("m.json", manifest.as_bytes());
    let run = scene.run(&arguments, 11);
    assert!(run.stderr.contains("the server's certificate is not trusted: "), "{}", run.stderr);
    assert!(run.stderr.contains("SSL_CERT_FILE"), "{}", run.stderr);
    assert_eq!(run.says("retrying"), 0, "{}", run.stderr);
    assert_eq!(came.load(Ordering::SeqCst), 1, "it was asked again");

    // A file that is not there, or has no certificate, is said to be one.
    scene.write("empty.pem", b"nothing");
    for (path, why) in [("absent.pem", "No such file"), ("empty.pem", "there is no certificate")] {
        scene.set("CURL_CA_BUNDLE", path);
        let run = scene.run(&arguments, 11);
        let said = format!("CURL_CA_BUNDLE names `{path}`: {why}");
        assert!(run.stderr.contains(&said), "{}", run.stderr);
    }
}
