#!/usr/bin/env python3
"""Carries out a Dockerfile's own lines where there is no container engine: scripts/image-chroot.py [DOCKERFILE]

Each stage is a directory over a Debian made by debootstrap from the mirror that this machine's apt uses, and its FROM, ARG,
ENV, WORKDIR, USER, SHELL, COPY and RUN lines are executed there in order. Then the last stage's size is told, and the image
is tried: read-only, as its own user, with nothing writable but its volume, a directory for media and /tmp. The daemon starts
by the entry point, is found healthy by the health check, transcodes a clip, is drained, and ends when asked to.

What is not as in an engine: the base images of Node and Rust are Debian with this machine's Node and Rust shown inside, and
files to be copied are those that git knows, whatever .dockerignore says. Needs root, and some GB below the target directory.
All mounts live in a mount namespace of this process and are gone when it is.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SIZE_MAX_MB = 450
PORTS = {"REELMILL_GRPC__LISTEN": "127.0.0.1:27443", "REELMILL_HTTP__LISTEN": "127.0.0.1:27480"}
CLIENT = "http://127.0.0.1:27443"
CLOSED_AFTER_S = 60
AUTHORITIES = "/etc/ssl/certs"


def say(text):
    print(f"image-chroot: {text}", flush=True)


def run(*command, **options):
    return subprocess.run([str(part) for part in command], check=True, **options)


def instructions(path):
    """The lines of a Dockerfile as (word, rest), continued ones joined and comments left out."""
    lines, whole = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")], ""
    for line in lines:
        whole += line.rstrip("\\") if line.endswith("\\") else line
        if line.endswith("\\") or not whole.strip():
            continue
        word, _, rest = whole.strip().partition(" ")
        yield word.upper(), rest.strip()
        whole = ""


def base(work):
    """Debian, trimmed as its slim images are; made once."""
    root = work / "trixie-slim"
    if (root / ".complete").exists():
        return root
    if root.exists():
        shutil.rmtree(root)
    targets = ["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages"]
    sites = run(*targets, capture_output=True, text=True).stdout.split()
    mirror = next(site for site in sites if "security" not in site)
    say("debootstrap of trixie")
    run("debootstrap", "--variant=minbase", "trixie", root, mirror, stdout=subprocess.DEVNULL)
    shown = ["doc", "man", "info", "locale", "lintian", "linda", "groff"]
    rules = "".join(f"path-exclude /usr/share/{name}/*\n" for name in shown)
    (root / "etc/dpkg/dpkg.cfg.d/docker").write_text(rules)
    for name in shown:
        shutil.rmtree(root / "usr/share" / name, ignore_errors=True)
    for name in ["var/lib/apt/lists", "var/cache/apt", "var/log"]:
        shutil.rmtree(root / name, ignore_errors=True)
        (root / name).mkdir(parents=True)
    (root / "var/lib/apt/lists/partial").mkdir()
    (root / "var/cache/apt/archives/partial").mkdir(parents=True)
    (root / ".complete").touch()
    return root


class Stage:
    """One FROM, and what is done after it."""

    def __init__(self, work, name, image):
        self.image, self.env, self.args, self.user, self.shell = image, {}, {}, "0:0", ["/bin/sh", "-c"]
        self.cwd, self.meta, here = "/", {}, work / "stages" / name
        if here.exists():
            shutil.rmtree(here)
        for part in ["upper", "scratch", "root"]:
            (here / part).mkdir(parents=True)
        self.root = here / "root"
        options = f"lowerdir={base(work)},upperdir={here / 'upper'},workdir={here / 'scratch'}"
        run("mount", "-t", "overlay", "overlay", "-o", options, self.root)
        self.env["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        self.tools = {}
        if image.startswith("rust:"):
            home = Path.home()
            cargo, rustup = os.environ.get("CARGO_HOME", home / ".cargo"), os.environ.get("RUSTUP_HOME", home / ".rustup")
            self.tools = {cargo: "/usr/local/cargo", rustup: "/usr/local/rustup"}
            # What is not here yet is fetched by this machine, which knows how.
            run("cargo", "fetch", "--locked", cwd=ROOT)
            self.env |= {"CARGO_HOME": "/usr/local/cargo", "RUSTUP_HOME": "/usr/local/rustup", "CARGO_NET_OFFLINE": "true"}
            self.env["PATH"] = "/usr/local/cargo/bin:" + self.env["PATH"]
        elif image.startswith("node:"):
            node = Path(shutil.which("node") or sys.exit("image-chroot: Node is not here")).resolve()
            self.tools = {node: "/usr/local/bin/node", node.parent.parent / "lib/node_modules": "/usr/local/lib/node_modules"}
            (self.root / "usr/local/bin/npm").symlink_to("../lib/node_modules/npm/bin/npm-cli.js")

    def path(self, inside):
        return self.root / os.path.join(self.cwd, inside).lstrip("/")

    def command(self, line):
        """Runs a line inside, with what an engine shows there: devices, processes, names of hosts."""
        shown = {"/proc": "/proc", "/dev": "/dev"}
        shown |= {str(key): value for key, value in self.tools.items()}
        mounts = ""
        for outside, inside in shown.items():
            place = self.root / inside.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.mkdir(exist_ok=True) if Path(outside).is_dir() else place.touch()
            mounts += f"mount --rbind {shlex.quote(outside)} {shlex.quote(str(self.root) + inside)}\n"
        # The authorities of this machine are shown beside the image's own, and cannot be written: the package of the
        # image's own would replace them.
        authorities = self.root / "run/authorities"
        authorities.mkdir(parents=True, exist_ok=True)
        there = shlex.quote(str(authorities))
        mounts += f"mount --bind {AUTHORITIES} {there}\nmount -o remount,bind,ro {there}\n"
        # Nor is the name service a part of the image.
        resolv = self.root / "etc/resolv.conf"
        resolv.touch()
        mounts += f"mount --bind /etc/resolv.conf {shlex.quote(str(resolv))}\n"
        passed = {key: value for key, value in os.environ.items() if re.search(r"(?i)_(proxy|ca_certs)$", key)}
        passed = {key: value.replace(AUTHORITIES, "/run/authorities") for key, value in passed.items()}
        pairs = [f"{key}={value}" for key, value in (passed | self.args | self.env).items()]
        inner = f"cd {shlex.quote(self.cwd)} && exec \"$@\""
        chroot = ["chroot", f"--userspec={self.user}", str(self.root), "env", "-i", *pairs]
        argv = [*chroot, "/bin/sh", "-c", inner, "run", *self.shell, line]
        run("unshare", "--mount", "--propagation", "private", "/bin/sh", "-euc", f'{mounts}exec "$@"', "mounts", *argv)

    def copy(self, rest, stages):
        words = shlex.split(rest)
        options = dict(word[2:].split("=", 1) for word in words if word.startswith("--"))
        *sources, target = [word for word in words if not word.startswith("--")]
        into = self.path(target)
        many = len(sources) > 1 or target.endswith(("/", "."))
        for source in sources:
            if "from" in options:
                place = stages[options["from"]].root / source.lstrip("/")
                files = [item.relative_to(place) for item in place.rglob("*") if not item.is_dir()] if place.is_dir() else []
            else:
                place = ROOT / source
                listed = ["git", "ls-files", "-co", "--exclude-standard", "--", source]
                known = run(*listed, cwd=ROOT, capture_output=True, text=True).stdout.splitlines()
                files = [Path(name).relative_to(source) for name in known] if place.is_dir() else []
            if not place.is_dir():
                goal = into / place.name if many else into
                goal.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(place, goal)
            for name in files:
                goal = into / name
                goal.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(place / name, goal)

    def step(self, word, rest, stages):
        if word == "RUN":
            say(f"RUN {rest[:100]}")
            self.command(rest)
        elif word == "COPY":
            self.copy(rest, stages)
        elif word == "ENV":
            self.env |= dict(pair.split("=", 1) for pair in shlex.split(rest))
        elif word == "ARG":
            self.args |= dict([rest.split("=", 1)])
        elif word == "USER":
            self.user = rest
        elif word == "WORKDIR":
            self.cwd = os.path.join(self.cwd, rest)
            self.path(".").mkdir(parents=True, exist_ok=True)
        elif word == "SHELL":
            self.shell = json.loads(rest)
        elif word in ("LABEL", "VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT"):
            self.meta[word] = rest
        else:
            sys.exit(f"image-chroot: {word} is not known here: teach this script, or leave it out")


def build(dockerfile, work):
    stages, stage = {}, None
    for word, rest in instructions(dockerfile):
        if word == "FROM":
            image, _, name = rest.partition(" AS ")
            stage = Stage(work, name or "final", image)
            stages[name or "final"] = stage
            say(f"FROM {rest}")
        else:
            stage.step(word, rest, stages)
    return stage


def check_size(stage):
    used = run("du", "-sx", "--block-size=1", stage.root, capture_output=True, text=True).stdout.split()[0]
    size_mb = int(used) / 1e6
    say(f"the last stage holds {size_mb:.0f} MB")
    if size_mb >= SIZE_MAX_MB:
        sys.exit(f"image-chroot: that is too much: {SIZE_MAX_MB} MB is the limit")


def in_image(stage, *argv):
    pairs = [f"{key}={value}" for key, value in (stage.env | PORTS).items()]
    return ["chroot", f"--userspec={stage.user}", str(stage.root), "env", "-i", *pairs, *argv]


def writable(stage, inside):
    """A file system of its own there, which belongs to the image's user."""
    uid, gid = stage.user.split(":")
    run("mount", "-t", "tmpfs", "-o", f"uid={uid},gid={gid},mode=0700", "tmpfs", stage.root / inside.lstrip("/"))


