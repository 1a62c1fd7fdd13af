use super::*;

#[test]
fn coefficients_of_pixels_pass_and_those_that_none_have_do_not() {
    let steps = [1u16; 64];
    let mut block = [0i16; 64];
    assert!(!overflows(&block, &steps));
    // The mean of white pixels, and details as strong as a block of black and white has.
    block[0] = 1016;
    block[1..].fill(100);
    assert!(!overflows(&block, &steps));
    // Four times 8190 is the last that passes.
    let alone = |value: i16| {
        let mut block = [0i16; 64];
        block[0] = value;
        overflows(&block, &steps)
    };
    assert!(!alone(8190) && !alone(-8190) && alone(8192) && alone(-8192));
    // It is the product that counts, at the place of the file's order: the third value of a block
    // stands at the head of the second row.
    let mut steps = [1u16; 64];
    steps[8] = 255;
    let mut block = [0i16; 64];
    block[2] = 100;
    assert!(overflows(&block, &steps));
    block.swap(1, 2);
    assert!(!overflows(&block, &steps));
}

#[test]
fn an_image_of_coefficients_that_no_pixels_have_is_refused() {
    let cases = crate::fixtures::jpeg_cases(include_str!("../../tests-data/jpeg.json"));
    let whole = crate::fixtures::bytes_from_hex(&cases["444"].jpeg);
    assert_eq!(check(&whole), Ok(()));
    let mut damaged = whole.clone();
    let table = whole.windows(2).position(|pair| pair == [0xff, 0xdb]).unwrap() + 5;
    damaged[table..table + 64].fill(255);
    let said =
        Fault::Damaged("is a JPEG image of coefficients that no pixels of 8 bits have".into());
    assert_eq!(check(&damaged), Err(said));
}
