// The rate of multiply-adds in f16.

#import peak_multiply_add

alias Number = vec4<f16>;
