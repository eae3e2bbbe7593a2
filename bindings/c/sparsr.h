// sparsr for C: super-resolution on any GPU. docs/c.md has an example.
//
// Made by cbindgen from bindings/c/src; `SPARSR_BLESS=1 cargo test -p sparsr-capi` writes it anew.
//
// Every function that can fail returns a SparsrStatus; sparsr_last_error() is then a sentence that says what was expected and
// what was found. Null pointers are errors wherever they are not said to mean something. Nothing prints and nothing exits.
// Text is UTF-8 and ends with a NUL. The library stays loaded until the program ends: it has threads of its own.

#ifndef SPARSR_H
#define SPARSR_H

#include <stddef.h>
#include <stdint.h>

// The version of this interface. A program compares it with sparsr_abi_version(): of two that are equal, one may be built
// with the header of the other.
#define SPARSR_ABI_VERSION 1

// What a call came to. Later versions may have more.
typedef enum {
  // It is done.
  SPARSR_STATUS_OK = 0,
  // An argument that cannot be used: a null pointer, a format that there is not, a stride that is too short.
  SPARSR_STATUS_ARGUMENT = 1,
  // A checkpoint that cannot be read, or is no network's.
  SPARSR_STATUS_WEIGHTS = 2,
  // Sizes that do not fit together.
  SPARSR_STATUS_SHAPE = 3,
  // A word that names no choice.
  SPARSR_STATUS_PARSE = 4,
  // There is no such device, or none that can be used.
  SPARSR_STATUS_NO_ADAPTER = 5,
  // The device or this version cannot do it.
  SPARSR_STATUS_UNSUPPORTED = 6,
  // The picture is too large for the device in one piece.
  SPARSR_STATUS_LIMITS = 7,
  // Too little memory.
  SPARSR_STATUS_OUT_OF_MEMORY = 8,
  // The device was lost, or computes wrongly.
  SPARSR_STATUS_DEVICE = 9,
  // A training left the finite numbers.
  SPARSR_STATUS_DIVERGED = 10,
  // It was asked to end, and did.
  SPARSR_STATUS_CANCELLED = 11,
  // A picture that cannot be decoded or encoded.
  SPARSR_STATUS_IMAGE = 12,
  // The operating system refused a read or a write.
  SPARSR_STATUS_IO = 13,
  // Something else, which sparsr_last_error() says.
  SPARSR_STATUS_OTHER = 98,
  // A mistake of the library's own. The upscaler of the call can only be freed.
  SPARSR_STATUS_PANIC = 99,
} SparsrStatus;

// The order of the channels of a picture, and the type of its samples: U8 with white at 255, U16 with white at 65535, F32 with
// white at 1, of which what is outside of 0 to 1 is clamped, and which travels in 16 bits. Colours were not multiplied by
// alpha. Of planar pictures red, green and blue are planes of their own.
enum SparsrFormat
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  SPARSR_FORMAT_RGB_U8 = 1,
  SPARSR_FORMAT_BGR_U8 = 2,
  SPARSR_FORMAT_RGBA_U8 = 3,
  SPARSR_FORMAT_BGRA_U8 = 4,
  SPARSR_FORMAT_GRAY_U8 = 5,
  SPARSR_FORMAT_PLANAR_U8 = 6,
  SPARSR_FORMAT_RGB_U16 = 17,
  SPARSR_FORMAT_BGR_U16 = 18,
  SPARSR_FORMAT_RGBA_U16 = 19,
  SPARSR_FORMAT_BGRA_U16 = 20,
  SPARSR_FORMAT_GRAY_U16 = 21,
  SPARSR_FORMAT_PLANAR_U16 = 22,
  SPARSR_FORMAT_RGB_F32 = 33,
  SPARSR_FORMAT_BGR_F32 = 34,
  SPARSR_FORMAT_RGBA_F32 = 35,
  SPARSR_FORMAT_BGRA_F32 = 36,
  SPARSR_FORMAT_GRAY_F32 = 37,
  SPARSR_FORMAT_PLANAR_F32 = 38,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum SparsrFormat SparsrFormat;
