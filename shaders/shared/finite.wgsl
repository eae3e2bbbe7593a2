// Whether numbers are finite. By the bits, since compilers may take NaN for impossible and drop comparisons that look for
// it.

fn finite(value: vec3<f32>) -> bool {
    return all((bitcast<vec3<u32>>(value) & vec3<u32>(0x7f800000u)) != vec3<u32>(0x7f800000u));
}
