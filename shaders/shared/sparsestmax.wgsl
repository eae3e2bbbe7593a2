// What sparsestmax and its gradient have in common: a thread makes a pixel, and finds which of its channels are supported.
//
//   weight = 1/k + factor · off[c]        off[c] = input[c] − mean(input)    over the k channels that are supported
//
// The first support is sparsemax's. While a weight is negative the support shrinks to what sparsemax leaves of the weights,
// and they are made anew, of the norm that they had:  factor = √(radius² + 1/k₁ − 1/k) / ‖off‖,  k₁ the first k.

const CHOICES: u32 = 16u;

struct SparsestmaxParams {
    width: u32,
    height: u32,
    channels: u32,
}

@group(0) @binding(0) var<uniform> params: SparsestmaxParams;
@group(0) @binding(1) var<storage, read> input: array<Vec4>;
@group(0) @binding(2) var<storage, read> radius: array<Vec4>;

struct Support {
    bits: u32, // a bit a channel
    count: f32,
    factor: f32,
    squares: f32, // ‖off‖²
    projected: bool, // whether the weights lie on a sphere
}

// Of each channel how far it lies from the mean of the supported ones; zero for the others.
var<private> off: array<f32, CHOICES>;

// Channels from the largest, so that a tie is one exactly.
var<private> logits: array<f32, CHOICES>;

fn has(bits: u32, c: u32) -> bool {
    return ((bits >> c) & 1u) == 1u;
}

fn read_logits(first: u32) {
    let plane = params.height * params.width;
    var most = input[first].x;
    for (var c = 0u; c < params.channels; c++) {
        logits[c] = input[first + c / 4u * plane][c % 4u];
        most = max(most, logits[c]);
    }
    for (var c = 0u; c < params.channels; c++) {
        logits[c] -= most;
    }
}

// What sparsemax leaves of `factor · off + share`, or of the logits.
fn shrunk(bits: u32, of_logits: bool, factor: f32, share: f32) -> u32 {
    var left = bits;
    loop {
        var sum = 0.0;
        for (var c = 0u; c < params.channels; c++) {
            sum += select(0.0, select(fma(factor, off[c], share), logits[c], of_logits), has(left, c));
        }
        let threshold = (sum - 1.0) / f32(countOneBits(left));
        var next = 0u;
        for (var c = 0u; c < params.channels; c++) {
            let number = select(fma(factor, off[c], share), logits[c], of_logits);
            next |= select(0u, 1u << c, has(left, c) && number > threshold);
        }
        if (next == left || next == 0u) {
            break;
        }
        left = next;
    }
    return left;
}

// Centres the logits that are supported.
fn centered(bits: u32) -> Support {
    let count = f32(countOneBits(bits));
    var sum = 0.0;
    for (var c = 0u; c < params.channels; c++) {
        sum += select(0.0, logits[c], has(bits, c));
    }
    var squares = 0.0;
    for (var c = 0u; c < params.channels; c++) {
        off[c] = select(0.0, logits[c] - sum / count, has(bits, c));
        squares = fma(off[c], off[c], squares);
    }
    return Support(bits, count, 1.0, squares, false);
}

fn least_weight(support: Support) -> f32 {
    var least = 1.0;
    for (var c = 0u; c < params.channels; c++) {
        let weight = fma(support.factor, off[c], 1.0 / support.count);
        least = min(least, select(1.0, weight, has(support.bits, c)));
    }
    return least;
}

fn supported(first: u32) -> Support {
    read_logits(first);
    let distance = radius[0].x;
    var support = centered(shrunk((1u << params.channels) - 1u, true, 0.0, 0.0));
    let middle = 1.0 / support.count;
    if (sqrt(support.squares) >= distance) {
        return support;
    }
    // Each round takes a channel out, at least.
    for (var round = 0u; round < CHOICES && support.squares > 0.0; round++) {
        let left = max(distance * distance + middle - 1.0 / support.count, 0.0);
        support.factor = sqrt(left / support.squares);
        support.projected = true;
        if (least_weight(support) >= 0.0) {
            return support;
        }
        let factor = support.factor;
        support = centered(shrunk(support.bits, false, factor, 1.0 / support.count));
        support.factor = factor;
    }
    return support;
}
