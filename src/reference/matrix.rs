//! Products of matrices, by the `gemm` crate.
//!
//! A column of a product has the same bits wherever it stands and however many stand beside it. The crate alone does
//! not promise that: it sums lane by lane where there is one column, and it cuts long sums into pieces at places
//! that depend on whether there are more than 64 rows and columns. So single columns are doubled here, and long
//! sums cut. All that is left makes each number by one chain of multiply-adds, first to last.

/// The longest sum that the crate never cuts.
const LONGEST_SUM: usize = 512;

/// A matrix by rows, or a part of one: row r starts at `values[r · stride]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    stride: usize,
}

impl<'a> Matrix<'a> {
    /// The first `columns` numbers of each row.
    ///
    /// # Panics
    /// If a row reaches past the next one, or the last past the end of `values`.
    pub(super) fn new(values: &'a [f32], rows: usize, columns: usize, stride: usize) -> Self {
        if rows > 0 && columns > 0 {
            assert!(columns <= stride, "a row of {columns} lies within its stride of {stride}");
            assert!(columns <= values.len(), "a row of {columns} lies within {} values", values.len());
            let last = (values.len() - columns) / stride;
            assert!(rows - 1 <= last, "row {} starts where it fits, at most {last}", rows - 1);
        }
        Self { values, rows, columns, stride }
    }

    /// How many columns.
    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    /// The first column twice.
    fn doubled(&self) -> Vec<f32> {
        (0..self.rows).flat_map(|row| [self.values[row * self.stride]; 2]).collect()
    }
}

/// `product = a · b`, by rows without gaps. An empty sum is zero.
///
/// # Panics
/// If the sides do not fit together.
pub(super) fn multiply(a: Matrix<'_>, b: Matrix<'_>, product: &mut [f32]) {
    let (rows, columns, depth) = (a.rows, b.columns, a.columns);
    assert_eq!(depth, b.rows, "a has as many columns as b has rows");
    assert_eq!(Some(product.len()), rows.checked_mul(columns), "the product is {rows}x{columns}");
    if product.is_empty() || depth == 0 {
        return product.fill(0.0);
    }
    if columns == 1 {
        let mut twice = vec![0.0; 2 * rows];
        multiply(a, Matrix::new(&b.doubled(), depth, 2, 2), &mut twice);
        return product.iter_mut().zip(twice.chunks(2)).for_each(|(number, twice)| *number = twice[0]);
    }
    let length = depth.div_ceil(depth.div_ceil(LONGEST_SUM)); // pieces are as equal as may be
    for start in (0..depth).step_by(length) {
        let length = length.min(depth - start);
        let a = Matrix::new(&a.values[start..], rows, length, a.stride);
        let b = Matrix::new(&b.values[start * b.stride..], length, columns, b.stride);
        multiply_piece(a, b, product, start > 0);
    }
}

/// `product = a · b`, or adds that to it; no side is empty.
#[expect(unsafe_code, reason = "the gemm crate takes pointers; this is its one caller")]
fn multiply_piece(a: Matrix<'_>, b: Matrix<'_>, product: &mut [f32], add: bool) {
    let (rows, columns, depth) = (a.rows, b.columns, a.columns);
    assert!(rows > 0 && columns > 0 && depth > 0 && depth == b.rows && product.len() == rows * columns);
    // SAFETY: no side is empty, so `Matrix::new` has checked that element (r, c) of `a` and of `b` lies
    // at `r · stride + c` within `values`, and `product` holds rows · columns numbers, all of them written
    // before. A slice is at most isize::MAX bytes long, so no offset overflows (the stride of a single row
    // is never added). The product is borrowed mutably, so it overlaps neither factor.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            depth,
            product.as_mut_ptr(),
            1,
            columns as isize,
            add,
            a.values.as_ptr(),
            1,
            a.stride as isize,
            b.values.as_ptr(),
            1,
            b.stride as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::super::testing::parameter;
    use super::*;

    /// 1, 2, …: whole numbers, so that products are exact.
    fn count() -> Vec<f32> {
        (1..=24).map(|number| number as f32).collect()
    }

    #[test]
    fn parts_of_matrices_multiply_by_the_definition() {
        let values = count();
        for (rows, depth, columns) in [(1, 1, 1), (2, 3, 4), (3, 2, 1), (1, 4, 3), (3, 3, 3), (5, 1, 4)] {
            let (a, b) = (Matrix::new(&values, rows, depth, 4), Matrix::new(&values[1..], depth, columns, 5));
            let mut product = vec![f32::NAN; rows * columns];
            multiply(a, b, &mut product);
            for (index, found) in product.into_iter().enumerate() {
                let (r, c) = (index / columns, index % columns);
                let expected: f32 = (0..depth).map(|k| values[4 * r + k] * values[1 + 5 * k + c]).sum();
                assert_eq!(found, expected, "{rows}x{depth}x{columns} at {r}, {c}");
            }
        }
    }

    /// On every path of the `gemm` crate that a shape may take: few rows, few columns, sums longer than it makes in
    /// one piece.
    #[test]
    fn a_column_has_the_same_bits_wherever_it_stands() {
        const WIDE: usize = 300;
        for depth in [1, 2, 3, 8, 27, 64, 288, 512, 513, 576, 1025, 1600] {
            let b = parameter([depth, WIDE], 1);
            for rows in [1, 2, 5, 16, 63, 64, 65, 130] {
                let a = parameter([rows, depth], 2);
                let product = |columns: Range<usize>| {
                    let b = Matrix::new(&b.values()[columns.start..], depth, columns.len(), WIDE);
                    let mut product = vec![f32::NAN; rows * columns.len()];
                    multiply(Matrix::new(a.values(), rows, depth, depth), b, &mut product);
                    product
                };
                let whole = product(0..WIDE);
                for columns in [0..1, 299..300, 7..9, 1..17, 5..68, 200..264, 100..165, 31..160] {
                    for (r, row) in product(columns.clone()).chunks(columns.len()).enumerate() {
                        let expected = &whole[WIDE * r..][columns.clone()];
                        let same = row.iter().zip(expected).all(|(a, b)| a.to_bits() == b.to_bits());
                        assert!(same, "{rows}x{depth}, row {r} of columns {columns:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn an_empty_sum_is_zero() {
        let mut product = [f32::NAN; 6];
        multiply(Matrix::new(&[], 2, 0, 9), Matrix::new(&[], 0, 3, 9), &mut product);
        assert_eq!(product, [0.0; 6]);
    }

    #[test]
    #[should_panic(expected = "row 3 starts where it fits, at most 2")]
    fn a_row_past_the_end_is_refused() {
        Matrix::new(&count()[..15], 4, 4, 4);
    }
}
