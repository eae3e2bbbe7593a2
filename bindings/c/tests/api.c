/* The C library as a program in C meets it.
 *
 *   api make SMALL              writes a small picture, for the program `sparsr` to enlarge
 *   api ppm LARGE.bmp LARGE     writes what the program made as PPM, which it does not write
 *   api check SMALL LARGE FILE  on the CPU: LARGE is what the program made of SMALL by edsrmini-x2 there, FILE that network
 *   api brief SMALL LARGE FILE  the same without what takes long under valgrind
 *   api gpu SMALL LARGE FILE    on a GPU, if there is one: its driver is not looked at by sanitizers
 */
#include <math.h>
#include <pthread.h>
#include <sparsr.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WIDTH = 22, HEIGHT = 15, SCALE = 2, FILL = 0xA7 };

static void fail(const char *file, int line, const char *what) {
    fprintf(stderr, "%s:%d: %s\n    the library says: %s\n", file, line, what, sparsr_last_error());
    exit(1);
}

#define CHECK(condition) ((condition) ? (void)0 : fail(__FILE__, __LINE__, #condition))

/* The call comes to `status`, and if that is a failure the sentence has `words`. */
#define EXPECT(call, status, words) expect((call), (status), (words), __FILE__, __LINE__, #call)

static void expect(SparsrStatus found, SparsrStatus expected, const char *words, const char *file, int line,
                   const char *call) {
    if (found != expected || (expected != SPARSR_STATUS_OK && strstr(sparsr_last_error(), words) == NULL)) {
        fprintf(stderr, "%s:%d: %s\n    status %d where %d was expected, with `%s`: %s\n", file, line, call, (int)found,
                (int)expected, words, sparsr_last_error());
        exit(1);
    }
}

static void *room(size_t bytes) {
    void *memory = malloc(bytes);
    CHECK(memory != NULL);
    return memory;
}

/* ---- pictures in files */

static void write_ppm(const char *path, const uint8_t *rgb, unsigned width, unsigned height) {
    FILE *file = fopen(path, "wb");
    CHECK(file != NULL);
    fprintf(file, "P6\n%u %u\n255\n", width, height);
    CHECK(fwrite(rgb, 3, (size_t)width * height, file) == (size_t)width * height);
    CHECK(fclose(file) == 0);
}

static uint8_t *read_ppm(const char *path, unsigned width, unsigned height) {
    FILE *file = fopen(path, "rb");
    unsigned w, h, white;
    CHECK(file != NULL);
    CHECK(fscanf(file, "P6 %u %u %u", &w, &h, &white) == 3 && w == width && h == height && white == 255);
    CHECK(fgetc(file) != EOF);
    uint8_t *rgb = room(3 * (size_t)width * height);
    CHECK(fread(rgb, 3, (size_t)width * height, file) == (size_t)width * height);
    fclose(file);
    return rgb;
}

/* A BMP of 24 bits, rows from the bottom up, as PPM. */
static void ppm_of_bmp(const char *bmp, const char *ppm) {
    enum { W = SCALE * WIDTH, H = SCALE * HEIGHT, ROW = (3 * W + 3) / 4 * 4 };
    static uint8_t head[54], rows[H][ROW], rgb[3 * W * H];
    FILE *file = fopen(bmp, "rb");
    CHECK(file != NULL && fread(head, 1, sizeof head, file) == sizeof head);
    CHECK(head[18] == W && head[22] == H && head[28] == 24);
    CHECK(fseek(file, head[10], SEEK_SET) == 0 && fread(rows, 1, sizeof rows, file) == sizeof rows);
    fclose(file);
    for (unsigned at = 0; at < sizeof rgb; at++) {
        unsigned x = at / 3 % W, y = at / 3 / W;
        rgb[at] = rows[H - 1 - y][3 * x + 2 - at % 3];
    }
    write_ppm(ppm, rgb, W, H);
}

static void make(const char *path) {
    static uint8_t rgb[3 * WIDTH * HEIGHT];
    for (unsigned at = 0; at < sizeof rgb; at++) {
        unsigned x = at / 3 % WIDTH, y = at / 3 / WIDTH;
        rgb[at] = (uint8_t)(40 + 7 * x + 5 * y + 60 * (at % 3) + (x / 4 % 2 == y / 3 % 2 ? 30 : 0));
    }
    write_ppm(path, rgb, WIDTH, HEIGHT);
}

