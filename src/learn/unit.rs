//! The unit that a network counts samples in. One rate is then right for all of its layers.

/// What a tensor's name says of that unit: what its numbers, and the rate that they learn at, are multiplied by. The unit of the
/// picture is divided out at the first convolution, and comes back at the last. 1 for architectures that have none.
pub fn unit_factor(architecture: &str, name: &str, unit: f64) -> f64 {
    let (first, last): (&[&str], &[&str]) = match architecture {
        "edsr" => (&["head.0.", "conv_first."], &["tail.1.", "conv_last."]),
        "ledsr" | "smsr" => (&["head.0."], &["tail.0."]),
        _ => return 1.0,
    };
    let is_of = |modules: &[&str]| modules.iter().any(|module| name.starts_with(module));
    if is_of(first) && !name.ends_with(".bias") {
        unit.recip()
    } else if is_of(last) {
        unit
    } else {
        1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_is_divided_out_and_comes_back() {
        for (name, expected) in [
            ("head.0.weight", 1.0 / 64.0),
            ("head.0.bias", 1.0),
            ("body.0.body.0.weight", 1.0),
            ("head.0.wn_scale", 1.0 / 64.0),
            ("tail.0.0.weight", 1.0),
            ("tail.1.weight", 64.0),
            ("tail.1.bias", 64.0),
        ] {
            assert_eq!(unit_factor("edsr", name, 64.0), expected, "{name}");
            assert_eq!(unit_factor("rlfn", name, 64.0), 1.0);
        }
    }
}
