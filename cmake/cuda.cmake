# Finds nvcc and says how CUDA sources are compiled: cuda_target(target).
include(CheckLanguage)
check_language(CUDA)
if(NOT CMAKE_CUDA_COMPILER)
  message(FATAL_ERROR "DARTSMITH_CUDA=ON but nvcc is not on the PATH")
endif()
if(DARTSMITH_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES "${DARTSMITH_CUDA_ARCHITECTURES}")
else()
  # One architecture keeps an install quick; PTX serves GPUs that are newer.
  execute_process(COMMAND nvidia-smi --query-gpu=compute_cap --format=csv,noheader
    OUTPUT_VARIABLE found ERROR_QUIET RESULT_VARIABLE status OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(status EQUAL 0 AND found MATCHES "^([0-9]+)\\.([0-9])")
    set(CMAKE_CUDA_ARCHITECTURES "${CMAKE_MATCH_1}${CMAKE_MATCH_2}")
  else()
    set(CMAKE_CUDA_ARCHITECTURES "80")
  endif()
endif()
enable_language(CUDA)
# Of the host's code, which only queues: kernels are optimised in full whatever this says.
set(CMAKE_CUDA_FLAGS_RELEASE "-O1 -DNDEBUG")

# One of them says that libstdc++'s special functions (std::cyl_bessel_j and the like, in C++17's <cmath>) are there
# already: nothing here calls them, and every file would wait a tenth of a second for them, of one or two.
json_list(NVCC_FLAGS nvcc flags)
function(cuda_target target)
  target_include_directories(${target} PRIVATE native)
  target_include_directories(${target} SYSTEM PRIVATE ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES})
  set_target_properties(${target} PROPERTIES CUDA_STANDARD_REQUIRED OFF CUDA_RUNTIME_LIBRARY Static)
  # Results are those of the source: no fused multiply-adds but those it writes, no approximate division.
  target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CUDA>:${NVCC_FLAGS}>")
endfunction()