/* ---- formats */

enum { U8, U16, F32 };
enum { RGB = 1, BGR, RGBA, BGRA, GRAY, PLANAR };

static const size_t BYTES[] = {1, 2, 4};
static const unsigned SAMPLES[] = {0, 3, 3, 4, 4, 1, 1};
static const unsigned PLACES[][4] = {{0}, {0, 1, 2}, {2, 1, 0}, {0, 1, 2, 3}, {2, 1, 0, 3}, {0}, {0, 0, 0}};

/* A picture's memory, with `between` bytes behind each row but the last. */
typedef struct Memory {
    uint8_t *planes[3];
    size_t stride, bytes;
    unsigned width, height, type, order;
} Memory;

static Memory memory(unsigned type, unsigned order, unsigned width, unsigned height, size_t between) {
    size_t row = width * SAMPLES[order] * BYTES[type];
    Memory made = {{NULL, NULL, NULL}, row + between, (row + between) * (height - 1) + row, width, height, type, order};
    for (unsigned plane = 0; plane < (order == PLANAR ? 3 : 1); plane++) {
        made.planes[plane] = room(made.bytes);
        memset(made.planes[plane], FILL, made.bytes);
    }
    return made;
}

static void drop(Memory memory) {
    for (unsigned plane = 0; plane < 3; plane++) free(memory.planes[plane]);
}

static uint8_t *place(const Memory *memory, unsigned x, unsigned y, unsigned channel) {
    unsigned plane = memory->order == PLANAR ? channel : 0;
    size_t sample = x * SAMPLES[memory->order] + PLACES[memory->order][channel];
    return memory->planes[plane] + y * memory->stride + sample * BYTES[memory->type];
}

/* A sample as one of 8 bits: exact, since 65535 is 257 times 255. */
static void put(const Memory *memory, unsigned x, unsigned y, unsigned channel, uint8_t value) {
    uint16_t fine = (uint16_t)(257 * value);
    float number = (float)value / 255.0f;
    const void *sample = memory->type == U8 ? (void *)&value : memory->type == U16 ? (void *)&fine : (void *)&number;
    memcpy(place(memory, x, y, channel), sample, BYTES[memory->type]);
}

static unsigned get(const Memory *memory, unsigned x, unsigned y, unsigned channel) {
    const uint8_t *at = place(memory, x, y, channel);
    uint16_t fine;
    float number;
    switch (memory->type) {
    case U8: return *at;
    case U16: memcpy(&fine, at, sizeof fine); return (fine + 128u) / 257u;
    default: memcpy(&number, at, sizeof number); return (unsigned)lrintf(number * 255.0f);
    }
}

static Memory filled(unsigned type, unsigned order, size_t between, const uint8_t *rgb) {
    Memory made = memory(type, order, WIDTH, HEIGHT, between);
    for (unsigned at = 0; at < WIDTH * HEIGHT; at++) {
        for (unsigned channel = 0; channel < (order == GRAY ? 1 : 3); channel++)
            put(&made, at % WIDTH, at / WIDTH, channel, rgb[3 * at + channel]);
        if (order == RGBA || order == BGRA) put(&made, at % WIDTH, at / WIDTH, 3, 255);
    }
    return made;
}

static uint32_t format(const Memory *memory) { return 16 * memory->type + memory->order; }

static SparsrImage readable(const Memory *memory) {
    SparsrImage image = {{memory->planes[0], memory->planes[1], memory->planes[2]},
                         memory->stride, memory->width, memory->height, format(memory)};
    return image;
}

static SparsrImageMut writable(const Memory *memory) {
    SparsrImageMut image = {{memory->planes[0], memory->planes[1], memory->planes[2]},
                            memory->stride, memory->width, memory->height, format(memory)};
    return image;
}

/* Nothing was written between the rows. */
static void untouched(const Memory *memory) {
    size_t row = memory->width * SAMPLES[memory->order] * BYTES[memory->type];
    for (unsigned plane = 0; plane < 3 && memory->planes[plane] != NULL; plane++)
        for (size_t at = 0; at < memory->bytes; at++)
            if (at % memory->stride >= row) CHECK(memory->planes[plane][at] == FILL);
}

