//! Textures and buffers in and out on a host's device: the same pictures as through the host's memory, to the last bit.

#[path = "textures/buffers.rs"]
mod buffers;
mod support;

use half::f16;
use sparsr::low_level::gpu::wgpu::{self, TextureFormat};
use sparsr::low_level::tensor::Parameter;
use sparsr::low_level::weights::Weights;
use sparsr::{Depth, Error, Gpu, Model, Options, Pixels, Samples, Texels, TextureAlpha, Tiling, Upscaler};
use support::{adapter, seeded};

/// A host with a device of its own.
struct Host {
    device: wgpu::Device,
    queue: wgpu::Queue,
}

impl Host {
    fn new(test: &str) -> Option<Self> {
        adapter::gpu(test)?;
        let instance = wgpu::Instance::default();
        let adapter = pollster::block_on(instance.request_adapter(&Default::default())).unwrap();
        let descriptor = wgpu::DeviceDescriptor { required_limits: adapter.limits(), ..Default::default() };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor)).unwrap();
        Some(Self { device, queue })
    }

    fn upscaler(&self, model: &Model, options: Options) -> Upscaler {
        let gpu = Gpu::from_device(self.device.clone(), self.queue.clone()).unwrap();
        Upscaler::new(&gpu, model, options).unwrap()
    }

    fn encoder(&self) -> wgpu::CommandEncoder {
        self.device.create_command_encoder(&Default::default())
    }

    fn texture(&self, [width, height]: [usize; 2], format: TextureFormat) -> wgpu::Texture {
        self.viewed(width, height, format, &[])
    }

    fn viewed(
        &self,
        width: usize,
        height: usize,
        format: TextureFormat,
        views: &[TextureFormat],
    ) -> wgpu::Texture {
        self.device.create_texture(&wgpu::TextureDescriptor {
            label: None,
            size: wgpu::Extent3d { width: width as u32, height: height as u32, depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format,
            usage: wgpu::TextureUsages::TEXTURE_BINDING
                | wgpu::TextureUsages::RENDER_ATTACHMENT
                | wgpu::TextureUsages::COPY_SRC
                | wgpu::TextureUsages::COPY_DST,
            view_formats: views,
        })
    }

    /// Texels, row by row without gaps.
    fn write(&self, texture: &wgpu::Texture, texels: &[u8]) {
        let layout = wgpu::TexelCopyBufferLayout {
            offset: 0,
            bytes_per_row: Some(texels.len() as u32 / texture.height()),
            rows_per_image: None,
        };
        self.queue.write_texture(texture.as_image_copy(), texels, layout, texture.size());
    }

    fn read(&self, texture: &wgpu::Texture) -> Vec<u8> {
        let row = texture.width() * texture.format().block_copy_size(None).unwrap();
        let pitch = row.next_multiple_of(256);
        let buffer = self.mappable(u64::from(pitch * texture.height()));
        let mut encoder = self.encoder();
        let layout =
            wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(pitch), rows_per_image: None };
        let to = wgpu::TexelCopyBufferInfo { buffer: &buffer, layout };
        encoder.copy_texture_to_buffer(texture.as_image_copy(), to, texture.size());
        let bytes = self.mapped(encoder, &buffer);
        bytes.chunks_exact(pitch as usize).flat_map(|padded| padded[..row as usize].to_vec()).collect()
    }

    fn read_buffer(&self, from: &wgpu::Buffer) -> Vec<u8> {
        let buffer = self.mappable(from.size());
        let mut encoder = self.encoder();
        encoder.copy_buffer_to_buffer(from, 0, &buffer, 0, from.size());
        self.mapped(encoder, &buffer)
    }

    fn mappable(&self, size: u64) -> wgpu::Buffer {
        self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size,
            usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
            mapped_at_creation: false,
        })
    }

    /// What a buffer holds when these commands have run.
    fn mapped(&self, encoder: wgpu::CommandEncoder, buffer: &wgpu::Buffer) -> Vec<u8> {
        self.queue.submit([encoder.finish()]);
        buffer.map_async(wgpu::MapMode::Read, .., |mapped| mapped.unwrap());
        self.device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
        buffer.get_mapped_range(..).unwrap().to_vec()
    }

    /// From texture to texture: what the output then holds.
    fn enlarge(&self, upscaler: &mut Upscaler, input: &wgpu::Texture, format: TextureFormat) -> Vec<u8> {
        let scale = upscaler.model().scale();
        let size = [input.width(), input.height()].map(|side| scale * side as usize);
        let output = self.texture(size, format);
        let mut encoder = self.encoder();
        let [from, to] = [input, &output].map(|texture| texture.create_view(&Default::default()));
        let mut ticket = upscaler.encode(&mut encoder, &from, &to).unwrap();
        assert!(!ticket.poll().unwrap(), "nothing is submitted yet");
        self.queue.submit([encoder.finish()]);
        ticket.wait().unwrap();
        self.read(&output)
    }
}

