//! Taking an output directory and giving it back as it was.

use super::*;
use std::collections::BTreeMap;

/// Every path below `root`, with the content of files.
fn tree(root: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path.clone());
                found.insert(path, None);
            } else {
                let body = fs::read(&path).unwrap();
                found.insert(path, Some(body));
            }
        }
    }
    found
}

fn write_something(place: &Place) {
    fs::create_dir_all(place.root().join("cmaf/720p")).unwrap();
    fs::write(place.root().join("cmaf/720p/0.m4s"), b"x").unwrap();
    fs::write(place.make_spool("1").unwrap().join("left over"), b"x").unwrap();
    place.replace_file(REPORT_NAME, br#"{"reelmill": "0"}"#, true).unwrap();
}

fn code(result: Result<impl Sized, Problem>) -> String {
    result.err().map(|problem| problem.code).unwrap_or_default()
}

#[test]
fn what_was_made_for_a_job_goes_when_it_fails() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("neighbour"), b"").unwrap();
    let before = tree(directory.path());
    let out = directory.path().join("new/deeper");
    let place = Place::claim(&out, false).unwrap();
    write_something(&place);
    drop(place);
    assert_eq!(tree(directory.path()), before);
    fs::create_dir_all(&out).unwrap();
    let before = tree(directory.path());
    write_something(&Place::claim(&out, false).unwrap());
    assert_eq!(tree(directory.path()), before, "a directory that was there stays");
}

#[test]
fn what_was_made_for_a_job_stays_when_it_succeeds() {
    let directory = tempfile::tempdir().unwrap();
    let place = Place::claim(directory.path(), false).unwrap();
    write_something(&place);
    place.keep().unwrap();
    let names: Vec<_> = tree(directory.path()).into_keys().map(|p| p.file_name().unwrap().to_owned()).collect();
    assert_eq!(names, ["cmaf", "720p", "0.m4s", REPORT_NAME]);
}

#[test]
fn an_earlier_output_is_replaced_on_request_and_comes_back_on_failure() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    let place = Place::claim(&out, false).unwrap();
    write_something(&place);
    place.keep().unwrap();
    let before = tree(directory.path());
    assert_eq!(code(Place::check(&out, false)), "output.exists");
    let place = Place::claim(&out, true).unwrap();
    write_something(&place);
    drop(place);
    assert_eq!(tree(directory.path()), before);
    let place = Place::claim(&out, true).unwrap();
    place.replace_file(REPORT_NAME, b"new", false).unwrap();
    place.keep().unwrap();
    assert_eq!(tree(directory.path()).len(), 2, "the old output is gone: {:?}", tree(directory.path()));
}

#[test]
fn what_is_not_ours_is_never_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, b"mine").unwrap();
    assert_eq!(code(Place::claim(directory.path(), false)), "output.exists");
    assert_eq!(code(Place::claim(directory.path(), true)), "output.exists");
    fs::write(directory.path().join(REPORT_NAME), b"{}").unwrap();
    assert_eq!(code(Place::claim(directory.path(), true)), "output.exists");
    assert_eq!(code(Place::claim(&file, true)), "output.unwritable");
    assert_eq!(code(Place::claim(&file.join("below"), true)), "output.unwritable");
    assert_eq!(fs::read(&file).unwrap(), b"mine");
}

#[test]
fn one_job_at_a_time_and_the_remains_of_a_killed_one_can_be_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    let running = Place::claim(&out, false).unwrap();
    assert_eq!(code(Place::claim(&out, false)), "output.exists");
    assert_eq!(code(Place::claim(&out, true)), "output.exists");
    drop(running);
    fs::create_dir_all(out.join(format!("{SPOOL_PREFIX}{}-0", u32::MAX))).unwrap();
    fs::create_dir(out.join("cmaf")).unwrap();
    assert_eq!(code(Place::claim(&out, false)), "output.exists");
    Place::claim(&out, true).unwrap().keep().unwrap();
    assert!(tree(&out).is_empty());
}