static SparsrStatus enlarge(const SparsrUpscaler *upscaler, const Memory *from, const Memory *to) {
    SparsrImage image = readable(from);
    SparsrImageMut large = writable(to);
    return sparsr_upscale(upscaler, &image, &large, NULL, NULL, NULL);
}

/* ---- tests */

static const SparsrOptions ON_CPU = {"cpu", 0, 0, 0};

static SparsrUpscaler *builtin(const SparsrOptions *options) {
    SparsrUpscaler *upscaler = NULL;
    EXPECT(sparsr_upscaler_from_builtin("edsrmini-x2", options, &upscaler), SPARSR_STATUS_OK, "");
    CHECK(upscaler != NULL);
    return upscaler;
}

/* Every order and type, in and out, makes of the picture what the program made. */
static void every_format(const uint8_t *small, const uint8_t *large, bool brief) {
    SparsrUpscaler *upscaler = builtin(&ON_CPU);
    for (unsigned type = U8; type <= F32; type++) {
        for (unsigned order = RGB; order <= PLANAR; order++) {
            if (order == GRAY || (brief && order != RGB && order != type + BGRA - 1 && order != PLANAR)) continue;
            Memory from = filled(type, order, 5 * BYTES[type], small);
            bool alpha = order == RGBA || order == BGRA;
            unsigned others[] = {alpha ? RGBA : RGB, alpha ? BGRA : BGR, alpha ? BGRA : PLANAR};
            for (unsigned at = 0; at < (brief ? 1 : alpha ? 2 : 3); at++) {
                Memory to = memory(type, others[at], SCALE * WIDTH, SCALE * HEIGHT, 3 * BYTES[type]);
                EXPECT(enlarge(upscaler, &from, &to), SPARSR_STATUS_OK, "");
                for (unsigned pixel = 0; pixel < SCALE * WIDTH * SCALE * HEIGHT; pixel++) {
                    unsigned x = pixel % (SCALE * WIDTH), y = pixel / (SCALE * WIDTH);
                    for (unsigned channel = 0; channel < 3; channel++)
                        CHECK(get(&to, x, y, channel) == large[3 * pixel + channel]);
                    if (alpha) CHECK(get(&to, x, y, 3) == 255);
                }
                untouched(&to);
                untouched(&from);
                drop(to);
            }
            drop(from);
        }
    }
    Memory from = filled(U8, GRAY, 0, small), to = memory(U8, GRAY, SCALE * WIDTH, SCALE * HEIGHT, 1);
    EXPECT(enlarge(upscaler, &from, &to), SPARSR_STATUS_OK, "");
    untouched(&to);
    drop(from);
    drop(to);
    sparsr_upscaler_free(upscaler);
}

static void what_an_upscaler_says(void) {
    SparsrUpscaler *upscaler = builtin(&ON_CPU);
    uint32_t scale = 0;
    const char *device = NULL;
    EXPECT(sparsr_upscaler_scale(upscaler, &scale), SPARSR_STATUS_OK, "");
    EXPECT(sparsr_upscaler_device(upscaler, &device), SPARSR_STATUS_OK, "");
    CHECK(scale == SCALE && strcmp(device, "CPU") == 0);
    CHECK(sparsr_abi_version() == SPARSR_ABI_VERSION);
    EXPECT(sparsr_upscaler_scale(NULL, &scale), SPARSR_STATUS_ARGUMENT, "upscaler: expected a pointer, found null");
    EXPECT(sparsr_upscaler_scale(upscaler, NULL), SPARSR_STATUS_ARGUMENT, "scale: expected a pointer");
    EXPECT(sparsr_upscaler_device(NULL, &device), SPARSR_STATUS_ARGUMENT, "upscaler: expected a pointer");
    EXPECT(sparsr_upscaler_device(upscaler, NULL), SPARSR_STATUS_ARGUMENT, "name: expected a pointer");
    sparsr_upscaler_free(upscaler);
    sparsr_upscaler_free(NULL);
}

