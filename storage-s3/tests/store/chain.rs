//! Credentials as AWS tools find them. The environment belongs to a process, so each case is one of its own.

use crate::support::settings;
use reelmill_s3::{Credentials, Store};
use reelmill_testkit::Target;
use std::process::Command;

#[test]
fn keys_come_from_the_environment_or_a_profile_or_are_missed() {
    let target = Target::start();
    let home = tempfile::tempdir().unwrap();
    let keys = [("AWS_ACCESS_KEY_ID", &target.access_key_id), ("AWS_SECRET_ACCESS_KEY", &target.secret_access_key)];
    assert_eq!(check(&target, home.path(), &keys), "Ok(())");
    let missed = check(&target, home.path(), &[]);
    assert!(missed.starts_with("Err(NoCredentials("), "{missed}");

    std::fs::create_dir(home.path().join(".aws")).unwrap();
    let profile = format!(
        "[default]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
        target.access_key_id, target.secret_access_key
    );
    std::fs::write(home.path().join(".aws/credentials"), profile).unwrap();
    assert_eq!(check(&target, home.path(), &[]), "Ok(())");
}

/// Checks the bucket in a process with no other AWS settings than these, and returns what it prints.
fn check(target: &Target, home: &std::path::Path, keys: &[(&str, &String)]) -> String {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "chain::child", "--ignored", "--nocapture"]).env_clear();
    child.env("HOME", home).env("AWS_EC2_METADATA_DISABLED", "true").envs(keys.iter().copied());
    child.env("REELMILL_TEST_S3_ENDPOINT", &target.endpoint).env("REELMILL_TEST_S3_BUCKET", &target.bucket);
    child.env("REELMILL_TEST_S3_ACCESS_KEY_ID", "not used").env("REELMILL_TEST_S3_SECRET_ACCESS_KEY", "not used");
    child.env("REELMILL_TEST_S3_REGION", &target.region);
    let output = child.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let said = text.lines().find_map(|line| line.strip_prefix("checked: "));
    said.unwrap_or_else(|| panic!("{text}\n{}", String::from_utf8_lossy(&output.stdout))).to_owned()
}

#[tokio::test]
#[ignore = "run by the test above, in an environment that it makes"]
async fn child() {
    let target = Target::start();
    let mut settings = settings(&target, target.endpoint.clone());
    settings.credentials = Credentials::Chain;
    eprintln!("checked: {:?}", Store::connect(settings).bucket(&target.bucket).check().await);
}
