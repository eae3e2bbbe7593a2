// How activations and weights are stored. Sums are always kept in f32.

alias Vec4 = vec4<f32>;
