//! How much arithmetic a layer is.

use ganbench_nn::layers::Kernel;

/// A layer with a weight: its kernel is laid on `positions` places of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerSize {
    /// Channels of the input, or values of a linear layer's.
    pub inputs: usize,
    /// Channels of the output, or values of a linear layer's.
    pub outputs: usize,
    /// Height and width of the kernel, 1 for a linear layer.
    pub kernel: usize,
    /// Pixels of the output of a convolution, of the input of a transposed one; 1 for a linear
    /// layer.
    pub positions: usize,
}

impl LayerSize {
    /// A linear layer of one vector per image.
    pub fn linear(inputs: usize, outputs: usize) -> Self {
        Self { inputs, outputs, kernel: 1, positions: 1 }
    }

    /// A convolution of images of `side`×`side`.
    pub fn convolution(kernel: Kernel, side: usize) -> Self {
        Self::at(kernel, convolved(kernel, side))
    }

    /// A transposed convolution of images of `side`×`side`.
    pub fn transposed(kernel: Kernel, side: usize) -> Self {
        Self::at(kernel, side)
    }

    /// Convolutions that follow one another, from images of `side`×`side`.
    pub fn convolutions(kernels: &[Kernel], mut side: usize) -> Vec<Self> {
        let one = |&kernel: &Kernel| {
            let layer = Self::convolution(kernel, side);
            side = convolved(kernel, side);
            layer
        };
        kernels.iter().map(one).collect()
    }

    /// Transposed convolutions that follow one another, from images of `side`×`side`.
    pub fn transposed_convolutions(kernels: &[Kernel], mut side: usize) -> Vec<Self> {
        let one = |&kernel: &Kernel| {
            let layer = Self::transposed(kernel, side);
            side = side.saturating_sub(1) * kernel.stride + kernel.size;
            side = side.saturating_sub(2 * kernel.padding);
            layer
        };
        kernels.iter().map(one).collect()
    }

    fn at(kernel: Kernel, side: usize) -> Self {
        let Kernel { inputs, outputs, size, .. } = kernel;
        Self { inputs, outputs, kernel: size, positions: side * side }
    }

    /// Values of the weight.
    pub fn weights(&self) -> usize {
        self.inputs * self.outputs * self.kernel * self.kernel
    }

    /// Multiplications, each with its addition, of one image's way forward by the definition of the
    /// layer, whatever the algorithm. Places of the kernel that lie on the padding count. The
    /// gradients of the input and of the weight take as many each.
    pub fn multiply_adds(&self) -> u64 {
        self.weights() as u64 * self.positions as u64
    }
}

/// Side of a convolution's output.
fn convolved(kernel: Kernel, side: usize) -> usize {
    (side + 2 * kernel.padding).saturating_sub(kernel.size) / kernel.stride.max(1) + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::{ARCHITECTURES, NetworkOptions, NetworkSizes};
    use candle_core::Device;
    use ganbench_nn::params::ParamStore;

    #[test]
    fn multiply_adds_of_layers_counted_on_paper() {
        // 3 to 64 channels, 3x3, on 32x32 outputs: 3·64·9·1024.
        let kernel = Kernel { inputs: 3, outputs: 64, size: 3, stride: 1, padding: 1 };
        assert_eq!(LayerSize::convolution(kernel, 32).multiply_adds(), 1_769_472);
        // 64 to 128 channels, 4x4 stride 2, 32x32 to 16x16: 64·128·16·256. The transposed one back
        // takes as many.
        let kernel = Kernel { inputs: 64, outputs: 128, size: 4, stride: 2, padding: 1 };
        assert_eq!(LayerSize::convolution(kernel, 32).multiply_adds(), 33_554_432);
        let back = Kernel { inputs: 128, outputs: 64, ..kernel };
        assert_eq!(LayerSize::transposed(back, 16).multiply_adds(), 33_554_432);
        assert_eq!(LayerSize::linear(128, 8192).multiply_adds(), 1_048_576);
    }

    #[test]
    fn sides_follow_the_kernels() {
        let kernel =
            |size, stride, padding| Kernel { inputs: 1, outputs: 1, size, stride, padding };
        let positions =
            |layers: Vec<LayerSize>| -> Vec<usize> { layers.iter().map(|l| l.positions).collect() };
        // Outputs of 32x32: 16x16, 16x16, 8x8; inputs from 1x1: 1, 4x4, 8x8.
        let down = [kernel(4, 2, 1), kernel(3, 1, 1), kernel(4, 2, 1)];
        assert_eq!(positions(LayerSize::convolutions(&down, 32)), [256, 256, 64]);
        let up = [kernel(4, 1, 0), kernel(4, 2, 1), kernel(3, 1, 1)];
        assert_eq!(positions(LayerSize::transposed_convolutions(&up, 1)), [1, 16, 64]);
    }

    #[test]
    fn every_architecture_counts_the_layers_that_it_builds() {
        let each_size =
            ARCHITECTURES.iter().flat_map(|a| a.image_sizes.iter().map(move |&size| (a, size)));
        for (a, image_size) in each_size {
            let sizes = NetworkSizes {
                width: 4,
                image_size,
                channels: 3,
                // A multiple of the number of chunks of hierarchical generators, 4 and 5.
                z_dim: 20,
                classes: None,
                options: NetworkOptions::default(),
            };
            let counted = |layers: Vec<LayerSize>| {
                let mut weights: Vec<usize> = layers.iter().map(LayerSize::weights).collect();
                weights.sort_unstable();
                weights
            };
            let built = |store: &ParamStore| {
                let params = store.params();
                let weights = params.iter().filter(|(_, v)| v.rank() > 1);
                let mut weights: Vec<usize> = weights.map(|(_, v)| v.elem_count()).collect();
                weights.sort_unstable();
                weights
            };
            let store = ParamStore::new("generator", 0, &Device::Cpu);
            (a.generator)(&store.root(), sizes).unwrap();
            assert_eq!(counted((a.generator_layers)(sizes)), built(&store), "{}", a.name);
            let store = ParamStore::new("discriminator", 0, &Device::Cpu);
            (a.trunk)(&store.root(), sizes).unwrap();
            assert_eq!(counted((a.trunk_layers)(sizes)), built(&store), "{}", a.name);
        }
    }
}
