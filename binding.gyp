# The plain build, run through node-gyp where there is no cmake: CPU only. Sources come from native/sources.json, which
# instruction sets from DARTSMITH_ISA (scripts/sources.mjs): all that the processor may have, or one.
{
  'variables': {
    'openssl_fips': '',
    'isas%': '<!(node scripts/sources.mjs sets <(target_arch))',
  },
  'target_defaults': {
    'cflags!': ['-fno-exceptions', '-fno-omit-frame-pointer'],
    'cflags_cc!': ['-fno-exceptions', '-fno-rtti', '-std=gnu++17', '-std=gnu++20'],
    'cflags_cc': ['-std=c++20', '-O3', '-Wall', '-Wextra', '-Wno-psabi', '-fvisibility=hidden'],
    'include_dirs': ['native'],
    'xcode_settings': {
      'GCC_ENABLE_CPP_EXCEPTIONS': 'YES',
      'CLANG_CXX_LANGUAGE_STANDARD': 'c++20',
      'OTHER_CPLUSPLUSFLAGS': ['-O3'],
    },
  },
  'targets': [
    {
      'target_name': 'dartsmith',
      'sources': ['<!@(node scripts/sources.mjs sources addon binding engine cpu no_cuda)'],
      'include_dirs': ["<!(node -p \"require('node-addon-api').include_dir\")"],
      'defines': ['NAPI_VERSION=8', 'NAPI_CPP_EXCEPTIONS', 'NODE_ADDON_API_DISABLE_DEPRECATED', 'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS'],
      'conditions': [
        ['",baseline," in isas', { 'dependencies': ['kernels_baseline'], 'defines': ['DARTSMITH_WITH_BASELINE'] }],
        ['",avx2," in isas', { 'dependencies': ['kernels_avx2'], 'defines': ['DARTSMITH_WITH_AVX2'] }],
        ['",avx512," in isas', { 'dependencies': ['kernels_avx512'], 'defines': ['DARTSMITH_WITH_AVX512'] }],
        ['",neon," in isas', { 'dependencies': ['kernels_neon'], 'defines': ['DARTSMITH_WITH_NEON'] }],
      ],
    },
  ],
  'conditions': [
    ['",baseline," in isas', {
      'targets': [{
        'target_name': 'kernels_baseline',
        'type': 'static_library',
        'sources': ['<!@(node scripts/sources.mjs sources cpu_kernels)'],
        'defines': ['DARTSMITH_ISA=baseline'],
        'cflags_cc': ['-ffp-contract=fast', '<!@(node scripts/sources.mjs flags baseline)'],
      }],
    }],
    ['",avx2," in isas', {
      'targets': [{
        'target_name': 'kernels_avx2',
        'type': 'static_library',
        'sources': ['<!@(node scripts/sources.mjs sources cpu_kernels)'],
        'defines': ['DARTSMITH_ISA=avx2'],
        'cflags_cc': ['-ffp-contract=fast', '<!@(node scripts/sources.mjs flags avx2)'],
      }],
    }],
    ['",avx512," in isas', {
      'targets': [{
        'target_name': 'kernels_avx512',
        'type': 'static_library',
        'sources': ['<!@(node scripts/sources.mjs sources cpu_kernels)'],
        'defines': ['DARTSMITH_ISA=avx512'],
        'cflags_cc': ['-ffp-contract=fast', '<!@(node scripts/sources.mjs flags avx512)'],
      }],
    }],
    ['",neon," in isas', {
      'targets': [{
        'target_name': 'kernels_neon',
        'type': 'static_library',
        'sources': ['<!@(node scripts/sources.mjs sources cpu_kernels)'],
        'defines': ['DARTSMITH_ISA=neon'],
        'cflags_cc': ['-ffp-contract=fast', '<!@(node scripts/sources.mjs flags neon)'],
      }],
    }],
  ],
}
