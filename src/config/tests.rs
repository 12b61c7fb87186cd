//! Files, variables and flags together: what is in force, what is refused, and that no secret is ever shown.

use super::*;
use crate::model::backoff::BackOff;
use std::fs;
use std::time::Duration;
use tempfile::TempDir;

/// What hides in every secret of these tests.
const OPEN_SESAME: &str = "opensesame";

struct Case {
    home: TempDir,
    given: Given,
}

impl Case {
    fn new(file: &str) -> Self {
        let home = TempDir::new().unwrap();
        fs::write(home.path().join("reelmill.toml"), file).unwrap();
        let given = Given { file: Some(home.path().join("reelmill.toml")), ..Given::default() };
        Self { home, given }
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.given.environment.push((name.into(), value.into()));
        self
    }

    fn set(mut self, key: &str, value: &str) -> Self {
        self.given.flags.push((format!("--set {key}"), key.into(), value.into()));
        self
    }

    fn config(&self) -> Config {
        load(&self.given).config.unwrap()
    }

    /// Code and sentence of each mistake, without the directory of this test.
    fn mistakes(&self) -> Vec<String> {
        let home = format!("{}/", self.home.path().display());
        let problems = load(&self.given).config.unwrap_err();
        problems.iter().map(|p| format!("{} {}", p.code, p.message.replace(&home, ""))).collect()
    }

    fn from(&self, key: &str) -> String {
        let home = format!("{}/", self.home.path().display());
        let effective = load(&self.given).effective;
        let found = effective.iter().find(|setting| setting.key == key).unwrap();
        format!("{} ({})", found.value, found.from).replace(&home, "")
    }
}

#[test]
fn without_anything_every_setting_has_its_default() {
    let config = Case::new("state_dir = '/s'").config();
    assert_eq!((config.grpc.listen.to_string(), config.http.listen.port()), ("127.0.0.1:7443".into(), 7480));
    assert_eq!((config.retry, config.upload.retry), (BackOff::default(), BackOff::default()));
    assert_eq!((config.tls, config.profiles_dir, config.threads), (None, None, 0));
    assert_eq!((config.upload.part_bytes, config.upload.concurrency), (8 << 20, 4));
    assert_eq!(config.webhooks.give_up_after, Duration::from_secs(86_400));
    assert_eq!((config.sources.roots, config.s3.store.credentials), (Roots::Any, S3Credentials::Chain));
    assert_eq!((config.s3.store.checksums, config.s3.store.path_style), (Checksums::WhenSupported, false));
    for setting in table::SETTINGS.iter().filter(|setting| !setting.default.is_empty()) {
        let raw = value::Raw::Plain(setting.default.to_owned());
        assert_eq!(setting.kind.read(&raw).unwrap().shown(), setting.default, "{}", setting.key);
    }
}

#[test]
fn the_command_line_is_stronger_than_the_environment_and_that_than_the_file() {
    let case = Case::new("state_dir = 'state'\n[jobs]\nactive_max = 3\nqueue_max = 7\nexpire_after = '1h'\n");
    let case = case.variable("REELMILL_JOBS__QUEUE_MAX", "8").variable("REELMILL_JOBS__EXPIRE_AFTER", "2h");
    let case = case.set("jobs.expire_after", "3h").variable("REELMILL_LOG", "").variable("OTHER_VARIABLE", "x");
    let jobs = case.config().jobs;
    assert_eq!((jobs.active_max, jobs.queue_max, jobs.expire_after), (3, 8, Duration::from_secs(3 * 3600)));
    assert_eq!(case.from("jobs.active_max"), "3 (reelmill.toml:3)");
    assert_eq!(case.from("jobs.queue_max"), "8 (REELMILL_JOBS__QUEUE_MAX)");
    assert_eq!(case.from("jobs.expire_after"), "3h (--set jobs.expire_after)");
    assert_eq!((case.from("log"), case.from("state_dir")), ("info (default)".into(), "state (reelmill.toml:1)".into()));
    // Relative to the file, wherever the daemon was started.
    assert_eq!(case.config().state_dir, case.home.path().join("state"));
}

