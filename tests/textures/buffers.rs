//! Storage buffers as ends: the same texels as textures have, of any stride, and what cannot be is refused.

use sparsr::low_level::gpu::wgpu::{BufferUsages, TextureFormat};

use super::*;

/// What bytes between rows hold, before and behind.
const PADDING: u8 = 0xa5;

/// A buffer of a host's: rows of texels, so many bytes apart, from an offset on.
struct Rows {
    buffer: wgpu::Buffer,
    format: TextureFormat,
    size: [usize; 2],
    bytes_per_row: usize,
    offset: u64,
}

impl Rows {
    /// `padding` bytes behind each row.
    fn new(host: &Host, size: [usize; 2], format: TextureFormat, padding: usize, offset: u64) -> Self {
        let bytes_per_row = size[0] * format.block_copy_size(None).unwrap() as usize + padding;
        let bytes = offset as usize + size[1] * bytes_per_row;
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
        let buffer = host.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: bytes as u64,
            usage,
            mapped_at_creation: false,
        });
        host.queue.write_buffer(&buffer, 0, &vec![PADDING; bytes]);
        Self { buffer, format, size, bytes_per_row, offset }
    }

    fn ends(&self) -> Texels<'_> {
        Texels::in_buffer(self.buffer.slice(self.offset..), self.format, self.size, self.bytes_per_row)
    }

    /// Texels, row by row without gaps.
    fn write(&self, host: &Host, texels: &[u8]) {
        for (at, row) in texels.chunks_exact(texels.len() / self.size[1]).enumerate() {
            host.queue.write_buffer(&self.buffer, self.offset + (at * self.bytes_per_row) as u64, row);
        }
    }

    /// Texels without gaps; what is between them is as it was.
    fn read(&self, host: &Host) -> Vec<u8> {
        let bytes = host.read_buffer(&self.buffer);
        let (before, rows) = bytes.split_at(self.offset as usize);
        let row = self.size[0] * self.format.block_copy_size(None).unwrap() as usize;
        let mut gaps = before.iter().chain(rows.chunks_exact(self.bytes_per_row).flat_map(|all| &all[row..]));
        assert!(gaps.all(|byte| *byte == PADDING), "a byte between rows was written");
        rows.chunks_exact(self.bytes_per_row).flat_map(|all| all[..row].to_vec()).collect()
    }
}

fn encode(host: &Host, upscaler: &mut Upscaler, input: Texels<'_>, output: Texels<'_>) {
    let mut encoder = host.encoder();
    let mut ticket = upscaler.encode(&mut encoder, input, output).unwrap();
    host.queue.submit([encoder.finish()]);
    ticket.wait().unwrap();
}

#[test]
fn buffers_are_as_through_memory() {
    let Some(host) = Host::new("buffers_are_as_through_memory") else { return };
    let mut upscaler = host.upscaler(&seeded::tiny_smsr(), Options::default());
    let offset = u64::from(host.device.limits().min_storage_buffer_offset_alignment);
    for format in [
        TextureFormat::Rgba8Unorm,
        TextureFormat::Bgra8Unorm,
        TextureFormat::Rgba8UnormSrgb,
        TextureFormat::Rgba16Float,
        TextureFormat::Rgba32Float,
    ] {
        let is_float = matches!(format, TextureFormat::Rgba16Float | TextureFormat::Rgba32Float);
        for (width, padding, offset) in [(1, 0, 0), (2, 4, offset), (63, 12, 3 * offset), (65, 0, offset)] {
            let picture = match is_float {
                true => seeded::picture16(width, 5, 3),
                false => every_code(width, 5),
            };
            let small = texels(&picture, format, |_| 255);
            let picture = match format {
                TextureFormat::Rgba16Float => rounded(&small, width, 5),
                _ => picture,
            };
            let input = Rows::new(&host, [width, 5], format, padding, offset);
            let output = Rows::new(&host, [2 * width, 10], format, padding, offset);
            input.write(&host, &small);
            encode(&host, &mut upscaler, input.ends(), output.ends());
            let expected = texels(&upscaler.upscale_pixels(&picture).unwrap().pixels, format, |_| 255);
            assert!(output.read(&host) == expected, "{format:?}, {width} wide, {padding} between rows");
        }
    }
}

