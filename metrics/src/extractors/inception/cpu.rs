//! The network on the CPU: the convolutions of [`super::layout`] in NHWC, batch normalisation
//! multiplied into the weights.
//!
//! Must agree with [`super::tensors`], which runs the layers one by one, to 1e-5 absolute (logits
//! to 3e-5).

use std::collections::HashMap;

use candle_core::{Error, Result};
use ganbench_nn::kernels::gemm::{Mat, matmul};
use ganbench_nn::kernels::nhwc::{Conv, Maps, Place, Pool, Spec, mean, pool};
use rayon::prelude::*;

use super::layout;
use super::ops::BatchNorm;
use super::tap::Tap;
use super::{BN_EPS, CLASSES, DIM, SIDE};
use crate::weights::Weights;

/// Images that go through the blocks together on one thread: weights are then read once for all of
/// them.
const TOGETHER: usize = 4;

/// Values of one image, `[3, 299, 299]`.
const INPUT: usize = 3 * SIDE * SIDE;

pub(super) struct CpuNetwork {
    layers: HashMap<String, Conv>,
    /// `[1008, 2048]`
    classifier: Vec<f32>,
}

impl CpuNetwork {
    /// `exact` leaves Winograd's algorithm out. `weights` hold the tensors of
    /// [`layout::tensor_specs`]; anything else is an error of candle's.
    pub(super) fn new(weights: &Weights, exact: bool) -> Result<Self> {
        let get = |name: &str| {
            let missing = || Error::Msg(format!("no tensor \"{name}\""));
            weights.tensors.get(name).map(|tensor| &tensor.values).ok_or_else(missing)
        };
        let mut layers = HashMap::new();
        for conv in layout::convolutions() {
            let part = |part: &str| get(&format!("{}.bn.{part}", conv.name));
            let (scale, shift) = BatchNorm {
                weight: part("weight")?,
                bias: part("bias")?,
                mean: part("running_mean")?,
                var: part("running_var")?,
                eps: BN_EPS,
            }
            .scale_and_shift();
            let spec = Spec {
                cin: conv.cin,
                cout: conv.cout,
                kernel: conv.kernel,
                geometry: conv.geometry,
                exact,
            };
            let weight = get(&format!("{}.conv.weight", conv.name))?;
            let layer = Conv::new(spec, weight, &scale, &shift);
            layers.insert(conv.name, layer);
        }
        Ok(Self { layers, classifier: get("fc.weight")?.clone() })
    }

    /// Pooled features `[n, 2048]` and logits without bias `[n, 1008]` of planes `[n, 3, 299,
    /// 299]`.
    pub(super) fn forward(&self, x: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let n = x.len() / INPUT;
        let mut features = vec![0f32; n * DIM];
        let mut logits = vec![0f32; n * CLASSES];
        let together = n.div_ceil(rayon::current_num_threads()).clamp(1, TOGETHER);
        x.par_chunks(together * INPUT)
            .zip(features.par_chunks_mut(together * DIM))
            .zip(logits.par_chunks_mut(together * CLASSES))
            .for_each(|((x, features), logits)| {
                features.copy_from_slice(&self.features(x));
                let classifier = Mat::new(&self.classifier, CLASSES, DIM).t();
                for (features, logits) in
                    features.chunks_exact(DIM).zip(logits.chunks_exact_mut(CLASSES))
                {
                    matmul(logits, Mat::new(features, 1, DIM), classifier, false);
                }
            });
        (features, logits)
    }

    /// Features `[n, tap.dim()]` of planes `[n, 3, 299, 299]`.
    pub(super) fn tapped(&self, x: &[f32], tap: Tap) -> Vec<f32> {
        let n = x.len() / INPUT;
        let mut features = vec![0f32; n * tap.dim()];
        let together = n.div_ceil(rayon::current_num_threads()).clamp(1, TOGETHER);
        x.par_chunks(together * INPUT)
            .zip(features.par_chunks_mut(together * tap.dim()))
            .for_each(|(x, features)| features.copy_from_slice(&self.features_at(x, tap)));
        features
    }