/// An alpha that differs from pixel to pixel.
fn alpha(at: usize) -> u8 {
    (at * 53 % 256) as u8
}

/// The picture as texels of a format, with an alpha.
fn texels(pixels: &Pixels, format: TextureFormat, alpha: impl Fn(usize) -> u8) -> Vec<u8> {
    let of = |at: usize, rgb: [f32; 3]| -> Vec<u8> {
        let [r, g, b, a] = [rgb[0], rgb[1], rgb[2], f32::from(alpha(at)) / 255.0];
        let bytes = |all: [f32; 4]| all.map(|number| (number * 255.0).round() as u8).to_vec();
        match format.remove_srgb_suffix() {
            TextureFormat::Rgba8Unorm => bytes([r, g, b, a]),
            TextureFormat::Bgra8Unorm => bytes([b, g, r, a]),
            TextureFormat::Rgba16Float => {
                [r, g, b, a].iter().flat_map(|number| f16::from_f32(*number).to_le_bytes()).collect()
            }
            _ => [r, g, b, a].iter().flat_map(|number| number.to_le_bytes()).collect(),
        }
    };
    let white = pixels.depth().white();
    let numbers: Vec<f32> = match pixels.samples() {
        Samples::U8(samples) => samples.iter().map(|sample| f32::from(*sample) / white).collect(),
        Samples::U16(samples) => samples.iter().map(|sample| f32::from(*sample) / white).collect(),
    };
    numbers.as_chunks::<3>().0.iter().enumerate().flat_map(|(at, rgb)| of(at, *rgb)).collect()
}

/// Every fourth number of texels, and the others.
fn apart(texels: &[u8], bytes: usize) -> (Vec<u8>, Vec<u8>) {
    let (alphas, colours): (Vec<_>, Vec<_>) =
        texels.chunks_exact(bytes).enumerate().partition(|(at, _)| at % 4 == 3);
    let joined = |parts: Vec<(usize, &[u8])>| parts.into_iter().flat_map(|(_, part)| part.to_vec()).collect();
    (joined(alphas), joined(colours))
}

#[test]
fn every_width_is_as_through_memory() {
    let Some(host) = Host::new("every_width_is_as_through_memory") else { return };
    let model = seeded::tiny_smsr();
    let mut upscaler = host.upscaler(&model, Options::default());
    for width in 1..=130 {
        let picture = seeded::picture(width, 1 + width % 7, width as u64);
        let input = host.texture([width, picture.height()], TextureFormat::Rgba8Unorm);
        host.write(&input, &texels(&picture, TextureFormat::Rgba8Unorm, |_| 255));
        let found = host.enlarge(&mut upscaler, &input, TextureFormat::Rgba8Unorm);
        let expected = upscaler.upscale_pixels(&picture).unwrap().pixels;
        assert!(found == texels(&expected, TextureFormat::Rgba8Unorm, |_| 255), "{width} wide");
    }
}

