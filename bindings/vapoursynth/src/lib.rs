//! The plugin for VapourSynth: `sparsr.Upscale(clip, model="smsr-x2", device="auto", tile=0, memory=0, effort, ladder)`.
//!
//! ```text
//!   clip, RGB or gray ─► planes of a frame, borrowed ─► network ─► planes of a frame that is `scale` times as large
//! ```
//!
//! Frames are independent: any order, any number asked for at once; they are computed one after the other. What fails is the
//! frame's error, one sentence.

use std::ffi::{CStr, CString, c_void};
use std::fmt::Display;
use std::panic::RefUnwindSafe;
use std::path::Path;
use std::slice;
use std::sync::{Mutex, PoisonError};

use sparsr_bindings::{Choice, network};
use sparsr_rs::{DeviceChoice, Model, Options, Packed, Sample, Tiling, Upscaler, View, ViewMut};
use vapoursynth4_rs::core::CoreRef;
use vapoursynth4_rs::frame::{FrameContext, VideoFrame};
use vapoursynth4_rs::map::MapRef;
use vapoursynth4_rs::node::{ActivationReason, Dependencies, Filter, FilterMode, Node, VideoNode};
use vapoursynth4_rs::{declare_plugin, ffi, key};

/// A clip, enlarged.
struct Upscale {
    clip: VideoNode,
    scale: usize,
    samples: Samples,
    upscaler: Mutex<Upscaler>,
}

// A panic in a call leaves the lock poisoned, and what it guards begins anew with every picture.
impl RefUnwindSafe for Upscale {}

/// How a clip's samples lie in memory.
#[derive(Clone, Copy)]
enum Samples {
    U8,
    U16,
    F32,
}

/// A sentence for VapourSynth.
fn said(sentence: impl Display) -> CString {
    CString::new(format!("sparsr: {sentence}").replace('\0', " ")).unwrap_or_default()
}

impl Samples {
    /// Those of a clip's format, if it is one that networks take.
    fn of(format: &ffi::VSVideoFormat) -> Result<Self, CString> {
        let is_colour = matches!(format.color_family, ffi::VSColorFamily::RGB | ffi::VSColorFamily::Gray);
        match (is_colour, format.sample_type, format.bits_per_sample) {
            (true, ffi::VSSampleType::Integer, 8) => Ok(Self::U8),
            (true, ffi::VSSampleType::Integer, 16) => Ok(Self::U16),
            (true, ffi::VSSampleType::Float, 32) => Ok(Self::F32),
            _ => Err(said(
                "clip: expected RGB24, RGB48, RGBS, GRAY8, GRAY16 or GRAYS: convert it, for example by \
                 resize.Bicubic(format=vs.RGBS, matrix_in_s=\"709\")",
            )),
        }
    }
}

/// What the script asks for.
fn upscaler(input: &MapRef) -> Result<Upscaler, CString> {
    let text = |key, usual| input.get_utf8(key, 0).unwrap_or(usual);
    let count = |name: &str, key| match input.get_int(key, 0) {
        Ok(count) => {
            u64::try_from(count).map_err(|_| said(format!("{name}: expected 0 or more, found {count}")))
        }
        Err(_) => Ok(0),
    };
    let model = |name| match Model::builtin_names().contains(&name) {
        true => Model::builtin(name),
        false => Model::load(Path::new(name)),
    };
    let model = input.get_utf8(key!(c"model"), 0).ok().map(model).transpose().map_err(said)?;
    let ladder = input.get_utf8(key!(c"ladder"), 0).ok().map(Path::new);
    let (model, ladder) = network(model, ladder, input.get_float(key!(c"effort"), 0).ok()).map_err(said)?;
    let (tile, memory) = (count("tile", key!(c"tile"))?, count("memory", key!(c"memory"))?);
    let choice: DeviceChoice = text(key!(c"device"), "auto").parse().map_err(said)?;
    let mut options = Options::default();
    options.ladder = ladder;
    options.memory = (memory > 0).then(|| memory.saturating_mul(1 << 20));
    options.tiling = if tile > 0 { Tiling::Pixels(tile as usize) } else { Tiling::Auto };
    Choice::from(choice).upscaler(&model, options).map_err(said)
}

/// The samples of a frame's planes; gray has one, and stands for all three.
///
/// # Safety
/// The frame's samples are of the type `T`.
unsafe fn planes<T>(frame: &VideoFrame) -> ([&[T]; 3], [usize; 2], usize) {
    let size = [frame.frame_width(0), frame.frame_height(0)].map(|side| side as usize);
    let stride = frame.stride(0) as usize / size_of::<T>();
    let plane = |plane: i32| {
        let plane = plane.min(frame.get_video_format().num_planes - 1);
        // SAFETY: VapourSynth has so many rows there, so far apart, aligned to more than `T` is.
        unsafe { slice::from_raw_parts(frame.plane(plane).cast::<T>(), stride * (size[1] - 1) + size[0]) }
    };
    ([plane(0), plane(1), plane(2)], size, stride)
}

