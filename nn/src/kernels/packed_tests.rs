use ganbench_data::rng::Stream;

use super::super::simd::with_isa;
use super::*;

fn pack(values: &[f32], dim: usize) -> PackedRows {
    PackedRows::new(values.len() / dim, dim, |row, columns, out| {
        out.copy_from_slice(&values[row * dim..][columns]);
    })
}

#[test]
fn products_of_packed_rows_are_near_f64_on_every_instruction_set() {
    for isa in Isa::available() {
        for (m, n, dim) in [(1, 1, 1), (33, 70, 40), (130, 31, 300), (64, 65, 512)] {
            let x = Stream::new(1, "x").normal(m * dim);
            let y = Stream::new(2, "y").normal(n * dim);
            with_isa(isa, || {
                let (left, right) = (pack(&x, dim), pack(&y, dim));
                let rows = if m > 64 { 32..m - 1 } else { 0..m };
                let columns = if n > 64 { 64..n } else { 0..n };
                let tile = RowProducts { left: &left, right: &right, rows, columns, upper: false };
                let mut out = vec![f32::NAN; 3];
                let stride = tile.compute(&mut out);
                for (r, i) in tile.rows.clone().enumerate() {
                    for (c, j) in tile.columns.clone().enumerate() {
                        let pairs = x[i * dim..][..dim].iter().zip(&y[j * dim..][..dim]);
                        let exact: f64 = pairs.map(|(&x, &y)| f64::from(x) * f64::from(y)).sum();
                        let error = (f64::from(out[r * stride + c]) - exact).abs();
                        assert!(error < 5e-5, "({i}, {j}) of {m}x{n}x{dim} on {}", isa.name());
                    }
                }
            });
        }
    }
}

#[test]
fn a_product_is_the_same_to_the_bit_wherever_it_stands() {
    let (n, dim) = (150, 300);
    let x = Stream::new(3, "x").normal(n * dim);
    for isa in Isa::available() {
        with_isa(isa, || {
            let all = pack(&x, dim);
            let products = |rows: Range<usize>, columns: Range<usize>, upper| {
                let mut out = Vec::new();
                let tile = RowProducts { left: &all, right: &all, rows, columns, upper };
                let stride = tile.compute(&mut out);
                move |r: usize, c: usize| out[r * stride + c]
            };
            let whole = products(0..n, 0..n, false);
            let (half, tile) = (products(0..n, 0..n, true), products(32..90, 64..n, false));
            for i in 0..n {
                for j in i..n {
                    assert_eq!(whole(i, j), whole(j, i), "{i} {j}");
                    assert_eq!(whole(i, j), half(i, j), "{i} {j}");
                    if (32..90).contains(&i) && j >= 64 {
                        assert_eq!(whole(i, j), tile(i - 32, j - 64), "{i} {j}");
                    }
                }
            }
        });
    }
}

#[test]
fn rows_packed_again_are_as_if_packed_afresh() {
    let (n, dim) = (50, 270);
    let x = Stream::new(4, "x").normal(n * dim);
    let mut again = pack(&x[..40 * 100], 100);
    again.refill(n, dim, |row, columns, out| {
        out.copy_from_slice(&x[row * dim..][columns]);
    });
    assert_eq!(again.len(), n);
    assert_eq!(again.floats(), pack(&x, dim).floats());
}
