// Who attends to whom, and where a head's numbers lie: what attention and its gradients share.
//
// A set is what attends to itself: a window, cut at the picture's edges, or a run of pixels, which is a window of one
// row in a picture of one row. Its pixels in raster order are its tokens.
//
// The kernel declares `input`, queries, keys and values one after the other along the channels, and `params` with what
// is asked of it here. The host puts in front: const DEPTH, the channels of a head.

#import element
#import layout

const GROUPS: u32 = (DEPTH + 3u) / 4u;

struct Head {
    n: u32,
    head: u32,
}

// A set: where it lies in the picture, and of how many it is.
struct Tokens {
    y: u32,
    x: u32,
    width: u32,
    count: u32,
}

fn tokens_of(index: u32) -> Tokens {
    let row = index / params.sets_a_row * params.set_height;
    let column = index % params.sets_a_row * params.set_width;
    let y = max(row, params.lead_y) - params.lead_y;
    let x = max(column, params.lead_x) - params.lead_x;
    let height = min(row + params.set_height - params.lead_y, params.height) - y;
    let width = min(column + params.set_width - params.lead_x, params.width) - x;
    return Tokens(y, x, width, height * width);
}

fn pixel(tokens: Tokens, token: u32) -> u32 {
    return (tokens.y + token / tokens.width) * params.width + tokens.x + token % tokens.width;
}

// Such that the bias of p and q is at the difference of their places, and of the largest offset.
fn place(tokens: Tokens, token: u32) -> u32 {
    return token / tokens.width * (2u * params.set_width - 1u) + token % tokens.width;
}

fn largest_offset() -> u32 {
    return (params.set_height - 1u) * (2u * params.set_width - 1u) + params.set_width - 1u;
}

// Where a number lies in a picture that begins at a plane.
fn number(plane: u32, channel: u32, pixel: u32) -> u32 {
    return ((plane + channel / 4u) * params.height * params.width + pixel) * 4u + channel % 4u;
}

// Where a head's group of four lies, whose channels begin anywhere in one; past the head's last channel, that again.
fn numbers(plane: u32, channel: u32, pixel: u32, group: u32) -> vec4<u32> {
    let lanes = vec4<u32>(4u * group) + vec4<u32>(0u, 1u, 2u, 3u);
    let c = min(lanes, vec4<u32>(DEPTH - 1u)) + vec4<u32>(channel);
    return vec4<u32>(
        number(plane, c.x, pixel), number(plane, c.y, pixel), number(plane, c.z, pixel), number(plane, c.w, pixel)
    );
}

// A group of four of a head's queries (part 0), keys or values.
fn gather(at: Head, part: u32, pixel: u32, group: u32) -> Vec4 {
    let plane = at.n * channel_groups(3u * params.heads * DEPTH);
    let i = numbers(plane, (part * params.heads + at.head) * DEPTH, pixel, group);
    let value = Vec4(f32(input[i.x]), f32(input[i.y]), f32(input[i.z]), f32(input[i.w]));
    return live_lanes(value, group, DEPTH);
}
