//! Where the system gives no more memory, the program says so and exits with 1; it does not abort.

#![cfg(all(feature = "cli", target_os = "linux"))]

use std::process::Command;

use image::RgbImage;

#[test]
fn the_end_of_memory_is_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let picture = RgbImage::from_fn(700, 500, |x, y| image::Rgb([(x * y) as u8, x as u8, y as u8]));
    picture.save(folder.path().join("a.png")).unwrap();
    let mut ended = 0;
    for megabytes in [60, 100, 150, 200] {
        let line = format!("ulimit -v {}; exec \"$0\" upscale --device cpu -o b.png a.png", megabytes << 10);
        let run = Command::new("sh")
            .current_dir(folder.path())
            .args(["-c", &line, env!("CARGO_BIN_EXE_sparsr")])
            .output()
            .unwrap();
        let stderr = String::from_utf8(run.stderr).unwrap();
        let (code, there) = (run.status.code(), folder.path().join("b.png").exists());
        match code {
            Some(0) => std::fs::remove_file(folder.path().join("b.png")).unwrap(),
            Some(1) => assert!(stderr.starts_with("error: ") && !there, "{megabytes} MB: {stderr}"),
            _ => panic!("{megabytes} MB: {:?}, {stderr}", run.status),
        }
        ended += u32::from(code == Some(1));
    }
    assert!(ended > 0, "some of it was too little");
}