#[test]
fn every_format_is_as_through_memory() {
    let Some(host) = Host::new("every_format_is_as_through_memory") else { return };
    let model = seeded::tiny_smsr();
    let mut upscaler = host.upscaler(&model, Options::default());
    let formats = [
        TextureFormat::Rgba8Unorm,
        TextureFormat::Bgra8Unorm,
        TextureFormat::Rgba8UnormSrgb,
        TextureFormat::Bgra8UnormSrgb,
        TextureFormat::Rgba16Float,
        TextureFormat::Rgba32Float,
    ];
    for format in formats {
        let is_float = matches!(format, TextureFormat::Rgba16Float | TextureFormat::Rgba32Float);
        for width in [1, 2, 3, 63, 64, 65, 130] {
            let picture = match is_float {
                true => seeded::picture16(width, 5, 3),
                false => every_code(width, 5),
            };
            let input = host.texture([width, 5], format);
            let small = texels(&picture, format, |_| 255);
            host.write(&input, &small);
            // What a half cannot hold is not there.
            let picture = match format {
                TextureFormat::Rgba16Float => rounded(&small, width, 5),
                _ => picture,
            };
            let found = host.enlarge(&mut upscaler, &input, format);
            let expected = upscaler.upscale_pixels(&picture).unwrap().pixels;
            assert!(found == texels(&expected, format, |_| 255), "{format:?}, {width} wide");
        }
    }
}

/// Every code from 0 to 255 in turn.
fn every_code(width: usize, height: usize) -> Pixels {
    Pixels::new(width, height, Samples::U8((0..3 * width * height).map(|at| (at * 7 % 256) as u8).collect()))
        .unwrap()
}

/// The 16-bit picture that texels of halves are.
fn rounded(texels: &[u8], width: usize, height: usize) -> Pixels {
    let numbers = texels.as_chunks::<2>().0.iter().map(|bytes| f16::from_le_bytes(*bytes).to_f32());
    let samples = numbers.map(|number| (number.clamp(0.0, 1.0) * 65535.0).round_ties_even() as u16);
    let colours = samples.enumerate().filter(|(at, _)| at % 4 != 3).map(|(_, sample)| sample);
    Pixels::new(width, height, Samples::U16(colours.collect())).unwrap()
}

#[test]
fn depths_may_differ_and_views_may_have_another_format() {
    let Some(host) = Host::new("depths_may_differ_and_views_may_have_another_format") else { return };
    let mut upscaler = host.upscaler(&seeded::tiny_smsr(), Options::default());
    let picture = every_code(33, 9);
    let input = host.viewed(33, 9, TextureFormat::Rgba8Unorm, &[TextureFormat::Rgba8UnormSrgb]);
    host.write(&input, &texels(&picture, TextureFormat::Rgba8Unorm, |_| 255));
    let output = host.texture([66, 18], TextureFormat::Rgba32Float);
    let format = Some(TextureFormat::Rgba8UnormSrgb);
    let from = input.create_view(&wgpu::TextureViewDescriptor { format, ..Default::default() });
    let to = output.create_view(&Default::default());
    let mut encoder = host.encoder();
    let from = Texels::from(&from).viewed_as(TextureFormat::Rgba8UnormSrgb);
    let mut ticket = upscaler.encode(&mut encoder, from, &to).unwrap();
    host.queue.submit([encoder.finish()]);
    ticket.wait().unwrap();

    let numbers: Vec<f32> = bytemuck::pod_collect_to_vec(&host.read(&output));
    let codes = numbers.iter().map(|number| (number * 255.0).round() as u8).enumerate();
    let codes: Vec<u8> = codes.filter(|(at, _)| at % 4 != 3).map(|(_, code)| code).collect();
    let Samples::U8(expected) = upscaler.upscale_pixels(&picture).unwrap().pixels.samples().clone() else {
        unreachable!("8 bits")
    };
    let farthest = codes.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(farthest <= Some(1), "rounded once in 16 bits and once in 8: {farthest:?}");
}

#[test]
fn alpha_is_enlarged_or_one() {
    let Some(host) = Host::new("alpha_is_enlarged_or_one") else { return };
    let picture = every_code(7, 5);
    let input = host.texture([7, 5], TextureFormat::Rgba8Unorm);
    host.write(&input, &texels(&picture, TextureFormat::Rgba8Unorm, alpha));
    let mut options = Options::default();
    let mut enlarged = host.upscaler(&seeded::tiny_smsr(), options.clone());
    options.texture_alpha = TextureAlpha::Opaque;
    let mut opaque = host.upscaler(&seeded::tiny_smsr(), options);
    let (found, colours) = apart(&host.enlarge(&mut enlarged, &input, TextureFormat::Rgba8Unorm), 1);
    let (ones, same) = apart(&host.enlarge(&mut opaque, &input, TextureFormat::Rgba8Unorm), 1);
    assert!(ones.iter().all(|alpha| *alpha == 255) && colours == same);
    // Textbook: the four nearest, by their distance.
    for (at, found) in found.iter().enumerate() {
        let place = |at: usize, length: usize| {
            let from = ((at as f64 + 0.5) / 2.0 - 0.5).clamp(0.0, length as f64 - 1.0);
            (from as usize, (from as usize + 1).min(length - 1), from.fract())
        };
        let ((left, right, s), (top, bottom, t)) = (place(at % 14, 7), place(at / 14, 5));
        let of = |x: usize, y: usize| f64::from(alpha(y * 7 + x));
        let row = |y: usize| of(left, y) * (1.0 - s) + of(right, y) * s;
        let expected = row(top) * (1.0 - t) + row(bottom) * t;
        assert!((expected - f64::from(*found)).abs() <= 0.51, "{at}: {expected} {found}");
    }
}

