//! An application's own wgpu device: it draws frames small and has them enlarged on the device, from texture to texture, while
//! pictures pass in the background. Nobody waits for anybody.
//! `cargo run --release --example host_device`

use std::time::Duration;

use sparsr::{Background, Gpu, Model, Options, Pixels, Samples, Ticket, Upscaler};

/// The small frame's columns and rows.
const SIZE: [u32; 2] = [32, 20];

const FRAMES: usize = 12;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let instance = wgpu::Instance::default();
    let Ok(adapter) = pollster::block_on(instance.request_adapter(&Default::default())) else {
        println!("no GPU here, and no software adapter: nothing to show");
        return Ok(());
    };
    // The application asks for what it needs; for large pictures, for its adapter's limits.
    let wanted = wgpu::DeviceDescriptor { required_limits: adapter.limits(), ..Default::default() };
    let (device, queue) = pollster::block_on(adapter.request_device(&wanted))?;
    let gpu = Gpu::from_device(device.clone(), queue.clone())?; // both are handles: the application keeps its own
    let model = Model::builtin("smsr-x2")?;

    let background = Background::new(Upscaler::new(&gpu, &model, Options::default())?)?;
    let picture =
        Pixels::new(48, 32, Samples::U8((0..3 * 48 * 32).map(|at| (at * 7 % 256) as u8).collect()))?;
    let enlarging = background.upscale(picture); // a future, for any executor

    let mut upscaler = Upscaler::new(&gpu, &model, Options::default())?;
    let [small, large] = [SIZE, SIZE.map(|side| 2 * side)].map(|size| texture(&device, size));
    let mut tickets: Vec<Ticket> = Vec::new();
    for frame in 0..FRAMES {
        let mut encoder = device.create_command_encoder(&Default::default());
        draw(&mut encoder, &small, frame as f64 / FRAMES as f64);
        // A device on which this takes long wants it in parts: `Upscaler::begin_parts`.
        tickets.push(upscaler.encode(&mut encoder, &small, &large)?);
        queue.submit([encoder.finish()]);
        std::thread::sleep(Duration::from_millis(5));
    }
    for ticket in &mut tickets {
        ticket.wait()?; // every pixel was written, from finite numbers
    }
    let enlarged = pollster::block_on(enlarging)?.pixels;
    println!("{FRAMES} frames and a picture of {}×{} on {}", enlarged.width(), enlarged.height(), gpu.name());
    Ok(())
}

fn texture(device: &wgpu::Device, [width, height]: [u32; 2]) -> wgpu::TextureView {
    let texture = device.create_texture(&wgpu::TextureDescriptor {
        label: Some("frame"),
        size: wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format: wgpu::TextureFormat::Rgba8Unorm,
        usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::TEXTURE_BINDING,
        view_formats: &[],
    });
    texture.create_view(&Default::default())
}

/// The application's own work: clears its frame.
fn draw(encoder: &mut wgpu::CommandEncoder, view: &wgpu::TextureView, red: f64) {
    let clear = wgpu::LoadOp::Clear(wgpu::Color { r: red, g: 0.0, b: 0.0, a: 1.0 });
    encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
        label: Some("frame"),
        color_attachments: &[Some(wgpu::RenderPassColorAttachment {
            view,
            depth_slice: None,
            resolve_target: None,
            ops: wgpu::Operations { load: clear, store: wgpu::StoreOp::Store },
        })],
        ..Default::default()
    });
}
