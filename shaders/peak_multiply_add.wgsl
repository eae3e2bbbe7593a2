// The rate of multiply-adds in f32.

#import peak_multiply_add

alias Number = vec4<f32>;
