//! What a caller may get wrong and a program must not fall over: each mistake is an error that says what was expected and
//! what was found. A test a trap.

mod support;

use sparsr::low_level::cpu;
use sparsr::low_level::gpu::Session;
use sparsr::low_level::graph::{Builder, Conv2d, Graph, Input, Op, Parameters, ResizeKind};
use sparsr::low_level::job::engine::{CpuEngine, Engine, GpuEngine, Made, Window};
use sparsr::low_level::plan::{self, Plan};
use sparsr::low_level::tensor::{Blocks, Parameter, Shape, Tensor};
use sparsr::{
    Cancel, Depth, Edge, Error, Facts, Model, Net, Options, PixelRows, Pixels, Result, Samples, Sink, Source,
    Sparsity, Tiling, Upscaler,
};
use support::engine::forward;
use support::{adapter, seeded};

/// The error says all of these words.
fn says<T>(what: &str, outcome: Result<T>, words: &[&str]) {
    let Err(error) = outcome else { panic!("{what}: nothing was refused") };
    let text = error.to_string();
    words.iter().for_each(|word| assert!(text.contains(word), "{what}: `{word}` is not in: {text}"));
}

fn tiny() -> Model {
    Model::from_weights("tiny", seeded::edsr(&seeded::TINY_EDSR)).unwrap()
}

fn on_cpu(model: &Model, tiling: Tiling, memory: Option<u64>) -> Upscaler {
    let mut options = Options::default();
    (options.tiling, options.memory) = (tiling, memory);
    Upscaler::on_cpu(model, options).unwrap()
}

#[test]
fn pictures_of_nothing_or_of_too_few_samples() {
    let picture = |width, height, samples| Pixels::new(width, height, samples);
    for (width, height) in [(0, 0), (0, 5), (5, 0)] {
        let said = format!("expected at least one pixel, found {width}x{height}");
        says("no pixel", picture(width, height, Samples::U8(vec![])), &["picture", &said]);
    }
    let said = ["picture: expected three samples for each of 2x2 pixels", "found 11 samples"];
    says("too few", picture(2, 2, Samples::U8(vec![0; 11])), &said);
    says("too many", picture(2, 2, Samples::U16(vec![0; 13])), &["2x2", "found 13 samples"]);
    // 3 · 2⁶² · 4 is 0 where it is cut to 64 bits.
    says(
        "more than can be counted",
        picture(usize::MAX / 4 + 1, 4, Samples::U8(vec![])),
        &["found 0 samples"],
    );
    assert!(picture(2, 2, Samples::U8(vec![0; 12])).is_ok());
}

#[test]
fn parts_and_words_of_nothing() {
    let picture = seeded::picture(4, 3, 1);
    for (x, y) in [(0..0, 0..3), (0..4, 2..2)] {
        says("an empty part", picture.part(x, y), &["picture", "at least one pixel"]);
    }
    let words =
        |width, height, depth, count: usize| Pixels::from_words(width, height, depth, &vec![0; count]);
    says("too few words", words(4, 3, Depth::Sixteen, 23), &["2 words for each of 4x3", "found 23"]);
    says("too many words", words(4, 3, Depth::Eight, 13), &["1 words for each of 4x3", "found 13"]);
    says("no words", words(0, 3, Depth::Eight, 0), &["at least one pixel, found 0x3"]);
}

#[test]
fn tensors_that_are_no_picture() {
    let made = |shape, range| Pixels::from_tensor(&Tensor::zeros(shape), range, Depth::Eight);
    for shape in [Shape::new(2, 3, 4, 4), Shape::new(1, 4, 4, 4), Shape::new(1, 0, 4, 4)] {
        says("not one RGB picture", made(shape, 1.0), &["expected 1x3xHxW", &shape.to_string()]);
    }
    says("no row", made(Shape::new(1, 3, 0, 4), 1.0), &["at least one pixel, found 4x0"]);
    for range in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        let said = format!("found {range}");
        says("white is no number", made(Shape::new(1, 3, 4, 4), range), &["above 0 for white", &said]);
    }
}

