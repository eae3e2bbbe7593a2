// What subgroups multiply and add at best: four sums C ← A · B + C of square matrices, and nothing else.
//
//   output[workgroup] = A0·B0 + A0·B1 + A1·B0 + A1·B1, each `rounds` times 8
//
// A workgroup is one subgroup. SIDE is the matrices', `MatrixA` and so on are their types. The four factors come from
// the host, row after row, so nothing can be computed beforehand.

struct PeakCooperativeParams {
    rounds: u32,
}

const MATRIX: u32 = SIDE * SIDE;

@group(0) @binding(0) var<uniform> params: PeakCooperativeParams;
@group(0) @binding(1) var<storage, read> factors: array<f16>; // A0, A1, B0, B1
@group(0) @binding(2) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>) {
    let a0 = coopLoadT<MatrixA>(&factors[0], SIDE);
    let a1 = coopLoadT<MatrixA>(&factors[MATRIX], SIDE);
    let b0 = coopLoadT<MatrixB>(&factors[2u * MATRIX], SIDE);
    let b1 = coopLoadT<MatrixB>(&factors[3u * MATRIX], SIDE);
    var c00 = MatrixC();
    var c01 = MatrixC();
    var c10 = MatrixC();
    var c11 = MatrixC();
    var round = 0u;
    loop {
        for (var step = 0u; step < 8u; step++) {
            c00 = coopMultiplyAdd(a0, b0, c00);
            c01 = coopMultiplyAdd(a0, b1, c01);
            c10 = coopMultiplyAdd(a1, b0, c10);
            c11 = coopMultiplyAdd(a1, b1, c11);
        }
        continuing {
            round++;
            break if round >= params.rounds;
        }
    }
    coopStoreT(c00 + c01 + (c10 + c11), &output[workgroup.x * MATRIX], SIDE);
}
