// dropout, of elements or of whole samples: the mask is drawn again on the way back.
#include "cuda/dropout.cuh"
#include "cuda/kernels.h"
#include "cuda/launch.h"

namespace dartsmith::cuda {
namespace {

using dropout::Dropout;

__global__ void __launch_bounds__(kThreads) dropout_kernel(DARTSMITH_ARGUMENT(Group<Dropout>) group) {
  begin_kernel();
  dropout::drop(group);
}

void start(Stream& stream, const KernelCall& call, const View& from, const View& to, bool accumulate) {
  const auto& [rate, whole_samples, number] = attributes_of<DropoutAttributes>(call);
  const Tensor& out = call.output;
  Group<Dropout> group;
  group.add({from, to, call.dropout, rate, whole_samples, accumulate, static_cast<uint32_t>(number),
             out.height * out.width, items_of(out), 0},
            divide_up(items_of(out), dropout::kItemsATask));
  launch(CudaStream::of(stream), KernelOf<Group<Dropout>>{dropout_kernel}, {group.tasks}, group);
}

void forward(Stream& stream, const KernelCall& call) {
  start(stream, call, view_of(call.inputs[0]), view_of(call.output), false);
}

void backward(Stream& stream, const KernelCall& call) {
  const GradientMode mode = call.input_gradients[0].mode;
  if (mode == GradientMode::kIgnore) return;
  start(stream, call, output_gradient_of(call), input_gradient_of(call, 0), mode == GradientMode::kAccumulate);
}

}  // namespace

const OpKernels dropout_kernels = {forward, backward, nullptr};

}  // namespace dartsmith::cuda
