//! The walls between the modules, read off the source: who may use whom, and what no library does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Each module with all the others that it may use. `error` is known by all. A new edge is a decision: it is
/// made here, and in the architecture's picture.
#[rustfmt::skip]
const MAY_USE: &[(&str, &[&str])] = &[
    ("error",    &[]),
    ("tensor",   &[]),
    ("control",  &[]),
    ("device",   &[]),
    ("plane",    &[]),
    ("pixels",   &["tensor"]),
    ("metrics",  &["pixels", "plane"]),
    ("graph",    &["tensor"]),
    ("weights",  &["tensor"]),
    ("cpu",      &["control", "device", "graph", "tensor"]),
    ("oracle",   &["graph", "tensor"]),
    ("kernel",   &["device", "tensor"]),
    ("net",      &["graph", "oracle", "pixels", "tensor"]),
    ("export",   &["graph", "net", "tensor"]),
    ("import",   &["graph", "net", "pixels", "tensor", "weights"]),
    ("models",   &["export", "graph", "import", "net", "pixels", "tensor", "weights"]),
    ("guard",    &["cpu", "metrics", "models", "pixels", "tensor"]),
    ("plan",     &["device", "graph", "kernel", "tensor"]),
    ("gpu",      &["control", "device", "graph", "kernel", "pixels", "plan", "tensor"]),
    ("probe",    &["cpu", "device", "gpu", "graph", "kernel", "models", "plan", "tensor"]),
    ("job",      &["control", "cpu", "device", "gpu", "graph", "models", "net", "pixels", "plan", "probe", "tensor"]),
    ("alpha",    &["plane"]),
    ("upscale",  &["control", "device", "gpu", "graph", "guard", "job", "models", "pixels", "plan", "probe", "tensor", "weights"]),
    ("view",     &["alpha", "job", "pixels", "plane", "upscale"]),
    ("image",    &["alpha", "job", "pixels", "plane", "upscale"]),
    ("learn",    &["control", "cpu", "device", "gpu", "graph", "image", "kernel", "metrics", "models", "net", "pixels", "plan", "plane", "tensor", "weights"]),
];

/// Names that the crate's root shows, and the modules that they come from.
#[rustfmt::skip]
const SHOWN: &[(&str, &str)] = &[
    ("Error", "error"), ("Result", "error"), ("Gpu", "gpu"), ("Model", "models"), ("Upscaler", "upscale"),
    ("Options", "upscale"), ("Pixels", "pixels"), ("Samples", "pixels"), ("Depth", "pixels"), ("Picture", "image"),
];

/// A file of the library: its path under `src`, and its code without comments and unit tests.
struct File {
    path: String,
    code: String,
    lines: usize,
}

impl File {
    /// The module at the crate's root that it belongs to.
    fn module(&self) -> &str {
        let first = self.path.split('/').next().expect("a path has a first part");
        first.strip_suffix(".rs").unwrap_or(first)
    }
}

/// Every file under `src`.
fn files() -> Vec<File> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut files) = (vec![src.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(read(&src, path));
            }
        }
    }
    assert!(files.len() > 50, "the sources are found");
    files
}

/// The library's files: what stands under `src` but for the program.
fn library() -> impl Iterator<Item = File> {
    files().into_iter().filter(|file| !file.path.starts_with("bin/") && file.path != "lib.rs")
}

fn read(src: &Path, path: PathBuf) -> File {
    let text = std::fs::read_to_string(&path).unwrap();
    let lines = text.lines().count();
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().lines();
    let code = code.map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    let path = path.strip_prefix(src).unwrap().to_string_lossy().replace('\\', "/");
    File { path, code, lines }
}

/// The modules of this crate that a file names, its own aside.
fn used(file: &File) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for (at, _) in file.code.match_indices("crate::") {
        let rest = &file.code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => used.extend(first_name(rest)),
            Some(list) => used.extend(top_level(list).iter().filter_map(|part| first_name(part))),
        }
    }
    let shown = |name: String| {
        SHOWN.iter().find(|(known, _)| *known == name).map_or(name, |(_, from)| (*from).into())
    };
    used.into_iter().map(shown).filter(|module| module != file.module() && module != "error").collect()
}

