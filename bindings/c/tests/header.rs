//! The header is what cbindgen makes of the source; `SPARSR_BLESS=1` writes it anew.

use std::path::Path;

use cbindgen::{Builder, Config};

/// In the order in which a reader of the header meets them.
const FILES: [&str; 5] = ["status.rs", "upscaler.rs", "image.rs", "run.rs", "log.rs"];

#[test]
fn the_header_is_that_of_the_source() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = Config::from_file(folder.join("cbindgen.toml")).unwrap();
    let files = FILES.map(|file| folder.join("src").join(file));
    let builder =
        files.iter().fold(Builder::new().with_config(config), |builder, file| builder.with_src(file));
    let mut made = Vec::new();
    builder.generate().unwrap().write(&mut made);
    let (path, made) = (folder.join("sparsr.h"), String::from_utf8(made).unwrap());
    if std::env::var_os("SPARSR_BLESS").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap();
    assert!(
        found == made,
        "sparsr.h is not that of the source: run `SPARSR_BLESS=1 cargo test -p sparsr-capi`"
    );
}
