//! The file of an artifact is an asset of its own, which apps fetch from the release; `unpack` puts it
//! back into its place.

use camino::Utf8Path;
use mlc_package::io::cancel::Cancel;
use mlc_package::publish::pack::{self, PackOptions};

use crate::site::Site;
use crate::tree;

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