/// A picture that says what it likes of itself.
struct Told {
    picture: Pixels,
    size: [usize; 2],
    depth: Depth,
    /// Where it is, and how often it was begun again.
    at: usize,
    restarts: usize,
    /// What it gives: from these rows, of which time.
    gives: fn(&Told, usize) -> Pixels,
}

impl Told {
    /// A good one of 40×200.
    fn good() -> Self {
        let gives = |told: &Self, rows: usize| told.rows(told.at, rows);
        let (size, depth) = ([40, 200], Depth::Eight);
        Self { picture: seeded::picture(40, 200, 7), size, depth, at: 0, restarts: 0, gives }
    }

    fn rows(&self, from: usize, rows: usize) -> Pixels {
        self.picture.part(0..40, from..(from + rows).min(self.size[1])).unwrap()
    }
}

impl Source for Told {
    fn size(&self) -> [usize; 2] {
        self.size
    }

    fn depth(&self) -> Depth {
        self.depth
    }

    fn read(&mut self, rows: usize) -> Result<Pixels> {
        let given = (self.gives)(self, rows);
        self.at += rows;
        Ok(given)
    }

    fn restart(&mut self) -> Result<()> {
        (self.at, self.restarts) = (0, self.restarts + 1);
        Ok(())
    }
}

/// What comes of a source, in one piece and in tiles.
fn refused(what: &str, source: impl Fn() -> Told, words: &[&str]) {
    let model = tiny();
    for tiling in [Tiling::Whole, Tiling::Pixels(24)] {
        let mut rows: Vec<Pixels> = Vec::new();
        let outcome = on_cpu(&model, tiling, None).upscale_rows(&mut source(), &mut rows);
        says(&format!("{what}, {tiling:?}"), outcome, words);
        let made: usize = rows.iter().map(Pixels::height).sum();
        assert!(made < 400, "{what}: the sink has had the whole picture");
    }
}

#[test]
fn a_source_that_keeps_its_word_is_taken() {
    let mut rows: Vec<Pixels> = Vec::new();
    on_cpu(&tiny(), Tiling::Pixels(24), None).upscale_rows(&mut Told::good(), &mut rows).unwrap();
    assert_eq!(rows.iter().map(Pixels::height).sum::<usize>(), 400);
}

#[test]
fn sources_of_size_0() {
    for size in [[0, 200], [40, 0], [0, 0]] {
        let said = format!("source: expected at least one pixel, found {}x{}", size[0], size[1]);
        refused("no pixel", || Told { size, ..Told::good() }, &[&said]);
    }
}

#[test]
fn sources_that_are_too_large_to_count() {
    for size in [[usize::MAX, 1], [1, usize::MAX], [usize::MAX, usize::MAX], [1 << 20, 1 << 20]] {
        refused("too large", || Told { size, ..Told::good() }, &["too large", "2^40 pixels"]);
    }
}

#[test]
fn rows_of_uneven_width() {
    let narrow = |told: &Told, rows: usize| {
        let width = if told.at >= 64 { 39 } else { 40 };
        told.rows(told.at, rows).part(0..width, 0..rows.min(200 - told.at)).unwrap()
    };
    let words = ["source: expected 64 rows of 40 pixels", "from row 64 on", "found 64 of 39"];
    refused("a narrow band", || Told { gives: narrow, ..Told::good() }, &words);
    let wide = |_: &Told, rows: usize| seeded::picture(41, rows, 3);
    refused("wide bands", || Told { gives: wide, ..Told::good() }, &["of 40 pixels", "found 64 of 41"]);
}

#[test]
fn rows_of_another_depth_than_said() {
    let fine = |_: &Told, rows: usize| seeded::picture16(40, rows, 3);
    let words = ["Eight bits a sample", "found 64 of 40, Sixteen"];
    refused("16 bits", || Told { gives: fine, ..Told::good() }, &words);
    let words = ["Sixteen bits a sample", "found 64 of 40, Eight"];
    refused("8 bits", || Told { depth: Depth::Sixteen, ..Told::good() }, &words);
}

