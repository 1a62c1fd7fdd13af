//! The 94 convolutions of the FID Inception-v3, in the order of the published file.

use ganbench_nn::kernels::conv::Geometry;

use crate::weights::TensorSpec;

/// A convolution without bias that batch normalisation and ReLU follow.
#[derive(Clone, Debug)]
pub(super) struct Conv {
    pub(super) name: String,
    pub(super) cin: usize,
    pub(super) cout: usize,
    pub(super) kernel: [usize; 2],
    pub(super) geometry: Geometry,
}

/// Channels of the 1x7 and 7x1 convolutions of blocks 6b to 6e.
const MIDDLE: [(&str, usize); 4] =
    [("Mixed_6b", 128), ("Mixed_6c", 160), ("Mixed_6d", 160), ("Mixed_6e", 192)];

pub(super) fn convolutions() -> Vec<Conv> {
    let mut convs = Vec::new();
    stem(&mut convs);
    for (block, cin, pool) in [("Mixed_5b", 192, 32), ("Mixed_5c", 256, 64), ("Mixed_5d", 288, 64)]
    {
        block_a(&mut Block { convs: &mut convs, name: block }, cin, pool);
    }
    block_b(&mut Block { convs: &mut convs, name: "Mixed_6a" });
    for (block, c7) in MIDDLE {
        block_c(&mut Block { convs: &mut convs, name: block }, c7);
    }
    block_d(&mut Block { convs: &mut convs, name: "Mixed_7a" });
    for (block, cin) in [("Mixed_7b", 1280), ("Mixed_7c", 2048)] {
        block_e(&mut Block { convs: &mut convs, name: block }, cin);
    }
    convs
}

/// Channels of the output of a block with `cin` channels of input.
pub(super) fn block_channels(block: &str, cin: usize) -> usize {
    match block {
        "Mixed_5b" => 256,
        "Mixed_5c" | "Mixed_5d" => 288,
        "Mixed_6a" => 480 + cin,
        "Mixed_7a" => 512 + cin,
        "Mixed_7b" | "Mixed_7c" => 2048,
        _ => 768,
    }
}

/// Adds the convolutions of one block. A kernel of odd size keeps the image's size unless stated.
struct Block<'a> {
    convs: &'a mut Vec<Conv>,
    name: &'a str,
}

impl Block<'_> {
    fn add(&mut self, branch: &str, channels: [usize; 2], kernel: [usize; 2]) {
        let padding = kernel.map(|k| k / 2);
        self.push(branch, channels, kernel, Geometry { stride: [1, 1], padding });
    }

    /// 3x3 with stride 2 and no padding.
    fn halve(&mut self, branch: &str, channels: [usize; 2]) {
        self.push(branch, channels, [3, 3], Geometry::square(2, 0));
    }

    fn push(&mut self, branch: &str, channels: [usize; 2], kernel: [usize; 2], geometry: Geometry) {
        let [cin, cout] = channels;
        let name = format!("{}.{branch}", self.name);
        self.convs.push(Conv { name, cin, cout, kernel, geometry });
    }
}

fn stem(convs: &mut Vec<Conv>) {
    let layers = [
        ("Conv2d_1a_3x3", 3, 32, 3, Geometry::square(2, 0)),
        ("Conv2d_2a_3x3", 32, 32, 3, Geometry::square(1, 0)),
        ("Conv2d_2b_3x3", 32, 64, 3, Geometry::square(1, 1)),
        ("Conv2d_3b_1x1", 64, 80, 1, Geometry::square(1, 0)),
        ("Conv2d_4a_3x3", 80, 192, 3, Geometry::square(1, 0)),
    ];
    for (name, cin, cout, kernel, geometry) in layers {
        convs.push(Conv { name: name.into(), cin, cout, kernel: [kernel; 2], geometry });
    }
}

fn block_a(b: &mut Block<'_>, cin: usize, pool: usize) {
    b.add("branch1x1", [cin, 64], [1, 1]);
    b.add("branch5x5_1", [cin, 48], [1, 1]);
    b.add("branch5x5_2", [48, 64], [5, 5]);
    b.add("branch3x3dbl_1", [cin, 64], [1, 1]);
    b.add("branch3x3dbl_2", [64, 96], [3, 3]);
    b.add("branch3x3dbl_3", [96, 96], [3, 3]);
    b.add("branch_pool", [cin, pool], [1, 1]);
}

fn block_b(b: &mut Block<'_>) {
    b.halve("branch3x3", [288, 384]);
    b.add("branch3x3dbl_1", [288, 64], [1, 1]);
    b.add("branch3x3dbl_2", [64, 96], [3, 3]);
    b.halve("branch3x3dbl_3", [96, 96]);
}

fn block_c(b: &mut Block<'_>, c7: usize) {
    b.add("branch1x1", [768, 192], [1, 1]);
    b.add("branch7x7_1", [768, c7], [1, 1]);
    b.add("branch7x7_2", [c7, c7], [1, 7]);
    b.add("branch7x7_3", [c7, 192], [7, 1]);
    b.add("branch7x7dbl_1", [768, c7], [1, 1]);
    b.add("branch7x7dbl_2", [c7, c7], [7, 1]);
    b.add("branch7x7dbl_3", [c7, c7], [1, 7]);
    b.add("branch7x7dbl_4", [c7, c7], [7, 1]);
    b.add("branch7x7dbl_5", [c7, 192], [1, 7]);
    b.add("branch_pool", [768, 192], [1, 1]);
}

fn block_d(b: &mut Block<'_>) {
    b.add("branch3x3_1", [768, 192], [1, 1]);
    b.halve("branch3x3_2", [192, 320]);
    b.add("branch7x7x3_1", [768, 192], [1, 1]);
    b.add("branch7x7x3_2", [192, 192], [1, 7]);
    b.add("branch7x7x3_3", [192, 192], [7, 1]);
    b.halve("branch7x7x3_4", [192, 192]);
}

fn block_e(b: &mut Block<'_>, cin: usize) {
    b.add("branch1x1", [cin, 320], [1, 1]);
    b.add("branch3x3_1", [cin, 384], [1, 1]);
    b.add("branch3x3_2a", [384, 384], [1, 3]);
    b.add("branch3x3_2b", [384, 384], [3, 1]);
    b.add("branch3x3dbl_1", [cin, 448], [1, 1]);
    b.add("branch3x3dbl_2", [448, 384], [3, 3]);
    b.add("branch3x3dbl_3a", [384, 384], [1, 3]);
    b.add("branch3x3dbl_3b", [384, 384], [3, 1]);
    b.add("branch_pool", [cin, 192], [1, 1]);
}

/// Names and shapes of the network's tensors: 472 of them.
pub(super) fn tensor_specs() -> Vec<TensorSpec> {
    let mut specs = Vec::new();
    for conv in convolutions() {
        let [kh, kw] = conv.kernel;
        let name = format!("{}.conv.weight", conv.name);
        specs.push(TensorSpec { name, shape: vec![conv.cout, conv.cin, kh, kw] });
        for part in ["weight", "bias", "running_mean", "running_var"] {
            let name = format!("{}.bn.{part}", conv.name);
            specs.push(TensorSpec { name, shape: vec![conv.cout] });
        }
    }
    specs.push(TensorSpec { name: "fc.weight".into(), shape: vec![super::CLASSES, super::DIM] });
    specs.push(TensorSpec { name: "fc.bias".into(), shape: vec![super::CLASSES] });
    specs
}
