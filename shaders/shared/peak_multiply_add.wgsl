// What a device multiplies and adds at best: chains x ← factor · x + addend in registers, and nothing else.
//
//   output[thread] = Σ over 12 chains c of x_c,   x_c = thread mod 8 + c at first, then 16 · rounds times as above
//
// `Number` is four numbers of the type that is measured. Factor and addend are known to the host alone, so nothing can
// be computed beforehand; with 1 and 1 every x counts the steps, and stays at the largest whole number before its
// type has gaps. With twelve sums and two constants a processor's sixteen registers are enough.

struct PeakMultiplyAddParams {
    rounds: u32,
    factor: f32,
    addend: f32,
}

@group(0) @binding(0) var<uniform> params: PeakMultiplyAddParams;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let factor = Number(vec4<f32>(params.factor));
    let addend = Number(vec4<f32>(params.addend));
    let first = vec4<f32>(f32(id.x % 8u)) + vec4<f32>(0.0, 1.0, 2.0, 3.0);
    var a = Number(first);
    var b = Number(first + 4.0);
    var c = Number(first + 8.0);
    var round = 0u;
    loop {
        for (var step = 0u; step < 16u; step++) {
            a = fma(a, factor, addend);
            b = fma(b, factor, addend);
            c = fma(c, factor, addend);
        }
        continuing {
            round++;
            break if round >= params.rounds;
        }
    }
    let sum = vec4<f32>(a) + vec4<f32>(b) + vec4<f32>(c);
    output[id.x] = dot(sum, vec4<f32>(1.0));
}