def try_out(stage):
    """Starts the daemon read-only, as the image's user, and has it transcode."""
    run("mount", "--rbind", "/proc", stage.root / "proc")
    run("mount", "--rbind", "/dev", stage.root / "dev")
    run("mount", "-o", "remount,ro", stage.root)
    for volume in [*json.loads(stage.meta["VOLUME"]), "/media", "/tmp"]:
        writable(stage, volume)
    clip = stage.root / "media/in.mp4"
    lavfi = ["-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25:duration=6", "-f", "lavfi", "-i", "sine=duration=6"]
    run("ffmpeg", "-v", "error", *lavfi, "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac", clip)
    os.chmod(clip, 0o644)
    entry = in_image(stage, *json.loads(stage.meta["ENTRYPOINT"]))
    daemon = subprocess.Popen(entry)
    try:
        health = json.loads(stage.meta["HEALTHCHECK"].split(" CMD ", 1)[1])
        began = time.monotonic()
        while subprocess.run(in_image(stage, *health), capture_output=True).returncode != 0:
            if daemon.poll() is not None or time.monotonic() - began > CLOSED_AFTER_S:
                sys.exit("image-chroot: the daemon did not become healthy; see above")
            time.sleep(0.2)
        say("healthy, read-only, as " + stage.user)
        client = in_image(stage, "reelmill")
        job = ["submit", "/media/in.mp4", "/media/out", "--wait", "--renditions", "360p,180p", "--endpoint", CLIENT]
        run(*client, *job)
        for manifest in ["cmaf/master.m3u8", "cmaf/manifest.mpd"]:
            if not (stage.root / "media/out" / manifest).is_file():
                sys.exit(f"image-chroot: the job is done, and {manifest} is not there")
        run(*client, "drain", "--wait", "--hand-back", "--endpoint", CLIENT)
        daemon.terminate()
        if daemon.wait(timeout=CLOSED_AFTER_S) != 0:
            sys.exit(f"image-chroot: the daemon ended with {daemon.returncode}")
        say("a clip was transcoded, and the daemon ended when it was asked to")
    finally:
        if daemon.poll() is None:
            daemon.kill()
            daemon.wait()


def main():
    dockerfile = ROOT / (sys.argv[1] if len(sys.argv) > 1 else "docker/Dockerfile.cpu")
    if os.geteuid() != 0:
        sys.exit("image-chroot: a chroot needs root; run it as root")
    if "REELMILL_IN_NAMESPACE" not in os.environ:
        os.environ["REELMILL_IN_NAMESPACE"] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable, "-B", *sys.argv])
    if not shutil.which("debootstrap"):
        run("apt-get", "install", "-y", "-q", "--no-install-recommends", "debootstrap")
    work = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve() / "images"
    work.mkdir(parents=True, exist_ok=True)
    stage = build(dockerfile, work)
    check_size(stage)
    try_out(stage)
    say(f"{dockerfile.relative_to(ROOT)}: every line was carried out, on {time.strftime('%Y-%m-%d', time.gmtime())}")


if __name__ == "__main__":
    main()