static void networks_that_there_are_not(const char *file) {
    SparsrUpscaler *upscaler = (SparsrUpscaler *)1;
    EXPECT(sparsr_upscaler_from_builtin("nope", &ON_CPU, &upscaler), SPARSR_STATUS_UNSUPPORTED, "no built-in model `nope`");
    CHECK(upscaler == NULL);
    EXPECT(sparsr_upscaler_from_builtin(NULL, &ON_CPU, &upscaler), SPARSR_STATUS_ARGUMENT, "name: expected a pointer");
    EXPECT(sparsr_upscaler_from_builtin("\xFF", &ON_CPU, &upscaler), SPARSR_STATUS_ARGUMENT, "name: expected UTF-8");
    EXPECT(sparsr_upscaler_from_builtin("smsr-x2", &ON_CPU, NULL), SPARSR_STATUS_ARGUMENT, "out: expected a pointer");
    EXPECT(sparsr_upscaler_from_file("/no/such/file", &ON_CPU, &upscaler), SPARSR_STATUS_IO, "/no/such/file");
    EXPECT(sparsr_upscaler_from_file(NULL, &ON_CPU, &upscaler), SPARSR_STATUS_ARGUMENT, "file: expected a pointer");
    EXPECT(sparsr_upscaler_from_memory("no network", 10, &ON_CPU, &upscaler), SPARSR_STATUS_WEIGHTS, "memory: expected");
    EXPECT(sparsr_upscaler_from_memory(NULL, 10, &ON_CPU, &upscaler), SPARSR_STATUS_ARGUMENT, "bytes: expected a pointer");
    EXPECT(sparsr_upscaler_from_memory(file, SIZE_MAX, &ON_CPU, &upscaler), SPARSR_STATUS_ARGUMENT, "than there can be");
    EXPECT(sparsr_upscaler_from_ladder("/no/such/file", 0.5, &ON_CPU, &upscaler), SPARSR_STATUS_IO, "/no/such/file");
    EXPECT(sparsr_upscaler_from_ladder(NULL, 1.5, &ON_CPU, &upscaler), SPARSR_STATUS_UNSUPPORTED, "effort: expected 0 to 1, found 1.5");
    SparsrOptions options = {" ", 0, 0, 0};
    EXPECT(sparsr_upscaler_from_builtin("smsr-x2", &options, &upscaler), SPARSR_STATUS_PARSE, "auto, cpu, a number");
    options = ON_CPU;
    options.reserved = 1;
    EXPECT(sparsr_upscaler_from_builtin("smsr-x2", &options, &upscaler), SPARSR_STATUS_ARGUMENT, "0 as reserved, found 1");
    CHECK(upscaler == NULL);
}

/* The same network from a file, and from its bytes. */
static void networks_from_elsewhere(const char *path, const uint8_t *small, const uint8_t *large) {
    FILE *file = fopen(path, "rb");
    CHECK(file != NULL && fseek(file, 0, SEEK_END) == 0);
    size_t length = (size_t)ftell(file);
    char *bytes = room(length);
    rewind(file);
    CHECK(fread(bytes, 1, length, file) == length);
    fclose(file);
    SparsrUpscaler *upscalers[2] = {NULL, NULL};
    EXPECT(sparsr_upscaler_from_file(path, &ON_CPU, &upscalers[0]), SPARSR_STATUS_OK, "");
    EXPECT(sparsr_upscaler_from_memory(bytes, length, &ON_CPU, &upscalers[1]), SPARSR_STATUS_OK, "");
    free(bytes);
    for (unsigned at = 0; at < 2; at++) {
        Memory from = filled(U8, RGB, 0, small), to = memory(U8, RGB, SCALE * WIDTH, SCALE * HEIGHT, 0);
        EXPECT(enlarge(upscalers[at], &from, &to), SPARSR_STATUS_OK, "");
        CHECK(memcmp(to.planes[0], large, to.bytes) == 0);
        drop(from);
        drop(to);
        sparsr_upscaler_free(upscalers[at]);
    }
}