/// The parts of `a, b::{c, d}, e}…` up to the brace that ends it.
fn top_level(list: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, character) in list.char_indices() {
        match character {
            '{' => depth += 1,
            ',' | '}' if depth == 0 => {
                parts.push(&list[start..at]);
                start = at + 1;
                if character == '}' {
                    break;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    parts
}

fn first_name(path: &str) -> Option<String> {
    let path = path.trim_start();
    let end =
        path.find(|character: char| !character.is_alphanumeric() && character != '_').unwrap_or(path.len());
    (end > 0).then(|| path[..end].into())
}

#[test]
fn no_module_uses_another_that_it_may_not() {
    let allowed: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in library() {
        let may = allowed.get(file.module()).unwrap_or_else(|| panic!("{} has no row in MAY_USE", file.path));
        for module in used(&file) {
            assert!(
                may.contains(&module.as_str()),
                "{} uses {module}, and {} may use {may:?}",
                file.path,
                file.module()
            );
            found.entry(file.module().into()).or_default().insert(module);
        }
    }
    for (module, may) in MAY_USE {
        let unused: Vec<&&str> = may
            .iter()
            .filter(|other| !found.get(*module).is_some_and(|used| used.contains(**other)))
            .collect();
        assert!(unused.is_empty(), "{module} uses {unused:?} no longer: take the edge out of MAY_USE");
    }
}

#[test]
fn nothing_points_upwards() {
    let rank = |module: &str| MAY_USE.iter().position(|(name, _)| *name == module).expect("a row of its own");
    for (module, may) in MAY_USE {
        assert!(
            may.iter().all(|other| rank(other) < rank(module)),
            "{module} uses only what stands above it"
        );
    }
}

/// The module that a file is, and where its folder stands: `plan/lower.rs` is `plan::lower`, and faces that folder.
fn path_of(file: &File) -> Vec<String> {
    file.path.trim_end_matches(".rs").split('/').map(Into::into).collect()
}

/// The modules under `crate` that a file's `use`s name, one for each leaf.
fn named(file: &File) -> Vec<Vec<String>> {
    fn leaves(from: &[String], rest: &str, found: &mut Vec<Vec<String>>) {
        let rest = rest.trim();
        if let Some(list) = rest.strip_prefix('{') {
            top_level(list).into_iter().for_each(|part| leaves(from, part, found));
        } else if let Some(name) = first_name(rest) {
            let mut path = from.to_vec();
            match (&*name, rest.find("::")) {
                ("super", _) => drop(path.pop()),
                _ => path.push(name.clone()),
            }
            match rest[rest.find(&name).unwrap_or(0) + name.len()..].strip_prefix("::") {
                Some(rest) => leaves(&path, rest, found),
                None => found.push(path),
            }
        }
    }
    let mut found = Vec::new();
    for (at, start) in file.code.match_indices("crate::").chain(file.code.match_indices("super::")) {
        let inner = file.code[..at].ends_with("super::") || file.code[..at].ends_with("crate::");
        match start {
            _ if inner => {} // in the middle of a path that began before
            "crate::" => leaves(&[], &file.code[at + start.len()..], &mut found),
            _ => leaves(&path_of(file), &file.code[at..], &mut found),
        }
    }
    found
}

/// The folders whose files a folder's files name. What a file names above it, its folder's own face, does not count: a
/// part may know the whole that it is a part of.
fn folders(files: &[File]) -> BTreeMap<String, BTreeSet<String>> {
    let modules: BTreeSet<Vec<String>> = files.iter().map(path_of).collect();
    let folder = |module: &[String]| {
        let is_face = modules.iter().any(|other| other.len() > module.len() && other.starts_with(module));
        module[..module.len() - usize::from(!is_face)].join("/")
    };
    let above = |a: &str, b: &str| a == b || a.is_empty() || b.starts_with(&format!("{a}/"));
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files {
        let from = folder(&path_of(file));
        for path in named(file) {
            let known =
                (1..=path.len()).rev().map(|len| &path[..len]).find(|module| modules.contains(*module));
            let Some(to) = known.map(folder) else { continue };
            if !above(&to, &from) && !above(&from, &to) {
                edges.entry(from.clone()).or_default().insert(to);
            }
        }
    }
    edges
}

#[test]
fn no_folders_name_each_other_in_a_circle() {
    fn walk<'a>(at: &'a str, edges: &'a BTreeMap<String, BTreeSet<String>>, way: &mut Vec<&'a str>) {
        let circle = way.iter().position(|before| *before == at);
        assert_eq!(circle.map(|from| &way[from..]), None, "a circle of folders");
        way.push(at);
        edges.get(at).into_iter().flatten().for_each(|to| walk(to, edges, way));
        way.pop();
    }
    let edges = folders(&library().collect::<Vec<_>>());
    assert!(edges.len() > 15, "the folders are found: {edges:?}");
    edges.keys().for_each(|folder| walk(folder, &edges, &mut Vec::new()));
}

#[test]
fn only_gpu_names_wgpu() {
    // A shader's `enable wgpu_…;` is text.
    let names = |code: &str| code.replace("enable wgpu_", "").contains("wgpu");
    let named = library().filter(|file| file.module() != "gpu" && names(&file.code));
    assert_eq!(named.map(|file| file.path).collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn the_library_neither_prints_nor_exits_nor_is_unfinished() {
    let forbidden =
        ["println!", "print!(", "dbg!", "process::exit", "todo!", "unimplemented!", "TODO", "FIXME"];
    for file in library() {
        for word in forbidden {
            assert!(!file.code.contains(word), "{} says {word}", file.path);
        }
    }
}

#[test]
fn no_file_is_longer_than_a_reader_bears() {
    let long = files().into_iter().filter(|file| file.lines > 500);
    assert_eq!(long.map(|file| (file.path, file.lines)).collect::<Vec<_>>(), Vec::new());
}

#[test]
fn a_use_is_found_in_every_form() {
    let code = "use crate::{Error, tensor::{Shape, Tensor}, graph::Op};\nuse crate::plan::Plan;\ncrate::kernel::ALL;";
    let file = File { path: "weights/zip.rs".into(), code: code.into(), lines: 3 };
    assert_eq!(used(&file).into_iter().collect::<Vec<_>>(), ["graph", "kernel", "plan", "tensor"]);
    assert_eq!(file.module(), "weights");
}