#else
typedef uint32_t SparsrFormat;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// How much a line of the log matters.
enum SparsrLogLevel
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // Something failed.
  SPARSR_LOG_LEVEL_ERROR = 1,
  // Something is not as it was asked for: a GPU failed and the CPU went on, for example.
  SPARSR_LOG_LEVEL_WARN = 2,
  // What was chosen.
  SPARSR_LOG_LEVEL_INFO = 3,
  // How it is computed.
  SPARSR_LOG_LEVEL_DEBUG = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum SparsrLogLevel SparsrLogLevel;
#else
typedef uint32_t SparsrLogLevel;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Says to calls that they shall end, from any thread. It says so until it is freed: later calls that are given it end at once.
typedef struct SparsrCancel SparsrCancel;

// Enlarges pictures with one network on one device. It does one call at a time: another meanwhile, from whatever thread, is
// an error.
typedef struct SparsrUpscaler SparsrUpscaler;

// What may be chosen. All zeros are the defaults.
typedef struct {
  // Where it runs: "auto" (also if null) is the best GPU, else the CPU; "cpu"; "gpu" is the best GPU, one in software if
  // there is no other; a number, or a part of a GPU's name.
  const char *device;
  // Bytes that a GPU's buffers may take; 0: as many as the device should have left.
  uint64_t memory;
  // The side of the tiles that pictures are cut into, in pixels; 0: in one piece, or in tiles as large as fit.
  uint32_t tile;
  // 0, for what is to come.
  uint32_t reserved;
} SparsrOptions;

// A picture to be read.
typedef struct {
  // Where red, green and blue begin; the first alone, if they are packed.
  const void *planes[3];
  // Bytes from the beginning of a row to that of the next, in every plane; a multiple of a sample's.
  size_t stride;
  // Columns.
  uint32_t width;
  // Rows.
  uint32_t height;
  // A SparsrFormat.
  uint32_t format;
} SparsrImage;

// A picture to be written. Its memory overlaps neither that which is read nor, plane by plane, its own.
typedef struct {
  // Where red, green and blue begin; the first alone, if they are packed.
  void *planes[3];
  // Bytes from the beginning of a row to that of the next, in every plane; a multiple of a sample's. What lies between is
  // left as it is.
  size_t stride;
  // Columns.
  uint32_t width;
  // Rows.
  uint32_t height;
  // A SparsrFormat.
  uint32_t format;
} SparsrImageMut;

// How far a call is.
typedef struct {
  // The share of the work that is done, 0 to 1.
  double share;
  // Seconds that are left if it goes on as it went so far; below 0 while that is not known.
  double seconds_left;
  // The phase under way, from 0, and how many there are: networks that look at the whole picture have several.
  uint32_t phase;
  // Of how many.
  uint32_t phases;
  // Tiles of this phase that are done.
  uint32_t tile;
  // Of how many.
  uint32_t tiles;
} SparsrProgress;

// Is told how far a call is, on the thread that made the call, about fifty times a second and once when all is done. If it
// returns other than 0 the call ends with SPARSR_STATUS_CANCELLED. `user` is what the call was given.
typedef int (*SparsrProgressCallback)(void *user, const SparsrProgress *progress);

// Takes a line of the log: what sparsr_set_log() was given, a SparsrLogLevel, and the line, which is valid during the call.
typedef void (*SparsrLogger)(void *user, uint32_t level, const char *line);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// What the last call on this thread that failed has to say, one sentence; empty if none did. Valid until the next call on
// this thread that fails.
const char *sparsr_last_error(void);

// The library's SPARSR_ABI_VERSION.
uint32_t sparsr_abi_version(void);

// Makes an upscaler of a network that is part of the library, "smsr-x2" or "edsrmini-x3" for example. `options` may be null.
//
// # Safety
// `name` and the text in `options` end with a NUL, and `out` leads to room for a pointer.
SparsrStatus sparsr_upscaler_from_builtin(const char *name,
                                          const SparsrOptions *options,
                                          SparsrUpscaler **out);

