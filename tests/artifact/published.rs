//! The file of an artifact is an asset of its own, which apps fetch from the release; `unpack` puts it
//! back into its place.

use camino::Utf8Path;
use mlc_package::io::cancel::Cancel;
use mlc_package::publish::pack::{self, PackOptions};

use crate::github::{Github, TOKEN};
use crate::run;
use crate::site::Site;
use crate::tree;

/// Builds the package at a tag, publishes it to a GitHub twice, and unpacks its release. What is at
/// `address`, of the server and the built package, is the file.
#[track_caller]
pub(crate) fn from_a_release(site: &Site, file: &str, address: impl Fn(&str, &Utf8Path) -> String) {
    let github = Github::sound();
    github.store().everybody_downloads = true;
    let call = |arguments: &[&str]| {
        let job = [
            ("GITHUB_REF", "refs/tags/v1.2.0"),
            ("GITHUB_REPOSITORY", "octo/app"),
            ("GITHUB_SERVER_URL", &github.url()),
            ("GITHUB_API_URL", &github.url()),
            ("GITHUB_TOKEN", TOKEN),
            ("NO_PROXY", "127.0.0.1"),
        ];
        job.into_iter().fold(site.call(arguments), |call, (name, value)| call.env(name, value)).ok()
    };
    let dist = site.scene.dist();
    call(&["build"]);
    call(&["publish", "--tag", "v1.2.0", "--name", "chat"]);
    let name = Utf8Path::new(file).file_name().unwrap();
    assert!(github.only_release().assets.iter().any(|asset| asset.name == name), "{name}");
    let url = address(&github.url(), &dist);
    assert!(url.ends_with(&format!("/octo/app/releases/download/v1.2.0/{name}")), "{url}");
    let copy = site.scene.root.join("downloaded");
    let fetch = "import sys, urllib.request\n\
                 opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))\n\
                 open(sys.argv[2], 'wb').write(opener.open(sys.argv[1]).read())";
    run(crate::scene::python().as_str(), &["-c", fetch, &url, copy.as_str()]);
    assert_eq!(tree::digest(copy), tree::digest(dist.join(file)));
    github.forget();
    call(&["publish", "--tag", "v1.2.0", "--name", "chat"]);
    assert_eq!(github.uploads(), [""; 0], "the same package is the same bytes");
    let list = format!("{}/octo/app/releases/download/v1.2.0/chat-", github.url());
    let manifest = site.scene.json("app/dist/mlc-package-manifest.json");
    let device = manifest["device"].as_str().unwrap();
    call(&["unpack", &format!("{list}{device}-assets.json"), "-o", "released"]);
    let released = site.scene.app().join("released");
    assert_eq!(tree::files(&released), tree::files(&dist));
    for path in tree::files(&dist) {
        assert_eq!(tree::digest(released.join(&path)), tree::digest(dist.join(&path)), "{path}");
    }
}

#[track_caller]
pub(crate) fn comes_back(site: &Site, file: &str) {
    let (dist, assets) = (site.scene.dist(), site.scene.root.join("assets"));
    let plan = pack::plan(&dist, &PackOptions::new("chat".parse().unwrap())).unwrap();
    let packed = pack::write(&plan, &assets, &Cancel::default(), &|_| {}).unwrap();
    let name = Utf8Path::new(file).file_name().unwrap();
    let asset = packed.assets.iter().find(|asset| asset.name.as_str() == name).unwrap();
    assert_eq!(asset.path, dist.join(file));
    assert!(
        packed.list.archives.iter().all(|it| it.files.iter().all(|it| it.path.as_str() != file))
    );
    let place = assets.join(name);
    let unpack = || site.call(&["unpack", "../assets", "-o", "again"]);
    unpack().fails(11).says(name);
    fs_err::copy(&asset.path, &place).unwrap();
    unpack().ok();
    let again = site.scene.app().join("again");
    assert_eq!(tree::files(&again), tree::files(&dist));
    for path in tree::files(&dist) {
        assert_eq!(tree::digest(again.join(&path)), tree::digest(dist.join(&path)), "{path}");
    }
    let mut bytes = fs_err::read(&place).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs_err::write(&place, &bytes).unwrap();
    unpack().fails(13).says(name);
    bytes.push(0);
    fs_err::write(&place, &bytes).unwrap();
    unpack().fails(13).says(name);
    assert_eq!(tree::files(&again), tree::files(&dist));
    // What was changed after the build is not packed.
    let whole = fs_err::read(dist.join(file)).unwrap();
    fs_err::write(dist.join(file), vec![0; whole.len()]).unwrap();
    let error = pack::write(&plan, &assets, &Cancel::default(), &|_| {}).unwrap_err();
    assert!(error.to_string().contains("was changed after the build"), "{error}");
    fs_err::write(dist.join(file), whole).unwrap();
}
