// Adam, AdamW and OBProxSG, the averages, and the sums made empty: all parameters at once.
//
//   g  = factor · share · sums + decay · p        (Adam's decay; of AdamW it is in `shrunk`)
//   m  = β₁ · m + (1 − β₁) · g                    v = β₂ · v + (1 − β₂) · g²
//   p  = shrunk · p − step · m / (√v / root + ε)
//   a  = a + (1 − kept) · (p − a)
//
// OBProxSG's steps make numbers zero, and have no moments. With g = factor · share · sums, and q · sign(p) at most ε zero:
//
//   p  = S(p − step · g, step · λ)        or        q = p − step · (g + λ · sign(p)),  p = q
//
// Nothing is done if the gradient was not finite: the sums stay, so that the host sees which.

#import element
#import update

struct UpdateParams {
    elements: u32,
}

@group(0) @binding(0) var<uniform> params: UpdateParams;
@group(0) @binding(1) var<storage, read> pieces: array<u32>;
@group(0) @binding(2) var<storage, read> settings: array<Vec4>;
@group(0) @binding(3) var<storage, read> control: array<Vec4>;
@group(0) @binding(4) var<storage, read_write> sums: array<Vec4>;
@group(0) @binding(5) var<storage, read_write> parameters: array<Vec4>;
@group(0) @binding(6) var<storage, read_write> first: array<Vec4>;
@group(0) @binding(7) var<storage, read_write> second: array<Vec4>;
@group(0) @binding(8) var<storage, read_write> averages: array<Vec4>;

const ADAM: f32 = 0.0;
const PROX: f32 = 1.0;

fn shrunken(number: Vec4, gradient: Vec4, step: f32, kind: f32) -> Vec4 {
    let weight = settings[1].x;
    if (kind == PROX) {
        let moved = number - step * gradient;
        return sign(moved) * max(abs(moved) - step * weight, Vec4(0.0));
    }
    let moved = number - step * (gradient + weight * sign(number));
    return select(Vec4(0.0), moved, moved * sign(number) > Vec4(settings[1].y));
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>) {
    let at = id.y * workgroups.x * 64u + id.x;
    if (at >= params.elements || control[0].w != 0.0) {
        return;
    }
    let own = settings_of(at);
    var number = parameters[at];
    let kind = settings[2].w;
    if (own.w != 0.0 && kind != ADAM) {
        number = shrunken(number, control[0].x * settings[0].x * sums[at], own.x, kind);
        parameters[at] = number;
    } else if (own.w != 0.0) {
        let gradient = control[0].x * settings[0].x * sums[at] + settings[1].x * number;
        let m = settings[1].z * first[at] + settings[2].x * gradient;
        let v = settings[1].w * second[at] + settings[2].y * gradient * gradient;
        number = own.z * number - own.x * m / (sqrt(v) / own.y + settings[1].y);
        first[at] = m;
        second[at] = v;
        parameters[at] = number;
    }
    averages[at] += (1.0 - settings[0].w) * (number - averages[at]);
    sums[at] = Vec4(0.0);
}
