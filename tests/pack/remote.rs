//! `mlc-package unpack` of a release on a server that may be in trouble.

use std::sync::Arc;

use mlc_package::publish::pack::PackedAssets;

use crate::scene::{Scene, Tree, finish, options, pack, read};
use crate::server::{Fault, File, Seen, Server};

const RELEASE: &str = "owner/app/releases/download/v1.0";
const LIST: &str = "chat-android-assets.json";
const TOKEN: &str = "Bearer ghp_secret";

/// The assets as a server has them: at the address of a release.
pub(crate) fn assets_of(packed: &PackedAssets) -> Vec<(String, File)> {
    at(RELEASE, packed)
}

fn at(dir: &str, packed: &PackedAssets) -> Vec<(String, File)> {
    let file = |path| {
        let bytes = Arc::new(fs_err::read(path).unwrap());
        File { bytes, etag: "\"x\"".to_owned(), lfs: false }
    };
    let assets = packed.assets.iter();
    assets.map(|asset| (format!("{dir}/{}", asset.name), file(&asset.path))).collect()
}

pub(crate) fn list_url(server: &str) -> String {
    format!("{server}/{RELEASE}/{LIST}")
}

fn serve(
    files: &[(String, File)],
    rule: impl Fn(&Seen, usize) -> Option<Fault> + Send + Sync + 'static,
) -> Server {
    let files: Vec<_> = files.iter().map(|(name, file)| (name.as_str(), file.clone())).collect();
    Server::new(&files, rule)
}

fn packed() -> (Scene, Tree, PackedAssets) {
    let (scene, tree) = Scene::with_package();
    let mut options = options();
    options.part_bytes = 400_000;
    let packed = pack(&scene.path("built"), &options, &scene.path("packed"));
    (scene, tree, packed)
}

#[test]
fn a_release_is_unpacked_from_its_address() {
    let (scene, tree, packed) = packed();
    let server = serve(&assets_of(&packed), |_, _| None);
    let (code, stdout, stderr) = scene.run(&["unpack", &list_url(&server.url())]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.starts_with("dist: chat for android, 2 bundled models, 8 files, "), "{stdout}");
    assert_eq!(read(&scene.path("dist")), tree);
    scene.is_tidy();
    // Each asset once, and nothing else.
    assert_eq!(server.seen().len(), packed.assets.len());
}

#[test]
fn a_server_in_trouble_is_asked_again_from_where_it_was() {
    let (scene, tree, packed) = packed();
    let server = serve(&assets_of(&packed), |seen, nth| match nth {
        0 if seen.path.ends_with(".json") => Some(Fault::Status(502, "")),
        0 if seen.path.ends_with("lib.tar.zst") => Some(Fault::Status(429, "Retry-After: 0")),
        0 if seen.path.ends_with("phi-2.tar.zst") => Some(Fault::Cut(100_000)),
        1 if seen.path.ends_with("phi-2.tar.zst") => Some(Fault::CutChunked(70_000)),
        0 if seen.path.ends_with("part01") => Some(Fault::Cut(200_000)),
        1 if seen.path.ends_with("part01") => Some(Fault::IgnoreRange),
        _ => None,
    });
    let (code, _, stderr) = scene.run(&["unpack", &list_url(&server.url())]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("warning: chat-android-phi-2.tar.zst: "), "{stderr}");
    assert_eq!(read(&scene.path("dist")), tree);
    let asked: Vec<_> = server
        .seen()
        .into_iter()
        .filter(|seen| seen.path.ends_with("phi-2.tar.zst"))
        .map(|seen| seen.range.map_or(0, |range| range.0))
        .collect();
    assert_eq!(asked.len(), 3);
    assert!(asked[0] == 0 && asked[1] > 0 && asked[1] < asked[2], "{asked:?}");
}