/* A ladder's best network everywhere is that network. */
static void a_ladder(const uint8_t *small) {
    SparsrUpscaler *upscalers[2] = {NULL, NULL};
    EXPECT(sparsr_upscaler_from_builtin("smsr-x2", &ON_CPU, &upscalers[0]), SPARSR_STATUS_OK, "");
    EXPECT(sparsr_upscaler_from_ladder(NULL, 1, &ON_CPU, &upscalers[1]), SPARSR_STATUS_OK, "");
    Memory from = filled(U8, RGB, 0, small), to[2];
    for (unsigned at = 0; at < 2; at++) {
        to[at] = memory(U8, RGB, SCALE * WIDTH, SCALE * HEIGHT, 0);
        EXPECT(enlarge(upscalers[at], &from, &to[at]), SPARSR_STATUS_OK, "");
        sparsr_upscaler_free(upscalers[at]);
    }
    CHECK(memcmp(to[0].planes[0], to[1].planes[0], to[0].bytes) == 0);
    drop(from);
    drop(to[0]);
    drop(to[1]);
}

/* On whatever device: within one code value of the CPU's. */
static void on_a_gpu(const uint8_t *small, const uint8_t *large) {
    static const char *const DEVICES[] = {"auto", "gpu", NULL};
    SparsrOptions nowhere = {"a device that there is not", 0, 0, 0};
    SparsrUpscaler *none = NULL;
    EXPECT(sparsr_upscaler_from_builtin("smsr-x2", &nowhere, &none), SPARSR_STATUS_NO_ADAPTER, "a device that there");
    CHECK(none == NULL);
    for (unsigned at = 0; at < 3; at++) {
        SparsrOptions options = {DEVICES[at], 0, 0, 0};
        SparsrUpscaler *upscaler = NULL;
        SparsrStatus status = sparsr_upscaler_from_builtin("edsrmini-x2", at == 2 ? NULL : &options, &upscaler);
        if (at == 1 && status == SPARSR_STATUS_NO_ADAPTER) {
            printf("skipped: %s\n", sparsr_last_error());
            continue;
        }
        EXPECT(status, SPARSR_STATUS_OK, "");
        Memory from = filled(U8, BGR, 2, small), to = memory(U8, PLANAR, SCALE * WIDTH, SCALE * HEIGHT, 6);
        EXPECT(enlarge(upscaler, &from, &to), SPARSR_STATUS_OK, "");
        for (unsigned pixel = 0; pixel < SCALE * WIDTH * SCALE * HEIGHT; pixel++)
            for (unsigned channel = 0; channel < 3; channel++) {
                int found = (int)get(&to, pixel % (SCALE * WIDTH), pixel / (SCALE * WIDTH), channel);
                CHECK(abs(found - large[3 * pixel + channel]) <= 1);
            }
        untouched(&to);
        drop(from);
        drop(to);
        sparsr_upscaler_free(upscaler);
    }
}

