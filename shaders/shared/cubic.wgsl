// Keys' cubic convolution, a = −0.75.

const A: f32 = -0.75;

// Weights of the four pixels around, t of the way from the second to the third.
fn cubic(t: f32) -> vec4<f32> {
    let far = vec4<f32>(t + 1.0, 0.0, 0.0, 2.0 - t);
    let near = vec4<f32>(0.0, t, 1.0 - t, 0.0);
    let outer = ((A * far - 5.0 * A) * far + 8.0 * A) * far - 4.0 * A;
    let inner = ((A + 2.0) * near - (A + 3.0)) * near * near + 1.0;
    return vec4<f32>(outer.x, inner.y, inner.z, outer.w);
}