#[test]
fn pictures_in_parts_are_the_same_and_nobody_comes_between() {
    let Some(host) = Host::new("pictures_in_parts_are_the_same_and_nobody_comes_between") else { return };
    let model = seeded::tiny_smsr();
    let mut upscaler = host.upscaler(&model, Options::default());
    let picture = every_code(40, 21);
    let input = host.texture([40, 21], TextureFormat::Rgba8Unorm);
    host.write(&input, &texels(&picture, TextureFormat::Rgba8Unorm, |_| 255));
    let expected = host.enlarge(&mut upscaler, &input, TextureFormat::Rgba8Unorm);
    let output = host.texture([80, 42], TextureFormat::Rgba8Unorm);
    let [from, to] = [&input, &output].map(|texture| texture.create_view(&Default::default()));
    for count in [Some(1), Some(2), Some(7), None] {
        let mut parts = upscaler.begin_parts(&from, &to, count).unwrap();
        let mut last = None;
        while !parts.is_done() {
            let mut encoder = host.encoder();
            last = upscaler.encode_part(&mut parts, &mut encoder, &from, &to).unwrap();
            host.queue.submit([encoder.finish()]);
            if count == Some(7) && !parts.is_done() {
                let error = upscaler.encode(&mut host.encoder(), &from, &to).unwrap_err();
                assert!(error.to_string().contains("a picture in parts is on its way"), "{error}");
                // Through memory it may go meanwhile: those are other buffers.
                upscaler.upscale_pixels(&picture).unwrap();
            }
        }
        let error = upscaler.encode_part(&mut parts, &mut host.encoder(), &from, &to).unwrap_err();
        assert!(error.to_string().contains("all parts"), "{error}");
        last.unwrap().wait().unwrap();
        assert!(host.read(&output) == expected, "{count:?}");
    }
    // What was dropped in the middle holds nobody up.
    let mut parts = upscaler.begin_parts(&from, &to, Some(3)).unwrap();
    upscaler.encode_part(&mut parts, &mut host.encoder(), &from, &to).unwrap();
    drop(parts);
    upscaler.encode(&mut host.encoder(), &from, &to).unwrap();
}

#[test]
fn many_frames_may_be_recorded_ahead() {
    let Some(host) = Host::new("many_frames_may_be_recorded_ahead") else { return };
    let mut upscaler = host.upscaler(&seeded::tiny_smsr(), Options::default());
    let mut encoder = host.encoder();
    let frames: Vec<_> = (0..5)
        .map(|frame| {
            let picture = seeded::picture(20 + frame % 2, 11, frame as u64);
            let size = [picture.width(), picture.height()];
            let input = host.texture(size, TextureFormat::Bgra8Unorm);
            host.write(&input, &texels(&picture, TextureFormat::Bgra8Unorm, |_| 255));
            let output = host.texture(size.map(|side| 2 * side), TextureFormat::Bgra8Unorm);
            let [from, to] = [&input, &output].map(|texture| texture.create_view(&Default::default()));
            let ticket = upscaler.encode(&mut encoder, &from, &to).unwrap();
            (picture, output, ticket)
        })
        .collect();
    host.queue.submit([encoder.finish()]);
    for (picture, output, mut ticket) in frames {
        ticket.wait().unwrap();
        let expected = upscaler.upscale_pixels(&picture).unwrap().pixels;
        assert!(host.read(&output) == texels(&expected, TextureFormat::Bgra8Unorm, |_| 255));
    }
}

