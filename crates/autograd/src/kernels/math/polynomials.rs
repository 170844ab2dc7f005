//! The polynomials of the elementary functions, in f32 and f64.
//!
//! Each is the minimax polynomial of a smooth remainder: the function less its leading terms, which the callers add
//! themselves so that the rounding errors of the polynomial arrive scaled down. The coefficients were computed for this
//! file by the second algorithm of Remez (Cheney, Introduction to Approximation Theory, ch. 3) in 220-bit arithmetic,
//! weighted so that the *relative* error of the whole function is the least. The bound above each one is that error
//! before rounding.

/// `c0 + x (c1 + x (c2 + ...))` by Horner's rule, each step one multiply-add.
macro_rules! horner {
    ($fma:ident, $x:expr, $last:expr) => { $last };
    ($fma:ident, $x:expr, $first:expr, $($rest:expr),+) => {
        Self::fma::<$fma>(horner!($fma, $x, $($rest),+), $x, $first)
    };
}

/// The polynomials that [`Real`](super::real::Real) functions are made of, one set for each width.
pub trait Polynomials: Copy {
    /// `a b + c`, rounded once where `FMA` says that it is one instruction.
    fn fma<const FMA: bool>(a: Self, b: Self, c: Self) -> Self;
    /// The `k` of [`Polynomials::erfc`].
    const ERFC_CENTRE: Self;
    /// q(r) with `e^r = 1 + r + r^2 q(r)` for `|r| <= ln(2) / 2`.
    fn exp<const FMA: bool>(x: Self) -> Self;
    /// L(z) with `ln((1 + s) / (1 - s)) = 2 s + s z L(z)`, `z = s^2`, for `|s| <= 0.1716`.
    fn ln<const FMA: bool>(x: Self) -> Self;
    /// S(z) with `sin r = r + r z S(z)`, `z = r^2`, for `|r| <= pi / 4`.
    fn sin<const FMA: bool>(x: Self) -> Self;
    /// C(z) with `cos r = 1 - z / 2 + z^2 C(z)`, `z = r^2`, for `|r| <= pi / 4`.
    fn cos<const FMA: bool>(x: Self) -> Self;
    /// T(z) with `tanh x = x + x z T(z)`, `z = x^2`, for `|x| <= 0.55`.
    fn tanh<const FMA: bool>(x: Self) -> Self;
    /// H(z) with `sinh x = x + x z H(z)`, `z = x^2`, for `|x| <= 1`.
    fn sinh<const FMA: bool>(x: Self) -> Self;
    /// E(z) with `erf x = x + x E(z)`, `z = x^2`, for `|x| <= 1`.
    fn erf<const FMA: bool>(x: Self) -> Self;
    /// G(x) with `erf x = 1 - e^G(x)` for x >= 1, up to where erf rounds to 1.
    fn erf_tail<const FMA: bool>(x: Self) -> Self;
    /// Y(t) with `erfc x = e^(-x^2) (1 + (1 + t) Y(t)) / (1 + 2 x)`, `t = (x - k) / (x + k)`, for x >= 0.
    fn erfc<const FMA: bool>(x: Self) -> Self;
}

impl Polynomials for f32 {
    #[inline(always)]
    fn fma<const FMA: bool>(a: Self, b: Self, c: Self) -> Self {
        if FMA { a.mul_add(b, c) } else { a * b + c }
    }

    const ERFC_CENTRE: Self = 3.0;

    // Error at most 2^-31.9.
    #[inline(always)]
    fn exp<const FMA: bool>(x: Self) -> Self {
        horner!(FMA, x, 0.5, 0.16666667, 0.041666344, 0.008333271, 0.0013942042, 0.00019915482)
    }

    // Error at most 2^-37.6.
    #[inline(always)]
    fn ln<const FMA: bool>(x: Self) -> Self {
        horner!(FMA, x, 0.6666666, 0.40000334, 0.28537282, 0.23582675)
    }

    // Error at most 2^-37.5.
    #[inline(always)]
    fn sin<const FMA: bool>(x: Self) -> Self {
        horner!(FMA, x, -0.16666667, 0.008333329, -0.00019839304, 2.7180477e-6)
    }

    // Error at most 2^-43.2.
    #[inline(always)]
    fn cos<const FMA: bool>(x: Self) -> Self {
        horner!(FMA, x, 0.041666668, -0.0013888883, 2.4799512e-5, -2.7209595e-7)
    }

    // Error at most 2^-29.8.
    #[inline(always)]
    fn tanh<const FMA: bool>(x: Self) -> Self {
        horner!(FMA, x, -0.33333316, 0.13332586, -0.053852323, 0.02107174, -0.006274329)
    }

    // Error at most 2^-34.2.
    #[inline(always)]
    fn sinh<const FMA: bool>(x: Self) -> Self {
        horner!(FMA, x, 0.16666667, 0.00833335, 0.00019836161, 2.8169477e-6)
    }

    // Error at most 2^-29.6.
    #[inline(always)]
    fn erf<const FMA: bool>(x: Self) -> Self {
        horner!(FMA, x, 0.12837917, -0.37612626, 0.112835854, -0.026853811, 0.0051883273, -0.0008010193, 7.853871e-5)
    }

    // Error at most 2^-35.5.
    #[inline(always)]
    fn erf_tail<const FMA: bool>(x: Self) -> Self {
        horner!(
            FMA,
            x,
            0.00018845111,
            -1.1295803,
            -0.63321656,
            -0.10842195,
            0.025210248,
            -0.0042052516,
            0.00044146625,
            -2.1697095e-5
        )
    }

