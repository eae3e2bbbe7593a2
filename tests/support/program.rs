//! The program in a folder of its own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// Where what is measured on a GPU is remembered from test to test.
const CACHE: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/cache");

pub struct Folder(TempDir);

pub struct Outcome {
    pub success: bool,
    /// The exit status; none of what a signal ended.
    #[allow(dead_code, reason = "tests/batches.rs asks")]
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Folder {
    pub fn new() -> Self {
        Self(TempDir::new().expect("a temporary folder can be made"))
    }

    /// With a picture to learn from, and what to do with it in `tiny.toml`.
    #[allow(dead_code, reason = "tests of trainings ask")]
    pub fn for_training(config: &str) -> Self {
        let folder = Self::new();
        fs::create_dir(folder.path("pictures")).unwrap();
        let harbour = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pictures/harbour.png");
        image::open(harbour).unwrap().crop_imm(40, 30, 64, 48).save(folder.path("pictures/a.png")).unwrap();
        fs::write(folder.path("tiny.toml"), config).unwrap();
        folder
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn run(&self, args: &[&str]) -> Outcome {
        self.start(args, Stdio::null(), CACHE.as_ref(), None)
    }

    /// As if the machine had not what the names say.
    #[allow(dead_code, reason = "tests/cli.rs does")]
    pub fn run_without(&self, names: &str, args: &[&str]) -> Outcome {
        self.start(args, Stdio::null(), CACHE.as_ref(), Some(names))
    }

    /// What it remembers of devices lies in a folder below.
    #[allow(dead_code, reason = "tests/tuning.rs does")]
    pub fn run_with_cache(&self, args: &[&str], cache: &str) -> Outcome {
        self.start(args, Stdio::null(), &self.path(cache), None)
    }

    /// With a file as standard input.
    #[allow(dead_code, reason = "tests/cli.rs does")]
    pub fn run_with_input(&self, args: &[&str], input: &str) -> Outcome {
        self.start(args, File::open(self.path(input)).unwrap().into(), CACHE.as_ref(), None)
    }

    /// On the CPU; must succeed, and say nothing to a pipe. Gives standard output.
    pub fn succeeds(&self, args: &[&str]) -> String {
        let outcome = self.run(&on_cpu(args));
        assert!(outcome.success && outcome.stderr.is_empty(), "{args:?}: {}", outcome.stderr);
        let temporary = |(path, _): &(PathBuf, Vec<u8>)| path.to_string_lossy().contains(".sparsr-");
        assert!(!contents(self.0.path()).iter().any(temporary), "{args:?} left a temporary file");
        outcome.text()
    }

    /// Must fail with one sentence, which it gives, and leave the folder as it was.
    #[allow(dead_code, reason = "tests/cli.rs asks")]
    pub fn fails(&self, args: &[&str]) -> String {
        let before = contents(self.0.path());
        let outcome = self.run(&on_cpu(args));
        let sentence = outcome.stderr.trim_end().strip_prefix("error: ").map(str::to_owned);
        let sentence =
            sentence.unwrap_or_else(|| panic!("{args:?}: expected a sentence, found {:?}", outcome.stderr));
        assert!(!outcome.success && outcome.stdout.is_empty(), "{args:?}");
        assert!(!sentence.contains('\n') && !sentence.contains("panicked"), "{args:?}: {sentence}");
        assert_eq!(contents(self.0.path()), before, "{args:?} changed the folder");
        sentence
    }

    #[allow(dead_code, reason = "tests/cli.rs asks")]
    pub fn json(&self, args: &[&str]) -> serde_json::Value {
        let outcome = self.run(args);
        assert!(outcome.success, "{args:?}: {}", outcome.stderr);
        serde_json::from_slice(&outcome.stdout).expect("standard output is JSON and nothing else")
    }

    /// On the CPU, killed by a signal after a while, unless it was done before; must leave the folder as it was.
    #[cfg(unix)]
    #[allow(dead_code, reason = "tests/cli.rs does")]
    pub fn is_killed(&self, args: &[&str], signal: &str, after: std::time::Duration) {
        let before = contents(self.0.path());
        let mut child = Command::new(env!("CARGO_BIN_EXE_sparsr"))
            .args(on_cpu(args))
            .current_dir(self.0.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        std::thread::sleep(after);
        let kill = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        let done = child.wait().unwrap().success();
        assert!(kill.success() && !done, "{args:?} had to be under way after {after:?}");
        assert_eq!(contents(self.0.path()), before, "{args:?} left something behind");
    }

    /// On the CPU, under way in the background with its outputs going nowhere but to pipes.
    #[allow(dead_code, reason = "tests/batches.rs does")]
    pub fn spawn(&self, args: &[&str]) -> std::process::Child {
        Command::new(env!("CARGO_BIN_EXE_sparsr"))
            .args(on_cpu(args))
            .current_dir(self.0.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts")
    }

    fn start(&self, args: &[&str], input: Stdio, cache: &Path, without: Option<&str>) -> Outcome {
        let output = Command::new(env!("CARGO_BIN_EXE_sparsr"))
            .args(args)
            .current_dir(self.0.path())
            .env_remove("SPARSR_LOG")
            .env("SPARSR_CACHE", cache)
            .envs(without.map(|names| ("SPARSR_WITHOUT", names)))
            // Without it Mesa's device-select layer complains on standard error about a missing display.
            .env("XDG_RUNTIME_DIR", self.0.path())
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .output()
            .expect("the program starts");
        Outcome {
            success: output.status.success(),
            code: output.status.code(),
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).expect("sentences are UTF-8"),
        }
    }
}

impl Outcome {
    /// Standard output.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

/// The commands that run a network, on the CPU unless they name a device.
fn on_cpu<'a>(args: &[&'a str]) -> Vec<&'a str> {
    let runs = ["upscale", "eval"].contains(&args[0]) && !args.contains(&"--device");
    let device: &[&str] = if runs { &["--device", "cpu"] } else { &[] };
    [args, device].concat()
}

/// Every file below, with its content; of a link where it leads to.
#[allow(dead_code, reason = "tests/batches.rs compares folders")]
pub fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_symlink() {
            let target = fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes();
            files.push((path, target));
        } else if path.is_dir() {
            files.extend(contents(&path));
        } else if path.is_file() {
            let bytes = fs::read(&path).unwrap();
            files.push((path, bytes));
        }
    }
    files.sort();
    files
}
