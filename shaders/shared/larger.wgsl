// Which of two numbers is the larger. NaN is larger than any number: a broken number must reach the picture, where it is
// refused.

#import element

// By the bits, since compilers may take NaN for impossible and drop comparisons that look for it.
fn is_nan(x: Vec4) -> vec4<bool> {
    return (bitcast<vec4<u32>>(x) & vec4<u32>(0x7fffffffu)) > vec4<u32>(0x7f800000u);
}

// Whether b is larger than a; not if it is as large, nor if both are NaN.
fn is_larger(b: Vec4, a: Vec4) -> vec4<bool> {
    return (is_nan(b) | (b > a)) & !is_nan(a);
}