#[test]
fn all_mistakes_are_told_at_once_with_their_lines() {
    let case = Case::new(
        "threads = 'many'\n[grcp]\nlisten = '127.0.0.1:1'\n[jobs]\nactive_max = 0\nexpire = 'x'\n\
         [upload]\npart_bytes = '1 MiB'\n= 5\n[[tokens]]\nname = 'ci'\n",
    );
    let case = case.variable("REELMILL_GRPC_LISTEN", "x").set("htp.listen", "x").set("threads", "-1");
    let expected = [
        "config.value reelmill.toml:1: `threads` cannot be `many`: write a whole number from 0 to 1024",
        "config.unknown reelmill.toml:3: `grcp.listen` is no setting: the nearest one is `grpc.listen`",
        "config.value reelmill.toml:5: `jobs.active_max` cannot be `0`: write a whole number from 1 to 1024",
        "config.unknown reelmill.toml:6: `jobs.expire` is no setting: the nearest one is `jobs.expire_after`",
        "config.value reelmill.toml:8: `upload.part_bytes` cannot be `1 MiB`: write a size from 5 MiB to 5 GiB, \
         in bytes or with a unit (B, KiB, MiB, GiB, TiB)",
        "config.file reelmill.toml:9: this is no TOML: ",
        "config.value reelmill.toml:10: `tokens` is no list: write one table for each, such as [tokens.NAME]",
        "config.unknown the variable REELMILL_GRPC_LISTEN is no setting: the nearest one is REELMILL_GRPC__LISTEN",
        "config.unknown --set htp.listen: `htp.listen` is no setting: the nearest one is `http.listen`",
        "config.value --set threads: the setting cannot be `-1`: write a whole number from 0 to 1024",
        "config.value state_dir is not set: ",
    ];
    let told = case.mistakes();
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for (told, expected) in told.iter().zip(expected) {
        assert!(told.starts_with(expected), "{told}\n{expected}");
    }
}

#[test]
fn what_does_not_fit_together_is_told() {
    let file = "state_dir = '/s'\ntls.cert_file = 'c'\nretry.first_ms = 40000\n[tokens.ci]\nadmin = true\n\
                [s3]\nsecret_access_key_env = 'SECRET'\n[s3.buckets.UP]\nbucket = 'b'\n[s3.buckets.a]\n\
                credentials = 'static'\n";
    let told = Case::new(file).variable("SECRET", "x").mistakes();
    let has = |what: &str| told.iter().any(|told| told.contains(what));
    for what in [
        "reelmill.toml:9: `UP` cannot be a name",
        "tls.key_file are both needed",
        "first_ms must be at most max_ms",
        "tokens.ci.secret is not set: write tokens.ci.secret_file",
        "s3: access_key_id and secret_access_key are both needed",
        "s3.buckets.a: access_key_id and secret_access_key are both needed",
        "an alias must be a bucket name",
    ] {
        assert!(has(what), "{what} in {told:#?}");
    }
}

#[test]
fn a_file_that_is_not_there_and_one_of_other_bytes_are_named() {
    let mut case = Case::new("");
    case.given.file = Some(case.home.path().join("none.toml"));
    assert!(case.mistakes()[0].starts_with("config.file none.toml: the file cannot be read"), "{:?}", case.mistakes());
    fs::write(case.home.path().join("none.toml"), b"\xff\xfe").unwrap();
    assert!(case.mistakes()[0].starts_with("config.file none.toml"), "{:?}", case.mistakes());
}

fn with_secrets() -> Case {
    let case = Case::new(
        "state_dir = '/s'\n[tokens.ci]\nsecret_file = 'token'\n[tokens.web]\nsecret_env = 'WEB'\nadmin = true\nowner = 'ci'\n\
         [webhooks.secrets.default]\nsecret_file = 'token'\n[s3]\nendpoint = 'http://127.0.0.1:9000'\n\
         access_key_id = 'opensesame-id'\nsecret_access_key_file = 'token'\n\
         [s3.buckets.media-eu]\nbucket = 'real'\nregion = 'eu'\n[s3.buckets.open]\ncredentials = 'anonymous'\n",
    );
    fs::write(case.home.path().join("token"), format!("{OPEN_SESAME}\n")).unwrap();
    let case = case.variable("WEB", "opensesame-web").variable("REELMILL_TOKENS__OPS__SECRET", "opensesame-ops");
    let case = case.variable("REELMILL_S3__BUCKETS__MEDIA_EU__ACCESS_KEY_ID", "opensesame-own");
    case.variable("REELMILL_S3__BUCKETS__MEDIA_EU__SECRET_ACCESS_KEY", "opensesame-own")
}