#[test]
fn a_buffer_and_a_texture_may_be_the_two_ends() {
    let Some(host) = Host::new("a_buffer_and_a_texture_may_be_the_two_ends") else { return };
    let mut upscaler = host.upscaler(&seeded::tiny_smsr(), Options::default());
    let (picture, format) = (every_code(33, 9), TextureFormat::Rgba8Unorm);
    let small = texels(&picture, format, alpha);
    let texture = host.texture([33, 9], format);
    host.write(&texture, &small);
    let expected = host.enlarge(&mut upscaler, &texture, format);

    let buffer = Rows::new(&host, [33, 9], format, 8, 0);
    buffer.write(&host, &small);
    let large = host.texture([66, 18], format);
    let [from, to] = [&texture, &large].map(|texture| texture.create_view(&Default::default()));
    encode(&host, &mut upscaler, buffer.ends(), Texels::from(&to));
    // Alpha is made of bytes by a shader where it is in a buffer, and by the device's own means where it is in a texture.
    let alike = |found: &[u8], way: &str| {
        let ((found_alpha, found), (alpha, expected)) = (apart(found, 1), apart(&expected, 1));
        assert!(found == expected, "{way} a buffer");
        assert!(found_alpha.iter().zip(&alpha).all(|(found, expected)| found.abs_diff(*expected) <= 1));
    };
    alike(&host.read(&large), "from");

    let wide = Rows::new(&host, [66, 18], format, 8, 0);
    encode(&host, &mut upscaler, Texels::from(&from), wide.ends());
    alike(&wide.read(&host), "into");
    // In parts, too.
    let again = Rows::new(&host, [66, 18], format, 8, 0);
    let mut parts = upscaler.begin_parts(&from, again.ends(), Some(3)).unwrap();
    let mut last = None;
    while !parts.is_done() {
        let mut encoder = host.encoder();
        last = upscaler.encode_part(&mut parts, &mut encoder, &from, again.ends()).unwrap();
        host.queue.submit([encoder.finish()]);
    }
    last.unwrap().wait().unwrap();
    assert!(again.read(&host) == wide.read(&host), "in parts");
}

#[test]
fn buffers_that_do_not_hold_what_is_said_are_refused() {
    let Some(host) = Host::new("buffers_that_do_not_hold_what_is_said_are_refused") else { return };
    let mut upscaler = host.upscaler(&seeded::tiny_smsr(), Options::default());
    let format = TextureFormat::Rgba8Unorm;
    let [input, output] = [[9, 8], [18, 16]].map(|size| Rows::new(&host, size, format, 0, 0));
    let mut refused = |from: Texels<'_>, to: Texels<'_>, said: &str| {
        let error = upscaler.encode(&mut host.encoder(), from, to).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
    };
    let (small, large) = (input.buffer.slice(..), output.buffer.slice(..));
    let at = |size, bytes| Texels::in_buffer(small, format, size, bytes);
    refused(at([9, 8], 32), output.ends(), "expected rows of at least 36 bytes, a multiple of 4, found 32");
    refused(at([9, 8], 38), output.ends(), "a multiple of 4, found 38");
    refused(at([9, 9], 36), output.ends(), "expected at least 324 bytes for 9x9 texels, found 288");
    refused(at([0, 8], 36), output.ends(), "expected at least one texel, found 0x8");
    refused(at([usize::MAX, 8], 36), output.ends(), "expected rows of at least");
    refused(at([9, usize::MAX], 36), output.ends(), "expected at least");
    refused(
        Texels::in_buffer(input.buffer.slice(4..), format, [9, 7], 36),
        output.ends(),
        "expected a slice that begins at a multiple of",
    );
    let gray = Texels::in_buffer(small, TextureFormat::R8Unorm, [9, 8], 36);
    refused(gray, output.ends(), "expected texels of Rgba8Unorm");
    let odd = Texels::in_buffer(large, format, [18, 15], 72);
    refused(input.ends(), odd, "expected 18x16 pixels, 2 times the input's, found 18x15");
    let within = Texels::in_buffer(large, format, [9, 8], 36);
    refused(within, output.ends(), "expected an output in another buffer");
    let plain = host.device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: 288,
        usage: BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    let plain = Texels::in_buffer(plain.slice(..), format, [9, 8], 36);
    refused(plain, output.ends(), "the input buffer: expected the usage");
}

#[test]
fn numbers_that_are_not_finite_are_told_of() {
    let Some(host) = Host::new("numbers_that_are_not_finite_are_told_of") else { return };
    let mut upscaler = host.upscaler(&seeded::tiny_smsr(), Options::default());
    for (format, bytes) in [
        (TextureFormat::Rgba16Float, f16::INFINITY.to_le_bytes().to_vec()),
        (TextureFormat::Rgba32Float, f32::NAN.to_le_bytes().to_vec()),
    ] {
        let [input, output] = [[9, 8], [18, 16]].map(|size| Rows::new(&host, size, format, 0, 0));
        let mut all = vec![0; input.bytes_per_row * 8];
        all[4 * bytes.len() * 30..][..bytes.len()].copy_from_slice(&bytes);
        input.write(&host, &all);
        let mut encoder = host.encoder();
        let mut ticket = upscaler.encode(&mut encoder, input.ends(), output.ends()).unwrap();
        host.queue.submit([encoder.finish()]);
        let error = ticket.wait().unwrap_err();
        assert!(error.to_string().contains("1 pixels of the input are not finite"), "{format:?}: {error}");
    }
}