#[test]
fn a_picture_that_is_not_to_be_trusted_is_told_of() {
    let Some(host) = Host::new("a_picture_that_is_not_to_be_trusted_is_told_of") else { return };
    let mut upscaler = host.upscaler(&seeded::tiny_smsr(), Options::default());
    let [input, output] = [[9, 8], [18, 16]].map(|size| host.texture(size, TextureFormat::Rgba32Float));
    let mut numbers = vec![0.5_f32; 4 * 72];
    numbers[4 * 30 + 1] = f32::NAN;
    host.write(&input, bytemuck::cast_slice(&numbers));
    let [from, to] = [&input, &output].map(|texture| texture.create_view(&Default::default()));
    let mut encoder = host.encoder();
    let mut ticket = upscaler.encode(&mut encoder, &from, &to).unwrap();
    host.queue.submit([encoder.finish()]);
    let error = ticket.wait().unwrap_err();
    assert!(error.to_string().contains("1 pixels of the input are not finite"), "{error}");
    assert!(ticket.poll().is_err(), "and it stays so");

    // A network that overflows.
    let tensors = seeded::edsr(&seeded::TINY_EDSR);
    let huge = tensors.iter().map(|(name, tensor)| {
        let gain = if name.starts_with("tail") { 1e38 } else { 1.0 };
        let values: Vec<f32> = tensor.values().iter().map(|value| gain * value).collect();
        (name.to_owned(), Parameter::new(tensor.dims(), values))
    });
    let model = Model::from_weights("huge", Weights::new("huge", huge)).unwrap();
    let mut overflowing = host.upscaler(&model, Options::default());
    let scale = model.scale();
    let [input, output] =
        [[9, 8], [9 * scale, 8 * scale]].map(|size| host.texture(size, TextureFormat::Rgba8Unorm));
    host.write(&input, &[200; 4 * 72]);
    let [from, to] = [&input, &output].map(|texture| texture.create_view(&Default::default()));
    let mut encoder = host.encoder();
    let mut ticket = overflowing.encode(&mut encoder, &from, &to).unwrap();
    host.queue.submit([encoder.finish()]);
    let error = ticket.wait().unwrap_err();
    assert!(error.to_string().contains("pixels were never written, or are not finite"), "{error}");

    // Commands that are dropped.
    let mut encoder = host.encoder();
    let mut ticket = overflowing.encode(&mut encoder, &from, &to).unwrap();
    drop(encoder);
    let error = ticket.wait().unwrap_err();
    assert!(error.to_string().contains("never submitted"), "{error}");
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_recorded() {
    let Some(host) = Host::new("what_cannot_be_is_refused_before_anything_is_recorded") else { return };
    let model = seeded::tiny_smsr();
    let mut upscaler = host.upscaler(&model, Options::default());
    let view = |texture: &wgpu::Texture| texture.create_view(&Default::default());
    let small = host.texture([9, 8], TextureFormat::Rgba8Unorm);
    let large = host.texture([18, 16], TextureFormat::Rgba8Unorm);
    let refused = |upscaler: &mut Upscaler, input: &wgpu::Texture, output: &wgpu::Texture, said: &str| {
        let mut encoder = host.encoder();
        let error = upscaler.encode(&mut encoder, &view(input), &view(output)).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
    };
    let odd = host.texture([18, 15], TextureFormat::Rgba8Unorm);
    refused(&mut upscaler, &small, &odd, "expected 18x16 pixels, 2 times the input's, found 18x15");
    let gray = host.texture([18, 16], TextureFormat::R8Unorm);
    refused(&mut upscaler, &small, &gray, "expected texels of Rgba8Unorm");
    let mut on_cpu = Upscaler::on_cpu(&model, Options::default()).unwrap();
    refused(&mut on_cpu, &small, &large, "textures and buffers need an upscaler on a GPU");
    let mut options = Options::default();
    options.memory = Some(1 << 16);
    options.tiling = Tiling::Whole;
    let mut narrow = host.upscaler(&model, options);
    refused(&mut narrow, &small, &large, "in one piece");
    assert_eq!(Texels::from(&view(&small)).depth().unwrap(), Depth::Eight);
    assert!(matches!(Texels::from(&view(&gray)).depth(), Err(Error::Unsupported(_))));
}
