//! Batches as data: what inputs and options mean, on folders of empty files.

use std::fs;

use tempfile::TempDir;

use super::*;

/// A folder with files in it, all of them empty but one without an extension, which is a PNG.
fn folder(names: &[&str]) -> TempDir {
    let folder = TempDir::new().expect("a temporary folder can be made");
    for name in names {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let content: &[u8] = if path.extension().is_none() { b"\x89PNG\r\n\x1a\n" } else { b"" };
        fs::write(path, content).unwrap();
    }
    folder
}

/// The inputs below a folder, and options as they are written on the command line.
fn args(root: &Path, inputs: &[&str], options: &[&str]) -> Args {
    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }
    let inputs = inputs.iter().map(|input| root.join(input).into_os_string());
    let options = options.iter().map(|option| OsString::from(option.replace("ROOT", root.to_str().unwrap())));
    let line = ["sparsr".into()].into_iter().chain(inputs).chain(options);
    <Line as clap::Parser>::try_parse_from(line).unwrap().args
}

/// `input → output` of each job, both as they are below the folder.
fn pairs(root: &Path, jobs: &[Job]) -> Vec<String> {
    let below = |path: &Path| path.strip_prefix(root).unwrap_or(path).display().to_string();
    let pair = |job: &Job| {
        let Source::File(input) = &job.source else { panic!("a file") };
        format!("{} → {}", below(input), below(job.target.name()))
    };
    jobs.iter().map(pair).collect()
}

fn plan(root: &Path, inputs: &[&str], options: &[&str]) -> Result<Batch> {
    Batch::plan(&args(root, inputs, options), "-x2", None)
}

#[test]
fn folders_patterns_and_options_become_jobs() {
    let files = [
        "in/b.png",
        "in/a.jpg",
        "in/c.JPEG",
        "in/notes.txt",
        "in/.hidden.png",
        "in/plain",
        "in/raw.cr2",
        "in/deep/d.webp",
        "in/deep/er/e.gif",
        "in/.git/f.png",
        "v1.0/g.tif",
    ];
    let cases: [(&[&str], &[&str], &[&str]); 10] = [
        (
            &["in"],
            &["-o", "out"],
            &[
                "in/a.jpg → out/a-x2.png",
                "in/b.png → out/b-x2.png",
                "in/c.JPEG → out/c-x2.png",
                "in/plain → out/plain-x2.png",
            ],
        ),
        (
            &["in/deep"],
            &["-r", "-o", "out"],
            &["in/deep/d.webp → out/d-x2.png", "in/deep/er/e.gif → out/er/e-x2.png"],
        ),
        (
            &["in/deep"],
            &["-r", "-f", "same", "--suffix", "", "-o", "out"],
            &["in/deep/d.webp → out/d.webp", "in/deep/er/e.gif → out/er/e.gif"],
        ),
        (&["in/deep"], &[], &["in/deep/d.webp → deep-x2/d-x2.png"]),
        (
            &["in/deep", "v1.0"],
            &["--suffix", "_big"],
            &["in/deep/d.webp → deep_big/d_big.png", "v1.0/g.tif → v1.0_big/g_big.png"],
        ),
        (&["in/*.[jp]*g"], &["-o", "out/"], &["in/a.jpg → out/a-x2.png", "in/b.png → out/b-x2.png"]),
        (
            &["in/b.png", "in/absent.png"],
            &["-f", "jpg"],
            &["in/b.png → b-x2.jpg", "in/absent.png → absent-x2.jpg"],
        ),
        (
            &["in"],
            &["-f", "same", "--shard", "1/2", "-o", "out"],
            &["in/a.jpg → out/a-x2.jpg", "in/c.JPEG → out/c-x2.JPEG"],
        ),
        (
            &["in"],
            &["-f", "same", "--shard", "2/2", "-o", "out"],
            &["in/b.png → out/b-x2.png", "in/plain → out/plain-x2.png"],
        ),
        (&["in/b.png"], &["-o", "one.tiff"], &["in/b.png → one.tiff"]),
    ];
    for (inputs, options, expected) in cases {
        let folder = folder(&files);
        let Batch { jobs, skipped, failures } = plan(folder.path(), inputs, options).unwrap();
        assert_eq!(pairs(folder.path(), &jobs), expected, "{inputs:?} {options:?}");
        assert!(skipped.is_empty() && failures.is_empty(), "{failures:?}");
    }
}

