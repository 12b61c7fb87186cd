//! What the images and the compose files promise, read from their text: no engine is needed. `scripts/image-chroot.py`
//! carries the lines out.
#![cfg(test)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const DOCKERFILES: [&str; 2] = ["docker/Dockerfile.cpu", "Dockerfile.cuda"];

fn text(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// A Dockerfile's instructions, continued lines joined: word and rest.
fn instructions(path: &str) -> Vec<(String, String)> {
    let text = text(path);
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let joined = lines.collect::<Vec<_>>().join("\n").replace("\\\n", " ");
    let pairs = joined.lines().filter_map(|line| line.trim().split_once(' '));
    pairs.map(|(word, rest)| (word.to_owned(), rest.trim().to_owned())).collect()
}

/// The instructions of the last stage, which is the image.
fn last_stage(path: &str) -> Vec<(String, String)> {
    let all = instructions(path);
    let from = all.iter().rposition(|(word, _)| word == "FROM").unwrap();
    all[from..].to_vec()
}

fn only<'a>(stage: &'a [(String, String)], word: &str) -> &'a str {
    let found: Vec<_> = stage.iter().filter(|(found, _)| found == word).collect();
    assert_eq!(found.len(), 1, "{word}: {found:?}");
    &found[0].1
}

/// A name of an image with a version that does not move: not `latest`, not a bare major.
fn is_pinned(image: &str) -> bool {
    let tag = image.rsplit_once(':').map_or("", |(_, tag)| tag);
    tag.contains('.') && tag.bytes().any(|byte| byte.is_ascii_digit()) || tag.starts_with("RELEASE.")
}

#[test]
fn every_image_is_of_a_version_that_does_not_move() {
    for path in DOCKERFILES {
        for (_, rest) in instructions(path).iter().filter(|(word, _)| word == "FROM") {
            let image = rest.split(' ').next().unwrap();
            assert!(is_pinned(image), "{path}: {image}");
        }
    }
    for path in ["docker/compose.yml", "docker/compose.gpu.yml"] {
        let text = text(path);
        let images: Vec<_> = text.lines().filter_map(|line| line.trim().strip_prefix("image: ")).collect();
        assert!(!images.is_empty() && images.iter().all(|image| is_pinned(image)), "{path}: {images:?}");
    }
}

