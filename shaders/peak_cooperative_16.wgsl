// The rate of multiply-adds by matrices of 16×16: f16 factors, f32 sums.

#import peak_cooperative

const SIDE: u32 = 16u;

alias MatrixA = coop_mat16x16<f16, A>;
alias MatrixB = coop_mat16x16<f16, B>;
alias MatrixC = coop_mat16x16<f32, C>;