#[test]
fn too_many_or_too_few_rows() {
    let few = |told: &Told, rows: usize| told.rows(told.at, rows - 1);
    let words = ["expected 64 rows", "from row 0 on", "found 63"];
    refused("a row less", || Told { gives: few, ..Told::good() }, &words);
    let many = |_: &Told, rows: usize| seeded::picture(40, rows + 1, 3);
    refused("a row more", || Told { gives: many, ..Told::good() }, &["expected 64 rows", "found 65"]);
    // Of 200 rows the last time 8 are left.
    let last = |_: &Told, rows: usize| seeded::picture(40, rows, 3);
    let words = ["expected 8 rows", "from row 192 on", "found 64"];
    refused("more than there are", || Told { gives: last, ..Told::good() }, &words);
}

/// Networks of phases read their picture again: it must be the same one.
#[test]
fn a_source_that_begins_again_otherwise() {
    let other = |told: &Told, rows: usize| match told.restarts {
        0 => told.rows(told.at, rows),
        _ => seeded::picture(39, rows.min(200 - told.at), 3),
    };
    let mut source = Told { gives: other, ..Told::good() };
    let mut rows: Vec<Pixels> = Vec::new();
    let outcome = on_cpu(&seeded::tiny_smsr(), Tiling::Pixels(24), None).upscale_rows(&mut source, &mut rows);
    says("another width", outcome, &["source: expected 64 rows of 40 pixels", "found 64 of 39"]);
}

#[test]
fn a_sink_that_refuses() {
    struct Full;
    impl Sink for Full {
        fn write(&mut self, _: Pixels) -> Result<()> {
            Err(Error::Unsupported("the sink is full".into()))
        }
    }
    let picture = seeded::picture(40, 90, 1);
    let outcome = on_cpu(&tiny(), Tiling::Auto, None).upscale_rows(&mut PixelRows::new(&picture), &mut Full);
    says("a full sink", outcome, &["the sink is full"]);
}

#[test]
fn tiles_of_no_pixels() {
    let words = ["expected tiles of at least one pixel a side, found 0"];
    let outcome = on_cpu(&tiny(), Tiling::Pixels(0), None).upscale_pixels(&seeded::picture(9, 7, 1));
    says("tile 0", outcome, &words);
    let expected = on_cpu(&tiny(), Tiling::Auto, None).upscale_pixels(&seeded::picture(9, 7, 1)).unwrap();
    let found = on_cpu(&tiny(), Tiling::Pixels(1), None).upscale_pixels(&seeded::picture(9, 7, 1)).unwrap();
    assert!(found.pixels == expected.pixels, "tiles of one pixel are slow and right");
}

#[test]
fn memory_of_one_byte() {
    let words = ["CPU: expected at least", "bytes for a tile of 16 pixels", "allow more"];
    for (model, phases) in [(tiny(), false), (seeded::tiny_smsr(), true)] {
        for side in [9, 90, 300] {
            let picture = seeded::picture(side, side, 1);
            for memory in [0, 1, 2] {
                let outcome = on_cpu(&model, Tiling::Auto, Some(memory)).upscale_pixels(&picture);
                says(&format!("memory {memory}, {side} pixels, phases {phases}"), outcome, &words);
            }
            // Who asks for a size gets it.
            assert!(on_cpu(&model, Tiling::Whole, Some(1)).upscale_pixels(&picture).is_ok());
        }
    }
}

#[test]
fn little_memory_is_enough_for_tiles() {
    let picture = seeded::picture(150, 140, 1);
    let expected = on_cpu(&tiny(), Tiling::Whole, None).upscale_pixels(&picture).unwrap();
    let found = on_cpu(&tiny(), Tiling::Auto, Some(1 << 20)).upscale_pixels(&picture).unwrap();
    assert!(found.pixels == expected.pixels);
}