impl Upscale {
    fn enlarged<T: Sample>(&self, small: &VideoFrame, core: &CoreRef) -> Result<VideoFrame, CString> {
        // SAFETY: `self.samples` says so, and every frame of a clip is of the clip's format.
        let (from, size, stride) = unsafe { planes::<T>(small) };
        let large = size.map(|side| side * self.scale);
        let [width, height] = large.map(i32::try_from);
        let (Ok(width), Ok(height)) = (width, height) else {
            return Err(said(format!("a frame of {}x{} pixels is too large", large[0], large[1])));
        };
        let format = small.get_video_format();
        let mut made = core.new_video_frame(format, width, height, Some(small));
        let large_stride = made.stride(0) as usize / size_of::<T>();
        let length = large_stride * (large[1] - 1) + large[0];
        let mut plane = |plane| {
            // SAFETY: as above, and no two planes overlap.
            unsafe { slice::from_raw_parts_mut(made.plane_mut(plane).cast::<T>(), length) }
        };
        let mut upscaler = self.upscaler.lock().unwrap_or_else(PoisonError::into_inner);
        let done = if format.num_planes == 1 {
            let to = ViewMut::packed(plane(0), large, Packed::Gray, large_stride);
            let from = View::packed(from[0], size, Packed::Gray, stride);
            from.and_then(|from| upscaler.upscale_into(&from, &mut to?))
        } else {
            let to = ViewMut::planar([plane(0), plane(1), plane(2)], large, large_stride);
            View::planar(from, size, stride).and_then(|from| upscaler.upscale_into(&from, &mut to?))
        };
        done.map_err(said)?;
        Ok(made)
    }
}

impl Filter for Upscale {
    type Error = CString;
    type FrameType = VideoFrame;
    type FilterData = ();

    const FILTER_MODE: FilterMode = FilterMode::ParallelRequests;
    const NAME: &'static CStr = c"Upscale";
    const ARGS: &'static CStr = c"clip:vnode;model:data:opt;device:data:opt;tile:int:opt;memory:int:opt;effort:float:opt;ladder:data:opt;";
    const RETURN_TYPE: &'static CStr = c"clip:vnode;";

    fn create(input: MapRef, output: MapRef, _: Option<Box<()>>, mut core: CoreRef) -> Result<(), CString> {
        let clip = input.get_video_node(key!(c"clip"), 0).map_err(|_| said("clip: expected one"))?;
        let mut info = clip.info().clone();
        let samples = Samples::of(&info.format)?;
        let upscaler = upscaler(&input)?;
        let scale = upscaler.model().scale();
        // 0 where frames differ in size.
        (info.width, info.height) = (info.width * scale as i32, info.height * scale as i32);
        let needs = [ffi::VSFilterDependency {
            source: clip.as_ptr(),
            request_pattern: ffi::VSRequestPattern::StrictSpatial,
        }];
        let needs = Dependencies::new(&needs)
            .ok_or_else(|| said("clip: expected one that can be asked for frames"))?;
        let filter = Self { clip, scale, samples, upscaler: Mutex::new(upscaler) };
        core.create_video_filter(output, Self::NAME, &info, Box::new(filter), needs);
        Ok(())
    }

    fn get_frame(
        &self,
        n: i32,
        reason: ActivationReason,
        _: *mut *mut c_void,
        mut context: FrameContext,
        core: CoreRef,
    ) -> Result<Option<VideoFrame>, CString> {
        match reason {
            ActivationReason::Initial => {
                context.request_frame_filter(n, &self.clip);
                Ok(None)
            }
            ActivationReason::AllFramesReady => {
                let small = self.clip.get_frame_filter(n, &mut context);
                let large = match self.samples {
                    Samples::U8 => self.enlarged::<u8>(&small, &core),
                    Samples::U16 => self.enlarged::<u16>(&small, &core),
                    Samples::F32 => self.enlarged::<f32>(&small, &core),
                };
                large.map(Some)
            }
            ActivationReason::Error => Ok(None),
        }
    }
}

declare_plugin!(
    c"io.github.sparsr",
    c"sparsr",
    c"Super-resolution on any GPU",
    (0, 1),
    ffi::VAPOURSYNTH_API_VERSION,
    0,
    (Upscale, None)
);
