// What kernels compute with: four numbers, in f32 always.
//
// How a binding stores them is its own affair: `array<InputStored>` is four f32 or four f16 to an element,
// `array<InputNumber>` one. The host puts those types in front, so kernels convert where they load and store:
//
//   Vec4(input[i])        output[i] = OutputStored(value)
//
// A binding of `array<Vec4>` is f32 in every plan.

alias Vec4 = vec4<f32>;
