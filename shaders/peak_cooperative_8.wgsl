// The rate of multiply-adds by matrices of 8×8: f16 factors, f32 sums.

#import peak_cooperative

const SIDE: u32 = 8u;

alias MatrixA = coop_mat8x8<f16, A>;
alias MatrixB = coop_mat8x8<f16, B>;
alias MatrixC = coop_mat8x8<f32, C>;
