//! An application's own wgpu device: it draws a frame, has a picture enlarged on the same device, and draws on.
//! `cargo run --release --example host_device`

use sparsr::{Gpu, Model, Options, Pixels, Samples, Upscaler};

const SIDE: u32 = 64;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let instance = wgpu::Instance::default();
    let Ok(adapter) = pollster::block_on(instance.request_adapter(&Default::default())) else {
        println!("no GPU here, and no software adapter: nothing to show");
        return Ok(());
    };
    // The application asks for what it needs; for large pictures, for its adapter's limits.
    let wanted = wgpu::DeviceDescriptor { required_limits: adapter.limits(), ..Default::default() };
    let (device, queue) = pollster::block_on(adapter.request_device(&wanted))?;
    let target = device.create_texture(&wgpu::TextureDescriptor {
        label: Some("frame"),
        size: wgpu::Extent3d { width: SIDE, height: SIDE, depth_or_array_layers: 1 },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format: wgpu::TextureFormat::Rgba8Unorm,
        usage: wgpu::TextureUsages::RENDER_ATTACHMENT,
        view_formats: &[],
    });

    let gpu = Gpu::from_device(device.clone(), queue.clone())?; // both are handles: the application keeps its own
    let mut upscaler = Upscaler::new(&gpu, &Model::builtin("smsr-x2")?, Options::default())?;
    let picture = Pixels::new(24, 16, Samples::U8((0..3 * 24 * 16).map(|at| (at * 7 % 256) as u8).collect()));
    for frame in 0..3 {
        draw(&device, &queue, &target, f64::from(frame) / 2.0);
        let large = upscaler.upscale_pixels(&picture)?;
        println!("frame {frame}: {}×{} on {}", large.pixels.width(), large.pixels.height(), gpu.name());
    }
    Ok(())
}

/// The application's own work: clears its frame.
fn draw(device: &wgpu::Device, queue: &wgpu::Queue, target: &wgpu::Texture, red: f64) {
    let view = target.create_view(&Default::default());
    let clear = wgpu::LoadOp::Clear(wgpu::Color { r: red, g: 0.0, b: 0.0, a: 1.0 });
    let mut encoder = device.create_command_encoder(&Default::default());
    encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
        label: Some("frame"),
        color_attachments: &[Some(wgpu::RenderPassColorAttachment {
            view: &view,
            depth_slice: None,
            resolve_target: None,
            ops: wgpu::Operations { load: clear, store: wgpu::StoreOp::Store },
        })],
        ..Default::default()
    });
    queue.submit([encoder.finish()]);
}