static void what_does_not_fit(const uint8_t *small) {
    SparsrUpscaler *upscaler = builtin(&ON_CPU);
    Memory from_memory = filled(U8, RGB, 0, small), to_memory = memory(U8, RGB, SCALE * WIDTH, SCALE * HEIGHT, 0);
    Memory planes = memory(U8, PLANAR, SCALE * WIDTH, SCALE * HEIGHT, 0);
    const SparsrImage good = readable(&from_memory);
    const SparsrImageMut room_for = writable(&to_memory);
    SparsrImage from = good;
    SparsrImageMut to = room_for;
#define REFUSED(status, words) EXPECT(sparsr_upscale(upscaler, &from, &to, NULL, NULL, NULL), status, words)
#define AGAIN (from = good, to = room_for)
    EXPECT(sparsr_upscale(NULL, &from, &to, NULL, NULL, NULL), SPARSR_STATUS_ARGUMENT, "upscaler: expected a pointer");
    EXPECT(sparsr_upscale(upscaler, NULL, &to, NULL, NULL, NULL), SPARSR_STATUS_ARGUMENT, "from: expected a pointer");
    EXPECT(sparsr_upscale(upscaler, &from, NULL, NULL, NULL, NULL), SPARSR_STATUS_ARGUMENT, "to: expected a pointer");
    AGAIN, from.planes[0] = NULL;
    REFUSED(SPARSR_STATUS_ARGUMENT, "from: expected a pointer, found null");
    AGAIN, to.planes[0] = NULL;
    REFUSED(SPARSR_STATUS_ARGUMENT, "to: expected a pointer, found null");
    AGAIN, to = writable(&planes), to.planes[1] = NULL;
    REFUSED(SPARSR_STATUS_ARGUMENT, "to: green: expected a pointer, found null");
    AGAIN, from.stride = 3 * WIDTH - 1;
    REFUSED(SPARSR_STATUS_ARGUMENT, "from: expected a stride of at least 66 bytes for 22 pixels");
    AGAIN, to.stride = 0;
    REFUSED(SPARSR_STATUS_ARGUMENT, "to: expected a stride of at least 132 bytes");
    AGAIN, from.stride = SIZE_MAX;
    REFUSED(SPARSR_STATUS_ARGUMENT, "from: expected no more bytes than there can be");
    AGAIN, from.width = 0;
    REFUSED(SPARSR_STATUS_ARGUMENT, "from: expected at least one pixel, found 0x15");
    AGAIN, to.height = 0;
    REFUSED(SPARSR_STATUS_ARGUMENT, "to: expected at least one pixel");
    AGAIN, to.height = SCALE * HEIGHT - 1;
    REFUSED(SPARSR_STATUS_SHAPE, "output: expected 2 times 22x15 pixels, found room for 44x29");
    AGAIN, from.format = 0;
    REFUSED(SPARSR_STATUS_ARGUMENT, "from: expected one of SparsrFormat as its format, found 0x0");
    AGAIN, to.format = 0x31;
    REFUSED(SPARSR_STATUS_ARGUMENT, "to: expected one of SparsrFormat as its format, found 0x31");
    AGAIN, to.format = SPARSR_FORMAT_RGB_U16;
    REFUSED(SPARSR_STATUS_ARGUMENT, "to: expected samples of the type that goes in, U8");
    AGAIN, to.format = SPARSR_FORMAT_GRAY_U8;
    REFUSED(SPARSR_STATUS_SHAPE, "output: expected the channels that go in");
    AGAIN, to.planes[0] = to_memory.planes[0] + 1, to.format = from.format = SPARSR_FORMAT_GRAY_U16;
    REFUSED(SPARSR_STATUS_ARGUMENT, "to: expected an address that is a multiple of 2");
    AGAIN, from.format = SPARSR_FORMAT_GRAY_U16, to.format = SPARSR_FORMAT_GRAY_U16, from.stride = 3 * WIDTH - 1;
    REFUSED(SPARSR_STATUS_ARGUMENT, "a multiple of 2, found 65");
    /* One memory for both, and one for two planes. */
    AGAIN, from.planes[0] = to_memory.planes[0] + to_memory.bytes / 2;
    REFUSED(SPARSR_STATUS_ARGUMENT, "to: expected memory that overlaps no other");
    AGAIN, to = writable(&planes), to.planes[2] = planes.planes[0];
    REFUSED(SPARSR_STATUS_ARGUMENT, "to: expected memory that overlaps no other");
    for (size_t at = 0; at < to_memory.bytes; at++) CHECK(to_memory.planes[0][at] == FILL);
    /* A number that is none, with its place. */
    Memory numbers = filled(F32, BGR, 8, small), large = memory(F32, RGB, SCALE * WIDTH, SCALE * HEIGHT, 0);
    float none = (float)NAN;
    memcpy(place(&numbers, 3, 7, 2), &none, sizeof none);
    EXPECT(enlarge(upscaler, &numbers, &large), SPARSR_STATUS_UNSUPPORTED, "found NaN in blue at x 3, y 7");
    /* After all that it works. */
    AGAIN;
    REFUSED(SPARSR_STATUS_OK, "");
    drop(numbers);
    drop(large);
    drop(planes);
    drop(from_memory);
    drop(to_memory);
    sparsr_upscaler_free(upscaler);
}

/* ---- progress and cancelling */

typedef struct Told {
    pthread_t thread;
    int calls, until;
    double share;
    const SparsrUpscaler *upscaler;
} Told;