#[test]
fn an_image_runs_as_a_user_of_its_own_is_asked_for_its_health_and_gets_its_signals() {
    for path in DOCKERFILES {
        let stage = last_stage(path);
        let (user, group) = only(&stage, "USER").split_once(':').unwrap();
        assert!(
            user.parse::<u32>().unwrap() >= 1000 && group.parse::<u32>().unwrap() >= 1000,
            "{path}: {user}:{group}"
        );
        let health = only(&stage, "HEALTHCHECK");
        assert!(health.ends_with(r#"CMD ["reelmill", "health"]"#), "{path}: {health}");
        assert_eq!(only(&stage, "STOPSIGNAL"), "SIGTERM", "{path}");
        // In the form of a list: with a shell around it, the shell would get the signals.
        assert_eq!(only(&stage, "ENTRYPOINT"), r#"["entrypoint.sh"]"#, "{path}");
        assert_eq!(only(&stage, "VOLUME"), r#"["/var/lib/reelmill"]"#, "{path}");
        let last_user = stage.iter().rposition(|(word, _)| word == "USER").unwrap();
        assert!(
            stage[last_user..].iter().all(|(word, _)| word != "RUN" && word != "COPY"),
            "{path}: its files are root's"
        );
        let labels = only(&stage, "LABEL");
        for label in ["title", "description", "licenses", "version", "revision"] {
            assert!(labels.contains(&format!("org.opencontainers.image.{label}=")), "{path}: {label}");
        }
        // Compilers stay behind.
        let installed = &stage.iter().find(|(word, _)| word == "RUN").unwrap().1;
        assert!(!installed.contains("-dev") && installed.contains("--no-install-recommends"), "{path}: {installed}");
    }
    let entry = text("docker/entrypoint.sh");
    assert!(entry.contains("reelmill doctor --brief") && entry.trim_end().ends_with("exec reelmill serve \"$@\""));
}

#[test]
fn the_images_are_built_by_the_projects_own_scripts_with_a_rust_that_it_takes() {
    let manifest = text("Cargo.toml");
    let setting = |name: &str| {
        let line = manifest.lines().find_map(|line| line.strip_prefix(&format!("{name} = \""))).unwrap();
        line.trim_end_matches('"').to_owned()
    };
    for path in DOCKERFILES {
        let all = instructions(path);
        let rust = all.iter().find_map(|(_, rest)| rest.strip_prefix("rust:")).unwrap();
        assert!(rust.starts_with(&format!("{}.", setting("rust-version"))), "{path}: {rust}");
        assert!(all.contains(&("ARG".to_owned(), format!("VERSION={}", setting("version")))), "{path}");
        for script in ["scripts/setup.sh --no-tests", "scripts/player.sh", "cargo build --release --locked --bins"] {
            assert!(all.iter().any(|(word, rest)| word == "RUN" && rest.contains(script)), "{path}: {script}");
        }
    }
}

#[test]
fn the_cuda_image_asks_the_runtime_for_all_that_encoding_takes() {
    let stage = last_stage("Dockerfile.cuda");
    let env = |pair: &str| stage.contains(&("ENV".to_owned(), pair.to_owned()));
    assert!(env("NVIDIA_VISIBLE_DEVICES=all") && env("NVIDIA_DRIVER_CAPABILITIES=compute,video,utility"));
    // But for that and its words, it is the other image.
    let shape = |path: &str| {
        let words = last_stage(path).into_iter().filter(|(word, _)| !["ENV", "LABEL"].contains(&word.as_str()));
        words.collect::<Vec<_>>()
    };
    assert_eq!(shape("Dockerfile.cuda"), shape("docker/Dockerfile.cpu"));
}

/// The services of a compose file: name and the lines of it. Enough of YAML for a file of ours.
fn services(path: &str) -> BTreeMap<String, String> {
    let (text, mut found, mut name) = (text(path), BTreeMap::<String, String>::new(), None);
    for line in text.split("\nservices:\n").nth(1).unwrap().lines() {
        let indent = line.len() - line.trim_start().len();
        match (indent, line.trim_end().strip_suffix(':')) {
            (0, Some(_)) => break,
            (2, Some(service)) if !service.trim().starts_with('#') => name = Some(service.trim().to_owned()),
            _ => {
                if let Some(name) = &name {
                    *found.entry(name.clone()).or_default() += &format!("{line}\n");
                }
            }
        }
    }
    found
}

#[test]
fn every_service_of_the_compose_file_is_locked_and_watched() {
    let text = text("docker/compose.yml");
    let locked = text.split("x-locked:").nth(1).unwrap().split("\n\n").next().unwrap();
    for rule in ["read_only: true", "cap_drop: [ALL]", "no-new-privileges:true"] {
        assert!(locked.contains(rule), "{rule}");
    }
    let all = services("docker/compose.yml");
    let names: Vec<_> = all.keys().map(String::as_str).collect();
    assert_eq!(names, ["grafana", "nats", "prometheus", "reelmill", "store", "store-owner"]);
    for (name, service) in &all {
        assert!(service.contains("<<: *locked"), "{name}");
        // The image of Reelmill brings its own; what ends is not watched.
        let watched = service.contains("healthcheck:") || ["reelmill", "store-owner"].contains(&name.as_str());
        assert!(watched, "{name}");
        for line in service.lines().filter(|line| line.trim().starts_with("ports:")) {
            assert!(line.contains("\"127.0.0.1:"), "{name} is open to the network: {line}");
        }
    }
    assert!(text.contains("REELMILL_STORE_PASSWORD:?"), "no password stands in the file");
    // A stop must not end in a kill while jobs are put back.
    assert!(
        all["reelmill"].contains("REELMILL_SHUTDOWN__GRACE: 60s") && all["reelmill"].contains("stop_grace_period: 90s")
    );
    assert_eq!(services("docker/compose.gpu.yml").keys().collect::<Vec<_>>(), ["reelmill"]);
}