#[test]
fn secrets_come_from_files_and_the_environment() {
    let case = with_secrets();
    let config = case.config();
    let tokens: Vec<_> =
        config.tokens.iter().map(|t| (t.name.as_str(), t.secret.reveal(), t.owner.as_str(), t.admin)).collect();
    let expected = [
        ("ci", "opensesame", "ci", false),
        ("ops", "opensesame-ops", "ops", false),
        ("web", "opensesame-web", "ci", true),
    ];
    assert_eq!(tokens, expected);
    assert_eq!(config.webhooks.secrets["default"].reveal(), OPEN_SESAME);
    assert_eq!(case.from("tokens.ci.secret"), "*** (reelmill.toml:3, from token)");
    assert_eq!(case.from("tokens.web.secret"), "*** (reelmill.toml:5, from WEB)");
    let own = |text: &str| Secret::new(text);
    let media = &config.s3.buckets["media-eu"];
    assert_eq!((media.bucket.as_str(), media.store.region.as_deref()), ("real", Some("eu")));
    assert_eq!((media.store.path_style, media.store.checksums), (true, Checksums::WhenRequired));
    let keys = S3Credentials::Static { access_key_id: own("opensesame-own"), secret_access_key: own("opensesame-own") };
    assert_eq!(media.store.credentials, keys);
    assert_eq!((config.s3.buckets.len(), config.s3.buckets["open"].bucket.as_str()), (2, "open"));
    assert_eq!(config.s3.buckets["open"].store.credentials, S3Credentials::Anonymous);
}

#[test]
fn no_form_of_output_contains_a_secret() {
    let case = with_secrets();
    let loaded = load(&case.given);
    let json = serde_json::to_string(&loaded.effective).unwrap();
    let shown = format!("{loaded:?} {loaded:#?} {json} {:?}", loaded.config.as_ref().unwrap().warnings());
    assert!(shown.contains(HIDDEN) && !shown.contains(OPEN_SESAME), "{shown}");
    // Nor does an error about one: in the wrong place, twice, or of the wrong form.
    let file = "[tokens.ci]\nsecret = 'opensesame'\n[s3]\nsecret_access_key = 'opensesame'\naccess_key_id = 7\n";
    let case = Case::new(file).set("tokens.ci.secret", "opensesame");
    let case = case
        .variable("REELMILL_TOKENS__OPS__SECRET", "opensesame\u{1}")
        .variable("REELMILL_TOKENS__WEB__SECRET", "opensesame");
    let case = case.variable("REELMILL_TOKENS__WEB__SECRET_FILE", "/nowhere");
    let told = case.mistakes();
    let all = format!("{told:?} {:?}", load(&case.given));
    assert!(told.len() >= 6 && !all.contains(OPEN_SESAME), "{all}");
    assert!(told[0].contains("`tokens.ci.secret` is a secret and must not stand in this file"), "{told:#?}");
}

#[test]
fn only_a_daemon_that_nobody_else_reaches_reads_every_path() {
    let open = Case::new("state_dir = '/s'\ngrpc.listen = '0.0.0.0:7443'\n[tokens.ci]\nsecret_env = 'CI'\n");
    let config = open.variable("CI", OPEN_SESAME).config();
    assert_eq!((&config.sources.roots, &config.outputs.roots), (&Roots::Under(vec![]), &Roots::Under(vec![])));
    assert!(config.warnings()[0].contains("in the clear"));
    let roots = Case::new("state_dir = '/s'\nsources.roots = ['media', '/b']\n").set("outputs.roots", "/o,/p");
    let home = roots.home.path().join("media");
    assert_eq!(roots.config().sources.roots, Roots::Under(vec![home, "/b".into()]));
    assert_eq!(roots.config().outputs.roots, Roots::Under(vec!["/o".into(), "/p".into()]));
}

#[test]
fn the_reference_is_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/CONFIGURATION.md");
    if std::env::var_os("REELMILL_BLESS").is_some() {
        fs::write(path, reference()).unwrap();
    }
    let shown = fs::read_to_string(path).unwrap_or_default();
    for (number, (shown, meant)) in shown.lines().zip(reference().lines()).enumerate() {
        assert_eq!(shown, meant, "docs/CONFIGURATION.md:{}; REELMILL_BLESS=1 writes it again", number + 1);
    }
    assert_eq!(shown, reference(), "REELMILL_BLESS=1 writes docs/CONFIGURATION.md again");
}