    /// Pooled features of some images, on this thread.
    fn features(&self, x: &[f32]) -> Vec<f32> {
        self.features_at(x, Tap::Last)
    }

    fn features_at(&self, x: &[f32], tap: Tap) -> Vec<f32> {
        let n = x.len() / INPUT;
        if tap == Tap::FirstPool {
            return x.chunks_exact(INPUT).flat_map(|x| mean(&self.first_pool(x))).collect();
        }
        let mut stem = Maps::new(n, [35, 35], 192, [0, 0]);
        for (i, x) in x.chunks_exact(INPUT).enumerate() {
            self.stem(x, &mut stem, i);
        }
        if tap == Tap::SecondPool {
            return mean(&stem);
        }
        let mut x = stem;
        for name in ["Mixed_5b", "Mixed_5c", "Mixed_5d"] {
            x = self.block_a(name, &x);
        }
        x = self.block_b("Mixed_6a", &x);
        for name in ["Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"] {
            x = self.block_c(name, &x);
        }
        if tap == Tap::Mixed6e {
            return mean(&x);
        }
        x = self.block_d("Mixed_7a", &x);
        x = self.block_e("Mixed_7b", &x, Pool::Average);
        x = self.block_e("Mixed_7c", &x, Pool::Max);
        mean(&x)
    }

    /// One image at a time: its maps are large and the weights small.
    fn stem(&self, x: &[f32], to: &mut Maps, image: usize) {
        let x = self.first_pool(x);
        let x = self.conv("Conv2d_3b_1x1", &x, &["Conv2d_4a_3x3"]);
        let x = self.conv("Conv2d_4a_3x3", &x, &[]); // 71x71
        pool(Pool::MaxHalving, &x, to, Place::image(image)); // 35x35
    }

    /// Of one image.
    fn first_pool(&self, x: &[f32]) -> Maps {
        let x = Maps::from_planes(x, 1, [SIDE, SIDE], 3);
        let x = self.conv("Conv2d_1a_3x3", &x, &["Conv2d_2a_3x3"]); // 149x149
        let x = self.conv("Conv2d_2a_3x3", &x, &["Conv2d_2b_3x3"]); // 147x147
        let x = self.conv("Conv2d_2b_3x3", &x, &[]);
        pooled(Pool::MaxHalving, &x) // 73x73
    }

    fn layer(&self, name: &str) -> &Conv {
        &self.layers[name]
    }

    /// A convolution into maps of its own, with the border that the `next` ones need.
    fn conv(&self, name: &str, x: &Maps, next: &[&str]) -> Maps {
        let conv = self.layer(name);
        let size = conv.output([x.height, x.width]);
        let mut border = [0, 0];
        for next in next.iter().map(|next| self.layer(next).border(size)) {
            border = [border[0].max(next[0]), border[1].max(next[1])];
        }
        let mut y = Maps::new(x.n, size, conv.cout(), border);
        conv.apply(x, &mut y, Place::default());
        y
    }

    fn block_a(&self, block: &str, x: &Maps) -> Maps {
        let mut out = Concatenation::new(self, block, x, [35, 35]);
        out.conv("branch1x1", x);
        let five = out.inner("branch5x5_1", x, &["branch5x5_2"]);
        out.conv("branch5x5_2", &five);
        let double = out.inner("branch3x3dbl_1", x, &["branch3x3dbl_2"]);
        let double = out.inner("branch3x3dbl_2", &double, &["branch3x3dbl_3"]);
        out.conv("branch3x3dbl_3", &double);
        out.conv("branch_pool", &pooled(Pool::Average, x));
        out.maps
    }

    fn block_b(&self, block: &str, x: &Maps) -> Maps {
        let mut out = Concatenation::new(self, block, x, [17, 17]);
        out.conv("branch3x3", x);
        let double = out.inner("branch3x3dbl_1", x, &["branch3x3dbl_2"]);
        let double = out.inner("branch3x3dbl_2", &double, &["branch3x3dbl_3"]);
        out.conv("branch3x3dbl_3", &double);
        out.pool(Pool::MaxHalving, x);
        out.maps
    }

