//! `sparsr video` as a process: the frames that come out of its pipe are those that `sparsr upscale` makes of the same pixels, and
//! a stream that does not come to its end is never a success.
//!
//! Streams are written and read by the `y4m` crate, which has nothing to do with the program's own reader; colours are
//! converted by textbook formulas in f64.

#![cfg(feature = "cli")]

#[path = "support/program.rs"]
mod program;
#[path = "support/seeded.rs"]
#[allow(dead_code, reason = "only its numbers are used")]
mod seeded;

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use program::{Folder, contents};
use y4m::{Colorspace, Ratio};

/// The fastest of the built-in networks, which looks only so far.
const EDSR: [&str; 6] = ["-m", "edsrmini-x2", "--device", "cpu", "--matrix", "709"];

/// What became of a process.
struct Done {
    code: Option<i32>,
    stdout: Vec<u8>,
    stderr: String,
}

/// A stream as the `y4m` crate reads it.
struct Stream {
    header: String,
    size: [usize; 2],
    frames: Vec<Vec<u8>>,
}

fn start(folder: &Folder, args: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_sparsr"))
        .arg("video")
        .args(args)
        .current_dir(folder.path(""))
        .env("SPARSR_LOG", "info")
        .env("SPARSR_CACHE", folder.path(".cache"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts")
}

/// The program with a stream as its standard input.
fn pipe(folder: &Folder, args: &[&str], stream: &[u8]) -> Done {
    let mut child = start(folder, args);
    let mut input = child.stdin.take().unwrap();
    let stream = stream.to_vec();
    // The program may end before it has read everything.
    let feeder = thread::spawn(move || drop(input.write_all(&stream)));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    Done {
        code: output.status.code(),
        stdout: output.stdout,
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Must succeed.
fn enlarged(folder: &Folder, args: &[&str], stream: &[u8]) -> (Stream, String) {
    let Done { code, stdout, stderr } = pipe(folder, &[&["-", "-o", "-"], args].concat(), stream);
    assert_eq!(code, Some(0), "{args:?}: {stderr}");
    assert!(!stderr.contains("error"), "{stderr}");
    (read(&stdout), stderr)
}

fn read(bytes: &[u8]) -> Stream {
    let mut decoder = y4m::decode(bytes).unwrap();
    let size = [decoder.get_width(), decoder.get_height()];
    let header = String::from_utf8(decoder.get_raw_params().to_vec()).unwrap();
    let mut frames = Vec::new();
    loop {
        match decoder.read_frame() {
            Ok(frame) => {
                frames.push([frame.get_y_plane(), frame.get_u_plane(), frame.get_v_plane()].concat());
            }
            Err(y4m::Error::EOF) => return Stream { header, size, frames },
            Err(error) => panic!("{error}"),
        }
    }
}

/// A stream of frames, each its three planes.
fn stream([width, height]: [usize; 2], colour: Colorspace, frames: &[[Vec<u8>; 3]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let header = y4m::encode(width, height, Ratio::new(24000, 1001)).with_colorspace(colour);
    let mut encoder = header.write_header(&mut bytes).unwrap();
    for planes in frames {
        encoder.write_frame(&y4m::Frame::new(planes.each_ref().map(Vec::as_slice), None)).unwrap();
    }
    bytes
}

/// Noise that stands still but for a square; the second and the third frame are equal. Of limited range and 8 or 10 bits.
fn clip([width, height]: [usize; 2], chroma: [usize; 2], bits: u32) -> Vec<[Vec<u8>; 3]> {
    let frame = |at: usize| {
        let at = if at == 2 { 1 } else { at };
        let plane = |plane: usize, [columns, rows]: [usize; 2]| -> Vec<u8> {
            let noise = seeded::numbers(plane as u64, columns * rows);
            let sample = |(place, number): (usize, f32)| {
                let (x, y) = (place % columns, place / columns);
                let moves = x * width / columns / 8 == at && y * height / rows < 8;
                let level = if moves { 40.0 * at as f32 } else { 110.0 + 60.0 * number };
                let level = if plane == 0 { level } else { 128.0 + (level - 110.0) / 4.0 };
                (level * (1 << (bits - 8)) as f32) as u16
            };
            let samples = noise.into_iter().enumerate().map(sample);
            samples.flat_map(|sample| sample.to_le_bytes()[..if bits > 8 { 2 } else { 1 }].to_vec()).collect()
        };
        [plane(0, [width, height]), plane(1, chroma), plane(2, chroma)]
    };
    (0..5).map(frame).collect()
}

/// Small frames of every format: their chroma's size, and their bits.
const FORMATS: [(Colorspace, [usize; 2], u32); 10] = [
    (Colorspace::C420, [23, 14], 8),
    (Colorspace::C420jpeg, [23, 14], 8),
    (Colorspace::C420mpeg2, [23, 14], 8),
    (Colorspace::C420paldv, [23, 14], 8),
    (Colorspace::C420p10, [23, 14], 10),
    (Colorspace::C422, [23, 27], 8),
    (Colorspace::C422p10, [23, 27], 10),
    (Colorspace::C444, [45, 27], 8),
    (Colorspace::C444p10, [45, 27], 10),
    (Colorspace::Cmono, [0, 0], 8),
];
const SIZE: [usize; 2] = [45, 27];

#[test]
fn every_format_comes_back_twice_as_large_and_the_same_without_skipping() {
    let folder = Folder::new();
    for (colour, chroma, bits) in FORMATS {
        let input = stream(SIZE, colour, &clip(SIZE, chroma, bits));
        let (found, _) = enlarged(&folder, &EDSR, &input);
        let (whole, _) = enlarged(&folder, &[&EDSR[..], &["--no-skip"]].concat(), &input);
        assert_eq!((found.size, found.frames.len()), ([90, 54], 5), "{colour:?}");
        assert_eq!(found.header, format!("W90 H54 F24000:1001 {colour:?}"));
        assert!(found.frames == whole.frames, "{colour:?}");
        assert!(found.frames[1] == found.frames[2] && found.frames[0] != found.frames[1], "{colour:?}");
        let mean = |samples: &[u8], bytes: usize| {
            let samples = samples
                .chunks_exact(bytes)
                .map(|two| two.iter().rev().fold(0, |all, byte| all << 8 | u64::from(*byte)));
            samples.sum::<u64>() as f64 * bytes as f64 / f64::from(1 << (bits - 8))
        };
        let bytes = if bits > 8 { 2 } else { 1 };
        let before = &clip(SIZE, chroma, bits)[0];
        let luma =
            |frame: &[u8], pixels: usize| mean(&frame[..bytes * pixels], bytes) / (bytes * pixels) as f64;
        let apart = luma(&found.frames[0], 90 * 54) - luma(&before[0], 45 * 27);
        assert!(apart.abs() < 2.0, "{colour:?}: {apart}");
    }
}

/// Without subsampling a frame is pixels in other words, so `sparsr upscale` can be asked what it makes of them.
#[test]
fn frames_are_what_upscale_makes_of_their_pixels() {
    let folder = Folder::new();
    let [kr, kb] = [0.2126, 0.0722];
    let kg = 1.0 - kr - kb;
    let clip = clip(SIZE, SIZE, 8);
    let (found, log) = enlarged(&folder, &EDSR, &stream(SIZE, Colorspace::C444, &clip));
    assert!(log.contains("tiles computed"), "{log}");
    for (planes, found) in clip.iter().zip(&found.frames) {
        let rgb = |at: usize| {
            let y = (f64::from(planes[0][at]) - 16.0) / 219.0;
            let [cb, cr] = [1, 2].map(|plane| (f64::from(planes[plane][at]) - 128.0) / 224.0);
            let [r, b] = [y + 2.0 * (1.0 - kr) * cr, y + 2.0 * (1.0 - kb) * cb];
            [r, (y - kr * r - kb * b) / kg, b].map(|number| (255.0 * number.clamp(0.0, 1.0)).round() as u8)
        };
        let small = (0..SIZE[0] * SIZE[1]).flat_map(rgb).collect();
        image::RgbImage::from_raw(45, 27, small).unwrap().save(folder.path("frame.png")).unwrap();
        folder.succeeds(&["upscale", "frame.png", "-o", "large.png", "--force", "-m", "edsrmini-x2"]);
        let large = image::open(folder.path("large.png")).unwrap().into_rgb8();
        let planes = [0, 1, 2].map(|plane| {
            let sample = |pixel: &image::Rgb<u8>| {
                let [r, g, b] = pixel.0.map(|sample| f64::from(sample) / 255.0);
                let y = kr * r + kg * g + kb * b;
                let sample = match plane {
                    0 => 16.0 + 219.0 * y,
                    1 => 128.0 + 224.0 * (b - y) / (2.0 * (1.0 - kb)),
                    _ => 128.0 + 224.0 * (r - y) / (2.0 * (1.0 - kr)),
                };
                sample.round() as u8
            };
            large.pixels().map(sample).collect::<Vec<u8>>()
        });
        assert!(planes.concat() == *found, "byte for byte");
    }
}

#[test]
fn what_stands_still_is_not_computed_and_the_log_says_so() {
    let folder = Folder::new();
    let size = [160, 96];
    let input = stream(size, Colorspace::C420jpeg, &clip(size, [80, 48], 8));
    let counts = |log: &str| -> [u64; 2] {
        let line = log.lines().find(|line| line.contains("tiles computed")).unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        [words[1], words[3]].map(|word| word.parse().unwrap())
    };
    let (_, log) = enlarged(&folder, &EDSR, &input);
    let [computed, tiles] = counts(&log);
    assert_eq!(tiles, 5 * 15);
    assert!((15..60).contains(&computed), "{log}");
    assert!(log.contains("1 of 5 frames are equal to the one before"), "{log}");
    let (_, log) = enlarged(&folder, &[&EDSR[..], &["--no-skip"]].concat(), &input);
    assert_eq!(counts(&log), [tiles, tiles]);
    let whole = ["-m", "smsr-x2", "--device", "cpu", "--matrix", "601"];
    let (_, log) =
        enlarged(&folder, &whole, &stream([24, 16], Colorspace::Cmono, &clip([24, 16], [0, 0], 8)));
    assert_eq!(counts(&log), [3, 5], "the thing that moves has left the last two of such small frames");
    assert!(log.contains("as a whole or not at all"), "{log}");
}

#[test]
fn the_way_is_told_as_events() {
    let folder = Folder::new();
    let clip = clip(SIZE, [23, 14], 8);
    std::fs::write(folder.path("clip.y4m"), stream(SIZE, Colorspace::C420, &clip)).unwrap();
    let args = [&["clip.y4m", "-o", "large.y4m", "--progress", "json"], &EDSR[..]].concat();
    let Done { code, stderr, .. } = pipe(&folder, &args, &[]);
    assert_eq!(code, Some(0), "{stderr}");
    let events: Vec<serde_json::Value> =
        stderr.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let of = |name: &str| events.iter().filter(|event| event["event"] == name).collect::<Vec<_>>();
    let (start, progress, end) = (of("start"), of("progress"), of("end"));
    assert_eq!((&start[0]["input"], &start[0]["frames"]), (&"clip.y4m".into(), &5.into()), "{stderr}");
    assert_eq!(progress[0]["frame"], 1, "{stderr}");
    assert_eq!((&end[0]["frames"], &end[0]["cancelled"]), (&5.into(), &false.into()), "{stderr}");
    let computed = end[0]["computed"].as_f64().unwrap();
    assert!(computed > 0.2 && computed < 1.0, "{stderr}");
    assert!(events.iter().all(|event| event["v"] == 1), "{stderr}");
}

#[test]
fn the_header_goes_along() {
    let folder = Folder::new();
    let frame = [&b"FRAME\n"[..], &[128; 6 * 4 * 3 / 2]].concat();
    let of = |line: &str| {
        [format!("YUV4MPEG2 {line}\n").as_bytes(), &frame, b"FRAME Xnote\n", &frame[6..]].concat()
    };
    let header = "W6 H4 F30000:1001 Ip A12:11 C420jpeg XYSCSS=420JPEG XCOLORRANGE=FULL";
    let bytes = pipe(&folder, &EDSR, &of(header)).stdout;
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap();
    let expected = "YUV4MPEG2 W12 H8 F30000:1001 Ip A12:11 C420jpeg XYSCSS=420JPEG XCOLORRANGE=FULL";
    assert_eq!(String::from_utf8_lossy(line), expected);
    assert_eq!(read(&bytes).frames.len(), 2);
    let has_note = bytes.windows(12).any(|part| part == b"FRAME Xnote\n");
    assert!(has_note, "what a frame's own line says goes along");

    let Done { stdout, stderr, .. } =
        pipe(&folder, &[&EDSR[..], &["--range", "limited"]].concat(), &of(header));
    assert!(read(&stdout).header.ends_with("XCOLORRANGE=LIMITED"), "what the samples are");
    assert!(stderr.contains("its header says otherwise"), "{stderr}");
}

#[test]
fn a_matrix_that_nobody_named_is_said_aloud() {
    let folder = Folder::new();
    let input = |size: [usize; 2], colour| {
        stream(size, colour, &[[vec![90; size[0] * size[1]], vec![100; 4], vec![100; 4]]])
    };
    let unnamed = ["-m", "edsrmini-x2", "--device", "cpu"];
    let (_, log) = enlarged(&folder, &unnamed, &input([4, 3], Colorspace::C420));
    assert!(
        log.contains("warning: standard input: taken for BT.601, as 4x3 usually is: --matrix says"),
        "{log}"
    );
    let (_, log) = enlarged(&folder, &EDSR, &input([4, 3], Colorspace::C420));
    assert!(!log.contains("warning"), "{log}");
    let gray = stream([4, 3], Colorspace::Cmono, &[[vec![90; 12], vec![], vec![]]]);
    let (found, log) = enlarged(&folder, &unnamed, &gray);
    assert!(!log.contains("warning") && found.frames[0].len() == 48, "{log}");
}

/// Where the input ends in the middle of a frame, frames before it are in the output, and none after it.
#[test]
fn a_stream_that_is_cut_short_is_an_error() {
    let folder = Folder::new();
    let whole = stream([16, 8], Colorspace::C420jpeg, &clip([16, 8], [8, 4], 8));
    let frame = 6 + 16 * 8 * 3 / 2;
    for (cut, sentence) in [
        (1, "frame 5 ends early: expected 192 bytes, found 191; the output ends after 4 frames"),
        (frame + 100, "frame 4 ends early: expected 192 bytes, found 92; the output ends after 3 frames"),
        (frame - 3, "frame 5: expected a line of y4m, found `FRA`; the output ends after 4 frames"),
    ] {
        let Done { code, stdout, stderr } = pipe(&folder, &EDSR, &whole[..whole.len() - cut]);
        assert_eq!(code, Some(1));
        assert!(stderr.contains(&format!("error: standard input: {sentence}\n")), "{stderr}");
        let complete = read(&pipe(&folder, &EDSR, &whole).stdout).frames;
        let found = read(&stdout).frames;
        assert!((3..5).contains(&found.len()) && complete.starts_with(&found));
    }
    for (bytes, sentence) in [
        (&b""[..], "standard input: nothing is in it, where a y4m stream was expected"),
        (b"\x89PNG\r\n\x1a\n", "standard input: expected a y4m stream, which begins with YUV4MPEG2"),
        (
            b"YUV4MPEG2 W16 H8 It C420jpeg\n",
            "standard input: its frames are interlaced, the upper line first (It)",
        ),
        (b"YUV4MPEG2 W16 H8 C420p16\n", "standard input: its colour is C420p16"),
    ] {
        let Done { code, stdout, stderr } = pipe(&folder, &EDSR, bytes);
        assert_eq!((code, stdout.len()), (Some(1), 0), "{stderr}");
        assert!(stderr.lines().any(|line| line.starts_with(&format!("error: {sentence}"))), "{stderr}");
    }
}

#[test]
fn a_file_appears_whole_or_not_at_all() {
    let folder = Folder::new();
    let whole = stream([16, 8], Colorspace::C420jpeg, &clip([16, 8], [8, 4], 8));
    std::fs::write(folder.path("a.y4m"), &whole).unwrap();
    std::fs::write(folder.path("half.y4m"), &whole[..whole.len() - 9]).unwrap();
    let run = |args: &[&str]| folder.run(&[&["video"], args, &EDSR].concat());
    let done = run(&["a.y4m"]);
    assert!(done.success && done.stderr.is_empty() && done.stdout.is_empty(), "{}", done.stderr);
    let piped = pipe(&folder, &EDSR, &whole).stdout;
    assert!(std::fs::read(folder.path("a-x2.y4m")).unwrap() == piped, "a file is what a pipe gives");

    let before = contents(&folder.path(""));
    for (args, sentence) in [
        (
            &["half.y4m"][..],
            "half.y4m: frame 5 ends early: expected 192 bytes, found 183; there is no half-x2.y4m",
        ),
        (&["a.y4m"], "a-x2.y4m exists already: --force replaces it"),
        (&["a.y4m", "-o", "./a.y4m", "--force"], "./a.y4m would be written over itself"),
        (&["a.y4m", "-o", "a.mp4"], "a.mp4: expected a name that ends in .y4m"),
        (&["absent.y4m"], "absent.y4m: No such file"),
    ] {
        let done = run(args);
        assert_eq!(done.code, Some(1));
        assert!(done.stderr.starts_with(&format!("error: {sentence}")), "{}", done.stderr);
        assert!(contents(&folder.path("")) == before, "{args:?}");
    }
    std::fs::write(folder.path("a-x2.y4m"), "old").unwrap();
    assert!(run(&["a.y4m", "--force"]).success);
    assert!(std::fs::read(folder.path("a-x2.y4m")).unwrap() == piped);
}

/// Whoever reads the output ends before it does: an error, and soon.
#[test]
fn a_pipe_that_nobody_reads_any_more_is_an_error() {
    let folder = Folder::new();
    let mut child = start(&folder, &EDSR);
    let mut input = child.stdin.take().unwrap();
    let size = [64, 48];
    let frames: Vec<[Vec<u8>; 3]> = (0..40).flat_map(|_| clip(size, [32, 24], 8)).collect();
    let stream = stream(size, Colorspace::C420jpeg, &frames);
    let feeder = thread::spawn(move || drop(input.write_all(&stream)));
    let mut output = child.stdout.take().unwrap();
    output.read_exact(&mut [0; 200]).unwrap();
    drop(output);
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("error: standard output: who reads it ended after"), "{stderr}");
}

/// While the input waits for its next frame: what was enlarged is written, in whole frames, and the exit status tells.
#[cfg(unix)]
#[test]
fn an_interrupt_ends_between_frames() {
    let folder = Folder::new();
    let mut child = start(&folder, &EDSR);
    let mut input = child.stdin.take().unwrap();
    let whole = stream([16, 8], Colorspace::C420jpeg, &clip([16, 8], [8, 4], 8));
    input.write_all(&whole[..whole.len() - 50]).unwrap();
    let mut output = child.stdout.take().unwrap();
    let length = "YUV4MPEG2 W32 H16 F24000:1001 C420jpeg\n".len() + 4 * (6 + 32 * 16 * 3 / 2);
    let mut found = vec![0; length];
    output.read_exact(&mut found).unwrap();
    thread::sleep(Duration::from_millis(100));
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    output.read_to_end(&mut found).unwrap();
    let done = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(done.stderr).unwrap();
    assert_eq!((done.status.code(), found.len()), (Some(130), length), "{stderr}");
    assert_eq!(read(&found).frames.len(), 4);
    assert!(stderr.contains("error: stopped: the output ends after 4 frames"), "{stderr}");
    drop(input);
}
