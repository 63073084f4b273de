// exp, the logistic function and tanh of vectors, to a few units in the last place.
#pragma once
#include "cpu/simd.h"

namespace dartsmith::cpu::DARTSMITH_ISA {

inline Vec choose(Mask condition, Vec yes, Vec no) {
  return (Vec)((condition & (Mask)yes) | (~condition & (Mask)no));
}

inline Vec magnitude(Vec x) {
  return (Vec)((Mask)x & 0x7fffffff);
}

inline Vec with_sign_of(Vec value, Vec sign) {
  return (Vec)((Mask)value | ((Mask)sign & static_cast<int32_t>(0x80000000)));
}

// By Horner's rule, the highest power first.
template <typename... Rest>
inline Vec polynomial(Vec x, float first, Rest... rest) {
  Vec p = splat(first);
  ((p = p * x + rest), ...);
  return p;
}

// 2^k * e^r with x = k * ln 2 + r, |r| <= ln 2 / 2, by a polynomial; 0 below -87.3, largest finite values above 88. NaN
// stays.
inline Vec exponential(Vec x) {
  constexpr float kLog2E = 1.44269504088896341f, kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
  const Vec bounded = choose(x > splat(88.0f), splat(88.0f), choose(x < splat(-87.0f), splat(-87.0f), x));
  constexpr float kRounder = 12582912.0f;  // 1.5 * 2^23: what is added to it loses its fraction
  const Vec shifted = bounded * kLog2E + kRounder;
  const Vec k = shifted - kRounder;
  const Vec r = (bounded - k * kLn2High) - k * kLn2Low;
  const Vec p = polynomial(r, 1.9875691500e-4f, 1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f,
                           5.0000001201e-1f);
  const Vec fraction = p * r * r + r + 1.0f;
  const Vec power = (Vec)(((Mask)shifted << 23) + (127 << 23));
  const Vec result = fraction * power;
  return choose(x < splat(-87.3f), Vec{}, result);
}

// 1 / (1 + e^-x)
inline Vec logistic(Vec x) {
  return 1.0f / (1.0f + exponential(-x));
}

// tanh below 0.625.
inline Vec tangent_near_zero(Vec x) {
  const Vec square = x * x;
  const Vec p = polynomial(square, -5.70498872745e-3f, 2.06390887954e-2f, -5.37397155531e-2f, 1.33314422036e-1f,
                           -3.33332819422e-1f);
  return p * square * x + x;
}

// By e^-2|x|, and near 0, where that would cost digits, by a polynomial.
inline Vec hyperbolic_tangent(Vec x) {
  const Vec size = magnitude(x);
  const Vec e = exponential(-2.0f * size);
  const Vec far = with_sign_of((1.0f - e) / (1.0f + e), x);
  return choose(size < splat(0.625f), tangent_near_zero(x), far);
}

}  // namespace dartsmith::cpu::DARTSMITH_ISA
