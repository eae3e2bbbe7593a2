//! What is made once: adapters listed and opened, pipelines made by several threads, kept from one start to the next.

#[path = "support/adapter.rs"]
mod adapter;
#[path = "support/seeded.rs"]
#[allow(dead_code, reason = "each test uses a part")]
mod seeded;
#[path = "support/skip.rs"]
mod skip;

use std::path::Path;
use std::{fs, thread};

use sparsr::low_level::gpu::wgpu;
use sparsr::{AdapterKind, Feature, Gpu, Options, Pixels, Upscaler};

fn enlarged(gpu: &Gpu) -> Pixels {
    let mut upscaler = Upscaler::new(gpu, &seeded::tiny_smsr(), Options::default()).unwrap();
    upscaler.upscale_pixels(&seeded::picture(21, 13, 5)).unwrap().pixels
}

/// A device of a host that asked for pipeline caches, if there is one.
fn with_cache() -> Option<Gpu> {
    let adapter = pollster::block_on(wgpu::Instance::default().request_adapter(&Default::default())).unwrap();
    let required_features = wgpu::Features::PIPELINE_CACHE;
    let descriptor = wgpu::DeviceDescriptor { required_features, ..Default::default() };
    let (device, queue) = pollster::block_on(adapter.request_device(&descriptor)).ok()?;
    Some(Gpu::from_device(device, queue).unwrap())
}

#[test]
fn a_file_of_pipelines_is_whole_and_a_damaged_one_harmless() {
    let test = "a_file_of_pipelines_is_whole_and_a_damaged_one_harmless";
    let Some(gpu) = adapter::gpu(test) else { return };
    let expected = enlarged(&gpu.without(Feature::Subgroups));
    if with_cache().is_none() {
        skip::told(format_args!("{test}, since the device keeps no pipelines"));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("not there yet").join("pipelines");
    let run = |path: &Path| {
        let gpu = with_cache().unwrap().keeping_pipelines_in(path);
        assert!(enlarged(&gpu) == expected, "with what is in the file");
    };
    run(&path);
    let whole = fs::read(&path).unwrap();
    assert!(whole.starts_with(b"sparsrP1") && whole.len() > 32, "{} bytes", whole.len());
    run(&path);

    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x40;
        bytes
    };
    let foreign = [&whole[..16], b"not what a driver gave"].concat();
    for bytes in [vec![], whole[..whole.len() - 1].to_vec(), foreign, flipped(9), flipped(whole.len() - 1)] {
        fs::write(&path, &bytes).unwrap();
        run(&path);
        let written = fs::read(&path).unwrap();
        assert!(written.starts_with(b"sparsrP1") && written != bytes, "a damaged file is replaced");
    }
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no temporary file stays");
    run(folder.path()); // a folder cannot be written as a file
}

#[test]
fn software_keeps_no_pipelines() {
    let Some(_) = adapter::gpu("software_keeps_no_pipelines") else { return };
    let adapters = sparsr::adapters();
    let folder = tempfile::tempdir().unwrap();
    for (at, adapter) in adapters.iter().enumerate() {
        let path = folder.path().join(at.to_string());
        let gpu = Gpu::open_with_cache(adapter, &path).unwrap();
        enlarged(&gpu);
        drop(gpu);
        assert!(adapter.kind != AdapterKind::Software || !path.exists(), "{}", adapter.name);
    }
}

#[test]
fn an_adapter_opens_whether_it_was_just_listed_or_not() {
    let Some(gpu) = adapter::gpu("an_adapter_opens_whether_it_was_just_listed_or_not") else { return };
    let adapters = sparsr::adapters();
    let adapter = adapters.iter().find(|adapter| adapter.name == gpu.name()).unwrap();
    let mut gone = adapter.clone();
    gone.index = adapters.len();
    assert!(Gpu::open(&gone).unwrap_err().to_string().ends_with("the adapter is gone"));
    for _ in 0..2 {
        assert_eq!(Gpu::open(adapter).unwrap().name(), adapter.name);
    }
}

#[test]
fn one_device_makes_pipelines_for_several_threads() {
    let Some(gpu) = adapter::gpu("one_device_makes_pipelines_for_several_threads") else { return };
    let expected = enlarged(&gpu);
    let adapters = sparsr::adapters();
    let adapter = adapters.iter().find(|adapter| adapter.name == gpu.name()).unwrap();
    let fresh = Gpu::open(adapter).unwrap();
    let limits = gpu.limits().subgroup_lanes;
    let fresh = if limits.is_none() { fresh.without(Feature::Subgroups) } else { fresh };
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| assert!(enlarged(&fresh) == expected));
        }
    });
}