#[test]
fn memory_of_one_byte_on_a_gpu() {
    let Some(gpu) = adapter::gpu("memory_of_one_byte_on_a_gpu") else { return };
    let mut options = Options::default();
    options.memory = Some(1);
    let mut upscaler = Upscaler::new(&gpu, &tiny(), options.clone()).unwrap();
    let words = [gpu.name(), ": expected at least", "found 1;"];
    says("memory 1", upscaler.upscale_pixels(&seeded::picture(40, 30, 1)), &words);
    options.cpu_fallback = true;
    let mut upscaler = Upscaler::new(&gpu, &tiny(), options).unwrap();
    says("memory 1 on both", upscaler.upscale_pixels(&seeded::picture(40, 30, 1)), &words);
}

fn image(channels: usize, height: usize, width: usize) -> Shape {
    Shape::new(1, channels, height, width)
}

#[test]
fn graphs_of_no_channels_or_no_pixels() {
    for input in [image(0, 4, 4), image(3, 0, 4), image(3, 4, 0), Shape::new(0, 3, 4, 4)] {
        let said = format!("found {input}");
        let (mut b, x) = Builder::new("empty", input, 1.0);
        says("relu of nothing", b.relu("relu", x), &["relu", "at least one picture, channel", &said]);
        says("nothing itself", b.finish(x), &["input", "at least one picture, channel", &said]);
    }
    let (mut b, x) = Builder::new("graph", image(3, 4, 4), 1.0);
    for dims in [vec![0, 3, 3, 3], vec![4, 0, 3, 3], vec![4, 3, 0, 0], vec![0]] {
        let empty = Parameter::new(dims.clone(), vec![]);
        says(&format!("{dims:?}"), b.parameter("empty", &empty), &["empty: parameter expects at least one"]);
    }
    let given = b.append("given", Op::Input(Input { shape: image(0, 4, 4) }), &[]);
    says("an input of nothing", given, &["given: input expects at least one", "1x0x4x4"]);
    says(
        "a constant of nothing",
        b.constant("none", Tensor::zeros(image(0, 1, 1))),
        &["none: constant expects"],
    );
    says("no channel of some", b.slice("slice", x, 0, 0), &["slice"]);
    says("channels past the end", b.slice("slice", x, usize::MAX, 2), &["slice", "found 3"]);
    says("a scale of 0", b.resize("resize", x, ResizeKind::Nearest, 0), &["resize", "at least 1, found 0"]);
    says("a block of 0", b.average_pool("pool", x, 0), &["pool"]);
    let (mut b, x) = Builder::new("huge", image(1 << 20, 1 << 20, 1 << 22), 1.0);
    says("more than can be counted", b.relu("relu", x), &["relu", "no more numbers than can be counted"]);
}

#[test]
fn a_value_of_another_builder() {
    let (mut other, theirs) = Builder::new("other", image(5, 4, 4), 1.0);
    let far = (0..9).fold(theirs, |x, at| other.relu(format!("relu {at}"), x).unwrap());
    let near = other.relu("near", theirs).unwrap();
    for value in [theirs, near, far] {
        let (mut b, x) = Builder::new("own", image(3, 4, 4), 1.0);
        let own = b.relu("relu", x).unwrap();
        let said = format!("expected a value of this builder, found value {} of another", value.index());
        says("one input", b.relu("relu", value), &["relu", &said]);
        says("the second", b.add("sum", own, value), &["sum", &said]);
        says("a weight", b.conv2d("conv", x, value, Conv2d::same(1)), &["conv", &said]);
        assert_eq!(b.shape(value), Shape::new(0, 0, 0, 0), "nothing");
        says("an output", b.finish(value), &["output", &said]);
    }
    // Behind a graph its values are known, whoever made them.
    let (graph, _) = other.finish(far).unwrap();
    let mut behind = Builder::behind(&graph);
    let sum = behind.add("sum", near, graph.output()).unwrap();
    let (stranger, _) = Builder::new("stranger", image(5, 4, 4), 1.0);
    let (_, late) = Builder::new("late", image(5, 4, 4), 1.0);
    assert!(behind.relu("late", late).is_ok(), "the picture is the picture: value 0 of the graph");
    drop(stranger);
    assert!(behind.finish(sum).is_ok());
}