    // Error at most 2^-28.5.
    #[inline(always)]
    fn erfc<const FMA: bool>(x: Self) -> Self {
        horner!(
            FMA,
            x,
            0.25300807,
            -0.3886292,
            0.34106672,
            -0.21142012,
            0.09215075,
            -0.023855174,
            4.9071932e-5,
            0.002511723,
            -0.0004973511,
            -0.00026099556
        )
    }
}

impl Polynomials for f64 {
    #[inline(always)]
    fn fma<const FMA: bool>(a: Self, b: Self, c: Self) -> Self {
        if FMA { a.mul_add(b, c) } else { a * b + c }
    }

    const ERFC_CENTRE: Self = 4.0;

    // Error at most 2^-61.6.
    #[inline(always)]
    fn exp<const FMA: bool>(x: Self) -> Self {
        horner!(
            FMA,
            x,
            0.5,
            0.16666666666666677,
            0.041666666666666706,
            0.008333333333320654,
            0.0013888888888865037,
            0.0001984126988889216,
            2.4801587364109734e-5,
            2.755724116560019e-6,
            2.755723973044943e-7,
            2.5110178112952573e-8,
            2.092537585307404e-9
        )
    }

    // Error at most 2^-59.5.
    #[inline(always)]
    fn ln<const FMA: bool>(x: Self) -> Self {
        horner!(
            FMA,
            x,
            0.6666666666666735,
            0.39999999999413277,
            0.2857142874272906,
            0.2222219853534467,
            0.18183566430644107,
            0.15313993308697293,
            0.14796555496762318
        )
    }

    // Error at most 2^-57.9.
    #[inline(always)]
    fn sin<const FMA: bool>(x: Self) -> Self {
        horner!(
            FMA,
            x,
            -0.1666666666666663,
            0.008333333333322002,
            -0.00019841269829493796,
            2.7557313587177585e-6,
            -2.5050742253646915e-8,
            1.58959021985201e-10
        )
    }

    // Error at most 2^-64.2.
    #[inline(always)]
    fn cos<const FMA: bool>(x: Self) -> Self {
        horner!(
            FMA,
            x,
            0.0416666666666666,
            -0.0013888888888873995,
            2.4801587289397308e-5,
            -2.7557314326663146e-7,
            2.0875719639764203e-9,
            -1.1359452689982856e-11
        )
    }

    // Error at most 2^-60.6.
    #[inline(always)]
    fn tanh<const FMA: bool>(x: Self) -> Self {
        horner!(
            FMA,
            x,
            -0.333333333333333,
            0.1333333333332662,
            -0.053968253963760135,
            0.021869488385847683,
            -0.00886323260138098,
            0.0035920920304547553,
            -0.001455542849357073,
            0.0005884445134840725,
            -0.00023338166229601483,
            8.331662110893907e-5,
            -1.949481354248445e-5
        )
    }

    // Error at most 2^-63.3.
    #[inline(always)]
    fn sinh<const FMA: bool>(x: Self) -> Self {
        horner!(
            FMA,
            x,
            0.16666666666666669,
            0.008333333333333148,
            0.00019841269841431886,
            2.755731915706868e-6,
            2.5052123137163874e-8,
            1.6057259737103842e-10,
            7.75874969847577e-13
        )
    }

    // Error at most 2^-56.9.
    #[inline(always)]
    fn erf<const FMA: bool>(x: Self) -> Self {
        horner!(
            FMA,
            x,
            0.12837916709551256,
            -0.3761263890318352,
            0.11283791670944184,
            -0.026866170643111354,
            0.005223977606118055,
            -0.0008548325929306461,
            0.00012055293576841257,
            -1.4924712302693152e-5,
            1.6447131592597834e-6,
            -1.6206313987906743e-7,
            1.3710981624884432e-8,
            -7.779471202264704e-10
        )
    }

    // Error at most 2^-57.0.
    #[inline(always)]
    fn erf_tail<const FMA: bool>(x: Self) -> Self {
        horner!(
            FMA,
            x,
            -5.032009280117494e-7,
            -1.1283740861247868,
            -0.636643642944273,
            -0.10270339890086619,
            0.018990102153250626,
            0.00041073407345220135,
            -0.001916054901921423,
            0.0007707341014937916,
            -0.000135108475506275,
            -2.0237360893698402e-5,
            2.2810855073447625e-5,
            -8.663535251772019e-6,
            2.134802060830728e-6,
            -3.7314277867958526e-7,
            4.6401448905581456e-8,
            -3.9322803681508516e-9,
            2.0438380615440475e-10,
            -4.925661729986871e-12
        )
    }

    // Error at most 2^-59.5.
    #[inline(always)]
    fn erfc<const FMA: bool>(x: Self) -> Self {
        horner!(
            FMA,
            x,
            0.2329951186255525,
            -0.37261623546611505,
            0.38799588756873465,
            -0.3198988333140392,
            0.21885976727774192,
            -0.1251269322794918,
            0.05879656646711956,
            -0.021629050928042355,
            0.005431316871998482,
            -0.0003993469079992297,
            -0.000358426392588711,
            0.00015916977173090628,
            -8.548041206359602e-6,
            -1.58514161285622e-5,
            4.629209059962351e-6,
            1.0810172050510102e-6,
            -7.868023437579103e-7,
            -3.919550358344066e-8,
            1.132280600586733e-7,
            -2.8844279865466827e-9,
            -1.4528852114681835e-8,
            4.677820039398849e-10,
            1.1906694449551065e-9
        )
    }
}
