//! Local files as sources.

use super::opener::lies_in;
use crate::model::Problem;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Opens `path` for reading and says how many bytes it holds.
pub(super) fn open(path: &Path) -> Result<(File, u64), Problem> {
    let name = path.display();
    // Without O_NONBLOCK opening a pipe waits for a writer that may never come; regular files ignore it.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path);
    let file = file.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            Problem::input("source.not_found", format!("there is no file {name}; check the path"))
        }
        _ => unreadable(path, &error),
    })?;
    let metadata = file.metadata().map_err(|error| unreadable(path, &error))?;
    if !metadata.is_file() {
        let what = if metadata.is_dir() { "a directory" } else { "not a regular file" };
        return Err(Problem::input("source.unreadable", format!("{name} is {what}; name a media file")));
    }
    if metadata.len() == 0 {
        return Err(Problem::input("source.empty", format!("{name} has 0 bytes; was it copied whole?")));
    }
    Ok((file, metadata.len()))
}

/// When the file was last changed, ns since 1970; empty where the file system does not say.
pub(super) fn version(file: &File) -> String {
    let time = file.metadata().map(|found| i128::from(found.mtime()) * 1_000_000_000 + i128::from(found.mtime_nsec()));
    time.map_or_else(|_| String::new(), |ns| ns.to_string())
}

/// The same, for files in one of the directories `roots` only; anywhere when there are none. Links are followed, and
/// what counts is where they lead.
pub(super) fn open_under(path: &Path, roots: &[PathBuf]) -> Result<(File, u64), Problem> {
    if roots.is_empty() {
        return open(path);
    }
    // Before anything is opened, so that no device outside is touched, and nobody learns what exists there.
    if !known_part(path).is_some_and(|known| lies_in(&known, roots)) {
        return Err(forbidden(path));
    }
    let opened = open(path)?;
    // The name may lead elsewhere by now; the open file lies where it lies.
    let real = std::fs::read_link(format!("/proc/self/fd/{}", opened.0.as_raw_fd()));
    if real.is_ok_and(|real| lies_in(&real, roots)) { Ok(opened) } else { Err(forbidden(path)) }
}

/// Where a path leads, or as much of it as exists.
fn known_part(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    path.ancestors().find_map(|part| part.canonicalize().ok())
}

fn forbidden(path: &Path) -> Problem {
    let message = format!("{} is not in a directory that sources may lie in; move it to one", path.display());
    Problem::input("source.forbidden", message)
}

fn unreadable(path: &Path, error: &io::Error) -> Problem {
    Problem::input("source.unreadable", format!("{} cannot be read: {error}; check its permissions", path.display()))
}

/// The same file with a read position of its own. A duplicated descriptor would share the position, and two workers
/// that seek would disturb one another.
pub(super) fn reopen(file: &File) -> io::Result<File> {
    File::open(format!("/proc/self/fd/{}", file.as_raw_fd())).or_else(|_| file.try_clone())
}

/// Reads as many of `length` bytes from `offset` as there are.
pub(super) fn read_at(file: &File, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let mut filled = 0;
    while filled < length {
        match file.read_at(&mut bytes[filled..], offset.saturating_add(filled as u64)) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use crate::input::Source;
    use crate::model::Fault;
    use std::ffi::OsStr;
    use std::io::{Read, Seek, SeekFrom};
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;

    fn code(path: &Path) -> String {
        let problem = Source::open_file(path).unwrap_err();
        assert_eq!(problem.fault, Fault::Input);
        problem.code
    }

    #[test]
    fn what_cannot_be_a_source_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let empty = directory.path().join("empty.mp4");
        std::fs::write(&empty, b"").unwrap();
        assert_eq!(code(&directory.path().join("absent.mp4")), "source.not_found");
        assert_eq!(code(directory.path()), "source.unreadable");
        assert_eq!(code(&empty), "source.empty");
        assert_eq!(code(Path::new("/dev/zero")), "source.unreadable");
        assert_eq!(code(&empty.join("below a file")), "source.unreadable");
    }

    #[test]
    fn a_pipe_without_a_writer_is_refused_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert_eq!(code(&pipe), "source.unreadable");
    }

    #[tokio::test]
    async fn ranges_and_descriptors_read_the_same_bytes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(OsStr::from_bytes(b"-odd \xff name"));
        std::fs::write(&path, b"0123456789").unwrap();
        let source = Source::open_file(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(source.size_bytes(), 10);
        assert_eq!(source.read_range(4, 3).await.unwrap()[..], *b"456");
        assert_eq!(source.read_range(8, 100).await.unwrap()[..], *b"89");
        assert_eq!(source.read_range(u64::MAX, 1).await.unwrap_or_default().len(), 0);
        assert_eq!((source.bytes_read(), source.is_remote()), (5, false));
        let (mut one, mut two) = (source.descriptor().unwrap().unwrap(), source.descriptor().unwrap().unwrap());
        one.seek(SeekFrom::Start(9)).unwrap();
        let mut text = String::new();
        two.read_to_string(&mut text).unwrap();
        assert_eq!(text, "0123456789", "another worker's position does not matter");
    }

    #[test]
    fn only_what_lies_in_a_root_is_opened() {
        let directory = tempfile::tempdir().unwrap();
        let (inside, outside) = (directory.path().join("in"), directory.path().join("out"));
        std::fs::create_dir(&inside).unwrap();
        std::fs::create_dir(&outside).unwrap();
        for file in [inside.join("a.mp4"), outside.join("b.mp4")] {
            std::fs::write(file, b"x").unwrap();
        }
        std::os::unix::fs::symlink(outside.join("b.mp4"), inside.join("link.mp4")).unwrap();
        std::os::unix::fs::symlink(inside.join("a.mp4"), inside.join("own.mp4")).unwrap();
        std::os::unix::fs::symlink(&outside, inside.join("dir")).unwrap();
        std::os::unix::fs::symlink(&inside, directory.path().join("root")).unwrap();
        let roots = [directory.path().join("absent"), directory.path().join("root")];
        let code = |path: &str| super::open_under(&directory.path().join(path), &roots).map_err(|problem| problem.code);
        assert!(code("in/a.mp4").is_ok() && code("in/own.mp4").is_ok() && code("root/a.mp4").is_ok());
        assert!(code("in/../in/a.mp4").is_ok());
        for path in ["out/b.mp4", "out/absent", "in/link.mp4", "in/dir/b.mp4", "in/../out/b.mp4", "in2/a.mp4", "../x"] {
            assert_eq!(code(path).unwrap_err(), "source.forbidden", "{path}");
        }
        assert_eq!(code("in/absent.mp4").unwrap_err(), "source.not_found");
        assert_eq!(super::open_under(Path::new("/dev/null"), &roots).unwrap_err().code, "source.forbidden");
        assert!(super::open_under(&outside.join("b.mp4"), &[]).is_ok());
    }
}