#[test]
fn what_a_server_gives_instead_is_refused() {
    let (scene, _, packed) = packed();
    fs_err::create_dir(scene.path("dist")).unwrap();
    for (fault, code, words) in [
        (Fault::Wrong, 13, "chat-android-lib.tar.zst` is damaged"),
        (Fault::Status(404, ""), 11, "there is no such file"),
        (Fault::Status(410, ""), 11, "the server answers 410"),
        (Fault::Redirect("file:///etc/passwd".to_owned()), 11, "file://, which is not safe"),
    ] {
        let server = serve(&assets_of(&packed), move |seen, _| {
            seen.path.ends_with("lib.tar.zst").then(|| fault.clone())
        });
        let (found, _, stderr) = scene.run(&["unpack", &list_url(&server.url())]);
        assert_eq!(found, code, "{stderr}");
        assert!(stderr.contains(words), "{words}: {stderr}");
        assert_eq!(read(&scene.path("dist")).len(), 0);
        scene.is_tidy();
    }
    let server = serve(&[], |_, _| None);
    let (code, _, stderr) = scene.run(&["unpack", &list_url(&server.url())]);
    assert!(code == 11 && stderr.contains("GH_TOKEN"), "{stderr}");
}

/// A GitHub whose release is for who has a token: its API says where assets are, and redirects
/// to a store on another host.
fn private(packed: &PackedAssets) -> (Server, Server) {
    let store = serve(&at("store", packed), |_, _| None);
    let names: Vec<_> = packed.assets.iter().map(|asset| asset.name.to_string()).collect();
    let elsewhere = store.url();
    let github = serve(&[], move |seen, _| {
        let path = seen.path.split('?').next().unwrap_or_default();
        let api = path.strip_prefix("/api/v3/repos/owner/app/releases/");
        let Some(api) = api.filter(|_| seen.authorization.as_deref() == Some(TOKEN)) else {
            return Some(Fault::Status(404, ""));
        };
        if let Some(id) = api.strip_prefix("assets/") {
            assert_eq!(seen.accept.as_deref(), Some("application/octet-stream"));
            let name = &names[id.parse::<usize>().unwrap()];
            return Some(Fault::Redirect(format!("{elsewhere}/store/{name}?signature=x")));
        }
        let body = match api {
            "tags/v1.0" | "latest" => r#"{"id": 7, "assets": []}"#.to_owned(),
            "7/assets" if seen.path.ends_with("&page=1") => {
                // A full page of other things.
                let other = |n| format!(r#"{{"name": "other-{n}", "id": {}}}"#, 1000 + n);
                format!("[{}]", (0..100).map(other).collect::<Vec<_>>().join(","))
            }
            "7/assets" => {
                let asset = |(id, name)| format!(r#"{{"name": "{name}", "id": {id}}}"#);
                format!("[{}]", names.iter().enumerate().map(asset).collect::<Vec<_>>().join(","))
            }
            _ => return Some(Fault::Status(404, "")),
        };
        Some(Fault::Json(body, String::new()))
    });
    (github, store)
}

#[test]
fn a_private_release_needs_a_token_which_goes_to_githubs_api_alone() {
    let (scene, tree, packed) = packed();
    for url in [RELEASE, "owner/app/releases/latest/download"] {
        let (github, store) = private(&packed);
        let url = format!("{}/{url}/{LIST}", github.url());
        let mut command = scene.command(&["unpack", &url]);
        command
            .env("GITHUB_SERVER_URL", github.url())
            .env("GITHUB_API_URL", format!("{}/api/v3", github.url()))
            .env("GITHUB_TOKEN", "ghp_secret");
        let (code, _, stderr) = finish(&mut command);
        assert_eq!(code, 0, "{stderr}");
        assert_eq!(read(&scene.path("dist")), tree);
        assert!(github.seen().iter().any(|seen| seen.authorization.is_some()));
        for seen in github.seen() {
            let api = seen.path.starts_with("/api/v3/");
            assert_eq!(seen.authorization.is_some(), api, "{seen:?}");
        }
        assert!(!store.seen().is_empty());
        assert!(store.seen().iter().all(|seen| seen.authorization.is_none()));
        fs_err::remove_dir_all(scene.path("dist")).unwrap();
    }
    // Without one, and with a wrong one.
    let (github, _) = private(&packed);
    let url = list_url(&github.url());
    let (code, _, stderr) = scene.run(&["unpack", &url]);
    assert!(code == 11 && stderr.contains("GH_TOKEN or GITHUB_TOKEN"), "{stderr}");
    let mut command = scene.command(&["unpack", "-v", &url]);
    command
        .env("GITHUB_SERVER_URL", github.url())
        .env("GITHUB_API_URL", format!("{}/api/v3", github.url()))
        .env("GH_TOKEN", "ghp_wrong")
        .env("GITHUB_TOKEN", "ghp_secret");
    let (code, stdout, stderr) = finish(&mut command);
    assert_eq!(code, 11, "{stderr}");
    assert!(stderr.contains("must be allowed to read its contents"), "{stderr}");
    assert!(!format!("{stdout}{stderr}").contains("ghp_"), "{stderr}");
}

#[test]
fn a_public_release_is_had_without_the_token() {
    let (scene, tree, packed) = packed();
    let server = serve(&assets_of(&packed), |_, _| None);
    let mut command = scene.command(&["unpack", &list_url(&server.url())]);
    command.env("GITHUB_SERVER_URL", server.url()).env("GITHUB_TOKEN", "ghp_secret");
    assert_eq!(finish(&mut command).0, 0);
    assert_eq!(read(&scene.path("dist")), tree);
    assert!(server.seen().iter().all(|seen| seen.authorization.is_none()));
}

#[test]
fn a_release_is_named_by_its_page_or_shortly_and_its_server_has_its_own_api() {
    let (scene, tree, packed) = packed();
    for name in
        ["owner/app@v1.0", "PAGE/owner/app/releases/tag/v1.0", "PAGE/owner/app/releases/latest"]
    {
        let (github, store) = private(&packed);
        let name = name.replace("PAGE", &github.url());
        let mut command = scene.command(&["unpack", &name]);
        // The API of a GitHub Enterprise Server is below it: nothing else says where.
        command.env("GITHUB_SERVER_URL", github.url()).env("GITHUB_TOKEN", "ghp_secret");
        let (code, _, stderr) = finish(&mut command);
        assert_eq!(code, 0, "{name}: {stderr}");
        assert_eq!(read(&scene.path("dist")), tree);
        assert!(github.seen().iter().any(|seen| seen.path.starts_with("/api/v3/")));
        assert!(store.seen().iter().all(|seen| seen.authorization.is_none()));
        fs_err::remove_dir_all(scene.path("dist")).unwrap();
    }
    let (code, _, stderr) = scene.run(&["unpack", "https://ghes.invalid/o/r/releases/tag/v1"]);
    assert!(
        code == 2 && stderr.contains("set GITHUB_SERVER_URL to https://ghes.invalid/"),
        "{stderr}"
    );
    // A directory of that name is meant itself.
    fs_err::create_dir_all(scene.path("o/r@v1")).unwrap();
    let (code, _, stderr) = scene.run(&["unpack", "o/r@v1"]);
    assert!(code == 2 && stderr.contains("holds no …-assets.json"), "{stderr}");
}

#[test]
fn the_asset_of_a_private_release_on_an_enterprise_server_is_asked_of_its_own_api() {
    let (scene, tree, packed) = packed();
    let (github, _) = private(&packed);
    let mut command = scene.command(&["unpack", &list_url(&github.url())]);
    command.env("GITHUB_SERVER_URL", github.url()).env("GH_TOKEN", "ghp_secret");
    let (code, _, stderr) = finish(&mut command);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(read(&scene.path("dist")), tree);
}
