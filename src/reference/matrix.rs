//! Products of matrices, by the `gemm` crate.

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
}

/// `product = a · b`, by rows without gaps. An empty sum is zero.
///
/// # Panics
/// If the sides do not fit together.
#[expect(unsafe_code, reason = "the gemm crate takes pointers; this is its one caller")]
pub(super) fn multiply(a: Matrix<'_>, b: Matrix<'_>, product: &mut [f32]) {
    let (rows, columns, depth) = (a.rows, b.columns, a.columns);
    assert_eq!(depth, b.rows, "a has as many columns as b has rows");
    assert_eq!(Some(product.len()), rows.checked_mul(columns), "the product is {rows}x{columns}");
    if product.is_empty() || depth == 0 {
        return product.fill(0.0);
    }
    // SAFETY: no side is empty, so `Matrix::new` has checked that element (r, c) of `a` and of `b` lies
    // at `r · stride + c` within `values`, and `product` holds rows · columns numbers. A slice is at most
    // isize::MAX bytes long, so no offset overflows (the stride of a single row is never added). The
    // product is borrowed mutably, so it overlaps neither factor, and `read_dst` is false.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            depth,
            product.as_mut_ptr(),
            1,
            columns as isize,
            false,
            a.values.as_ptr(),
            1,
            a.stride as isize,
            b.values.as_ptr(),
            1,
            b.stride as isize,
            0.0,
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
