//! Ties.

use super::INF;
use wengert_autograd::Tensor;

edges! { "Ties";
    x;
    maximum: "`maximum` of two equal numbers"
        at [&[2.0], &[2.0]];
        x[0].maximum(x[1]);
        value [2.0], gradients [&[0.5], &[0.5]];
    minimum: "`minimum` of two equal numbers"
        at [&[2.0], &[2.0]];
        x[0].minimum(x[1]);
        value [2.0], gradients [&[0.5], &[0.5]];
    fmax: "`fmax` of two equal numbers"
        at [&[2.0], &[2.0]];
        x[0].fmax(x[1]);
        value [2.0], gradients [&[0.5], &[0.5]];
    fmin: "`fmin` of two equal numbers"
        at [&[2.0], &[2.0]];
        x[0].fmin(x[1]);
        value [2.0], gradients [&[0.5], &[0.5]];
    max_of_all: "`max` of all, with ties", "shared equally"
        at [&[2.0, 1.0, 2.0]];
        x[0].max();
        value [2.0], gradients [&[0.5, 0.0, 0.5]];
    max_all_equal: "`max` of four equal elements", "shared equally"
        at [&[3.0, 3.0, 3.0, 3.0]];
        x[0].max();
        value [3.0], gradients [&[0.25, 0.25, 0.25, 0.25]];
    amax: "`amax` over an axis, with ties", "values only: shared equally"
        at [&[2.0, 2.0, 5.0, 1.0]];
        x[0].reshape([2, 2]).amax(&[1], false);
        value [2.0, 5.0], gradients [&[0.5, 0.5, 1.0, 0.0]];
    amin: "`amin` over an axis, with ties", "values only: shared equally"
        at [&[2.0, 2.0, 5.0, 1.0]];
        x[0].reshape([2, 2]).amin(&[1], false);
        value [2.0, 1.0], gradients [&[0.5, 0.5, 0.0, 1.0]];
    max_with_indices: "`max_with_indices`, with ties", "all to the returned place, the first"
        at [&[2.0, 1.0, 2.0]];
        x[0].max_with_indices(0, false).0;
        value [2.0], gradients [&[1.0, 0.0, 0.0]];
    min_with_indices: "`min_with_indices`, with ties", "all to the returned place, the first"
        at [&[2.0, 1.0, 1.0]];
        x[0].min_with_indices(0, false).0;
        value [1.0], gradients [&[0.0, 1.0, 0.0]];
    median_even: "`median` of an even count", "the mean of the two in the middle; PyTorch returns the lower"
        at [&[4.0, 1.0, 3.0, 9.0]];
        x[0].median();
        value [3.5], gradients [&[0.5, 0.0, 0.5, 0.0]];
    median_ties: "`median` with ties", "shared equally"
        at [&[2.0, 1.0, 2.0, 2.0, 2.0]];
        x[0].median();
        value [2.0], gradients [&[0.25, 0.0, 0.25, 0.25, 0.25]];
    sort: "`sort` with ties, cotangents 1, 2, 4", "stable: each gets its own"
        at [&[5.0, 3.0, 5.0]];
        x[0].sort(0, false).0 * x[0].tape().constant(Tensor::from([1.0, 2.0, 4.0]));
        value [3.0, 10.0, 20.0], gradients [&[2.0, 1.0, 4.0]];
    sort_descending: "`sort` descending with ties, cotangents 1, 2, 4", "stable: each gets its own"
        at [&[5.0, 3.0, 5.0]];
        x[0].sort(0, true).0 * x[0].tape().constant(Tensor::from([1.0, 2.0, 4.0]));
        value [5.0, 10.0, 12.0], gradients [&[1.0, 4.0, 2.0]];
    topk: "`topk(1)` with ties", "the first"
        at [&[5.0, 3.0, 5.0]];
        x[0].topk(1, 0).0;
        value [5.0], gradients [&[1.0, 0.0, 0.0]];
    norm_infinite: "`norm(inf)` with ties", "shared equally"
        at [&[2.0, -2.0, 1.0]];
        x[0].norm(INF);
        value [2.0], gradients [&[0.5, -0.5, 0.0]];
    scatter: "`scatter` of 10 and 20 into one place", "the last one wins"
        at [&[1.0, 2.0], &[10.0, 20.0]];
        x[0].scatter(0, [1, 1], x[1]);
        value [1.0, 20.0], gradients [&[1.0, 0.0], &[0.0, 1.0]];
    scatter_add: "`scatter_add` of 10 and 20 into one place", "a sum has no ties"
        at [&[1.0, 2.0], &[10.0, 20.0]];
        x[0].scatter_add(0, [1, 1], x[1]);
        value [1.0, 32.0], gradients [&[1.0, 1.0], &[1.0, 1.0]];
    gather: "`gather` of one place twice"
        at [&[1.0, 2.0]];
        x[0].gather(0, [1, 1]);
        value [2.0, 2.0], gradients [&[0.0, 2.0]];
}