    fn block_c(&self, block: &str, x: &Maps) -> Maps {
        let mut out = Concatenation::new(self, block, x, [17, 17]);
        out.conv("branch1x1", x);
        let seven = out.inner("branch7x7_1", x, &["branch7x7_2"]);
        let seven = out.inner("branch7x7_2", &seven, &["branch7x7_3"]);
        out.conv("branch7x7_3", &seven);
        let double = out.inner("branch7x7dbl_1", x, &["branch7x7dbl_2"]);
        let double = out.inner("branch7x7dbl_2", &double, &["branch7x7dbl_3"]);
        let double = out.inner("branch7x7dbl_3", &double, &["branch7x7dbl_4"]);
        let double = out.inner("branch7x7dbl_4", &double, &["branch7x7dbl_5"]);
        out.conv("branch7x7dbl_5", &double);
        out.conv("branch_pool", &pooled(Pool::Average, x));
        out.maps
    }

    fn block_d(&self, block: &str, x: &Maps) -> Maps {
        let mut out = Concatenation::new(self, block, x, [8, 8]);
        let three = out.inner("branch3x3_1", x, &["branch3x3_2"]);
        out.conv("branch3x3_2", &three);
        let seven = out.inner("branch7x7x3_1", x, &["branch7x7x3_2"]);
        let seven = out.inner("branch7x7x3_2", &seven, &["branch7x7x3_3"]);
        let seven = out.inner("branch7x7x3_3", &seven, &["branch7x7x3_4"]);
        out.conv("branch7x7x3_4", &seven);
        out.pool(Pool::MaxHalving, x);
        out.maps
    }

    fn block_e(&self, block: &str, x: &Maps, kind: Pool) -> Maps {
        let mut out = Concatenation::new(self, block, x, [8, 8]);
        out.conv("branch1x1", x);
        let three = out.inner("branch3x3_1", x, &["branch3x3_2a", "branch3x3_2b"]);
        out.conv("branch3x3_2a", &three);
        out.conv("branch3x3_2b", &three);
        let double = out.inner("branch3x3dbl_1", x, &["branch3x3dbl_2"]);
        let double = out.inner("branch3x3dbl_2", &double, &["branch3x3dbl_3a", "branch3x3dbl_3b"]);
        out.conv("branch3x3dbl_3a", &double);
        out.conv("branch3x3dbl_3b", &double);
        out.conv("branch_pool", &pooled(kind, x));
        out.maps
    }
}

fn pooled(kind: Pool, x: &Maps) -> Maps {
    let mut y = Maps::new(x.n, kind.output([x.height, x.width]), x.channels, [0, 0]);
    pool(kind, x, &mut y, Place::default());
    y
}

/// The output of a block: its branches side by side, in the order in which they are added.
struct Concatenation<'a> {
    network: &'a CpuNetwork,
    block: &'a str,
    maps: Maps,
    channels: usize,
}

impl<'a> Concatenation<'a> {
    fn new(network: &'a CpuNetwork, block: &'a str, x: &Maps, size: [usize; 2]) -> Self {
        let channels = layout::block_channels(block, x.channels);
        Self { network, block, maps: Maps::new(x.n, size, channels, [0, 0]), channels: 0 }
    }

    /// A convolution that others follow.
    fn inner(&self, branch: &str, x: &Maps, next: &[&str]) -> Maps {
        let next: Vec<String> = next.iter().map(|n| format!("{}.{n}", self.block)).collect();
        let next: Vec<&str> = next.iter().map(String::as_str).collect();
        self.network.conv(&format!("{}.{branch}", self.block), x, &next)
    }

    /// The last convolution of a branch.
    fn conv(&mut self, branch: &str, x: &Maps) {
        let conv = self.network.layer(&format!("{}.{branch}", self.block));
        conv.apply(x, &mut self.maps, Place::channel(self.channels));
        self.channels += conv.cout();
    }

    fn pool(&mut self, kind: Pool, x: &Maps) {
        pool(kind, x, &mut self.maps, Place::channel(self.channels));
        self.channels += x.channels;
    }
}
