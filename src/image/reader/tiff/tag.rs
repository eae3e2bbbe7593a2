//! The numbers of the tags that are looked at.

pub(super) const NEW_SUBFILE_TYPE: u16 = 254;
pub(super) const SUBFILE_TYPE: u16 = 255;
pub(super) const WIDTH: u16 = 256;
pub(super) const HEIGHT: u16 = 257;
pub(super) const BITS: u16 = 258;
pub(super) const COMPRESSION: u16 = 259;
pub(super) const PHOTOMETRIC: u16 = 262;
pub(super) const FILL_ORDER: u16 = 266;
pub(super) const STRIP_OFFSETS: u16 = 273;
pub(super) const ORIENTATION: u16 = 274;
pub(super) const SAMPLES: u16 = 277;
pub(super) const ROWS_PER_STRIP: u16 = 278;
pub(super) const STRIP_SIZES: u16 = 279;
pub(super) const PLANES: u16 = 284;
pub(super) const GRAY_CURVE: u16 = 291;
pub(super) const T4_OPTIONS: u16 = 292;
pub(super) const TRANSFER_FUNCTION: u16 = 301;
pub(super) const PREDICTOR: u16 = 317;
pub(super) const COLOUR_MAP: u16 = 320;
pub(super) const TILE_WIDTH: u16 = 322;
pub(super) const TILE_HEIGHT: u16 = 323;
pub(super) const TILE_OFFSETS: u16 = 324;
pub(super) const TILE_SIZES: u16 = 325;
pub(super) const SUB_DIRECTORIES: u16 = 330;
pub(super) const INK_SET: u16 = 332;
pub(super) const DOT_RANGE: u16 = 336;
pub(super) const EXTRA_SAMPLES: u16 = 338;
pub(super) const SAMPLE_FORMAT: u16 = 339;
pub(super) const INDEXED: u16 = 346;
pub(super) const JPEG_TABLES: u16 = 347;
/// A JPEG file within the file, and its size.
pub(super) const JPEG_FILE: u16 = 513;
pub(super) const JPEG_FILE_SIZE: u16 = 514;
pub(super) const COEFFICIENTS: u16 = 529;
pub(super) const SUBSAMPLING: u16 = 530;
pub(super) const REFERENCE_BLACK_WHITE: u16 = 532;
/// The older form of extra samples: whether there is premultiplied alpha.
pub(super) const MATTEING: u16 = 32_995;
pub(super) const DNG_VERSION: u16 = 50_706;
