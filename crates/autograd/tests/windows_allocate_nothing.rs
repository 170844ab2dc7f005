//! After the first call no kernel of the windowed ops allocates. What other threads allocate, those of the test runner too,
//! is not counted.

use wengert_autograd::kernels::pool;
use wengert_autograd::kernels::windows::convolution::{self, Geometry};
use wengert_autograd::kernels::windows::extreme::{self, Planes};
use wengert_autograd::kernels::windows::{Axis, Windows, banded};

mod counting;

#[test]
fn windows_allocate_nothing() {
    let conv = Axis { input: 12, kernel: 3, output: 12, stride: 1, dilation: 1, padding: 1 };
    let geometry = Geometry { axes: [Axis::UNIT, conv, conv], groups: 2, inputs: 3, outputs: 4 };
    let even = Windows::Even(Axis { input: 12, kernel: 3, output: 6, stride: 2, dilation: 1, padding: 1 });
    let windows = [Windows::Even(Axis::UNIT), even, even];
    let planes = Planes { windows: &windows, count: 60 };
    let band = banded::Band::Linear { input: 12, output: 24, align_corners: false };
    let batch = 10;
    let (x, w) = (vec![1.0_f32; batch * 6 * 144], vec![0.5_f32; 8 * 3 * 9]);
    let (mut y, mut gx, mut gw) = (vec![0.0_f32; batch * 8 * 144], x.clone(), w.clone());
    let (mut pooled, mut twice) = (vec![0.0_f32; 60 * 36], vec![0.0_f32; 60 * 288]);
    pool::set_threads(1);
    let mut all = || {
        convolution::forward(&geometry, batch, &x, &w, &mut y).expect("sizes fit");
        convolution::to_input(&geometry, batch, &y, &w, &mut gx).expect("sizes fit");
        convolution::to_weight(&geometry, batch, &x, &y, &mut gw).expect("sizes fit");
        extreme::max(planes, &x, &mut pooled);
        extreme::put(planes, &x, &pooled, &mut gx);
        banded::apply(&band, 12, &x, &mut twice);
        banded::transpose(&band, 12, &twice, &mut gx);
    };
    all();
    let before = counting::allocations();
    (0..20).for_each(|_| all());
    assert_eq!(counting::allocations(), before);
    assert_eq!(y[13], 13.5, "27 products of 1 and 1/2");
}
