//! The three ops on candle's tape. Each one's backward pass is the other two.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};

use super::super::for_backward;
use super::super::real::{Real, by_type, cpu_slice};
use super::finish::Finish;
use super::{Convolution, Dims, conv_input_grad, conv_weight_grad, conv2d, dims4, passes, shape};

pub struct Conv2d {
    pub conv: Convolution,
}

impl CustomOp2 for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        w: &CpuStorage,
        lw: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let d = Dims::new(dims4(lx)?, dims4(lw)?, self.conv.geometry)?;
        let y = by_type!(x, T, {
            let (x, w) = (cpu_slice::<T>(x, lx)?, cpu_slice::<T>(w, lw)?);
            T::storage(passes::forward(x, w, &d, self.conv.algorithm, Finish::NOTHING))
        });
        Ok((y, (d.n, d.cout, d.plane.out_height, d.plane.out_width).into()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        _: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let ([_, _, h, width], [_, _, kh, kw]) = (shape(x)?, shape(w)?);
        let dx = x.track_op().then(|| conv_input_grad(dy, &for_backward(w), self.conv, [h, width]));
        let dw = w.track_op().then(|| conv_weight_grad(&for_backward(x), dy, self.conv, [kh, kw]));
        Ok((dx.transpose()?, dw.transpose()?))
    }
}

pub struct ConvInputGrad {
    pub conv: Convolution,
    pub size: [usize; 2],
}

impl CustomOp2 for ConvInputGrad {
    fn name(&self) -> &'static str {
        "conv2d-input-grad"
    }

    fn cpu_fwd(
        &self,
        dy: &CpuStorage,
        ldy: &Layout,
        w: &CpuStorage,
        lw: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let ([n, cout, oh, ow], [cout_w, cin, kh, kw]) = (dims4(ldy)?, dims4(lw)?);
        let [h, width] = self.size;
        let d = Dims::new([n, cin, h, width], [cout_w, cin, kh, kw], self.conv.geometry)?;
        if cout != cout_w || (oh, ow) != (d.plane.out_height, d.plane.out_width) {
            bail!("a transposed convolution weight for {cout_w} channels got {cout}x{oh}x{ow}")
        }
        let dx = by_type!(dy, T, {
            let (dy, w) = (cpu_slice::<T>(dy, ldy)?, cpu_slice::<T>(w, lw)?);
            T::storage(passes::input_grad(dy, w, &d, self.conv.algorithm, Finish::NOTHING))
        });
        Ok((dx, (n, cin, h, width).into()))
    }

    fn bwd(
        &self,
        dy: &Tensor,
        w: &Tensor,
        _: &Tensor,
        g: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let [_, _, kh, kw] = shape(w)?;
        let ddy = dy.track_op().then(|| conv2d(g, &for_backward(w), self.conv));
        let dw = w.track_op().then(|| conv_weight_grad(g, &for_backward(dy), self.conv, [kh, kw]));
        Ok((ddy.transpose()?, dw.transpose()?))
    }
}

pub struct ConvWeightGrad {
    pub conv: Convolution,
    pub kernel: [usize; 2],
}

impl CustomOp2 for ConvWeightGrad {
    fn name(&self) -> &'static str {
        "conv2d-weight-grad"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        dy: &CpuStorage,
        ldy: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let ([n, cin, h, width], [ny, cout, oh, ow]) = (dims4(lx)?, dims4(ldy)?);
        let [kh, kw] = self.kernel;
        let d = Dims::new([n, cin, h, width], [cout, cin, kh, kw], self.conv.geometry)?;
        if n != ny || (oh, ow) != (d.plane.out_height, d.plane.out_width) {
            bail!(
                "the gradient of a convolution has the shape {ny}x{cout}x{oh}x{ow}, which is not its output's"
            )
        }
        let dw = by_type!(x, T, {
            let (x, dy) = (cpu_slice::<T>(x, lx)?, cpu_slice::<T>(dy, ldy)?);
            T::storage(passes::weight_grad(x, dy, &d, self.conv.algorithm))
        });
        Ok((dw, (cout, cin, kh, kw).into()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        dy: &Tensor,
        _: &Tensor,
        g: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let [_, _, h, width] = shape(x)?;
        let dx = x.track_op().then(|| conv_input_grad(&for_backward(dy), g, self.conv, [h, width]));
        let ddy = dy.track_op().then(|| conv2d(&for_backward(x), g, self.conv));
        Ok((dx.transpose()?, ddy.transpose()?))
    }
}
