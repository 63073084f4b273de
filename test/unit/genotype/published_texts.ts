/** Published genotypes as the published code writes them, typed by hand. */
export const publishedTexts: Readonly<Record<string, string>> = {
  FairDARTS_a:
    "Genotype(normal=[('sep_conv_3x3', 2, 0), ('sep_conv_5x5', 2, 1), ('max_pool_3x3', 4, 0), ('sep_conv_3x3', 5, 0)], " +
    "normal_concat=range(2, 6), reduce=[('max_pool_3x3', 2, 0), ('avg_pool_3x3', 2, 1), ('avg_pool_3x3', 3, 0), " +
    "('dil_conv_5x5', 3, 1), ('avg_pool_3x3', 4, 0), ('sep_conv_5x5', 4, 1), ('skip_connect', 5, 0), ('skip_connect', 5, 1)], " +
    'reduce_concat=range(2, 6))',
  FairDARTS_c:
    "Genotype(normal=[('max_pool_3x3', 2, 0), ('sep_conv_5x5', 2, 1), ('dil_conv_3x3', 4, 0), ('dil_conv_5x5', 4, 2), " +
    "('skip_connect', 5, 3), ('sep_conv_3x3', 5, 0)], normal_concat=range(2, 6), reduce=[('dil_conv_3x3', 2, 1), " +
    "('dil_conv_5x5', 2, 0), ('dil_conv_3x3', 3, 0), ('sep_conv_3x3', 3, 1), ('sep_conv_5x5', 4, 0), ('sep_conv_5x5', 4, 3), " +
    "('sep_conv_5x5', 5, 0), ('skip_connect', 5, 1)], reduce_concat=range(2, 6))",
  FairDARTS_g:
    "Genotype(normal=[('sep_conv_3x3', 2, 0), ('sep_conv_3x3', 2, 1), ('skip_connect', 4, 3), ('sep_conv_5x5', 4, 1), " +
    "('dil_conv_3x3', 5, 0), ('sep_conv_3x3', 5, 1)], normal_concat=range(2, 6), reduce=[('avg_pool_3x3', 2, 1), " +
    "('skip_connect', 2, 0), ('skip_connect', 3, 2), ('max_pool_3x3', 3, 1), ('sep_conv_5x5', 4, 3), ('max_pool_3x3', 4, 0), " +
    "('dil_conv_3x3', 5, 1), ('dil_conv_3x3', 5, 4)], reduce_concat=range(2, 6))",
  DCO_EDGE_BS_64:
    "Genotype(normal=[('dil_conv_3x3', 2, 0), ('sep_conv_3x3', 2, 0), ('sep_conv_3x3', 2, 1), ('dil_conv_3x3', 2, 1), " +
    "('max_pool_3x3', 3, 0), ('sep_conv_5x5', 3, 0), ('dil_conv_3x3', 3, 1), ('max_pool_3x3', 4, 0), ('dil_conv_5x5', 5, 0)], " +
    "normal_concat=range(2, 6), reduce=[('sep_conv_5x5', 2, 0), ('skip_connect', 2, 0), ('dil_conv_5x5', 2, 1), " +
    "('skip_connect', 2, 1), ('skip_connect', 3, 0), ('max_pool_3x3', 3, 0), ('max_pool_3x3', 3, 1), ('sep_conv_3x3', 3, 1), " +
    "('skip_connect', 3, 2), ('sep_conv_5x5', 3, 2), ('max_pool_3x3', 4, 0), ('avg_pool_3x3', 4, 0), ('dil_conv_5x5', 4, 1), " +
    "('sep_conv_3x3', 4, 1), ('sep_conv_5x5', 4, 2), ('skip_connect', 4, 2), ('skip_connect', 4, 3), ('sep_conv_5x5', 4, 3), " +
    "('max_pool_3x3', 5, 0), ('avg_pool_3x3', 5, 0), ('dil_conv_5x5', 5, 1), ('dil_conv_3x3', 5, 1), ('skip_connect', 5, 2), " +
    "('sep_conv_5x5', 5, 2), ('sep_conv_5x5', 5, 3), ('dil_conv_5x5', 5, 3), ('dil_conv_3x3', 5, 4), ('skip_connect', 5, 4)], " +
    'reduce_concat=range(2, 6))',
  ENASNet:
    "Genotype(normal=[('sep_conv_3x3', 1), ('skip_connect', 1), ('sep_conv_5x5', 1), ('skip_connect', 0), ('avg_pool_3x3', 0), " +
    "('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('avg_pool_3x3', 1), ('sep_conv_5x5', 1), ('avg_pool_3x3', 0)], " +
    "normal_concat=range(2, 7), reduce=[('sep_conv_5x5', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 1), ('avg_pool_3x3', 1), " +
    "('sep_conv_3x3', 1), ('avg_pool_3x3', 1), ('avg_pool_3x3', 1), ('sep_conv_5x5', 4), ('sep_conv_3x3', 5), ('sep_conv_5x5', 0)], " +
    'reduce_concat=range(2, 7))',
  DARTS_EXP1_RE1:
    "Genotype(normal=[('skip_connect', 0, 0.2386), ('sep_conv_3x3', 1, 0.234), ('dil_conv_3x3', 2, 0.3028), " +
    "('sep_conv_3x3', 0, 0.2745), ('dil_conv_3x3', 3, 0.3016), ('skip_connect', 0, 0.2737), ('dil_conv_5x5', 4, 0.3499), " +
    "('dil_conv_3x3', 3, 0.2212)], normal_concat=range(2, 6), reduce=[('avg_pool_3x3', 0, 0.2173), ('skip_connect', 1, 0.1925), " +
    "('skip_connect', 2, 0.2302), ('max_pool_3x3', 0, 0.186), ('skip_connect', 2, 0.3068), ('skip_connect', 3, 0.2695), " +
    "('skip_connect', 2, 0.269), ('avg_pool_3x3', 0, 0.2323)], reduce_concat=range(2, 6))",
  DARTS_EXP2_RE1:
    "Genotype(normal=[('sep_conv_3x3', 1, 0.2777), ('sep_conv_3x3', 0, 0.2562), ('dil_conv_3x3', 1, 0.2619), " +
    "('dil_conv_3x3', 2, 0.2521), ('skip_connect', 0, 0.3661), ('skip_connect', 2, 0.2936), ('dil_conv_3x3', 4, 0.2966), " +
    "('dil_conv_5x5', 3, 0.2533)], normal_concat=range(2, 6), reduce=[('max_pool_3x3', 0, 0.2234), ('sep_conv_3x3', 1, 0.1629), " +
    "('max_pool_3x3', 0, 0.2241), ('skip_connect', 2, 0.2205), ('skip_connect', 2, 0.28), ('max_pool_3x3', 0, 0.2083), " +
    "('skip_connect', 2, 0.2475), ('skip_connect', 4, 0.2225)], reduce_concat=range(2, 6))",
  DARTS_EXP1_RE2:
    "Genotype(normal=[('skip_connect', 0, 0.9), ('sep_conv_3x3', 1, 0.1), ('dil_conv_3x3', 2, 0.1), ('sep_conv_3x3', 0, 0.9), " +
    "('dil_conv_3x3', 3, 0.1), ('skip_connect', 0, 0.9), ('dil_conv_5x5', 4, 0.9), ('dil_conv_3x3', 3, 0.1)], " +
    "normal_concat=range(2, 6), reduce=[('avg_pool_3x3', 0, 0.1), ('skip_connect', 1, 0.9), ('skip_connect', 2, 0.9), " +
    "('max_pool_3x3', 0, 0.1), ('skip_connect', 2, 0.9), ('skip_connect', 3, 0.1), ('skip_connect', 2, 0.9), " +
    "('avg_pool_3x3', 0, 0.1)], reduce_concat=range(2, 6))",
  CDARTS_CIFAR:
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 1), ('sep_conv_3x3', 2), ('sep_conv_3x3', 0), " +
    "('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 2)], normal_concat=range(2, 6), reduce=[('sep_conv_5x5', 1), " +
    "('max_pool_3x3', 0), ('dil_conv_5x5', 2), ('skip_connect', 0), ('sep_conv_3x3', 0), ('sep_conv_5x5', 1), " +
    "('sep_conv_3x3', 0), ('dil_conv_5x5', 2)], reduce_concat=range(2, 6))",
  CDARTS_IMAGENET:
    "Genotype(normal=[('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 0), ('sep_conv_5x5', 2), ('sep_conv_5x5', 2), " +
    "('sep_conv_3x3', 1), ('sep_conv_3x3', 1), ('sep_conv_5x5', 4)], normal_concat=range(2, 6), reduce=[('sep_conv_5x5', 1), " +
    "('avg_pool_3x3', 0), ('max_pool_3x3', 1), ('dil_conv_5x5', 2), ('sep_conv_5x5', 1), ('dil_conv_5x5', 2), " +
    "('sep_conv_3x3', 3), ('dil_conv_3x3', 4)], reduce_concat=range(2, 6))",
};