#[test]
fn what_cannot_be_planned_is_said() {
    let folder =
        folder(&["in/a.png", "in/a.jpg", "in/a-x2.png", "empty/notes.txt", "above/deep/b.png", "c.png"]);
    let cases: [(&[&str], &[&str], &str); 8] = [
        (&["in/a.png", "in/a.jpg"], &[], "would both be written to a-x2.png"),
        (&["in"], &["-o", "ROOT/out"], "--format same keeps their extensions apart"),
        (&["in/a.png", "in/a-x2.png"], &["-o", "ROOT/in"], "which is an input"),
        (&["in"], &["-o", "x.png"], "name a folder"),
        (&["c.png"], &["-o", "x.png", "-f", "jpg"], "x.png is a name for Png, and --format asks for Jpeg"),
        (&["c.png"], &["-o", "x.png", "--suffix", "y"], "--suffix is for names that are made"),
        (&["c.png"], &["-o", ".png"], ".png is only an extension: name a file, such as x.png"),
        (&["c.png"], &["-o", "ROOT/in/.jpg"], "in/.jpg is only an extension"),
    ];
    for (inputs, options, expected) in cases {
        let sentence = plan(folder.path(), inputs, options).unwrap_err().to_string();
        assert!(sentence.contains(expected), "{inputs:?} {options:?}: {sentence}");
    }
    let failures = [
        ("empty", "there are no pictures in it"),
        ("above", "there are no pictures in it; --recursive looks into the folders in it"),
        ("*.bmp", "no file matches"),
        ("***", "no such file, and no pattern"),
    ];
    for (input, expected) in failures {
        let batch = plan(folder.path(), &[input, "c.png"], &[]).unwrap();
        assert!(batch.jobs.len() == 1 && batch.failures.len() == 1, "{batch:?}");
        assert!(batch.failures[0].ends_with(expected) || batch.failures[0].contains(expected), "{batch:?}");
    }
}

#[test]
fn what_is_done_is_skipped_and_no_input_of_the_next_run() {
    let folder = folder(&["a.png", "b.png", "b-x2.png", "out/c-x2.png", "c.png"]);
    let root = folder.path();
    let batch = plan(root, &["."], &["-o", "ROOT", "--skip-existing"]).unwrap();
    let named = |jobs: &[Job]| -> Vec<String> {
        jobs.iter().map(|job| job.target.name().file_name().unwrap().to_string_lossy().into_owned()).collect()
    };
    assert_eq!(
        (named(&batch.jobs), named(&batch.skipped)),
        (vec!["a-x2.png".into(), "c-x2.png".into()], vec!["b-x2.png".to_owned()])
    );
    // Outputs of another folder in the tree are no inputs, with or without.
    let batch = plan(root, &["."], &["-r", "-o", "ROOT/out"]).unwrap();
    assert_eq!(named(&batch.jobs), ["a-x2.png", "b-x2-x2.png", "b-x2.png", "c-x2.png"]);
    // A share stays the same while a batch is done.
    for name in ["a", "b", "c"] {
        let batch = plan(
            root,
            &["a.png", "b.png", "c.png"],
            &["-o", "ROOT/share/", "--skip-existing", "--shard", "1/2"],
        )
        .unwrap();
        let all: Vec<String> = batch.jobs.iter().chain(&batch.skipped).map(|job| job.source.name()).collect();
        assert!(all.len() == 2 && !all.iter().any(|name| name.ends_with("b.png")), "{all:?}");
        fs::create_dir_all(root.join("share")).unwrap();
        fs::write(root.join("share").join(format!("{name}-x2.png")), "").unwrap();
    }
}

#[cfg(unix)]
#[test]
fn links_are_followed_and_circles_are_not() {
    use std::os::unix::fs::symlink;
    let folder = folder(&["in/a.png", "elsewhere/b.png"]);
    let root = folder.path();
    symlink(root.join("elsewhere"), root.join("in/linked")).unwrap();
    symlink(root.join("in"), root.join("in/circle")).unwrap();
    symlink("nowhere", root.join("in/gone.txt")).unwrap();
    symlink("nowhere", root.join("in/gone.png")).unwrap();
    let batch = plan(root, &["in"], &["-r", "-o", "out"]).unwrap();
    assert_eq!(
        pairs(root, &batch.jobs),
        ["in/a.png → out/a-x2.png", "in/linked/b.png → out/linked/b-x2.png"]
    );
    assert!(
        batch.failures.len() == 1 && batch.failures[0].contains("gone.png: No such file"),
        "{:?}",
        batch.failures
    );
}

#[test]
fn formats_and_shares_are_read() {
    assert_eq!(format("JPEG"), Ok(Format::One(ImageFormat::Jpeg)));
    for (word, expected) in [("avif", "avifenc"), ("jxl", "cjxl"), ("tga", "expected png, jpg")] {
        assert!(format(word).unwrap_err().contains(expected), "{word}");
    }
    assert_eq!(shard("2/3"), Ok([2, 3]));
    for text in ["0/3", "4/3", "1", "1/0", "a/b", "1/2/3", "-1/2"] {
        assert!(shard(text).is_err(), "{text}");
    }
    assert!(suffix("a/b").is_err() && suffix("").is_ok());
}