#[test]
fn graphs_without_outputs_or_without_white() {
    let (b, _) = Builder::new("mute", image(3, 4, 4), 1.0);
    let none: [(&str, _); 0] = [];
    says("no output", b.finish_all(none), &["mute: expected at least one output, found none"]);
    for white in [0.0, -255.0, f32::NAN, f32::INFINITY] {
        let (b, x) = Builder::new("white", image(3, 4, 4), white);
        says("white", b.finish(x), &["white: expected a finite number above 0", &format!("found {white}")]);
    }
}

/// A picture doubled.
fn doubled(input: Shape) -> (Graph, Parameters) {
    let (mut b, x) = Builder::new("doubled", input, 1.0);
    let y = b.resize("large", x, ResizeKind::Nearest, 2).unwrap();
    b.finish(y).unwrap()
}

#[test]
fn facts_of_nothing() {
    let net = |facts| {
        let (graph, parameters) = doubled(image(3, 4, 4));
        Net::from_graph(graph, parameters, facts)
    };
    assert!(net(Facts::scale(2)).is_ok());
    says("scale 0", net(Facts::scale(0)), &["doubled: expected a scale of at least 1, found 0"]);
    let sides = |alignment, smallest| Facts::scale(2).of_sides(alignment, smallest, Edge::Repeated);
    says("alignment 0", net(sides(0, 1)), &["doubled: expected a alignment of at least 1, found 0"]);
    says("side 0", net(sides(1, 0)), &["doubled: expected a smallest side of at least 1, found 0"]);
    assert_eq!(sides(0, 5).smallest(), image(3, 5, 5), "asked before anything is checked");
}

#[test]
fn a_graph_made_for_another_number_of_inputs() {
    let (graph, _) = doubled(image(3, 4, 4));
    let shape = image(3, 8, 8);
    says("none", graph.resized(&[]), &["doubled: expected a shape for each of 1 inputs, found 0"]);
    says("two", graph.resized(&[shape, shape]), &["1 inputs, found 2"]);
    says("nothing", graph.resized(&[image(3, 0, 8)]), &["input", "at least one", "1x3x0x8"]);
    // A network has one input, its picture.
    let (mut b, x) = Builder::new("two", shape, 1.0);
    let given = b.append("given", Op::Input(Input { shape }), &[]).unwrap();
    let sum = b.add("sum", x, given).unwrap();
    let (graph, parameters) = b.finish(sum).unwrap();
    let model = Net::from_graph(graph, parameters, Facts::scale(1)).map(Model::from).unwrap();
    let outcome = on_cpu(&model, Tiling::Auto, None).upscale_pixels(&seeded::picture(8, 8, 1));
    says("a network of two inputs", outcome, &["two: expected a shape for each of 2 inputs, found 1"]);
}

#[test]
fn numbers_of_another_graph() {
    let (mut b, x) = Builder::new("conv", image(3, 4, 4), 1.0);
    let y = seeded::conv(&mut b, "conv", x, 3, 3).unwrap();
    let (graph, parameters) = b.finish(y).unwrap();
    let picture = Tensor::zeros(image(3, 4, 4));
    assert!(cpu::run(&graph, &parameters, &picture).is_ok());
    let words = ["conv.weight: expected numbers of 3x3x3x3, found none"];
    says("none", cpu::run(&graph, &Parameters::new(), &picture), &words);
    says(
        "none, in training",
        cpu::run_all(&graph, &Parameters::new(), &[&picture], &mut Default::default()),
        &words,
    );
    let (mut b, x) = Builder::new("conv", image(3, 4, 4), 1.0);
    let y = seeded::conv(&mut b, "conv", x, 3, 1).unwrap();
    let (_, others) = b.finish(y).unwrap();
    let words = ["conv.weight: expected numbers of 3x3x3x3, found [3, 3, 1, 1]"];
    says("of another kernel", cpu::run(&graph, &others, &picture), &words);
}

