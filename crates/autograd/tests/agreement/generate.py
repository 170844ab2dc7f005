"""Writes `vectors.bin` and `vectors.txt`: values, gradients and Hessian-vector products by JAX in float64.

    pip install jax
    python generate.py

Each row of an op is a point x, a direction v, the value f(x), the gradient, and the Hessian times v: little-endian float64.
`vectors.txt` has a line for each op: its name, the number of elements of x, the number of rows. Where an op has several
results, f is their sum weighted by cos(1), cos(2), ...
"""

import jax

jax.config.update("jax_enable_x64", True)
import jax.numpy as jnp
import numpy as np
from jax import lax, nn
from jax.scipy import special

ROWS = 220
GROUND = np.random.default_rng(1964)


def weighted(y):
    y = jnp.ravel(y)
    return jnp.sum(y * jnp.cos(jnp.arange(1, y.size + 1, dtype=jnp.float64)))


def one(function, low=-3.0, high=3.0):
    return (lambda x: function(x[0]), [(low, high)])


def two(function, a=(-3.0, 3.0), b=(-3.0, 3.0)):
    return (lambda x: function(x[0], x[1]), [a, b])


def tensor(function, size, low=-2.0, high=2.0):
    return (lambda x: weighted(function(x)), [(low, high)] * size)


def matrix(x):
    return x.reshape(2, 3)


def conv(x, w, **options):
    return lax.conv_general_dilated(x, w, options["stride"], options["padding"], rhs_dilation=options["dilation"])


def shifted(x):
    return x.reshape(3, 3) + 4.0 * jnp.eye(3)


def pool(x, kind):
    if kind == "max":
        return lax.reduce_window(x, -jnp.inf, lax.max, (2, 2), (2, 2), "VALID")
    return lax.reduce_window(x, 0.0, lax.add, (2, 2), (2, 2), "VALID") / 4.0


