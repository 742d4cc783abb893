//! Changing what is in a store, as somebody would who may write there.

use std::fs;
use std::path::PathBuf;

use planb_harness::Output;
use serde_json::Value;

use crate::place::{Place, Store, volumes};
use crate::shop::{sha256, sqlite3};

/// The path of an object of a folder.
pub fn path(place: &Place, key: &str) -> PathBuf {
    match &place.store {
        Store::Folder(path) => path.join(key),
        Store::Bucket(..) => panic!("this is for folders"),
    }
}

/// A backup's manifest, by the backup's name.
pub fn manifest(place: &Place, name: &str) -> Value {
    let bytes = fs::read(path(place, &format!("{name}.manifest.json"))).expect("a manifest");
    serde_json::from_slice(&bytes).expect("JSON")
}

/// Writes a manifest over what is there.
pub fn put_manifest(place: &Place, name: &str, manifest: &Value) {
    let bytes = serde_json::to_vec_pretty(manifest).expect("JSON");
    fs::write(path(place, &format!("{name}.manifest.json")), bytes).expect("a manifest");
}

/// The path of a backup's only object.
pub fn object(place: &Place, name: &str) -> PathBuf {
    let [key] = &volumes(&manifest(place, name))[..] else { panic!("{name} has not one object") };
    path(place, key)
}

/// Puts other bytes into a backup's only object, and makes its manifest fit them. `plain`: what they unpack to, and its
/// digest; none where they are not packed.
pub fn exchange(place: &Place, name: &str, stored: &[u8], plain: Option<(u64, String)>) {
    let mut json = manifest(place, name);
    fs::write(object(place, name), stored).expect("an object");
    let (plain_bytes, plain_digest) = plain.unwrap_or_else(|| (stored.len() as u64, sha256(stored)));
    for at in ["", "/files/0"] {
        let record = json.pointer_mut(at).expect("a record");
        record["stored_bytes"] = stored.len().into();
        record["stored_sha256"] = sha256(stored).into();
        record["plain_bytes"] = plain_bytes.into();
        record["plain_sha256"] = plain_digest.clone().into();
    }
    json["files"][0]["volumes"][0]["bytes"] = stored.len().into();
    put_manifest(place, name, &json);
}

/// A place with an honest backup, `good`, and one that is tampered with, `evil`.
pub fn good_and_evil() -> Place {
    let place = Place::new();
    for name in ["good", "evil"] {
        place.run().args(["--name", name, "--compress", "none"]).run().ok();
    }
    place
}

/// The id of a backup, by its name.
pub fn id(place: &Place, name: &str) -> String {
    manifest(place, name)["id"].as_str().expect("it is there").to_owned()
}

/// `verify` and `restore` both say that it is damaged, and no target comes to be or changes.
#[track_caller]
pub fn is_refused(place: &Place, id: &str) -> Output {
    let verified = place.read("verify", id).run();
    assert_eq!(verified.code, Some(5), "{verified:?}");
    let never = place.path("never.db");
    let restored = place.restore(id, "never.db").run();
    assert_eq!(restored.code, Some(5), "{restored:?}");
    assert!(!never.exists(), "a target was made: {restored:?}");
    let there = place.path("there.db");
    sqlite3(&there, "CREATE TABLE IF NOT EXISTS mine(x)");
    let before = fs::read(&there).expect("it is there");
    place.restore(id, "there.db").arg("--replace").run().expect_code(5);
    assert_eq!(fs::read(&there).expect("it is there"), before, "the target was changed");
    place.nothing_runs();
    verified
}

/// The honest one is listed, whole, and comes back.
#[track_caller]
pub fn good_is_good(place: &Place, good: &str) {
    let listed = place.call(&["list", "--output", "json", "--from", &place.url()]).run().ok().json();
    assert!(listed.as_array().expect("it is there").iter().any(|entry| entry["id"] == good), "{listed}");
    place.read("verify", good).run().ok();
    place.restores(good);
}