#[test]
fn engines_that_are_asked_in_another_order() {
    let window =
        || Window { picture: Some(seeded::picture(8, 8, 1)), given: vec![], blocks: Blocks::default() };
    let mut engine = CpuEngine::new();
    says("collect first", engine.collect(&Cancel::default()), &["no window is under way"]);
    says("submit first", engine.submit(window(), &Cancel::default()), &["no phase is prepared"]);
    let Some(gpu) = adapter::gpu("engines_that_are_asked_in_another_order") else { return };
    let mut engine = GpuEngine::new(&gpu, Sparsity::Auto, 1 << 30);
    says("collect first", engine.collect(&Cancel::default()), &["no phase is prepared"]);
    says("submit first", engine.submit(window(), &Cancel::default()), &["no phase is prepared"]);
}

/// An engine that gives something else than was asked for.
#[derive(Debug)]
struct Other {
    engine: CpuEngine,
    gives: fn(Made) -> Made,
}

impl Engine for Other {
    fn name(&self) -> String {
        "other".into()
    }

    forward!(begin set_parameters footprint prepare is_ready submit);

    fn collect(&mut self, cancel: &Cancel) -> Result<Made> {
        Ok((self.gives)(self.engine.collect(cancel)?))
    }
}

#[test]
fn an_engine_that_gives_something_else() {
    type Change = fn(Made) -> Made;
    let cases: [(&str, Change, &str); 5] = [
        ("no picture", |made| Made { picture: None, ..made }, "found None"),
        ("a small one", |made| Made { picture: Some(seeded::picture(3, 3, 1)), ..made }, "[3, 3]"),
        ("of 16 bits", |made| Made { picture: Some(seeded::picture16(80, 60, 1)), ..made }, "Sixteen"),
        ("no values", |made| Made { kept: vec![], ..made }, "values of"),
        (
            "short ones",
            |made| Made { kept: made.kept.iter().map(|k| k[1..].to_vec()).collect(), ..made },
            "values of",
        ),
    ];
    let picture = seeded::picture(40, 30, 1);
    for (what, gives, word) in cases {
        let engine = Box::new(Other { engine: CpuEngine::new(), gives });
        let mut upscaler = Upscaler::on_engine(engine, &seeded::tiny_smsr(), Options::default());
        says(what, upscaler.upscale_pixels(&picture), &["other: expected", word]);
    }
}

/// The container of an image may be longer than its pixels.
#[cfg(feature = "image")]
#[test]
fn a_container_that_holds_more_than_its_picture() {
    use image::{DynamicImage, RgbImage};
    let long = RgbImage::from_raw(4, 3, (0..99).collect()).unwrap();
    let exact = RgbImage::from_raw(4, 3, (0..36).collect()).unwrap();
    let [found, expected] = [long, exact].map(|rgb| {
        on_cpu(&tiny(), Tiling::Auto, None).upscale(&DynamicImage::from(rgb)).unwrap().into_rgb8().into_raw()
    });
    assert!(found == expected);
}

#[test]
fn numbers_of_another_graph_on_a_gpu() {
    let Some(gpu) = adapter::gpu("numbers_of_another_graph_on_a_gpu") else { return };
    let model = tiny();
    let graph = model.graph(image(3, 8, 8)).unwrap();
    let plan = Plan::new(&graph, &plan::Options::default(), gpu.limits()).unwrap();
    let session = |parameters: &Parameters| Session::new(&gpu, &plan, parameters);
    says("none", session(&Parameters::new()), &["expected the numbers of the plan's parameters", "found 0"]);
    // What goes in is not what the plan takes.
    let mut session = session(model.net().numbers()).unwrap();
    let input = |shape| Tensor::zeros(shape);
    for shape in [image(3, 8, 9), image(4, 8, 8), Shape::new(2, 3, 8, 8)] {
        says("another shape", session.run_tensor(&input(shape)), &["expected", &shape.to_string()]);
    }
    says("a picture", session.run_pixels(&seeded::picture(8, 8, 1)), &["expected", "8x8"]);
    says("nothing", session.submit(None, &[]), &["expected the plan's inputs", "found []"]);
    says("too early", session.collect(), &["no run is under way"]);
    assert!(session.run_tensor(&input(image(3, 8, 8))).is_ok());
}
