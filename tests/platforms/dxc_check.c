// Compiles every HLSL file of a folder as a compute shader with Microsoft's DXC, and says which does not compile.
//
//   x86_64-w64-mingw32-gcc -O1 -Wall -Wextra -municode dxc_check.c -o dxc_check.exe
//   dxc_check.exe FOLDER                        beside it lie dxcompiler.dll and dxil.dll; under Wine as well
//
// It asks for what wgpu asks for where a device has 16-bit types: shader model 6.2, HLSL of 2018. The last line is
// "N of M compile, W with warnings". The program fails if one does not compile, if there is none, or without the library.

#include <stdio.h>
#include <stdlib.h>
#include <wchar.h>
#include <windows.h>

// What is used of DXC's interfaces, dxcapi.h: the order of their functions is what matters.

typedef struct Object Object;

typedef struct {
    HRESULT(WINAPI *query)(Object *, const GUID *, Object **);
    ULONG(WINAPI *add_reference)(Object *);
    ULONG(WINAPI *release)(Object *);
} Basics;

typedef struct {
    const void *bytes;
    SIZE_T length;
    UINT encoding;
} Text;

typedef struct {
    Basics basics;
    HRESULT(WINAPI *compile)(Object *, const Text *, const wchar_t **, UINT32, void *, const GUID *, Object **);
} CompilerCalls; // IDxcCompiler3

typedef struct {
    Basics basics;
    HRESULT(WINAPI *status)(Object *, HRESULT *);
    HRESULT(WINAPI *result)(Object *, Object **);
    HRESULT(WINAPI *messages)(Object *, Object **);
} ResultCalls; // IDxcResult

typedef struct {
    Basics basics;
    const char *(WINAPI *pointer)(Object *);
    SIZE_T(WINAPI *size)(Object *);
} BlobCalls; // IDxcBlob

typedef struct {
    Basics basics;
    HRESULT(WINAPI *version)(Object *, UINT32 *, UINT32 *);
} VersionCalls; // IDxcVersionInfo

struct Object {
    const void *calls;
};

#define CALLS(kind, object) ((const kind *)(object)->calls)

typedef HRESULT(WINAPI *Create)(const GUID *, const GUID *, Object **);

static const GUID COMPILER_CLASS = {0x73e22d93, 0xe6ce, 0x47f3, {0xb5, 0xbf, 0xf0, 0x66, 0x4f, 0x39, 0xc1, 0xb0}};
static const GUID COMPILER = {0x228b4687, 0x5a6a, 0x4730, {0x90, 0x0c, 0x97, 0x02, 0xb2, 0x20, 0x3f, 0x54}};
static const GUID RESULT = {0x58346cda, 0xdde7, 0x4497, {0x94, 0x61, 0x6f, 0x87, 0xaf, 0x5e, 0x06, 0x59}};
static const GUID VERSION = {0xb04f5b50, 0x2059, 0x4f12, {0xa8, 0xff, 0xa1, 0xe0, 0xcd, 0xe1, 0xcc, 0x7e}};

static const wchar_t *ARGUMENTS[] = {L"-E", L"main", L"-T", L"cs_6_2", L"-HV", L"2018", L"-enable-16bit-types"};

typedef struct {
    int compile;
    int fail;
    int warned;
} Counts;

static void release(Object *object) {
    if (object) {
        CALLS(Basics, object)->release(object);
    }
}

// A file's bytes, or NULL.
static char *read_file(const wchar_t *path, SIZE_T *length) {
    FILE *file = _wfopen(path, L"rb");
    if (!file) {
        return NULL;
    }
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    char *bytes = size > 0 ? malloc((size_t)size) : NULL;
    if (bytes && fread(bytes, 1, (size_t)size, file) != (size_t)size) {
        free(bytes);
        bytes = NULL;
    }
    fclose(file);
    *length = (SIZE_T)size;
    return bytes;
}

static void check(Object *compiler, const wchar_t *name, const Text *source, Counts *counts) {
    Object *result = NULL, *messages = NULL, *code = NULL;
    HRESULT status = CALLS(CompilerCalls, compiler)
                         ->compile(compiler, source, ARGUMENTS, sizeof ARGUMENTS / sizeof *ARGUMENTS, NULL, &RESULT, &result);
    if (SUCCEEDED(status)) {
        CALLS(ResultCalls, result)->status(result, &status);
        CALLS(ResultCalls, result)->messages(result, &messages);
    }
    if (SUCCEEDED(status)) {
        CALLS(ResultCalls, result)->result(result, &code);
    }
    // A compiled shader is code, not only the absence of an error.
    int compiles = SUCCEEDED(status) && code && CALLS(BlobCalls, code)->size(code) > 0;
    const char *text = messages ? CALLS(BlobCalls, messages)->pointer(messages) : "";
    int speaks = messages && CALLS(BlobCalls, messages)->size(messages) > 1;
    if (!compiles) {
        counts->fail++;
        printf("%ls does not compile (%lx): %.600s\n", name, (unsigned long)status, speaks ? text : "no message");
    } else {
        counts->compile++;
        counts->warned += speaks;
    }
    fflush(stdout);
    release(code);
    release(messages);
    release(result);
}

static void check_folder(Object *compiler, const wchar_t *folder, Counts *counts) {
    wchar_t pattern[MAX_PATH], path[2 * MAX_PATH];
    swprintf(pattern, MAX_PATH, L"%ls\\*.hlsl", folder);
    WIN32_FIND_DATAW found;
    HANDLE search = FindFirstFileW(pattern, &found);
    if (search == INVALID_HANDLE_VALUE) {
        return;
    }
    do {
        Text source = {NULL, 0, CP_UTF8};
        swprintf(path, 2 * MAX_PATH, L"%ls\\%ls", folder, found.cFileName);
        char *bytes = read_file(path, &source.length);
        source.bytes = bytes;
        if (bytes) {
            check(compiler, found.cFileName, &source, counts);
        } else {
            counts->fail++;
            printf("%ls cannot be read\n", found.cFileName);
        }
        free(bytes);
    } while (FindNextFileW(search, &found));
    FindClose(search);
}

static void print_version(Object *compiler) {
    Object *version = NULL;
    UINT32 major = 0, minor = 0;
    if (SUCCEEDED(CALLS(Basics, compiler)->query(compiler, &VERSION, &version))) {
        CALLS(VersionCalls, version)->version(version, &major, &minor);
        printf("DXC %u.%u\n", (unsigned)major, (unsigned)minor);
        release(version);
    }
}

int wmain(int count, wchar_t **arguments) {
    if (count != 2) {
        printf("expected a folder of HLSL files\n");
        return 2;
    }
    HMODULE library = LoadLibraryW(L"dxcompiler.dll");
    Create create = library ? (Create)(void *)GetProcAddress(library, "DxcCreateInstance") : NULL;
    Object *compiler = NULL;
    if (!create || FAILED(create(&COMPILER_CLASS, &COMPILER, &compiler))) {
        printf("no compiler: expected dxcompiler.dll, of 2020 or newer, beside this program (error %lu)\n", GetLastError());
        return 2;
    }
    print_version(compiler);
    Counts counts = {0, 0, 0};
    check_folder(compiler, arguments[1], &counts);
    int all = counts.compile + counts.fail;
    printf("%d of %d compile, %d with warnings\n", counts.compile, all, counts.warned);
    release(compiler);
    return counts.fail != 0 || all == 0;
}