OPS = {
    # functions of one number
    "abs": one(jnp.abs),
    "square": one(jnp.square),
    "sqrt": one(jnp.sqrt, 0.05, 9.0),
    "rsqrt": one(lax.rsqrt, 0.05, 9.0),
    "cbrt": one(jnp.cbrt, 0.05, 9.0),
    "recip": one(lambda x: 1.0 / x, 0.1, 5.0),
    "exp": one(jnp.exp, -20.0, 20.0),
    "exp2": one(jnp.exp2, -20.0, 20.0),
    "expm1": one(jnp.expm1),
    "ln": one(jnp.log, 0.01, 50.0),
    "log2": one(jnp.log2, 0.01, 50.0),
    "log10": one(jnp.log10, 0.01, 50.0),
    "ln_1p": one(jnp.log1p, -0.9, 9.0),
    "sin": one(jnp.sin, -50.0, 50.0),
    "cos": one(jnp.cos, -50.0, 50.0),
    "tan": one(jnp.tan, -1.4, 1.4),
    "asin": one(jnp.arcsin, -0.95, 0.95),
    "acos": one(jnp.arccos, -0.95, 0.95),
    "atan": one(jnp.arctan, -9.0, 9.0),
    "sinh": one(jnp.sinh),
    "cosh": one(jnp.cosh),
    "tanh": one(jnp.tanh),
    "asinh": one(jnp.arcsinh, -9.0, 9.0),
    "acosh": one(jnp.arccosh, 1.1, 9.0),
    "atanh": one(jnp.arctanh, -0.9, 0.9),
    "erf": one(special.erf),
    "erfc": one(special.erfc),
    "lgamma": one(special.gammaln, 0.2, 9.0),
    "digamma": one(special.digamma, 0.2, 9.0),
    "relu": one(nn.relu),
    "relu6": one(nn.relu6, -3.0, 9.0),
    "leaky_relu": one(lambda x: nn.leaky_relu(x, 0.1)),
    "elu": one(lambda x: nn.elu(x, 1.5)),
    "celu": one(lambda x: nn.celu(x, 1.5)),
    "selu": one(nn.selu),
    "gelu": one(lambda x: nn.gelu(x, approximate=False)),
    "gelu_tanh": one(lambda x: nn.gelu(x, approximate=True)),
    "silu": one(nn.silu, -9.0, 9.0),
    "mish": one(nn.mish, -9.0, 9.0),
    "sigmoid": one(nn.sigmoid, -9.0, 9.0),
    "log_sigmoid": one(nn.log_sigmoid, -9.0, 9.0),
    "softplus": one(nn.softplus, -9.0, 9.0),
    "softsign": one(nn.soft_sign, -9.0, 9.0),
    "hard_sigmoid": one(nn.hard_sigmoid, -5.0, 5.0),
    "hard_swish": one(nn.hard_swish, -5.0, 5.0),
    "hard_tanh": one(nn.hard_tanh),
    "tanh_shrink": one(lambda x: x - jnp.tanh(x)),
    "powi_5": one(lambda x: x**5),
    "powf_2_5": one(lambda x: x**2.5, 0.05, 5.0),
    # functions of two
    "add": two(jnp.add),
    "sub": two(jnp.subtract),
    "mul": two(jnp.multiply),
    "div": two(jnp.divide, b=(0.3, 3.0)),
    "pow": two(jnp.power, a=(0.1, 4.0)),
    "atan2": two(jnp.arctan2),
    "maximum": two(jnp.maximum),
    "minimum": two(jnp.minimum),
    "hypot": two(jnp.hypot),
    "logaddexp": two(jnp.logaddexp, a=(-30.0, 30.0), b=(-30.0, 30.0)),
    "xlogy": two(special.xlogy, b=(0.05, 9.0)),
    "rem": two(jnp.remainder, a=(-9.0, 9.0), b=(0.5, 3.0)),
    # tensors
    "sum_axis": tensor(lambda x: matrix(x).sum(0) ** 2, 6),
    "mean": tensor(lambda x: jnp.mean(x) ** 3, 6),
    "var": tensor(lambda x: jnp.var(matrix(x), axis=1), 6),
    "var_corrected": tensor(lambda x: jnp.var(matrix(x), axis=1, ddof=1), 6),
    "std": tensor(lambda x: jnp.std(matrix(x), axis=1), 6),
    "prod": tensor(lambda x: jnp.prod(matrix(x), axis=1), 6),
    "logsumexp": tensor(lambda x: special.logsumexp(matrix(x), axis=1), 6, -30.0, 30.0),
    "norm_1": tensor(lambda x: jnp.sum(jnp.abs(matrix(x)), axis=1) ** 2, 6),
    "norm_2": tensor(lambda x: jnp.linalg.norm(matrix(x), axis=1), 6),
    "norm_3": tensor(lambda x: jnp.sum(jnp.abs(matrix(x)) ** 3, axis=1) ** (1.0 / 3.0), 6),
    "softmax": tensor(lambda x: nn.softmax(matrix(x), axis=1), 6),
    "log_softmax": tensor(lambda x: nn.log_softmax(matrix(x), axis=0), 6),
    "cumsum": tensor(lambda x: jnp.cumsum(matrix(x), axis=1) ** 2, 6),
    "cumprod": tensor(lambda x: jnp.cumprod(matrix(x), axis=1), 6),
    "max_axis": tensor(lambda x: jnp.max(matrix(x), axis=1) ** 2, 6),
    "sort": tensor(lambda x: jnp.sort(matrix(x), axis=1) ** 2, 6),
    "matmul": tensor(lambda x: matrix(x[:6]) @ x[6:].reshape(3, 2), 12),
    "einsum": tensor(lambda x: jnp.einsum("ij,kj,ik->j", matrix(x[:6]), matrix(x[6:12]), x[12:].reshape(2, 2)), 16),
    "tril": tensor(lambda x: jnp.tril(x.reshape(3, 3), -1) ** 2, 9),
    "gather": tensor(lambda x: x[jnp.array([4, 0, 4, 2])] ** 2, 6),
    "where": tensor(lambda x: jnp.where(x > 0.0, jnp.exp(x), x * x), 6),
    "cosine_similarity": tensor(
        lambda x: jnp.sum(x[:3] * x[3:]) / (jnp.linalg.norm(x[:3]) * jnp.linalg.norm(x[3:])), 6
    ),
    "conv1d": tensor(
        lambda x: conv(x[:6].reshape(1, 1, 6), x[6:].reshape(2, 1, 3), stride=(2,), padding=[(1, 1)], dilation=(1,)) ** 2, 12
    ),
    "conv2d": tensor(
        lambda x: conv(
            x[:16].reshape(1, 1, 4, 4), x[16:].reshape(1, 1, 2, 2), stride=(1, 1), padding=[(1, 0), (1, 0)], dilation=(1, 2)
        ),
        20,
    ),
    "max_pool2d": tensor(lambda x: pool(x.reshape(4, 4), "max") ** 2, 16),
    "avg_pool2d": tensor(lambda x: pool(x.reshape(4, 4), "avg") ** 2, 16),
    "det": tensor(lambda x: jnp.linalg.det(shifted(x)), 9, -1.0, 1.0),
    "logdet": tensor(lambda x: jnp.linalg.slogdet(shifted(x))[1], 9, -1.0, 1.0),
    "inv": tensor(lambda x: jnp.linalg.inv(shifted(x)), 9, -1.0, 1.0),
    "solve": tensor(lambda x: jnp.linalg.solve(shifted(x[:9]), x[9:]), 12, -1.0, 1.0),
    "cholesky": tensor(lambda x: jnp.linalg.cholesky(shifted(x) @ shifted(x).T), 9, -1.0, 1.0),
}


def rows(function, ranges):
    low, high = np.array(ranges).T
    x = GROUND.uniform(low, high, (ROWS, len(ranges)))
    v = GROUND.uniform(-1.0, 1.0, x.shape)
    gradient = jax.grad(function)
    product = lambda x, v: jax.jvp(gradient, (x,), (v,))[1]
    value, first, second = (jax.jit(jax.vmap(f)) for f in (function, gradient, product))
    return np.concatenate([x, v, np.asarray(value(x))[:, None], first(x), second(x, v)], axis=1)


if __name__ == "__main__":
    lines, blocks = [f"jax {jax.__version__}"], []
    for name, (function, ranges) in OPS.items():
        block = rows(function, ranges)
        assert np.isfinite(block).all(), name
        lines.append(f"{name} {len(ranges)} {ROWS}")
        blocks.append(block.astype("<f8").ravel())
    with open("vectors.bin", "wb") as file:
        file.write(np.concatenate(blocks).tobytes())
    with open("vectors.txt", "w") as file:
        file.write("\n".join(lines) + "\n")