// Makes an upscaler of the network in a file: safetensors, or PyTorch's .pth and .pt. `options` may be null. A network that
// changes a picture's colours is refused.
//
// # Safety
// `file` and the text in `options` end with a NUL, and `out` leads to room for a pointer.
SparsrStatus sparsr_upscaler_from_file(const char *file,
                                       const SparsrOptions *options,
                                       SparsrUpscaler **out);

// Makes an upscaler of the network in such a file's bytes, which are not needed any longer then. `options` may be null.
//
// # Safety
// `bytes` leads to `length` bytes, the text in `options` ends with a NUL, and `out` leads to room for a pointer.
SparsrStatus sparsr_upscaler_from_memory(const void *bytes,
                                         size_t length,
                                         const SparsrOptions *options,
                                         SparsrUpscaler **out);

// Makes an upscaler of a ladder: several networks of one scale, of which easy parts of a picture take the smaller ones.
// `file` is what `sparsr ladder` made, with its networks beside it; null is the built-in ladder, of x2. `effort` is from 0, the
// cheapest network everywhere, to 1, the best one everywhere. `options` may be null.
//
// # Safety
// `file` is null or ends with a NUL, as the text in `options` does, and `out` leads to room for a pointer.
SparsrStatus sparsr_upscaler_from_ladder(const char *file,
                                         double effort,
                                         const SparsrOptions *options,
                                         SparsrUpscaler **out);

// Puts into `scale` how many times as wide and as high pictures become.
//
// # Safety
// `upscaler` is one that was made and not freed, and `scale` leads to room for a number.
SparsrStatus sparsr_upscaler_scale(const SparsrUpscaler *upscaler, uint32_t *scale);

// Puts into `name` what the upscaler's device is called, "CPU" for example; valid until the upscaler is freed.
//
// # Safety
// `upscaler` is one that was made and not freed, and `name` leads to room for a pointer.
SparsrStatus sparsr_upscaler_device(const SparsrUpscaler *upscaler,
                                    const char **name);

// Frees an upscaler, which no call is in. Null is nothing.
//
// # Safety
// `upscaler` is null, or one that was made and not freed.
void sparsr_upscaler_free(SparsrUpscaler *upscaler);

// Enlarges a picture. `to` is of the network's scale times the size of `from`, of the same type of samples and the same
// channels, in whatever order; of gray there is one channel, and alpha is enlarged by bicubic interpolation. After a failure
// what `to` holds is no picture.
//
// `cancel` may be null. `progress` may be null; otherwise the work is done on another thread.
//
// # Safety
// `upscaler` is one that was made and not freed, and is not freed meanwhile; `from` and `to` lead to pictures whose planes lead
// to as much memory as their strides and sizes say, which nobody changes meanwhile, and of `to` nobody reads; `cancel` is null,
// or one that was made and is not freed meanwhile; `progress` is null, or may be called with `user`.
SparsrStatus sparsr_upscale(const SparsrUpscaler *upscaler,
                            const SparsrImage *from,
                            const SparsrImageMut *to,
                            const SparsrCancel *cancel,
                            SparsrProgressCallback progress,
                            void *user);

// Makes what ends calls, and puts it into `out`.
//
// # Safety
// `out` leads to room for a pointer.
SparsrStatus sparsr_cancel_new(SparsrCancel **out);

// Ends the calls that were given it: within a tenth of a second or, on a device that is slower, one submission.
//
// # Safety
// `cancel` is one that was made and not freed.
SparsrStatus sparsr_cancel(const SparsrCancel *cancel);

// Frees it. Null is nothing.
//
// # Safety
// `cancel` is null, or one that was made and not freed, and no call has it.
void sparsr_cancel_free(SparsrCancel *cancel);

// Gives the log to a program: lines as important as `level`, a SparsrLogLevel, and more important ones. That is possible once,
// and not in a program that has a log of Rust's `tracing`.
//
// # Safety
// `logger` may be called with `user` until the program ends, on any thread and on several at once.
SparsrStatus sparsr_set_log(SparsrLogger logger,
                            void *user,
                            uint32_t level);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* SPARSR_H */