static int tell(void *user, const SparsrProgress *progress) {
    Told *told = user;
    uint32_t scale;
    CHECK(pthread_equal(told->thread, pthread_self()));
    CHECK(progress->share >= told->share && progress->share <= 1.0);
    CHECK(progress->tile <= progress->tiles && progress->phase <= progress->phases);
    CHECK(progress->seconds_left >= 0.0 || progress->seconds_left == -1.0);
    told->share = progress->share;
    /* The upscaler is in use: it says what it is, and makes nothing else. */
    EXPECT(sparsr_upscaler_scale(told->upscaler, &scale), SPARSR_STATUS_OK, "");
    if (told->calls == 0) {
        static uint8_t one[3], four[12];
        SparsrImage from = {{one, NULL, NULL}, 3, 1, 1, SPARSR_FORMAT_RGB_U8};
        SparsrImageMut to = {{four, NULL, NULL}, 6, 2, 2, SPARSR_FORMAT_RGB_U8};
        EXPECT(sparsr_upscale(told->upscaler, &from, &to, NULL, NULL, NULL), SPARSR_STATUS_ARGUMENT, "in another call");
    }
    return ++told->calls == told->until;
}

static void *cancel_soon(void *cancel) {
    struct timespec soon = {0, 60 * 1000 * 1000};
    nanosleep(&soon, NULL);
    CHECK(sparsr_cancel(cancel) == SPARSR_STATUS_OK);
    return NULL;
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* A picture that takes its time. */
static Memory vast(unsigned side) {
    Memory made = memory(U8, RGB, side, side, 0);
    for (size_t at = 0; at < made.bytes; at++) made.planes[0][at] = (uint8_t)(at * at >> 5);
    return made;
}

static void progress_and_cancelling(bool brief) {
    const unsigned side = brief ? 300 : 1200;
    SparsrOptions options = ON_CPU;
    options.tile = 64;
    SparsrUpscaler *upscaler = builtin(&options);
    Memory from_memory = vast(side), to_memory = memory(U8, RGB, SCALE * side, SCALE * side, 0);
    SparsrImage from = readable(&from_memory);
    SparsrImageMut to = writable(&to_memory);

    /* Ended by the callback. */
    Told told = {pthread_self(), 0, 2, 0.0, upscaler};
    EXPECT(sparsr_upscale(upscaler, &from, &to, NULL, tell, &told), SPARSR_STATUS_CANCELLED, "cancelled");
    CHECK(told.calls >= 2 && told.share < 1.0);

    /* Ended from another thread, with and without a callback. */
    for (int listens = 0; listens < 2; listens++) {
        SparsrCancel *cancel = NULL;
        pthread_t thread;
        EXPECT(sparsr_cancel_new(&cancel), SPARSR_STATUS_OK, "");
        CHECK(pthread_create(&thread, NULL, cancel_soon, cancel) == 0);
        Told listener = {pthread_self(), 0, -1, 0.0, upscaler};
        double begun = seconds();
        EXPECT(sparsr_upscale(upscaler, &from, &to, cancel, listens ? tell : NULL, &listener), SPARSR_STATUS_CANCELLED,
               "cancelled");
        double taken = seconds() - begun;
        if (!brief) printf("cancelled after 0.060 s, ended after %.3f s\n", taken);
        CHECK(pthread_join(thread, NULL) == 0);
        /* And every call after it. */
        EXPECT(sparsr_upscale(upscaler, &from, &to, cancel, NULL, NULL), SPARSR_STATUS_CANCELLED, "cancelled");
        sparsr_cancel_free(cancel);
    }

    /* To its end. */
    Memory small = vast(70), large = memory(U8, RGB, 140, 140, 0);
    from = readable(&small);
    to = writable(&large);
    Told whole = {pthread_self(), 0, -1, 0.0, upscaler};
    EXPECT(sparsr_upscale(upscaler, &from, &to, NULL, tell, &whole), SPARSR_STATUS_OK, "");
    CHECK(whole.calls >= 1 && whole.share == 1.0);

    EXPECT(sparsr_cancel_new(NULL), SPARSR_STATUS_ARGUMENT, "out: expected a pointer");
    EXPECT(sparsr_cancel(NULL), SPARSR_STATUS_ARGUMENT, "cancel: expected a pointer");
    sparsr_cancel_free(NULL);
    drop(small);
    drop(large);
    drop(from_memory);
    drop(to_memory);
    sparsr_upscaler_free(upscaler);
}

/* ---- the log, and sentences by threads */

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned lines;

static void log_line(void *user, uint32_t level, const char *line) {
    CHECK(user == &lines && level >= SPARSR_LOG_LEVEL_ERROR && level <= SPARSR_LOG_LEVEL_DEBUG && strlen(line) > 0);
    pthread_mutex_lock(&log_lock);
    lines++;
    pthread_mutex_unlock(&log_lock);
}

static void the_log(const uint8_t *small) {
    EXPECT(sparsr_set_log(NULL, NULL, SPARSR_LOG_LEVEL_WARN), SPARSR_STATUS_ARGUMENT, "logger: expected a pointer");
    EXPECT(sparsr_set_log(log_line, &lines, 0), SPARSR_STATUS_ARGUMENT, "level: expected one of SparsrLogLevel");
    EXPECT(sparsr_set_log(log_line, &lines, SPARSR_LOG_LEVEL_DEBUG), SPARSR_STATUS_OK, "");
    EXPECT(sparsr_set_log(log_line, &lines, SPARSR_LOG_LEVEL_WARN), SPARSR_STATUS_ARGUMENT, "set already");
    /* What is planned for a GPU is told. */
    SparsrOptions options = {"gpu", 0, 0, 0};
    SparsrUpscaler *upscaler = NULL;
    if (sparsr_upscaler_from_builtin("edsrmini-x2", &options, &upscaler) != SPARSR_STATUS_OK) {
        printf("skipped: lines of the log: %s\n", sparsr_last_error());
        return;
    }
    Memory from = filled(U8, RGB, 0, small), to = memory(U8, RGB, SCALE * WIDTH, SCALE * HEIGHT, 0);
    EXPECT(enlarge(upscaler, &from, &to), SPARSR_STATUS_OK, "");
    CHECK(lines > 0);
    drop(from);
    drop(to);
    sparsr_upscaler_free(upscaler);
}

static void *says_nothing(void *unused) {
    (void)unused;
    CHECK(strcmp(sparsr_last_error(), "") == 0);
    return NULL;
}

static void a_sentence_is_its_threads(void) {
    SparsrUpscaler *upscaler = NULL;
    pthread_t thread;
    EXPECT(sparsr_upscaler_from_builtin("nope", &ON_CPU, &upscaler), SPARSR_STATUS_UNSUPPORTED, "nope");
    CHECK(pthread_create(&thread, NULL, says_nothing, NULL) == 0 && pthread_join(thread, NULL) == 0);
    CHECK(strstr(sparsr_last_error(), "nope") != NULL);
}

int main(int count, char **arguments) {
    if (count == 3 && strcmp(arguments[1], "make") == 0) {
        make(arguments[2]);
        return 0;
    }
    if (count == 4 && strcmp(arguments[1], "ppm") == 0) {
        ppm_of_bmp(arguments[2], arguments[3]);
        return 0;
    }
    bool brief = count == 5 && strcmp(arguments[1], "brief") == 0, gpu = count == 5 && strcmp(arguments[1], "gpu") == 0;
    if (count != 5 || (!brief && !gpu && strcmp(arguments[1], "check") != 0)) {
        fprintf(stderr, "api make SMALL, api ppm LARGE.bmp LARGE, or api check|brief|gpu SMALL LARGE FILE\n");
        return 2;
    }
    uint8_t *small = read_ppm(arguments[2], WIDTH, HEIGHT);
    uint8_t *large = read_ppm(arguments[3], SCALE * WIDTH, SCALE * HEIGHT);
    CHECK(strcmp(sparsr_last_error(), "") == 0);
    if (gpu) {
        on_a_gpu(small, large);
        the_log(small);
    } else {
        what_an_upscaler_says();
        every_format(small, large, brief);
        networks_that_there_are_not(arguments[4]);
        networks_from_elsewhere(arguments[4], small, large);
        a_ladder(small);
        a_sentence_is_its_threads();
        what_does_not_fit(small);
        progress_and_cancelling(brief);
    }
    free(small);
    free(large);
    printf("%s: all is as it should be\n", arguments[1]);
    return 0;
}
